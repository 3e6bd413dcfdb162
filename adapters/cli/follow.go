package cli

import (
	"context"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// How a follower that lost the API tries again, and when it gives up.
const (
	firstRetry  = 100 * time.Millisecond
	lastRetry   = 2 * time.Second
	giveUpAfter = time.Minute
)

// pursuit follows one job; it may be left and taken up again.
type pursuit struct {
	output ports.Output
	id     domain.JobID
	after  domain.Seq  // of the last chunk that was emitted
	met    bool        // the API was there once: one that is away now comes back
	reach  func(error) // told that the API is away, and with nil that it is back
}

// follow goes on to the job's end, over interruptions of the API of up to giveUpAfter: emit sees every chunk once.
func (p *pursuit) follow(ctx context.Context, emit func(ports.JobEvent) error) error {
	var since time.Time // when the API was lost; zero while it is there
	wait := firstRetry
	for {
		var failed error // of emit
		err := p.output.Follow(ctx, p.id, p.after, func(e ports.JobEvent) error {
			if !since.IsZero() {
				p.reach(nil)
			}
			since, wait, p.met = time.Time{}, firstRetry, true
			if failed = emit(e); failed != nil {
				return failed
			}
			if e.Chunk != nil {
				p.after = e.Chunk.Seq
			}
			return nil
		})
		switch kind := domain.KindOf(err); {
		case err == nil || failed != nil:
			return failed
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case kind != domain.KindUnavailable && kind != domain.KindExhausted || !p.met:
			return err
		case since.IsZero():
			since = time.Now()
		case time.Since(since) >= giveUpAfter:
			return err
		}
		p.reach(err)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
		wait = min(2*wait, lastRetry)
	}
}
