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

// follow follows a job to its end, over interruptions of the API of up to giveUpAfter: emit sees every chunk once.
// lost is told when the API is away for the first time in a row.
func follow(ctx context.Context, output ports.Output, id domain.JobID, after domain.Seq, lost func(error), emit func(ports.JobEvent) error) error {
	var since time.Time // when the API was lost; zero while it is there
	wait := firstRetry
	for {
		var failed error // of emit
		err := output.Follow(ctx, id, after, func(e ports.JobEvent) error {
			since, wait = time.Time{}, firstRetry
			if failed = emit(e); failed != nil {
				return failed
			}
			if e.Chunk != nil {
				after = e.Chunk.Seq
			}
			return nil
		})
		switch kind := domain.KindOf(err); {
		case err == nil || failed != nil:
			return failed
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case kind != domain.KindUnavailable && kind != domain.KindExhausted:
			return err
		case since.IsZero():
			since = time.Now()
			lost(err)
		case time.Since(since) >= giveUpAfter:
			return err
		}
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
