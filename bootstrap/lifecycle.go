package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// lifecycle runs the parts of a program: begun in the order they were added, ended in reverse, each only when those that
// stand on it have ended. The first part that fails ends them all.
type lifecycle struct {
	parts []part
}

type part struct {
	name string
	run  func(ctx context.Context) error // until ctx is done; nil where there is nothing to run
	end  func() error                    // after run; nil where there is nothing to end
}

// runs adds a part that runs until its context is done.
func (l *lifecycle) runs(name string, run func(ctx context.Context) error) {
	l.parts = append(l.parts, part{name: name, run: run})
}

// closes adds a part that only has to be closed.
func (l *lifecycle) closes(name string, end func() error) {
	l.parts = append(l.parts, part{name: name, end: end})
}

// run runs everything until ctx is done or a part fails, then ends everything. It returns what failed, nil after a clean stop.
func (l *lifecycle) run(ctx context.Context) error {
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	base := context.WithoutCancel(ctx)
	ends := make([]func() error, len(l.parts))
	for i, p := range l.parts {
		ends[i] = begin(base, p, stop)
	}
	<-running.Done()
	var errs []error
	for i, p := range slices.Backward(l.parts) {
		if err := ends[i](); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p.name, err))
		}
	}
	return errors.Join(errs...)
}

// begin starts a part and returns what ends it and waits for it.
func begin(base context.Context, p part, failed context.CancelCauseFunc) func() error {
	ctx, cancel := context.WithCancelCause(base)
	var ran sync.WaitGroup
	var err error
	if p.run != nil {
		ran.Go(func() {
			if err = p.run(ctx); err != nil {
				failed(err)
			}
		})
	}
	return func() error {
		cancel(nil)
		ran.Wait()
		if p.end == nil {
			return err
		}
		return errors.Join(err, p.end())
	}
}

// close ends what was opened when a program could not be put together whole.
func (l *lifecycle) close() {
	for _, p := range slices.Backward(l.parts) {
		if p.end != nil {
			_ = p.end()
		}
	}
}
