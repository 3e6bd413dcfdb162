package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/heysubinoy/remora/adapters/cli/screen"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// runner carries one submission to its servers: to one as a job, to several, or to be compared, as a batch.
type runner struct {
	app      *app
	services Services
	options  runOptions
	what     ports.Submission
	lanes    []*lane
	lane     map[domain.JobID]*lane                                    // once submitted
	batch    domain.BatchID                                            // empty where one job is all
	sent     func(ctx context.Context, key string) (domain.Job, error) // in place of submitting the one job
	bar      *screen.Bar                                               // nil without a terminal to show it
	asked    atomic.Pointer[domain.Tally]

	stop     context.CancelCauseFunc // begins to end everything, as Ctrl-C does
	unfollow context.CancelCauseFunc // ends the following of what cannot be ended
	broken   sync.Once
}

// errOutput says that what the servers printed cannot be written.
type errOutput struct{ err error }

// Error implements error.
func (e *errOutput) Error() string { return e.err.Error() }

// Unwrap returns the writer's error.
func (e *errOutput) Unwrap() error { return e.err }

func newRunner(a *app, s Services, o runOptions, what ports.Submission, servers []domain.Server) *runner {
	r := &runner{app: a, services: s, options: o, what: what, lane: map[domain.JobID]*lane{}}
	if a.tty.err && a.Getenv("TERM") != "dumb" && len(servers) > 1 && !o.detach {
		r.bar = screen.NewBar(a.Stderr, a.width)
	}
	out, err := a.faces()
	if r.bar != nil {
		a.bar.Store(r.bar)
		err.To = r.bar.Over(err.To)
		if out.Terminal {
			out.To = r.bar.Over(out.To)
		}
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

// live reports whether output is shown as it comes.
func (r *runner) live() bool { return !r.options.group && r.app.global.form == formTable }

// submit stores the job or the batch. A signal does not cut it short: then nobody would know whether there is a job to end.
func (r *runner) submit() error {
	for _, l := range r.lanes {
		l.send()
	}
	s := r.what
	s.IdempotencyKey = onceKey()
	jobs, err := r.send(r.app.hard, s)
	for _, l := range r.lanes {
		switch d, ok := jobs[l.server.ID]; {
		case ok:
			l.saw(d)
			l.pursuit = pursuit{output: r.services.Output, id: d.ID, met: true, reach: r.app.reach}
			r.lane[d.ID] = l
		case err != nil && r.app.hard.Err() == nil:
			l.fail(err)
		case err == nil:
			l.fail(errNoJob)
		}
	}
	return err
}

var errNoJob = &domain.Error{Kind: domain.KindInternal, Code: "batch_incomplete", Message: "the batch has no job for this server"}

func (r *runner) send(ctx context.Context, s ports.Submission) (map[domain.ServerID]domain.Job, error) {
	if r.sent != nil {
		job, err := r.sent(ctx, s.IdempotencyKey)
		if err != nil {
			return nil, err
		}
		return map[domain.ServerID]domain.Job{r.lanes[0].server.ID: job}, nil
	}
	if len(r.lanes) == 1 && !r.options.group {
		s.ServerID = r.lanes[0].server.ID
		d, err := r.services.Jobs.Submit(ctx, s)
		if err != nil {
			return nil, err
		}
		return map[domain.ServerID]domain.Job{s.ServerID: d.Job}, nil
	}
	b := ports.BatchSubmission{Submission: s, MaxParallel: r.options.parallel, StopAfterFailures: r.options.stopAfter}
	for _, l := range r.lanes {
		b.ServerIDs = append(b.ServerIDs, l.server.ID)
	}
	d, err := r.services.Batches.Submit(ctx, b)
	if err != nil {
		return nil, r.named(err)
	}
	r.batch = d.Batch.ID
	jobs := make(map[domain.ServerID]domain.Job, len(d.Jobs.Jobs))
	for _, made := range d.Jobs.Jobs {
		jobs[made.Job.ServerID] = made.Job
	}
	return jobs, nil
}

// named adds the names of the servers that an error's details tell by their ids.
func (r *runner) named(err error) error {
	e, ok := errors.AsType[*domain.Error](err)
	if !ok {
		return err
	}
	ids, _ := e.Details["server_ids"].([]any)
	var names []string
	for _, l := range r.lanes {
		if slices.Contains(ids, any(string(l.server.ID))) {
			names = append(names, l.server.Name)
		}
	}
	if len(names) == 0 {
		return err
	}
	return e.Withf("%s: %s", screen.Fold(names), e.Message)
}

type detachedShape struct {
	Server  string         `json:"server"`
	JobID   domain.JobID   `json:"job_id"`
	BatchID domain.BatchID `json:"batch_id,omitempty"`
}

// detach stores all jobs and prints their ids.
func (r *runner) detach(ctx context.Context) error {
	r.app.abandon.set(r.alive)
	release := context.AfterFunc(ctx, func() {
		r.app.note("interrupted; waiting for the answer, to tell what was submitted; Ctrl-C again leaves without waiting")
	})
	err := r.submit()
	r.app.abandon.set(nil)
	interrupted := !release()
	if err != nil {
		return err
	}
	made := []detachedShape{}
	for _, l := range r.lanes {
		made = append(made, detachedShape{l.server.Name, l.id(), r.batch})
	}
	err = r.app.print(made, func(w io.Writer) {
		for _, m := range made {
			if len(r.lanes) == 1 {
				row(w, string(m.JobID))
			} else {
				row(w, m.Server, string(m.JobID))
			}
		}
	})
	if err == nil && r.batch != "" {
		r.app.note("batch %s", r.batch)
	}
	if err == nil && interrupted {
		r.app.note("%s submitted; what was submitted goes on", count(len(made), "job"))
		return exit(exitInterrupted)
	}
	return err
}

// run runs on all servers and tells how it went.
func (r *runner) run(parent context.Context) error {
	ctx, stop := context.WithCancelCause(parent)
	defer stop(nil)
	following, unfollow := context.WithCancelCause(r.app.hard)
	defer unfollow(nil)
	r.stop, r.unfollow = stop, unfollow
	r.app.abandon.set(r.alive)
	submitted, canceled := make(chan struct{}), make(chan struct{})
	release := context.AfterFunc(ctx, func() {
		defer close(canceled)
		r.tellInterrupted(context.Cause(ctx))
		<-submitted
		r.cancel()
	})
	var err error = errInterrupted
	if ctx.Err() == nil {
		err = r.submit()
	}
	close(submitted)
	if err == nil {
		err = r.follow(following)
	}
	if r.app.hard.Err() != nil {
		return errInterrupted
	}
	if !release() {
		<-canceled
		r.app.abandon.set(nil)
		return r.endings(context.Cause(ctx))
	}
	r.app.abandon.set(nil)
	if err != nil && (len(r.lanes) > 1 || r.lanes[0].id() != "") {
		return err
	}
	return r.summary(parent)
}

// follow goes on until nothing of it is left to be seen.
func (r *runner) follow(ctx context.Context) error {
	patience := time.AfterFunc(queuedLong, r.tellQueued)
	defer patience.Stop()
	defer r.showProgress()()
	if r.batch != "" && !r.live() {
		return r.await(ctx)
	}
	newCrew(r).follow(ctx)
	return nil
}

// cancel asks for the end of everything. Where that fails there is no end to wait for.
func (r *runner) cancel() {
	var err error
	switch {
	case r.batch != "":
		_, err = r.services.Batches.Cancel(r.app.hard, r.batch)
	case r.lanes[0].id() != "":
		_, err = r.services.Jobs.Cancel(r.app.hard, r.lanes[0].id())
	}
	if err == nil || errors.Is(err, domain.ErrJobFinal) || errors.Is(err, domain.ErrBatchFinished) {
		return
	}
	for _, l := range r.lanes {
		l.cancelFailed(err)
	}
	r.unfollow(err)
}

// emit returns what takes a lane's events in.
func (r *runner) emit(l *lane) func(ports.JobEvent) error {
	return func(e ports.JobEvent) error {
		if e.Job != nil {
			l.saw(*e.Job)
		}
		if e.Chunk == nil || !r.live() {
			return nil
		}
		if before := l.attempt; e.Chunk.Attempt > max(before, 1) {
			r.write(l.show.Flush())
			r.app.note("%s: attempt %d begins", l.server.Name, e.Chunk.Attempt)
		}
		l.attempt = e.Chunk.Attempt
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
	if t := r.tally(); t.Queued > 0 && t.Queued == t.Total() {
		r.app.note("%s still queued; if that stays so, see whether a worker is running", count(int(t.Queued), "job"))
	}
}

// tally counts the jobs as they were seen last.
func (r *runner) tally() domain.Tally {
	var t domain.Tally
	for _, l := range r.lanes {
		if s := l.status(); s != "" {
			t.Add(s, 1)
		}
	}
	return t
}

// alive tells of the lanes that are not over, for whoever leaves without waiting.
func (r *runner) alive() []string {
	return r.folded(func(l *lane) (string, bool) { return l.ending(), l.final() == nil && l.touched() })
}

// endings tells what an interruption did, servers of the same fate together.
func (r *runner) endings(cause error) error {
	lines := r.folded(func(l *lane) (string, bool) { return l.ending(), l.touched() || l.failed() != nil })
	for _, line := range lines {
		r.app.note("%s", line)
	}
	if len(lines) == 0 {
		r.app.note("interrupted before anything was submitted")
	}
	if _, ok := errors.AsType[*errOutput](cause); ok {
		return exit(exitFailed)
	}
	return exit(exitInterrupted)
}

// folded returns a line for each text that is told of lanes, behind the names of its servers.
func (r *runner) folded(tell func(*lane) (text string, told bool)) []string {
	var texts []string
	names := map[string][]string{}
	for _, l := range r.lanes {
		text, told := tell(l)
		if !told {
			continue
		}
		if names[text] == nil {
			texts = append(texts, text)
		}
		names[text] = append(names[text], l.server.Name)
	}
	for i, text := range texts {
		texts[i] = screen.Fold(names[text]) + ": " + text
	}
	return texts
}

func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
