package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/heysubinoy/remora/adapters/cli/screen"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// drawEvery is how often the bar is drawn; lines that scroll by take it away in between.
const drawEvery = 100 * time.Millisecond

// showProgress keeps the bar up to date until the returned function takes it away.
func (r *runner) showProgress() (end func()) {
	if r.bar == nil {
		return func() {}
	}
	began := r.app.Now()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(drawEvery)
		defer tick.Stop()
		for {
			r.bar.Draw(progress(r.counts(), r.app.Now().Sub(began)))
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
		r.app.bar.Store(nil)
		r.bar.Clear()
	}
}

// counts are the newest that are known.
func (r *runner) counts() domain.Tally {
	if t := r.asked.Load(); t != nil {
		return *t
	}
	return r.tally()
}

func progress(t domain.Tally, since time.Duration) string {
	done := t.Completed + t.Failed + t.Canceled
	text := fmt.Sprintf("%s %d of %d done", screen.Gauge(int(done), int(t.Total())), done, t.Total())
	for _, p := range []struct {
		n    int64
		word string
	}{{t.Failed, "failed"}, {t.Canceled, "canceled"}, {t.Running, "running"}, {t.Queued, "queued"}} {
		if p.n > 0 {
			text += fmt.Sprintf(", %d %s", p.n, p.word)
		}
	}
	return text + fmt.Sprintf("  %d:%02d", int(since.Minutes()), int(since.Seconds())%60)
}

// How often a batch is asked for its counts while nothing of it is shown.
const (
	firstAsk = 100 * time.Millisecond
	lastAsk  = time.Second
)

// await waits for the end of a batch of which nothing is shown before.
func (r *runner) await(ctx context.Context) error {
	var since time.Time // when the API was lost; zero while it is there
	for pause := firstAsk; ; pause = min(2*pause, lastAsk) {
		d, err := r.services.Batches.Get(ctx, r.batch, ports.JobQuery{Limit: 1})
		switch kind := domain.KindOf(err); {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil:
			since = time.Time{}
			r.app.reach(nil)
			r.asked.Store(&d.Tally)
			if d.Tally.Finished() {
				r.newlyEnded(ctx)
				return nil
			}
		case kind != domain.KindUnavailable && kind != domain.KindExhausted || !since.IsZero() && time.Since(since) > giveUpAfter:
			return err
		default:
			if since.IsZero() {
				since = time.Now()
			}
			r.app.reach(err)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
	}
}
