package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/heysubinoy/remora/adapters/httpapi/wire"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// pauses are the times of following.
type pauses struct {
	first   time.Duration // before the first new connection; doubled each time up to longest
	longest time.Duration
	silence time.Duration // nothing at all for so long: the connection is dead
	giveUp  time.Duration // the API was away for so long
}

func defaultPauses() pauses {
	return pauses{first: 100 * time.Millisecond, longest: 5 * time.Second, silence: 45 * time.Second, giveUp: 2 * time.Minute}
}

// errSilent ends a connection that has gone quiet without being closed.
var errSilent = errors.New("nothing came for too long")

// Follow implements ports.Output. A connection that breaks is made again from the last chunk that was emitted; an API that
// cannot be reached at all, or stays away for two minutes, is api_unreachable.
func (c *Output) Follow(ctx context.Context, id domain.JobID, after domain.Seq, emit func(ports.JobEvent) error) error {
	if !wire.IsID(string(id)) {
		return unknownJob(id)
	}
	f := &follower{conn: c.conn, id: id, cursor: after, emit: emit}
	pause, seen := c.pauses.first, time.Time{}
	for {
		before, began := f.told, time.Now()
		met, err := f.connect(ctx)
		switch {
		case f.done || f.failed != nil:
			return f.failed
		case ctx.Err() != nil:
			return contextError(ctx)
		case met:
			// One that was cut before it told anything is a failure as well, however well it began.
			if seen = time.Now(); f.told > before || seen.Sub(began) > c.pauses.longest {
				pause = c.pauses.first
			}
		case !passing(err) || seen.IsZero() || time.Since(seen) > c.pauses.giveUp:
			return err
		default:
			f.away = true
			c.reach(err)
		}
		// Half fixed, half by chance: many readers do not come back in step.
		wait := time.NewTimer(pause/2 + rand.N(pause/2+1))
		select {
		case <-ctx.Done():
			wait.Stop()
			return contextError(ctx)
		case <-wait.C:
		}
		pause = min(2*pause, c.pauses.longest)
	}
}

// passing reports whether an error may be gone at the next try.
func passing(err error) bool {
	switch domain.KindOf(err) {
	case domain.KindUnavailable, domain.KindTimeout, domain.KindExhausted:
		return true
	default:
		return false
	}
}

// follower is one Follow over any number of connections.
type follower struct {
	*conn
	id     domain.JobID
	cursor domain.Seq
	emit   func(ports.JobEvent) error
	last   *domain.Job // as it was last emitted
	told   int         // events that were emitted
	away   bool        // the last try did not meet the API
	done   bool        // complete was emitted
	failed error       // emit failed, or the events make no sense
}

// connect follows one connection to its end. met says that the API answered as it should.
func (f *follower) connect(ctx context.Context) (met bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(context.Canceled)
	silence := time.AfterFunc(f.pauses.silence, func() { cancel(errSilent) })
	defer silence.Stop()

	k := call{method: http.MethodGet, path: "jobs/" + string(f.id) + "/stream", header: http.Header{}}
	k.header.Set("Accept", "text/event-stream")
	k.header.Set("Last-Event-ID", strconv.FormatInt(int64(f.cursor), 10))
	resp, err := f.send(ctx, k)
	if errors.Is(context.Cause(ctx), errSilent) {
		return false, f.sendError(context.WithoutCancel(ctx), errSilent)
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		body := make([]byte, 64<<10)
		n, _ := readSome(resp.Body, body)
		return false, f.answerError(resp, body[:n])
	}
	if f.away {
		f.away = false
		f.reach(nil)
	}
	events := newEventReader(resp.Body, func() { silence.Reset(f.pauses.silence) })
	for {
		e, err := events.next()
		if errors.Is(err, errEventTooLarge) {
			f.failed = f.strange("an event that is too large").Because(err)
			return true, nil
		}
		if err != nil {
			return true, nil // cut: go on from the cursor
		}
		silence.Stop() // while emit takes its time, silence is ours
		if err := f.event(e); err != nil {
			f.failed = err
		}
		if f.done || f.failed != nil {
			return true, nil
		}
		silence.Reset(f.pauses.silence)
	}
}

func (f *follower) event(e event) error {
	switch e.name {
	case wire.EventOutput:
		var w wire.Chunk
		if err := f.read(e, &w); err != nil {
			return err
		}
		chunk := w.Domain()
		if chunk.Seq <= f.cursor {
			return nil
		}
		if err := f.emit(ports.JobEvent{Chunk: &chunk}); err != nil {
			return err
		}
		f.cursor = chunk.Seq
		f.told++
	case wire.EventStatus, wire.EventComplete:
		var w wire.Job
		if err := f.read(e, &w); err != nil {
			return err
		}
		job := w.Domain()
		complete := e.name == wire.EventComplete
		if !complete && f.last != nil && same(f.last, &job) {
			return nil // every connection begins with the state; this one is known
		}
		f.last = &job
		f.told++
		given := job
		if err := f.emit(ports.JobEvent{Job: &given, Complete: complete}); err != nil {
			return err
		}
		f.done = complete
	}
	return nil // an event of a newer API
}

func (f *follower) read(e event, out any) error {
	if err := json.Unmarshal(e.data, out); err != nil {
		return f.strange(fmt.Sprintf("an %s event that is not its JSON", e.name)).Because(err)
	}
	return nil
}

// same reports whether nothing of a job was saved between a and b.
func same(a, b *domain.Job) bool {
	return a.Revision == b.Revision && a.State() == b.State() && a.Attempt == b.Attempt && a.Epoch == b.Epoch &&
		a.CancelRequested == b.CancelRequested
}
