package cli

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/spf13/cobra"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

func (a *app) batchesCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "batches", Aliases: []string{"batch"}, Short: "Look at batches, compare what their jobs printed, cancel and rerun them",
		Long:    "Batches are commands and scripts on many servers, one job each; `remora run` on several servers makes them.",
		Example: "  remora batches ls\n  remora batches groups BATCH --diff\n  remora batches rerun BATCH --failed",
		Args:    cobra.ArbitraryArgs,
		RunE:    group,
	}
	c.AddCommand(a.batchesListCommand(), a.batchesGetCommand(), a.batchesGroupsCommand(), a.batchesCancelCommand(), a.batchesRerunCommand())
	return c
}

func (a *app) batchesListCommand() *cobra.Command {
	var limit int
	var all bool
	c := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List batches, the newest first",
		Long:    "Ls lists batches, the newest first. Where there are more than --limit, stderr says so.",
		Example: "  remora batches ls\n  remora batches ls --all -o json",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := exclusive(c, "all", "limit"); err != nil {
				return err
			}
			if limit < 1 {
				return usage("--limit %d is out of range; give at least 1", limit)
			}
			if all {
				limit = math.MaxInt
			}
			return a.listBatches(c.Context(), limit)
		},
	}
	c.Flags().IntVar(&limit, "limit", 20, "how many at most")
	c.Flags().BoolVar(&all, "all", false, "all of them, however many")
	return c
}

func (a *app) listBatches(ctx context.Context, limit int) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	var found ports.BatchPage
	q := ports.BatchQuery{}
	for {
		q.Limit = min(maxPage, limit-len(found.Batches))
		page, err := s.Batches.List(ctx, q)
		if err != nil {
			return err
		}
		found.Batches = append(found.Batches, page.Batches...)
		found.Total, found.Next = page.Total, page.Next
		if page.Next == "" || len(found.Batches) >= limit {
			break
		}
		q.Cursor = page.Next
	}
	err = a.print(batchesOf(found, limit), func(w io.Writer) {
		row(w, "ID", "COMMAND", "JOBS", "QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELED", "CREATED")
		for _, d := range found.Batches {
			t := d.Tally
			row(w, string(d.Batch.ID), a.cut(commandText(d.Batch.Command), 40), fmt.Sprint(t.Total()), fmt.Sprint(t.Queued), fmt.Sprint(t.Running),
				fmt.Sprint(t.Completed), fmt.Sprint(t.Failed), fmt.Sprint(t.Canceled), a.when(d.Batch.CreatedAt))
		}
	})
	if err == nil && found.Next != "" && a.global.form == formTable {
		a.note("%d of %d batches; --limit shows more", len(found.Batches), found.Total)
	}
	return err
}

func (a *app) batchesGetCommand() *cobra.Command {
	var limit int
	c := &cobra.Command{
		Use: "get BATCH", Aliases: []string{"show"}, Short: "Show a batch with its jobs",
		Long:              "Get shows a batch, the counts of its jobs, and its jobs. `remora jobs ls --batch BATCH` filters and sorts them.",
		Example:           "  remora batches get 0192f0c1-7d3e-7b0a-9c55-3f6a1d2b4c5e\n  remora batches get BATCH --limit 5 -o json",
		Args:              exactly("BATCH"),
		ValidArgsFunction: onlyFirst(a.batchIDs),
		RunE: func(c *cobra.Command, args []string) error {
			if limit < 0 {
				return usage("--limit %d is out of range; give 0 for none, or more", limit)
			}
			return a.getBatch(c.Context(), domain.BatchID(args[0]), limit)
		},
	}
	c.Flags().IntVar(&limit, "limit", maxPage, "how many jobs at most")
	return c
}

