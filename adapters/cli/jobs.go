package cli

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

func (a *app) jobsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "jobs", Aliases: []string{"job"}, Short: "Look at jobs, read their output, cancel them, run them again",
		Long:    "Jobs are commands and scripts on one server each; `remora run` makes them.",
		Example: "  remora jobs ls --status running,queued\n  remora jobs logs -f JOB\n  remora jobs cancel JOB",
		Args:    cobra.ArbitraryArgs,
		RunE:    group,
	}
	c.AddCommand(a.jobsListCommand(), a.jobsGetCommand(), a.jobsOutputCommand(), a.jobsCancelCommand(), a.jobsRerunCommand(), a.jobsDuplicateCommand())
	return c
}

type jobsListOptions struct {
	statuses []string
	reasons  []string
	server   string
	batch    string
	search   string
	since    time.Time
	until    time.Time
	sort     string
	asc      bool
	limit    int
	all      bool
	cursor   string
	watch    bool
	every    time.Duration
}

func (a *app) jobsListCommand() *cobra.Command {
	var o jobsListOptions
	c := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List jobs, the newest first",
		Long: `Ls lists jobs, the newest first unless --sort says otherwise. Where there are more than --limit, stderr says so.

With --watch it goes on until Ctrl-C: a terminal is painted anew, anything else gets a line for each job that is new or has
changed (with -o json an object on a line of its own, with -o yaml a document).`,
		Example: `  remora jobs ls
  remora jobs ls --status failed --server web --since 2d --limit 200
  remora jobs ls --reason timeout,connect --since 2026-01-31 --until 2026-02-01
  remora jobs ls --batch 0192f0c1-7d3e-7b0a-9c55-3f6a1d2b4c5e --all
  remora jobs ls --search backup --sort finished_at -o json
  remora jobs ls --status queued,running --watch`,
		Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error { return a.jobsList(c, o) },
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringSliceVar(&o.statuses, "status", nil, "only jobs with one of these: queued, running, completed, failed, canceled")
	f.StringSliceVar(&o.reasons, "reason", nil, "only jobs with one of these reasons of their end, as exit_nonzero, timeout or connect")
	f.StringVarP(&o.server, "server", "s", "", "only jobs of this server, by name or id")
	f.StringVar(&o.batch, "batch", "", "only jobs of this batch")
	f.Var(timeFlag{&o.since, a.Now}, "since", "only jobs made since then: how long ago (30m, 2h, 7d), a day or a time")
	f.Var(timeFlag{&o.until, a.Now}, "until", "only jobs made before then")
	f.StringVar(&o.search, "search", "", "only jobs with this in command, arguments, script or server name")
	f.StringVar(&o.sort, "sort", string(ports.SortCreated), "created_at, updated_at, started_at, finished_at, status, command or priority")
	f.BoolVar(&o.asc, "asc", false, "the other way round")
	f.IntVar(&o.limit, "limit", 20, "how many at most")
	f.BoolVar(&o.all, "all", false, "all of them, however many")
	f.StringVar(&o.cursor, "cursor", "", "go on after the page that gave this next_cursor")
	f.BoolVarP(&o.watch, "watch", "w", false, "go on showing what changes")
	f.DurationVar(&o.every, "every", 2*time.Second, "how often --watch asks")
	mustBeFlag("server", c.RegisterFlagCompletionFunc("server", a.serverNames))
	mustBeFlag("batch", c.RegisterFlagCompletionFunc("batch", a.batchIDs))
	fixed(c, "reason", reasonNames()...)
	fixed(c, "status", "queued", "running", "completed", "failed", "canceled")
	fixed(c, "sort", "created_at", "updated_at", "started_at", "finished_at", "status", "command", "priority")
	return c
}

// maxPage is how many jobs the API gives at once.
const maxPage = 100

func (o *jobsListOptions) check(c *cobra.Command) error {
	if err := exclusive(c, "all", "limit"); err != nil {
		return err
	}
	if err := exclusive(c, "watch", "cursor"); err != nil {
		return err
	}
	for _, s := range o.statuses {
		if !slices.Contains(domain.Statuses(), domain.Status(s)) {
			return usage("--status %q is unknown; use queued, running, completed, failed or canceled", s)
		}
	}
	for _, r := range o.reasons {
		if names := reasonNames(); !slices.Contains(names, r) {
			return usage("--reason %q is unknown; use one of %s", r, strings.Join(names, ", "))
		}
	}
	switch {
	case !o.since.IsZero() && !o.until.IsZero() && !o.since.Before(o.until):
		return usage("--since is not before --until; between them there is nothing")
	case o.limit < 1:
		return usage("--limit %d is out of range; give at least 1", o.limit)
	case o.every < 100*time.Millisecond:
		return usage("--every %s is out of range; give at least 100ms", o.every)
	case c.Flags().Changed("every") && !o.watch:
		return usage("--every is for --watch")
	}
	if o.all {
		o.limit = math.MaxInt
	}
	return nil
}

