package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// maxHints bounds for how many servers a summary looks up a host key.
const maxHints = 10

// summary tells how the run went, and returns the exit code that belongs to it.
func (r *runner) summary(ctx context.Context) error {
	var tally domain.Tally
	unknown, code := 0, exitDone
	for _, l := range r.lanes {
		l.mu.Lock()
		job, err := l.job, l.err
		l.mu.Unlock()
		c := laneCode(job, err)
		if c != exitDone || len(r.lanes) == 1 && !r.options.quiet {
			r.app.note("%s: %s", l.server.Name, r.outcome(l, job, err))
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
	if len(r.lanes) > 1 && (code != exitDone || !r.options.quiet) {
		r.app.note("%s: %s", count(len(r.lanes), "server"), tallyText(tally, unknown))
	}
	r.hostKeyHints(ctx)
	if r.app.global.form != formTable {
		if err := r.results(ctx); err != nil {
			return err
		}
	}
	return exit(code)
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
		return exitDone
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

// results prints the finished jobs with their output, for -o json and -o yaml.
func (r *runner) results(ctx context.Context) error {
	shapes := []jobShape{}
	var missing error
	for _, l := range r.lanes {
		id := l.id()
		if id == "" {
			continue
		}
		d, err := r.services.Jobs.Get(ctx, id)
		if err != nil {
			missing = errors.Join(missing, err)
			continue
		}
		shapes = append(shapes, wholeJob(d))
	}
	if err := r.app.print(shapes, func(io.Writer) {}); err != nil {
		return err
	}
	return missing
}