func (a *app) getBatch(ctx context.Context, id domain.BatchID, limit int) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	d, err := s.Batches.Get(ctx, id, ports.JobQuery{Limit: max(1, min(maxPage, limit))})
	for err == nil && d.Jobs.Next != "" && len(d.Jobs.Jobs) < limit {
		var more ports.BatchDetail
		more, err = s.Batches.Get(ctx, id, ports.JobQuery{Limit: min(maxPage, limit-len(d.Jobs.Jobs)), Cursor: d.Jobs.Next})
		d.Jobs.Jobs, d.Jobs.Next = append(d.Jobs.Jobs, more.Jobs.Jobs...), more.Jobs.Next
	}
	if err != nil {
		return err
	}
	if limit == 0 {
		d.Jobs.Jobs = nil
	}
	err = a.print(batchOf(d), func(w io.Writer) { a.batchFields(w, d) })
	if err == nil && a.global.form == formTable && len(d.Jobs.Jobs) > 0 {
		if _, err = io.WriteString(a.Stdout, "\n"); err == nil {
			err = a.print(nil, func(w io.Writer) { a.jobRows(w, d.Jobs.Jobs) })
		}
	}
	if err == nil && d.Jobs.Next != "" && limit > 0 && a.global.form == formTable {
		a.note("%d of %d jobs; --limit shows more", len(d.Jobs.Jobs), d.Tally.Total())
	}
	return err
}

func (a *app) batchFields(w io.Writer, d ports.BatchDetail) {
	b := d.Batch
	field(w, "ID", string(b.ID))
	field(w, "Command", commandText(b.Command))
	field(w, "Jobs", fmt.Sprintf("%d: %s", d.Tally.Total(), d.Tally))
	if b.MaxParallel > 0 {
		field(w, "Parallel", fmt.Sprintf("at most %d at once", b.MaxParallel))
	}
	if b.StopAfterFailures > 0 {
		field(w, "Stops", "after "+count(b.StopAfterFailures, "failure"))
	}
	if b.Stopped() {
		why := "canceled"
		if b.StopReason == domain.ReasonBatch {
			why = "too many jobs had failed"
		}
		field(w, "Stopped", a.when(b.StoppedAt)+": "+why)
	}
	field(w, "Rerun of", string(b.OriginID))
	field(w, "Priority", fmt.Sprint(int(b.Priority)))
	field(w, "Timeout", b.Timeout.String())
	field(w, "Created", a.when(b.CreatedAt))
}

func (a *app) batchesGroupsCommand() *cobra.Command {
	var diff bool
	c := &cobra.Command{
		Use: "groups BATCH", Short: "Print what the jobs of a batch have printed, equal outputs once",
		Long: `Groups prints the output of a batch's finished jobs, equal ones once, the largest group first, under the names of their
servers: names that differ in a number only are folded, as web[01-14]. With --diff every other group is shown as what
differs from the largest. With -o json or -o yaml it is told who is in which group.`,
		Example:           "  remora batches groups 0192f0c1-7d3e-7b0a-9c55-3f6a1d2b4c5e\n  remora batches groups BATCH --diff",
		Args:              exactly("BATCH"),
		ValidArgsFunction: onlyFirst(a.batchIDs),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			id := domain.BatchID(args[0])
			groups, err := s.Batches.Groups(c.Context(), id)
			if err != nil {
				return err
			}
			if a.global.form != formTable {
				return a.print(groupsOf(id, groups), nil)
			}
			return a.grouper(s, diff).print(c.Context(), groups)
		},
	}
	c.Flags().BoolVar(&diff, "diff", false, "show how each group differs from the largest")
	return c
}

func (a *app) batchesCancelCommand() *cobra.Command {
	var noWait bool
	c := &cobra.Command{
		Use: "cancel BATCH", Short: "End all jobs of a batch",
		Long: `Cancel ends every job of a batch: none that was queued will be started, and the processes of those that run are ended on
their servers. Cancel waits for that and says what is left alive. It exits with 1 when something is left or that is not
known, and with 5 when all jobs had finished.`,
		Example:           "  remora batches cancel 0192f0c1-7d3e-7b0a-9c55-3f6a1d2b4c5e\n  remora batches cancel --no-wait BATCH",
		Args:              exactly("BATCH"),
		ValidArgsFunction: onlyFirst(a.batchIDs),
		RunE: func(c *cobra.Command, args []string) error {
			return a.cancelBatch(c.Context(), domain.BatchID(args[0]), !noWait)
		},
	}
	c.Flags().BoolVar(&noWait, "no-wait", false, "only ask for it")
	return c
}