func reasonNames() []string {
	var names []string
	for _, r := range append(domain.FailureReasons(), domain.CancelReasons()...) {
		names = append(names, string(r))
	}
	return names
}

// query returns what the options ask for.
func (o *jobsListOptions) query(ctx context.Context, servers ports.Servers) (ports.JobQuery, error) {
	q := ports.JobQuery{
		BatchID: domain.BatchID(o.batch), CreatedAfter: o.since, CreatedBefore: o.until,
		Search: o.search, Sort: ports.SortField(o.sort), Asc: o.asc, Cursor: o.cursor,
	}
	for _, r := range o.reasons {
		q.Reasons = append(q.Reasons, domain.Reason(r))
	}
	for _, s := range o.statuses {
		q.Statuses = append(q.Statuses, domain.Status(s))
	}
	if o.server != "" {
		server, err := findServer(ctx, servers, o.server)
		if err != nil {
			return q, err
		}
		q.ServerID = server.ID
	}
	return q, nil
}

func (a *app) jobsList(c *cobra.Command, o jobsListOptions) error {
	ctx := c.Context()
	if err := o.check(c); err != nil {
		return err
	}
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	q, err := o.query(ctx, s.Servers)
	if err != nil {
		return err
	}
	if o.watch {
		w := &watcher{app: a, every: o.every, list: func(ctx context.Context) (ports.JobPage, error) {
			return listJobs(ctx, s.Jobs, q, o.limit)
		}}
		return w.watch(ctx)
	}
	page, err := listJobs(ctx, s.Jobs, q, o.limit)
	if err != nil {
		return err
	}
	err = a.print(jobsInList(page, o.limit), func(w io.Writer) { a.jobRows(w, page.Jobs) })
	if err == nil && page.Next != "" && a.global.form == formTable {
		a.note("%d of %s; --limit shows more, --cursor %s goes on", len(page.Jobs), totalText(page), page.Next)
	}
	return err
}

// totalText tells how many jobs there are.
func totalText(page ports.JobPage) string {
	if page.Capped {
		return "more than " + count(int(page.Total), "job")
	}
	return count(int(page.Total), "job")
}

// listJobs returns up to limit jobs, page by page.
func listJobs(ctx context.Context, jobs ports.Jobs, q ports.JobQuery, limit int) (ports.JobPage, error) {
	var all ports.JobPage
	for {
		q.Limit = min(maxPage, limit-len(all.Jobs))
		page, err := jobs.List(ctx, q)
		if err != nil {
			return all, err
		}
		all.Jobs = append(all.Jobs, page.Jobs...)
		all.Total, all.Capped, all.Next = page.Total, page.Capped, page.Next
		if page.Next == "" || len(all.Jobs) >= limit {
			return all, nil
		}
		q.Cursor = page.Next
	}
}

func (a *app) jobRows(w io.Writer, jobs []ports.JobDetail) {
	row(w, "ID", "STATUS", "SERVER", "COMMAND", "EXIT", "CREATED", "DURATION")
	for _, d := range jobs {
		a.jobRow(w, d)
	}
}

func (a *app) jobRow(w io.Writer, d ports.JobDetail) {
	j := &d.Job
	duration := ""
	if t, ok := ran(j); ok {
		duration = short(t)
	}
	row(w, string(j.ID), string(j.Status), d.Server.Name, a.cut(commandText(j.Command), 50), exitText(j.Exit), a.when(j.CreatedAt), duration)
}

// commandText is what a person reads as the command; of a script its first line that says something.
func commandText(c domain.Command) string {
	if c.Kind != domain.KindScript {
		return c.Text()
	}
	for line := range strings.Lines(c.Script) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return "script: " + line
		}
	}
	return "script: " + c.Text()
}

