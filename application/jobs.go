package application

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Rules are the settings that decide what may be submitted.
type Rules struct {
	DefaultTimeout time.Duration
	AllowedShells  []string // exact paths; the first is the default
	MaxQueued      int      // jobs that may wait; 0 = any number
}

// Jobs implements ports.Jobs.
type Jobs struct {
	Repository ports.JobRepository
	Servers    ports.ServerRepository
	Output     ports.OutputStore
	Signals    ports.Signals
	Clock      ports.Clock
	Entropy    ports.Entropy
	Rules      Rules
	Log        *slog.Logger // nil logs nothing

	waiting waiting
}

var _ ports.Jobs = (*Jobs)(nil)

// Submit implements ports.Jobs.
func (a *Jobs) Submit(ctx context.Context, s ports.Submission) (ports.JobDetail, error) {
	return a.submit(ctx, s, "")
}

func (a *Jobs) submit(ctx context.Context, s ports.Submission, origin domain.JobID) (ports.JobDetail, error) {
	job, err := a.newJob(s)
	if err != nil {
		return ports.JobDetail{}, err
	}
	job.RepeatOf(origin)
	server, _, err := a.Servers.Get(ctx, s.ServerID)
	if err != nil {
		return ports.JobDetail{}, err
	}
	var key ports.Idempotency
	if s.IdempotencyKey != "" {
		key = ports.Idempotency{Key: s.IdempotencyKey, Fingerprint: fingerprint(s, origin)}
	}
	refusal := a.refuse(ctx, server)
	accepted := []*domain.Job{job}
	if refusal != nil {
		accepted = nil // what was accepted before is still answered with its job
	}
	earlier, err := a.Repository.Add(ctx, key, accepted...)
	switch {
	case err != nil:
		return ports.JobDetail{}, err
	case earlier != nil:
		return a.detail(ctx, earlier)
	case refusal != nil:
		return ports.JobDetail{}, refusal
	}
	event(ctx, a.Log, domain.State{}, job)
	a.Signals.Publish(ports.TopicDispatch)
	return ports.JobDetail{Job: *job, Server: server.Ref()}, nil
}

// refuse returns why nothing new may be submitted to a server now.
func (a *Jobs) refuse(ctx context.Context, server *domain.Server) error {
	if !server.Active {
		return domain.ErrServerInactive.Withf("server %q is not active; activate it before running jobs on it", server.Name)
	}
	return a.admit(ctx, 1)
}

func (a *Jobs) newJob(s ports.Submission) (*domain.Job, error) {
	command, err := a.command(s)
	if err != nil {
		return nil, err
	}
	retry := domain.DefaultRetry()
	if s.Retry != nil {
		retry = *s.Retry
	}
	priority := s.Priority
	if priority == 0 {
		priority = domain.DefaultPriority
	}
	timeout := s.Timeout
	if timeout == 0 {
		timeout = a.Rules.DefaultTimeout
	}
	return domain.NewJob(domain.JobID(a.Entropy.ID()), s.ServerID, command, priority, timeout, retry, a.Clock.Now())
}

func (a *Jobs) command(s ports.Submission) (domain.Command, error) {
	given := 0
	for _, there := range []bool{s.Command != "", len(s.Argv) > 0, s.Script != ""} {
		if there {
			given++
		}
	}
	if given > 1 {
		return domain.Command{}, domain.Invalid("command", "give one of command, argv and script, not several")
	}
	switch {
	case s.Script != "":
		shell := s.Shell
		if shell == "" {
			shell = a.Rules.AllowedShells[0]
		}
		if !slices.Contains(a.Rules.AllowedShells, shell) {
			return domain.Command{}, domain.ErrShellNotAllowed.
				Withf("shell %q is not allowed; use one of %s, or ask for it in ALLOWED_SHELLS", shell, strings.Join(a.Rules.AllowedShells, ", ")).
				WithDetails(map[string]any{"field": "shell"})
		}
		return domain.Script(s.Script, s.Args, shell)
	case s.Shell != "":
		return domain.Command{}, domain.Invalid("shell", "shell goes with a script; a command is run by the login user's sh")
	case len(s.Argv) > 0:
		if s.Args != "" {
			return domain.Command{}, domain.Invalid("args", "args do not go with argv; put them into argv")
		}
		return domain.Argv(s.Argv)
	}
	return domain.ShellLine(s.Command, s.Args)
}

// Get implements ports.Jobs.
func (a *Jobs) Get(ctx context.Context, id domain.JobID) (ports.JobDetail, error) {
	job, err := a.Repository.Get(ctx, id)
	if err != nil {
		return ports.JobDetail{}, err
	}
	return a.detail(ctx, job)
}

