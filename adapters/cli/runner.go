package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/heysubinoy/remora/adapters/cli/screen"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// runner carries one submission to many servers.
type runner struct {
	app      *app
	services Services
	options  runOptions
	what     ports.Submission
	lanes    []*lane

	stop   context.CancelCauseFunc // begins to end everything, as Ctrl-C does
	broken sync.Once
}

// errOutput says that what the servers printed cannot be written.
type errOutput struct{ err error }

// Error implements error.
func (e *errOutput) Error() string { return e.err.Error() }

// Unwrap returns the writer's error.
func (e *errOutput) Unwrap() error { return e.err }

func newRunner(a *app, s Services, o runOptions, what ports.Submission, servers []domain.Server) *runner {
	r := &runner{app: a, services: s, options: o, what: what}
	out, err := a.faces()
	if a.global.form != formTable {
		out, err = screen.Face{To: io.Discard}, screen.Face{To: io.Discard}
	}
	names := make([]string, len(servers))
	for i, server := range servers {
		names[i] = server.Name
	}
	wall := screen.NewWall(out, err, names)
	for _, server := range servers {
		l := &lane{server: server, show: wall.Lane(server.Name)}
		if len(servers) == 1 {
			l.show = screen.NewRaw(out, err)
		}
		r.lanes = append(r.lanes, l)
	}
	return r
}

// each works on all lanes, at most n at once, and starts none after ctx is done.
func (r *runner) each(ctx context.Context, n int, work func(l *lane)) {
	places := make(chan struct{}, n)
	var all sync.WaitGroup
	defer all.Wait()
	for _, l := range r.lanes {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return
		}
		if ctx.Err() != nil {
			return
		}
		all.Go(func() {
			defer func() { <-places }()
			work(l)
		})
	}
}

// submit stores the lane's job. A signal does not cut it short: then nobody would know whether there is a job to end.
func (r *runner) submit(l *lane) bool {
	s := r.what
	s.ServerID = l.server.ID
	s.IdempotencyKey = onceKey()
	l.send()
	d, err := r.services.Jobs.Submit(r.app.hard, s)
	if err != nil {
		if r.app.hard.Err() == nil {
			l.fail(err)
		}
		return false
	}
	l.saw(d.Job)
	return true
}

type detachedShape struct {
	Server string       `json:"server"`
	JobID  domain.JobID `json:"job_id"`
}

// submitAll stores all jobs and prints their ids.
func (r *runner) submitAll(ctx context.Context) error {
	r.each(ctx, defaultParallel, func(l *lane) { r.submit(l) })
	made := []detachedShape{}
	var failed error
	for _, l := range r.lanes {
		if id := l.id(); id != "" {
			made = append(made, detachedShape{l.server.Name, id})
		} else if l.err != nil {
			failed = l.err
			r.app.note("%s: not submitted: %s", l.server.Name, r.app.explain(l.err))
		}
	}
	err := r.app.print(made, func(w io.Writer) {
		for _, m := range made {
			if len(r.lanes) == 1 {
				row(w, string(m.JobID))
			} else {
				row(w, m.Server, string(m.JobID))
			}
		}
	})
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		r.app.note("interrupted; %d of %d jobs were submitted and go on", len(made), len(r.lanes))
		return exit(exitInterrupted)
	case failed != nil && len(r.lanes) == 1:
		return exit(ExitCode(failed))
	case failed != nil:
		return exit(exitFailed)
	}
	return nil
}

// runAll runs on all servers and tells how it went.
func (r *runner) runAll(parent context.Context) error {
	ctx, stop := context.WithCancelCause(parent)
	defer stop(nil)
	r.stop = stop
	ending, end := context.WithCancelCause(r.app.hard) // after it was said, so that what comes of it is read after it
	defer end(nil)
	release := context.AfterFunc(ctx, func() {
		r.tellInterrupted(context.Cause(ctx))
		end(context.Cause(ctx))
	})
	r.app.abandon.set(r.alive)
	patience := time.AfterFunc(queuedLong, r.tellQueued)
	defer patience.Stop()
	r.each(ctx, r.options.parallel, func(l *lane) { r.carry(ending, l) })
	if r.app.hard.Err() != nil {
		return errInterrupted
	}
	r.app.abandon.set(nil)
	if release() {
		return r.summary(parent)
	}
	<-ending.Done()
	return r.endings(context.Cause(ctx))
}

