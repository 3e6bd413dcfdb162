package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// maxHints bounds for how many servers a summary looks up a host key.
const maxHints = 10

// maxTold bounds how many servers a summary tells of one by one.
const maxTold = 10

// summary tells how the run went, and returns the exit code that belongs to it.
func (r *runner) summary(ctx context.Context) error {
	if err := r.show(ctx); err != nil {
		return err
	}
	var tally domain.Tally
	var told []*lane
	unknown, code := 0, exitDone
	for _, l := range r.lanes {
		job, err := l.end()
		c := laneCode(job, err)
		if c != exitDone || len(r.lanes) == 1 && !r.options.quiet {
			told = append(told, l)
		}
		if job != nil && job.Status.Final() {
			tally.Add(job.Status, 1)
		} else {
			unknown++
		}
		if c != exitDone {
			code = exitFailed
		}
		if len(r.lanes) == 1 {
			code = c
		}
	}
	r.tell(told)
	if len(r.lanes) > 1 && (code != exitDone || !r.options.quiet) {
		r.app.note("%s: %s", count(len(r.lanes), "server"), tallyText(tally, unknown))
	}
	if len(told) > maxTold {
		r.app.note("`remora jobs ls --batch %s --status failed` lists what failed", r.batch)
	}
	r.hostKeyHints(ctx)
	return exit(code)
}

// show prints what is shown at the end: data, or the groups of equal output.
func (r *runner) show(ctx context.Context) error {
	switch {
	case r.options.group:
		groups, err := r.services.Batches.Groups(ctx, r.batch)
		if err != nil {
			return err
		}
		if r.app.global.form != formTable {
			return r.app.print(groupsOf(r.batch, groups), nil)
		}
		return r.app.grouper(r.services, r.options.diff).print(ctx, groups)
	case r.app.global.form != formTable:
		return r.results(ctx)
	}
	return nil
}

// tell tells of lanes one by one, or where they are many, of those together that ended alike.
func (r *runner) tell(lanes []*lane) {
	if len(lanes) <= maxTold {
		for _, l := range lanes {
			job, err := l.end()
			r.app.note("%s: %s", l.server.Name, r.outcome(l, job, err))
		}
		return
	}
	for _, line := range r.folded(func(l *lane) (string, bool) { return l.fate(), slices.Contains(lanes, l) }) {
		r.app.note("%s", line)
	}
}

// outcome is the lane's, with what to do where the job never came to be.
func (r *runner) outcome(l *lane, job *domain.Job, err error) string {
	if job == nil && err != nil {
		return "not submitted: " + r.app.explain(err)
	}
	text := l.outcome()
	if job != nil && job.Reason == domain.ReasonCredentialNeeded {
		text += "; `remora servers edit " + quote(l.server.Name) + "` with --key FILE or --password-stdin gives it"
	}
	return text
}

// laneCode returns the exit code that belongs to one server's part.
func laneCode(job *domain.Job, err error) int {
	switch {
	case job == nil || !job.Status.Final():
		if err == nil {
			return exitFailed
		}
		return ExitCode(err)
	case job.Status == domain.StatusCompleted:
		return ExitCode(err) // its output may not have come to its end
	case job.Reason == domain.ReasonTimeout:
		return exitTimeout
	case job.Exit != nil && job.Exit.Code != 0 && (job.Reason == domain.ReasonExitNonzero || job.Reason == domain.ReasonSignal):
		return job.Exit.Code
	}
	return exitFailed
}

func tallyText(t domain.Tally, unknown int) string {
	var parts []string
	for _, p := range []struct {
		n    int64
		word string
	}{
		{t.Completed, "completed"}, {t.Failed, "failed"}, {t.Canceled, "canceled"}, {int64(unknown), "not known"},
	} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.word))
		}
	}
	return strings.Join(parts, ", ")
}

// hostKeyHints shows the keys of servers whose host key was refused, and how to confirm them.
func (r *runner) hostKeyHints(ctx context.Context) {
	var refused []*lane
	for _, l := range r.lanes {
		if j := l.final(); j != nil && (j.Reason == domain.ReasonHostKeyUnknown || j.Reason == domain.ReasonHostKeyMismatch) {
			refused = append(refused, l)
		}
	}
	if len(refused) > maxHints {
		r.app.note("%d servers have no confirmed host key; `remora servers trust NAME` shows each and asks", len(refused))
		return
	}
	reports := make([]ports.TestReport, len(refused))
	var all sync.WaitGroup
	for i, l := range refused {
		all.Go(func() {
			if report, err := r.services.Access.Test(ctx, l.server.ID); err == nil {
				reports[i] = report
			}
		})
	}
	all.Wait()
	for i, l := range refused {
		r.app.hostKeyHint(l.server, reports[i].Seen)
	}
}

// hostKeyHint says which key a server shows, what to compare it with, and the command that confirms it.
func (a *app) hostKeyHint(s domain.Server, seen *domain.HostKey) {
	name := quote(s.Name)
	if seen == nil {
		a.say("  Confirm the host key of %s with:\n    remora servers trust %s", s.Name, name)
		return
	}
	if s.HostKey != nil && s.HostKey.Fingerprint != seen.Fingerprint {
		a.say("  %s shows another host key than the confirmed one. Unless you know why, somebody may be in between.", s.Name)
		a.say("    confirmed: %s\n    shown:     %s", keyText(s.HostKey), keyText(seen))
		a.say("  If the server was set up anew and this is its key, confirm it with:")
	} else {
		a.say("  %s shows this host key:\n    %s", s.Name, keyText(seen))
		a.say("  Compare it with what `ssh-keygen -lf` prints for the server's own key in /etc/ssh, then confirm it with:")
	}
	a.say("    remora servers trust %s --fingerprint %s", name, seen.Fingerprint)
}

func keyText(k *domain.HostKey) string {
	if k.Type == "" {
		return k.Fingerprint
	}
	return k.Fingerprint + " (" + k.Type + ")"
}

// resultsAtOnce bounds how many jobs are read at the same time.
const resultsAtOnce = 8

// results prints the finished jobs with their output, for -o json and -o yaml.
func (r *runner) results(ctx context.Context) error {
	shapes := make([]*jobShape, len(r.lanes))
	errs := make([]error, len(r.lanes))
	places := make(chan struct{}, resultsAtOnce)
	var all sync.WaitGroup
	for i, l := range r.lanes {
		id := l.id()
		if id == "" {
			continue
		}
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			d, err := r.services.Jobs.Get(ctx, id)
			if err != nil {
				errs[i] = err
				return
			}
			shape := wholeJob(d)
			shapes[i] = &shape
		})
	}
	all.Wait()
	shapes = slices.DeleteFunc(shapes, func(s *jobShape) bool { return s == nil })
	return errors.Join(r.app.print(shapes, nil), errors.Join(errs...))
}
