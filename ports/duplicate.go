package ports

import (
	"slices"
	"time"

	"github.com/heysubinoy/remora/domain"
)

// Change names what a duplicate does differently; nil leaves a thing as it was. A command in another form than the first
// job's replaces it whole: arguments and shell of the old form do not come along.
type Change struct {
	ServerID *domain.ServerID
	Command  *string
	Argv     []string
	Script   *string
	Args     *string
	Shell    *string
	Timeout  *time.Duration
	Priority *domain.Priority
	Retry    *domain.Retry

	IdempotencyKey string
}

// Copy is a job that was made from another.
type Copy struct {
	Original JobDetail // without output
	New      JobDetail
}

// Apply returns the submission that runs what job ran, changed. Fails with domain.KindInvalid (the field's code) where
// the change contradicts itself or the job, or writes down an empty value.
func (c Change) Apply(job *domain.Job) (Submission, error) {
	kind, err := c.kind(job.Command.Kind)
	if err != nil {
		return Submission{}, err
	}
	before := job.Command
	if kind != before.Kind {
		before = domain.Command{}
	}
	retry := orElse(c.Retry, job.Retry)
	s := Submission{
		ServerID: orElse(c.ServerID, job.ServerID), Args: orElse(c.Args, before.Args),
		Timeout: orElse(c.Timeout, job.Timeout), Priority: orElse(c.Priority, job.Priority),
		Retry: &retry, IdempotencyKey: c.IdempotencyKey,
	}
	switch kind {
	case domain.KindScript:
		s.Script, s.Shell = orElse(c.Script, before.Script), orElse(c.Shell, before.Shell)
	case domain.KindArgv:
		s.Argv = before.Argv
		if c.Argv != nil {
			s.Argv = c.Argv
		}
		s.Argv = slices.Clone(s.Argv)
	default:
		s.Command = orElse(c.Command, before.Line)
	}
	return s, c.check(kind)
}

func (c Change) kind(before domain.CommandKind) (domain.CommandKind, error) {
	kind, given := before, 0
	for k, there := range map[domain.CommandKind]bool{
		domain.KindShellLine: c.Command != nil, domain.KindArgv: c.Argv != nil, domain.KindScript: c.Script != nil,
	} {
		if there {
			kind = k
			given++
		}
	}
	if given > 1 {
		return "", domain.Invalid("command", "give one of command, argv and script, not several")
	}
	return kind, nil
}

// check refuses what a Submission cannot say, because its zero values are defaults there.
func (c Change) check(kind domain.CommandKind) error {
	for _, f := range []struct {
		name string
		text *string
	}{{"command", c.Command}, {"script", c.Script}, {"shell", c.Shell}} {
		if f.text != nil && *f.text == "" {
			return domain.Invalid(f.name, "%s is empty; give another, or leave it out to keep what the job had", f.name)
		}
	}
	switch {
	case c.Argv != nil && len(c.Argv) == 0:
		return domain.Invalid("argv", "argv is empty; its first element is the program to run")
	case c.Shell != nil && kind != domain.KindScript:
		return domain.Invalid("shell", "shell goes with a script, and this job runs a command")
	case c.Args != nil && kind == domain.KindArgv:
		return domain.Invalid("args", "args do not go with argv; put them into argv")
	case c.ServerID != nil && *c.ServerID == "":
		return domain.Invalid("server_id", "server_id is empty; name a server, or leave it out to keep the job's")
	case c.Timeout != nil && *c.Timeout == 0:
		return domain.CheckTimeout(0)
	case c.Priority != nil && *c.Priority == 0:
		return c.Priority.Check()
	}
	return nil
}

func orElse[T any](p *T, otherwise T) T {
	if p != nil {
		return *p
	}
	return otherwise
}