// carry takes one job from its submission to its end, which comes sooner when ending is done.
func (r *runner) carry(ending context.Context, l *lane) {
	if !r.submit(l) {
		return
	}
	following, stop := context.WithCancelCause(r.app.hard)
	defer stop(nil)
	canceled := make(chan struct{})
	release := context.AfterFunc(ending, func() {
		defer close(canceled)
		r.cancel(l, stop)
	})
	p := &pursuit{output: r.services.Output, id: l.id(), met: true, reach: r.app.reach}
	err := p.follow(following, r.emit(l))
	if !release() {
		<-canceled
	}
	if err != nil && l.final() == nil {
		l.fail(err)
	}
	r.write(l.show.Flush())
}

// cancel asks for the end of a lane's job. Where that fails there is no end to wait for.
func (r *runner) cancel(l *lane, stop context.CancelCauseFunc) {
	_, err := r.services.Jobs.Cancel(r.app.hard, l.id())
	if err == nil || errors.Is(err, domain.ErrJobFinal) {
		return
	}
	l.cancelFailed(err)
	stop(err)
}

// emit returns what takes a lane's events in.
func (r *runner) emit(l *lane) func(ports.JobEvent) error {
	attempt := 1
	return func(e ports.JobEvent) error {
		if e.Job != nil {
			l.saw(*e.Job)
		}
		if e.Chunk == nil {
			return nil
		}
		if e.Chunk.Attempt > attempt {
			attempt = e.Chunk.Attempt
			r.write(l.show.Flush())
			r.app.note("%s: attempt %d begins", l.server.Name, attempt)
		}
		r.write(l.show.Write(e.Chunk.Stream, e.Chunk.Data))
		return nil
	}
}

// write takes a writer's error in: when nobody reads any more, everything is ended, and followed to its end.
func (r *runner) write(err error) {
	if err != nil {
		r.broken.Do(func() { r.stop(&errOutput{err}) })
	}
}

func (r *runner) tellInterrupted(cause error) {
	if out, ok := errors.AsType[*errOutput](cause); ok {
		if !errors.Is(out, syscall.EPIPE) {
			r.app.note("output cannot be written: %v", out.err)
		}
		return
	}
	if slices.ContainsFunc(r.lanes, (*lane).touched) {
		r.app.note("interrupted; ending what was started; Ctrl-C again leaves without waiting")
	}
}

// queuedLong is after which time people want to know that nothing has begun.
const queuedLong = 5 * time.Second

func (r *runner) tellQueued() {
	if r.options.quiet {
		return
	}
	queued := 0
	for _, l := range r.lanes {
		if l.queued() {
			queued++
		}
	}
	if queued > 0 {
		r.app.note("%s still queued; if that stays so, see whether a worker is running", count(queued, "job"))
	}
}

// alive tells of the lanes that are not over, for whoever leaves without waiting.
func (r *runner) alive() []string {
	var lines []string
	for _, l := range r.lanes {
		if l.final() == nil && l.touched() {
			lines = append(lines, l.server.Name+": "+l.ending())
		}
	}
	return lines
}

// endings tells what an interruption did, server by server.
func (r *runner) endings(cause error) error {
	untouched := 0
	for _, l := range r.lanes {
		if !l.touched() && l.err == nil {
			untouched++
			continue
		}
		r.app.note("%s: %s", l.server.Name, l.ending())
	}
	switch {
	case untouched == len(r.lanes):
		r.app.note("interrupted before anything was submitted")
	case untouched > 0:
		r.app.note("%s not submitted", count(untouched, "more job"))
	}
	if _, ok := errors.AsType[*errOutput](cause); ok {
		return exit(exitFailed)
	}
	return exit(exitInterrupted)
}

func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