func (a *app) jobsGetCommand() *cobra.Command {
	return &cobra.Command{
		Use: "get JOB", Aliases: []string{"show"}, Short: "Show a job",
		Long:              "Get shows a job. With -o json or -o yaml that includes the last 256 KiB of its output.",
		Example:           "  remora jobs get 0192f0c1-7d3e-7b0a-9c55-3f6a1d2b4c5e\n  remora jobs get JOB -o json | jq .exit_code",
		Args:              exactly("JOB"),
		ValidArgsFunction: onlyFirst(a.jobIDs),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			d, err := s.Jobs.Get(c.Context(), domain.JobID(args[0]))
			if err != nil {
				return err
			}
			return a.print(wholeJob(d), func(w io.Writer) { a.jobFields(w, d) })
		},
	}
}

func (a *app) jobFields(w io.Writer, d ports.JobDetail) {
	j := &d.Job
	field(w, "ID", string(j.ID))
	field(w, "Server", d.Server.Name+" ("+address(d.Server.User, d.Server.Hostname, d.Server.Port)+")")
	field(w, "Command", commandText(j.Command))
	field(w, "Status", j.State().String())
	field(w, "Reason", string(j.Reason))
	field(w, "Message", j.Message)
	if j.Exit != nil && j.Exit.Signal != "" {
		field(w, "Signal", j.Exit.Signal)
	} else {
		field(w, "Exit code", exitText(j.Exit))
	}
	if j.Receipt != nil {
		field(w, "Ended", jobEnding(j))
	}
	field(w, "Priority", fmt.Sprint(int(j.Priority)))
	field(w, "Timeout", j.Timeout.String())
	field(w, "Attempt", fmt.Sprintf("%d (retry: %s, at most %d)", j.Attempt, j.Retry.Mode, j.Retry.MaxAttempts))
	field(w, "Output", fmt.Sprintf("%d bytes on stdout, %d bytes on stderr", j.Output.Stdout, j.Output.Stderr))
	field(w, "Created", a.when(j.CreatedAt))
	field(w, "Started", a.when(j.StartedAt))
	field(w, "Finished", a.when(j.FinishedAt))
	if t, ok := ran(j); ok {
		field(w, "Duration", short(t))
	}
}

func (a *app) jobsCancelCommand() *cobra.Command {
	var noWait bool
	c := &cobra.Command{
		Use: "cancel JOB…", Short: "End jobs with all their processes",
		Long: `Cancel ends jobs: a queued one is canceled at once, a running one's processes are ended on its server, which takes as
long as they resist: up to about 10 s. Cancel waits for that and says what is left alive. It exits with 1 when something
is left or that is not known, and with 5 when a job had finished.`,
		Example:           "  remora jobs cancel 0192f0c1-7d3e-7b0a-9c55-3f6a1d2b4c5e\n  remora jobs cancel --no-wait JOB JOB",
		Args:              atLeast("JOB"),
		ValidArgsFunction: a.activeJobIDs,
		RunE:              func(c *cobra.Command, args []string) error { return a.cancelJobs(c.Context(), args, !noWait) },
	}
	c.Flags().BoolVar(&noWait, "no-wait", false, "only ask for it")
	return c
}

func (a *app) cancelJobs(ctx context.Context, ids []string, wait bool) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	var asked []ports.JobDetail
	code := exitDone
	for _, id := range ids {
		d, err := s.Jobs.Cancel(ctx, domain.JobID(id))
		if err != nil {
			if len(ids) == 1 || ctx.Err() != nil {
				return err
			}
			a.note("%s: %s", id, a.explain(err))
			code = max(code, ExitCode(err))
			continue
		}
		asked = append(asked, d)
	}
	ended := []jobShape{}
	for _, d := range asked {
		if wait {
			if err := a.awaitEnd(ctx, s, &d.Job); err != nil {
				return err
			}
		}
		switch j := &d.Job; {
		case !j.Status.Final():
			a.note("%s: its processes are being ended", j.ID)
		case j.Receipt != nil && !j.Receipt.Confirmed:
			code = max(code, exitFailed)
			fallthrough
		default:
			a.note("%s: %s", j.ID, jobEnding(j))
		}
		ended = append(ended, jobInList(d))
	}
	if a.global.form != formTable {
		if err := a.print(jobsShape{Jobs: ended, Pagination: paginationShape{Limit: len(ended), Total: int64(len(ended))}}, nil); err != nil {
			return err
		}
	}
	return exit(code)
}

// awaitEnd waits until a job is final.
func (a *app) awaitEnd(ctx context.Context, s Services, j *domain.Job) error {
	if j.Status.Final() {
		return nil
	}
	p := &pursuit{output: s.Output, id: j.ID, after: j.LastSeq, met: true, reach: a.reach}
	return p.follow(ctx, func(e ports.JobEvent) error {
		if e.Job != nil {
			*j = *e.Job
		}
		return nil
	})
}