func (a *app) cancelBatch(ctx context.Context, id domain.BatchID, wait bool) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	d, err := s.Batches.Cancel(ctx, id)
	if err != nil {
		return err
	}
	a.note("%s canceled before they started, the processes of %d are being ended", count(int(d.Canceled), "job"), d.Ending)
	after := d.BatchDetail
	code := exitDone
	if wait && d.Ending > 0 {
		if after, err = a.awaitBatch(ctx, s, id); err != nil {
			return err
		}
		if code, err = a.leftOfBatch(ctx, s, id); err != nil {
			return err
		}
	}
	if a.global.form != formTable {
		if err := a.print(batchOf(after), nil); err != nil {
			return err
		}
	}
	return exit(code)
}

// awaitBatch waits until all jobs of a batch have finished.
func (a *app) awaitBatch(ctx context.Context, s Services, id domain.BatchID) (ports.BatchDetail, error) {
	for pause := firstAsk; ; pause = min(2*pause, lastAsk) {
		d, err := s.Batches.Get(ctx, id, ports.JobQuery{Limit: 1})
		if err != nil || d.Tally.Finished() {
			return d, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return d, context.Cause(ctx)
		case <-timer.C:
		}
	}
}

// leftOfBatch tells of the canceled jobs of which something is left, and returns the exit code that belongs to it.
func (a *app) leftOfBatch(ctx context.Context, s Services, id domain.BatchID) (int, error) {
	page, err := listJobs(ctx, s.Jobs, ports.JobQuery{BatchID: id, Statuses: []domain.Status{domain.StatusCanceled}}, math.MaxInt)
	if err != nil {
		return exitFailed, err
	}
	r := &runner{app: a}
	left := map[domain.JobID]bool{}
	for _, d := range page.Jobs {
		if d.Job.Receipt == nil {
			continue
		}
		r.lanes = append(r.lanes, &lane{server: domain.Server{Name: d.Server.Name}, job: &d.Job})
		left[d.Job.ID] = !d.Job.Receipt.Confirmed
	}
	code := exitDone
	for _, line := range r.folded(func(l *lane) (string, bool) { return l.ending(), true }) {
		a.note("%s", line)
	}
	for _, something := range left {
		if something {
			code = exitFailed
		}
	}
	return code, nil
}

func (a *app) batchesRerunCommand() *cobra.Command {
	var failed bool
	c := &cobra.Command{
		Use: "rerun BATCH", Short: "Run a finished batch again",
		Long: `Rerun makes a new batch of the same command on the same servers, with the same limits, and prints its id. With --failed it
runs only on the servers where the job had failed. It does not wait; ` + "`remora batches get`" + ` tells how far it is.`,
		Example:           "  remora batches rerun 0192f0c1-7d3e-7b0a-9c55-3f6a1d2b4c5e\n  remora batches rerun --failed BATCH",
		Args:              exactly("BATCH"),
		ValidArgsFunction: onlyFirst(a.batchIDs),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			d, err := s.Batches.Rerun(c.Context(), domain.BatchID(args[0]), ports.BatchRerun{OnlyFailed: failed, IdempotencyKey: onceKey()})
			if err != nil {
				return err
			}
			a.note("runs again on %s", count(int(d.Tally.Total()), "server"))
			return a.print(batchOf(d), func(w io.Writer) { row(w, string(d.Batch.ID)) })
		},
	}
	c.Flags().BoolVar(&failed, "failed", false, "only where it had failed")
	return c
}
