package cli

import (
	"fmt"
	"strings"
	"sync"

	"github.com/heysubinoy/remora/adapters/cli/screen"
	"github.com/heysubinoy/remora/domain"
)

// lane is one server's part of a run. Its fields are read and written under its lock: the summary of a second Ctrl-C
// looks at lanes that are still at work.
type lane struct {
	server  domain.Server
	show    screen.Lane
	pursuit pursuit // whoever follows it has it
	attempt int     // of the last chunk

	mu        sync.Mutex
	submitted bool // the submission was sent
	job       *domain.Job
	err       error // why the job was not submitted, or not followed to its end
	cancelErr error
}

func (l *lane) saw(j domain.Job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.job = &j
}

func (l *lane) send() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.submitted = true
}

func (l *lane) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
}

func (l *lane) cancelFailed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cancelErr = err
}

// id returns the job's id, empty before it was submitted.
func (l *lane) id() domain.JobID {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.job == nil {
		return ""
	}
	return l.job.ID
}

// final returns the job once it has ended.
func (l *lane) final() *domain.Job {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.job != nil && l.job.Status.Final() {
		return l.job
	}
	return nil
}

// touched reports whether anything was sent for the lane that may have an effect.
func (l *lane) touched() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.submitted && (l.job != nil || l.err == nil)
}

// status returns the job's, empty before it was submitted.
func (l *lane) status() domain.Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.job == nil {
		return ""
	}
	return l.job.Status
}

// failed returns why its job was not submitted, or not followed to its end.
func (l *lane) failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// end returns its job as it was seen last, and why it was not submitted or not followed to its end.
func (l *lane) end() (*domain.Job, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.job, l.err
}

// fate tells how it went in words that are the same for others of which the same is to be told.
func (l *lane) fate() string {
	job, err := l.end()
	switch {
	case job == nil || !job.Status.Final():
		return l.outcome()
	case err != nil:
		return string(job.Status) + ", but its output could not be read to its end: " + err.Error()
	case job.Exit != nil && job.Reason == domain.ReasonExitNonzero:
		return string(job.Status) + " with exit code " + exitText(job.Exit)
	case job.Exit != nil && job.Reason == domain.ReasonSignal:
		return string(job.Status) + " by " + exitText(job.Exit)
	case job.Reason == "":
		return string(job.Status)
	}
	return string(job.Status) + ": " + string(job.Reason)
}

// outcome tells how it went.
func (l *lane) outcome() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.job == nil && l.err != nil:
		return "not submitted: " + l.err.Error()
	case l.job == nil && l.submitted:
		return "not known whether it was submitted"
	case l.job == nil:
		return "not submitted"
	case l.job.Status.Final():
		text := jobOutcome(l.job) + " (job " + string(l.job.ID) + ")"
		if l.err != nil {
			text += ", but its output could not be read to its end: " + l.err.Error()
		}
		return text
	}
	text := string(l.job.Status)
	if l.err != nil {
		text = "lost from sight: " + l.err.Error()
	}
	return fmt.Sprintf("%s; job %s goes on, `remora jobs logs -f %s` follows it", text, l.job.ID, l.job.ID)
}

// ending tells what an interruption did to it.
func (l *lane) ending() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.job == nil && l.err != nil:
		return "not submitted: " + l.err.Error()
	case l.job == nil && l.submitted:
		return "it is not known whether it was submitted; `remora jobs ls` tells"
	case l.job == nil:
		return "not submitted"
	case l.job.Status.Final():
		return jobEnding(l.job)
	case l.cancelErr != nil:
		return fmt.Sprintf("could not be canceled and may be alive: %v; `remora jobs cancel %s` tries again", l.cancelErr, l.job.ID)
	}
	return fmt.Sprintf("may be alive; `remora jobs get %s` tells", l.job.ID)
}

// jobOutcome tells how a finished job went.
func jobOutcome(j *domain.Job) string {
	text := string(j.Status)
	switch {
	case j.Status == domain.StatusCompleted || j.Reason == domain.ReasonUser:
	case j.Exit != nil && j.Reason == domain.ReasonExitNonzero:
		text += " with exit code " + exitText(j.Exit)
	case j.Exit != nil && j.Reason == domain.ReasonSignal:
		text += " by " + exitText(j.Exit)
	case j.Message != "":
		return text + ": " + j.Message
	case j.Reason == domain.ReasonBatch:
		return text + " with its batch"
	default:
		return text + ": " + string(j.Reason)
	}
	if d, ok := ran(j); ok {
		text += " after " + short(d)
	}
	return text
}

// jobEnding tells what is left of a job that was to be ended.
func jobEnding(j *domain.Job) string {
	r := j.Receipt
	switch {
	case r == nil && j.Status == domain.StatusCanceled && j.StartedAt.IsZero():
		return "canceled before it started"
	case r == nil && j.Status == domain.StatusCanceled:
		return "canceled; what is left of it is not known"
	case r == nil:
		return "had ended by itself: " + jobOutcome(j)
	case r.Confirmed:
		return string(j.Status) + ", 0 processes left"
	case len(r.Left) == 0:
		text := string(j.Status) + ", but it is not known what is left"
		if j.Message != "" {
			text += ": " + j.Message
		}
		return text
	}
	left := make([]string, len(r.Left))
	for i, p := range r.Left {
		left[i] = fmt.Sprintf("%d (%s)", p.PID, p.Command)
	}
	word := "processes"
	if len(left) == 1 {
		word = "process"
	}
	return fmt.Sprintf("%s, but %d %s left: pid %s", j.Status, len(left), word, strings.Join(left, ", "))
}