// List implements ports.Jobs.
func (a *Jobs) List(ctx context.Context, q ports.JobQuery) (ports.JobPage, error) {
	if err := checkQuery(q); err != nil {
		return ports.JobPage{}, err
	}
	rows, err := a.Repository.List(ctx, q)
	if err != nil {
		return ports.JobPage{}, err
	}
	var ids []domain.ServerID
	for _, j := range rows.Jobs {
		if !slices.Contains(ids, j.ServerID) {
			ids = append(ids, j.ServerID)
		}
	}
	refs, err := a.Servers.Refs(ctx, ids)
	if err != nil {
		return ports.JobPage{}, err
	}
	page := ports.JobPage{Jobs: make([]ports.JobDetail, len(rows.Jobs)), Total: rows.Total, Capped: rows.Capped, Next: rows.Next}
	for i, j := range rows.Jobs {
		page.Jobs[i] = ports.JobDetail{Job: *j, Server: refs[j.ServerID]}
	}
	return page, nil
}

func checkQuery(q ports.JobQuery) error {
	if q.Limit < 1 || q.Limit > 100 {
		return domain.Invalid("limit", "limit %d is out of range; give 1 to 100", q.Limit)
	}
	if q.Page < 0 {
		return domain.Invalid("page", "page %d is out of range; pages count from 1", q.Page)
	}
	if q.Page > 0 && q.Cursor != "" {
		return domain.Invalid("page", "give page or cursor, not both")
	}
	for _, s := range q.Statuses {
		if !slices.Contains(domain.Statuses(), s) {
			return domain.Invalid("status", "status %q is unknown; use queued, running, completed, failed or canceled", s)
		}
	}
	reasons := append(domain.FailureReasons(), domain.CancelReasons()...)
	for _, r := range q.Reasons {
		if !slices.Contains(reasons, r) {
			return domain.Invalid("reason", "reason %q is unknown; jobs fail or are canceled for one of %v", r, reasons)
		}
	}
	if !q.CreatedAfter.IsZero() && !q.CreatedBefore.IsZero() && !q.CreatedAfter.Before(q.CreatedBefore) {
		return domain.Invalid("created_before", "created_before is not after created_after")
	}
	switch q.Sort {
	case "", ports.SortCreated, ports.SortUpdated, ports.SortStarted, ports.SortFinished, ports.SortStatus, ports.SortCommand, ports.SortPriority:
		return nil
	}
	return domain.Invalid("sort_by", "sort_by %q is unknown; use created_at, updated_at, started_at, finished_at, status, command or priority", q.Sort)
}

// Cancel implements ports.Jobs.
func (a *Jobs) Cancel(ctx context.Context, id domain.JobID) (ports.JobDetail, error) {
	for {
		job, err := a.Repository.Get(ctx, id)
		if err != nil {
			return ports.JobDetail{}, err
		}
		was := job.State()
		if err := job.RequestCancel(domain.ReasonUser, a.Clock.Now()); err != nil {
			return ports.JobDetail{}, domain.ErrJobFinal.Withf("the job has finished already: it is %s", job.Status)
		}
		err = a.Repository.Save(ctx, job)
		if errors.Is(err, domain.ErrStaleJob) {
			continue
		}
		if err != nil {
			return ports.JobDetail{}, err
		}
		event(ctx, a.Log, was, job)
		a.Signals.Publish(ports.TopicJob(id))
		if job.Worker != "" && job.Status == domain.StatusRunning {
			a.Signals.Publish(ports.TopicWorker(job.Worker))
		}
		a.Signals.Publish(ports.TopicDispatch)
		return a.detail(ctx, job)
	}
}

func (a *Jobs) detail(ctx context.Context, job *domain.Job) (ports.JobDetail, error) {
	refs, err := a.Servers.Refs(ctx, []domain.ServerID{job.ServerID})
	if err != nil {
		return ports.JobDetail{}, err
	}
	d := ports.JobDetail{Job: *job, Server: refs[job.ServerID]}
	if d.Stdout, err = a.tail(ctx, job, domain.Stdout); err != nil {
		return ports.JobDetail{}, err
	}
	d.Stderr, err = a.tail(ctx, job, domain.Stderr)
	return d, err
}

func (a *Jobs) tail(ctx context.Context, job *domain.Job, s domain.Stream) (ports.Tail, error) {
	size := job.Output.Of(s)
	if size == 0 {
		return ports.Tail{}, nil
	}
	from := max(0, size-ports.TailBytes)
	r := &outputReader{ctx: ctx, store: a.Output, attempt: job.AttemptID(), stream: s, at: from, end: size}
	data, err := io.ReadAll(r)
	return ports.Tail{Data: data, Truncated: from > 0}, err
}

// fingerprint tells two submissions apart.
func fingerprint(s ports.Submission, origin domain.JobID) string {
	h := sha256.New()
	retry := "default"
	if s.Retry != nil {
		retry = fmt.Sprintf("%s %d", s.Retry.Mode, s.Retry.MaxAttempts)
	}
	fmt.Fprintf(h, "%q %q %q %q %q %q %d %d %q %q",
		s.ServerID, s.Command, s.Argv, s.Script, s.Args, s.Shell, s.Timeout, s.Priority, retry, origin)
	return hex.EncodeToString(h.Sum(nil))
}
