package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

func (a *app) jobsRerunCommand() *cobra.Command {
	var follow bool
	c := &cobra.Command{
		Use: "rerun JOB…", Short: "Run finished jobs again",
		Long: `Rerun submits what finished jobs ran once more, as new jobs on the same servers, and prints their ids. With --follow, of
one job, it shows the output and ends as ` + "`remora run`" + ` does; Ctrl-C then ends the new job.`,
		Example:           "  remora jobs rerun 0192f0c1-7d3e-7b0a-9c55-3f6a1d2b4c5e\n  remora jobs rerun -f JOB",
		Args:              atLeast("JOB"),
		ValidArgsFunction: a.jobIDs,
		RunE: func(c *cobra.Command, args []string) error {
			if follow && len(args) > 1 {
				return usage("--follow is for one job; %d are named", len(args))
			}
			return a.copyJobs(c.Context(), args, follow, "", func(ctx context.Context, s Services, id domain.JobID, key string) (ports.Copy, error) {
				return s.Jobs.Rerun(ctx, id, key)
			})
		},
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "show the output and wait for the end")
	return c
}

type duplicateOptions struct {
	server    string
	script    string
	shell     string
	args      string
	shellLine bool
	timeout   time.Duration
	priority  int
	retry     string
	attempts  int
	follow    bool
}

func (a *app) jobsDuplicateCommand() *cobra.Command {
	var o duplicateOptions
	c := &cobra.Command{
		Use: "duplicate JOB [flags] [-- COMMAND…]", Aliases: []string{"dup"}, Short: "Run what a job ran once more, with changes",
		Long: `Duplicate submits what a job ran once more, as a new job, and prints its id. What flags and the command after -- do not
name stays as it was; the command is given as to ` + "`remora run`" + `. With --follow it shows the output and ends as ` + "`remora run`" + `
does; Ctrl-C then ends the new job.`,
		Example: `  remora jobs duplicate 0192f0c1-7d3e-7b0a-9c55-3f6a1d2b4c5e -s db
  remora jobs duplicate JOB --timeout 1h -f
  remora jobs duplicate JOB -- systemctl status app`,
		Args:              atLeast("JOB"),
		ValidArgsFunction: onlyFirst(a.jobIDs),
		RunE: func(c *cobra.Command, args []string) error {
			change, err := o.change(c, a, args[1:])
			if err != nil {
				return err
			}
			return a.copyJobs(c.Context(), args[:1], o.follow, o.server, func(ctx context.Context, s Services, id domain.JobID, key string) (ports.Copy, error) {
				change.IdempotencyKey = key
				if o.server != "" {
					server, err := findServer(ctx, s.Servers, o.server)
					if err != nil {
						return ports.Copy{}, err
					}
					change.ServerID = &server.ID
				}
				return s.Jobs.Duplicate(ctx, id, change)
			})
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVarP(&o.server, "server", "s", "", "on another server, by name or id")
	f.StringVar(&o.script, "script", "", "with the script in FILE, - for stdin")
	f.StringVar(&o.shell, "shell", "", "with another interpreter of the script")
	f.StringVar(&o.args, "args", "", "with other arguments, in shell syntax")
	f.BoolVar(&o.shellLine, "shell-line", false, "take all arguments as one shell line")
	f.Var((*timeoutFlag)(&o.timeout), "timeout", "with another timeout: seconds, or like 90s, 5m, 2h")
	f.IntVar(&o.priority, "priority", 0, "with another priority, 1 to 10")
	f.StringVar(&o.retry, "retry", "", "with another retry policy: never, safe, on_failure or at_least_once")
	f.IntVar(&o.attempts, "max-attempts", domain.DefaultRetry().MaxAttempts, "how many tries at most")
	f.BoolVarP(&o.follow, "follow", "f", false, "show the output and wait for the end")
	mustBeFlag("server", c.RegisterFlagCompletionFunc("server", a.serverNames))
	fixed(c, "retry", retryModes...)
	return c
}

// change returns what the flags and the words of a command name, but for the server.
func (o *duplicateOptions) change(c *cobra.Command, a *app, words []string) (ports.Change, error) {
	var change ports.Change
	given := c.Flags().Changed
	if given("script") {
		if len(words) > 0 {
			return change, usage("--script and a command after -- cannot be used together; --args gives a script its arguments")
		}
		text, err := a.readScript(c.Context(), o.script)
		if err != nil {
			return change, err
		}
		change.Script = &text
	}
	switch line := commandLine(words, o.shellLine); {
	case len(words) == 0:
	case line != "":
		change.Command = &line
	default:
		change.Argv = words
	}
	if given("shell") {
		change.Shell = &o.shell
	}
	if given("args") {
		change.Args = &o.args
	}
	if given("timeout") {
		change.Timeout = &o.timeout
	}
	if given("priority") {
		priority := domain.Priority(o.priority)
		change.Priority = &priority
	}
	if given("retry") || given("max-attempts") {
		policy := domain.Retry{Mode: domain.RetryMode(first(o.retry, string(domain.DefaultRetry().Mode))), MaxAttempts: o.attempts}
		if err := policy.Check(); err != nil {
			return change, usage("--retry, --max-attempts: %v", err)
		}
		change.Retry = &policy
	}
	return change, nil
}

type copyJob func(ctx context.Context, s Services, id domain.JobID, idempotencyKey string) (ports.Copy, error)

// copyJobs makes new jobs of old ones, on a server where one is named, and prints their ids or what they print.
func (a *app) copyJobs(ctx context.Context, ids []string, follow bool, server string, copied copyJob) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	if follow {
		return a.followCopy(ctx, s, domain.JobID(ids[0]), server, copied)
	}
	made := []jobShape{}
	code := exitDone
	for _, id := range ids {
		c, err := copied(ctx, s, domain.JobID(id), onceKey())
		if err != nil {
			if len(ids) == 1 || ctx.Err() != nil {
				return err
			}
			a.note("%s: %s", id, a.explain(err))
			code = max(code, ExitCode(err))
			continue
		}
		a.note("%s runs again on %s", id, c.New.Server.Name)
		made = append(made, jobInList(c.New))
	}
	err = a.print(jobsShape{Jobs: made, Pagination: paginationOf(len(made), len(made), int64(len(made)), "")}, func(w io.Writer) {
		for _, j := range made {
			_, _ = fmt.Fprintln(w, j.ID)
		}
	})
	if err != nil {
		return err
	}
	return exit(code)
}

// followCopy runs a new job of an old one as `remora run` does.
func (a *app) followCopy(ctx context.Context, s Services, id domain.JobID, server string, copied copyJob) error {
	original, err := s.Jobs.Get(ctx, id)
	if err != nil {
		return err
	}
	on := domain.Server{ID: original.Server.ID, Name: original.Server.Name}
	if server != "" {
		if on, err = findServer(ctx, s.Servers, server); err != nil {
			return err
		}
	}
	r := newRunner(a, s, runOptions{}, ports.Submission{}, []domain.Server{on})
	r.sent = func(ctx context.Context, key string) (domain.Job, error) {
		c, err := copied(ctx, s, id, key)
		return c.New.Job, err
	}
	return r.run(ctx)
}
