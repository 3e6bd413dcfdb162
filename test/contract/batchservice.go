package contract

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// BatchService says what people may expect of batches, whatever stands between.
func BatchService(t *testing.T, open func(t *testing.T) Services) {
	for name, clause := range map[string]func(t *testing.T, s Services){
		"ServersByIDAndTagEachOnce":           batchServers,
		"AllIsEveryActiveServer":              batchAll,
		"RefusesWhatCannotBeAndStoresNothing": batchRefused,
		"KeepsWhatWasAsked":                   batchKept,
		"OneKeyIsOneBatch":                    batchOneKey,
		"GetGivesCountsAndAPageOfJobs":        batchGet,
		"ListIsNewestFirst":                   batchListed,
		"GroupsWhatEndedAlike":                batchGroups,
		"CancelEndsEverything":                batchCanceled,
		"RerunOfAllAndOfTheFailed":            batchRerun,
		"UnknownBatch":                        batchNobody,
		"DoneContext":                         batchDone,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clause(t, open(t))
		})
	}
}

// fleet stores n good servers with tags: all have "all", those with even numbers "even".
func (s Services) fleet(t *testing.T, n int) (servers []domain.Server) {
	t.Helper()
	for i := range n {
		good := s.Good
		good.Name, good.Tags = fmt.Sprintf("fleet-%02d", i), []string{"all"}
		if i%2 == 0 {
			good.Tags = append(good.Tags, "even")
		}
		server, err := s.Servers.Create(t.Context(), good)
		require.NoError(t, err)
		servers = append(servers, server)
	}
	return servers
}

func serverIDs(servers ...domain.Server) (ids []domain.ServerID) {
	for _, s := range servers {
		ids = append(ids, s.ID)
	}
	return ids
}

func serversOf(jobs []ports.JobDetail) (ids []domain.ServerID) {
	for _, d := range jobs {
		ids = append(ids, d.Job.ServerID)
	}
	return ids
}

func (s Services) submitBatch(t *testing.T, b ports.BatchSubmission) ports.BatchDetail {
	t.Helper()
	if b.Command == "" && b.Argv == nil && b.Script == "" {
		b.Command = "uptime"
	}
	d, err := s.Batches.Submit(t.Context(), b)
	require.NoError(t, err)
	return d
}

func batchServers(t *testing.T, s Services) {
	fleet := s.fleet(t, 5)
	d := s.submitBatch(t, ports.BatchSubmission{ServerIDs: serverIDs(fleet[3], fleet[2], fleet[3]), Tags: []string{"even", "all"}})
	require.Equal(t, serverIDs(fleet[3], fleet[2], fleet[0], fleet[4]), serversOf(d.Jobs.Jobs), "those named, then those with all of the tags")
	require.Equal(t, int64(4), d.Jobs.Total)
	require.Equal(t, domain.Tally{Queued: 4}, d.Tally)
	for _, j := range d.Jobs.Jobs {
		require.Equal(t, d.Batch.ID, j.Job.BatchID)
		require.Equal(t, j.Job.ServerID, j.Server.ID)
		require.NotEmpty(t, j.Server.Name)
	}
	inactive, err := s.Servers.Update(t.Context(), fleet[0].ID, ports.ServerChange{Active: new(false)})
	require.NoError(t, err)
	require.False(t, inactive.Active)
	d = s.submitBatch(t, ports.BatchSubmission{Tags: []string{"even"}})
	require.Equal(t, serverIDs(fleet[2], fleet[4]), serversOf(d.Jobs.Jobs), "tags choose among active servers")
}

func batchAll(t *testing.T, s Services) {
	fleet := s.fleet(t, 3)
	_, err := s.Servers.Update(t.Context(), fleet[1].ID, ports.ServerChange{Active: new(false)})
	require.NoError(t, err)
	d := s.submitBatch(t, ports.BatchSubmission{All: true})
	require.Equal(t, serverIDs(fleet[0], fleet[2]), serversOf(d.Jobs.Jobs))
}

func batchRefused(t *testing.T, s Services) {
	fleet := s.fleet(t, 3)
	_, err := s.Servers.Update(t.Context(), fleet[1].ID, ports.ServerChange{Active: new(false)})
	require.NoError(t, err)
	good := serverIDs(fleet[0])
	command := ports.Submission{Command: "w"}
	for name, c := range map[string]struct {
		ask  ports.BatchSubmission
		kind domain.Kind
		code string
	}{
		"Nowhere":       {ports.BatchSubmission{Submission: command}, domain.KindInvalid, "server_ids_invalid"},
		"AllAndSome":    {ports.BatchSubmission{Submission: command, All: true, ServerIDs: good}, domain.KindInvalid, "all_invalid"},
		"Unknown":       {ports.BatchSubmission{Submission: command, ServerIDs: append(good, nobody)}, domain.KindNotFound, "server_not_found"},
		"Inactive":      {ports.BatchSubmission{Submission: command, ServerIDs: serverIDs(fleet...)}, domain.KindConflict, "server_inactive"},
		"NoSuchTag":     {ports.BatchSubmission{Submission: command, Tags: []string{"all", "odd"}}, domain.KindUnprocessable, "batch_empty"},
		"NoCommand":     {ports.BatchSubmission{ServerIDs: good}, domain.KindInvalid, "command_invalid"},
		"TwoCommands":   {ports.BatchSubmission{Submission: ports.Submission{Command: "a", Script: "b"}, ServerIDs: good}, domain.KindInvalid, "command_invalid"},
		"Shell":         {ports.BatchSubmission{Submission: ports.Submission{Script: "w", Shell: "/opt/odd"}, ServerIDs: good}, domain.KindInvalid, "shell_not_allowed"},
		"Priority":      {ports.BatchSubmission{Submission: ports.Submission{Command: "w", Priority: 11}, ServerIDs: good}, domain.KindInvalid, "priority_invalid"},
		"Parallel":      {ports.BatchSubmission{Submission: command, ServerIDs: good, MaxParallel: -1}, domain.KindInvalid, "max_parallel_invalid"},
		"ParallelLarge": {ports.BatchSubmission{Submission: command, ServerIDs: good, MaxParallel: domain.MaxBatchServers + 1}, domain.KindInvalid, "max_parallel_invalid"},
		"StopAfter":     {ports.BatchSubmission{Submission: command, ServerIDs: good, StopAfterFailures: -1}, domain.KindInvalid, "stop_after_failures_invalid"},
	} {
		_, err := s.Batches.Submit(t.Context(), c.ask)
		require.Equal(t, c.kind, domain.KindOf(err), "%s: %v", name, err)
		require.ErrorIs(t, err, &domain.Error{Code: c.code}, name)
	}
	page, err := s.Batches.List(t.Context(), ports.BatchQuery{Limit: 10})
	require.NoError(t, err)
	require.Empty(t, page.Batches)
	jobs, err := s.Jobs.List(t.Context(), ports.JobQuery{Limit: 10})
	require.NoError(t, err)
	require.Empty(t, jobs.Jobs)
}

func batchKept(t *testing.T, s Services) {
	fleet := s.fleet(t, 2)
	for _, ask := range []ports.Submission{
		{Command: "uptime", Args: "-p", Timeout: 90 * time.Second, Priority: 10, Retry: &domain.Retry{Mode: domain.RetryNever, MaxAttempts: 1}},
		{Argv: []string{"printf", "%s\n", "", "$HOME"}},
		{Script: "echo \"$1\" 🦈\n", Args: "'a b'", Shell: "/bin/sh"},
	} {
		d := s.submitBatch(t, ports.BatchSubmission{Submission: ask, ServerIDs: serverIDs(fleet...), MaxParallel: 2, StopAfterFailures: 1})
		got, err := s.Batches.Get(t.Context(), d.Batch.ID, ports.JobQuery{Limit: 1})
		require.NoError(t, err)
		require.Equal(t, d.Batch, got.Batch)
		c := got.Batch.Command
		require.Equal(t, ask.Command, c.Line)
		require.Equal(t, ask.Argv, c.Argv)
		require.Equal(t, ask.Script, c.Script)
		require.Equal(t, ask.Args, c.Args)
		require.Equal(t, ask.Shell, c.Shell)
		require.Equal(t, 2, got.Batch.MaxParallel)
		require.Equal(t, 1, got.Batch.StopAfterFailures)
		if ask.Retry != nil {
			require.Equal(t, *ask.Retry, got.Batch.Retry)
			require.Equal(t, ask.Timeout, got.Batch.Timeout)
			require.Equal(t, ask.Priority, got.Batch.Priority)
		}
		job := got.Jobs.Jobs[0].Job
		require.Equal(t, got.Batch.Command, job.Command)
		require.Equal(t, got.Batch.Retry, job.Retry)
		require.Equal(t, got.Batch.Priority, job.Priority)
		require.Equal(t, got.Batch.Timeout, job.Timeout)
	}
}

func batchOneKey(t *testing.T, s Services) {
	fleet := s.fleet(t, 3)
	ask := ports.BatchSubmission{Submission: ports.Submission{Command: "w", IdempotencyKey: "k"}, Tags: []string{"all"}, MaxParallel: 2}
	first := s.submitBatch(t, ask)
	again := s.submitBatch(t, ask)
	require.Equal(t, first.Batch, again.Batch)
	require.Equal(t, serversOf(first.Jobs.Jobs), serversOf(again.Jobs.Jobs))
	require.Equal(t, first.Jobs.Jobs[0].Job.ID, again.Jobs.Jobs[0].Job.ID)
	for _, other := range []ports.BatchSubmission{
		{Submission: ask.Submission, Tags: ask.Tags, MaxParallel: 3},
		{Submission: ask.Submission, ServerIDs: serverIDs(fleet...), MaxParallel: 2},
		{Submission: ports.Submission{Command: "w", Args: "-h", IdempotencyKey: "k"}, Tags: ask.Tags, MaxParallel: 2},
	} {
		_, err := s.Batches.Submit(t.Context(), other)
		require.ErrorIs(t, err, domain.ErrIdempotencyKey)
	}
	page, err := s.Batches.List(t.Context(), ports.BatchQuery{Limit: 10})
	require.NoError(t, err)
	require.Equal(t, int64(1), page.Total)
}

func batchGet(t *testing.T, s Services) {
	fleet := s.fleet(t, 3)
	d := s.submitBatch(t, ports.BatchSubmission{ServerIDs: serverIDs(fleet...)})
	s.submitBatch(t, ports.BatchSubmission{ServerIDs: serverIDs(fleet...)})
	s.Begin(t).Exit(t, domain.Exit{Code: 1})
	q := ports.JobQuery{Limit: 2, Asc: true}
	var seen []domain.ServerID
	for {
		got, err := s.Batches.Get(t.Context(), d.Batch.ID, q)
		require.NoError(t, err)
		require.Equal(t, int64(3), got.Jobs.Total)
		seen = append(seen, serversOf(got.Jobs.Jobs)...)
		if q.Cursor = got.Jobs.Next; q.Cursor == "" {
			break
		}
	}
	require.Equal(t, serverIDs(fleet...), seen)
	failed, err := s.Jobs.List(t.Context(), ports.JobQuery{Limit: 9, Statuses: []domain.Status{domain.StatusFailed}})
	require.NoError(t, err)
	require.Len(t, failed.Jobs, 1)
	got, err := s.Batches.Get(t.Context(), failed.Jobs[0].Job.BatchID, ports.JobQuery{Limit: 9, Statuses: []domain.Status{domain.StatusFailed}})
	require.NoError(t, err)
	require.Equal(t, int64(1), got.Tally.Failed)
	require.Equal(t, int64(3), got.Tally.Total())
	require.Len(t, got.Jobs.Jobs, 1)
	_, err = s.Batches.Get(t.Context(), d.Batch.ID, ports.JobQuery{Limit: 101})
	require.ErrorIs(t, err, &domain.Error{Code: "limit_invalid"})
}

func batchListed(t *testing.T, s Services) {
	fleet := s.fleet(t, 1)
	var want []domain.BatchID
	for range 5 {
		want = append([]domain.BatchID{s.submitBatch(t, ports.BatchSubmission{ServerIDs: serverIDs(fleet...)}).Batch.ID}, want...)
	}
	var got []domain.BatchID
	for q := (ports.BatchQuery{Limit: 2}); ; {
		page, err := s.Batches.List(t.Context(), q)
		require.NoError(t, err)
		require.Equal(t, int64(5), page.Total)
		for _, d := range page.Batches {
			got = append(got, d.Batch.ID)
			require.Equal(t, int64(1), d.Tally.Total())
			require.Equal(t, "uptime", d.Batch.Command.Line)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	require.Equal(t, want, got)
	page, err := s.Batches.List(t.Context(), ports.BatchQuery{Limit: 2, Page: 3})
	require.NoError(t, err)
	require.Len(t, page.Batches, 1)
	for code, q := range map[string]ports.BatchQuery{"limit_invalid": {Limit: 101}, "cursor_invalid": {Limit: 1, Cursor: "odd"}} {
		_, err := s.Batches.List(t.Context(), q)
		require.ErrorIs(t, err, &domain.Error{Code: code})
	}
}

func batchGroups(t *testing.T, s Services) {
	fleet := s.fleet(t, 5)
	d := s.submitBatch(t, ports.BatchSubmission{ServerIDs: serverIDs(fleet...)})
	names := map[domain.JobID]string{}
	for _, j := range d.Jobs.Jobs {
		names[j.Job.ID] = j.Server.Name
	}
	want := map[string][]string{}
	for i := range 4 {
		r := s.Begin(t)
		text := "the same\n"
		if i == 3 {
			text = "another\n"
		}
		for _, part := range []string{text[:i+1], text[i+1:]} { // cut in another place each
			r.Print(t, domain.Stdout, []byte(part))
		}
		r.Print(t, domain.Stderr, []byte{0xff, 0})
		want[text] = append(want[text], names[r.Job()])
		r.Exit(t, domain.Exit{Code: 2})
	}
	g, err := s.Batches.Groups(t.Context(), d.Batch.ID)
	require.NoError(t, err)
	require.Len(t, g.Finished, 2)
	require.Len(t, g.Unfinished, 1)
	for i, text := range []string{"the same\n", "another\n"} {
		o := g.Finished[i].Outcome
		require.Equal(t, domain.StatusFailed, o.Status)
		require.Equal(t, domain.ReasonExitNonzero, o.Reason)
		require.True(t, o.Exited)
		require.Equal(t, domain.Exit{Code: 2}, o.Exit)
		require.Equal(t, domain.DigestOf([]byte(text)), o.Stdout)
		require.Equal(t, domain.DigestOf([]byte{0xff, 0}), o.Stderr)
		require.Equal(t, domain.Offsets{Stdout: int64(len(text)), Stderr: 2}, o.Output)
		var got []string
		for _, r := range g.Finished[i].Results {
			got = append(got, r.Name)
			require.Equal(t, names[r.Job], r.Name)
		}
		require.ElementsMatch(t, want[text], got)
		require.IsIncreasing(t, append([]string{""}, got...))
	}
}

func batchCanceled(t *testing.T, s Services) {
	fleet := s.fleet(t, 4)
	d := s.submitBatch(t, ports.BatchSubmission{ServerIDs: serverIDs(fleet...), MaxParallel: 2})
	r := s.Begin(t)
	c, err := s.Batches.Cancel(t.Context(), d.Batch.ID)
	require.NoError(t, err)
	require.Equal(t, int64(3), c.Canceled)
	require.Equal(t, int64(1), c.Ending)
	require.Equal(t, domain.Tally{Running: 1, Canceled: 3}, c.Tally)
	require.Equal(t, domain.ReasonUser, c.Batch.StopReason)
	require.False(t, c.Batch.StoppedAt.IsZero())
	r.Killed(t)
	got, err := s.Batches.Get(t.Context(), d.Batch.ID, ports.JobQuery{Limit: 9})
	require.NoError(t, err)
	require.Equal(t, domain.Tally{Canceled: 4}, got.Tally)
	for _, j := range got.Jobs.Jobs {
		require.Equal(t, domain.ReasonBatch, j.Job.Reason)
	}
	_, err = s.Batches.Cancel(t.Context(), d.Batch.ID)
	require.ErrorIs(t, err, domain.ErrBatchFinished)
}

func batchRerun(t *testing.T, s Services) {
	fleet := s.fleet(t, 3)
	d := s.submitBatch(t, ports.BatchSubmission{
		Submission: ports.Submission{Script: "exit 1", Args: "x", Priority: 7}, ServerIDs: serverIDs(fleet...), MaxParallel: 3, StopAfterFailures: 3,
	})
	_, err := s.Batches.Rerun(t.Context(), d.Batch.ID, ports.BatchRerun{})
	require.ErrorIs(t, err, domain.ErrBatchActive)
	byJob := map[domain.JobID]domain.ServerID{}
	for _, j := range d.Jobs.Jobs {
		byJob[j.Job.ID] = j.Job.ServerID
	}
	var failed []domain.ServerID
	for code := range 3 {
		r := s.Begin(t)
		if code > 0 {
			failed = append(failed, byJob[r.Job()])
		}
		r.Exit(t, domain.Exit{Code: code})
	}
	again, err := s.Batches.Rerun(t.Context(), d.Batch.ID, ports.BatchRerun{OnlyFailed: true, IdempotencyKey: "again"})
	require.NoError(t, err)
	require.ElementsMatch(t, failed, serversOf(again.Jobs.Jobs))
	require.Equal(t, d.Batch.ID, again.Batch.OriginID)
	require.Equal(t, d.Batch.Command, again.Batch.Command)
	require.Equal(t, []int{3, 3, 7}, []int{again.Batch.MaxParallel, again.Batch.StopAfterFailures, int(again.Batch.Priority)})
	for _, j := range again.Jobs.Jobs {
		require.Equal(t, j.Job.ServerID, byJob[j.Job.OriginID])
	}
	repeat, err := s.Batches.Rerun(t.Context(), d.Batch.ID, ports.BatchRerun{OnlyFailed: true, IdempotencyKey: "again"})
	require.NoError(t, err)
	require.Equal(t, again.Batch.ID, repeat.Batch.ID)
	all, err := s.Batches.Rerun(t.Context(), d.Batch.ID, ports.BatchRerun{})
	require.NoError(t, err)
	require.Equal(t, serverIDs(fleet...), serversOf(all.Jobs.Jobs))

	canceled, err := s.Batches.Cancel(t.Context(), all.Batch.ID)
	require.NoError(t, err)
	require.Equal(t, int64(3), canceled.Canceled)
	_, err = s.Batches.Rerun(t.Context(), all.Batch.ID, ports.BatchRerun{OnlyFailed: true})
	require.ErrorIs(t, err, domain.ErrBatchEmpty)
}

func batchNobody(t *testing.T, s Services) {
	for _, id := range []domain.BatchID{nobody, "no id at all"} {
		_, err := s.Batches.Get(t.Context(), id, ports.JobQuery{Limit: 1})
		require.ErrorIs(t, err, domain.ErrBatchNotFound)
		_, err = s.Batches.Groups(t.Context(), id)
		require.ErrorIs(t, err, domain.ErrBatchNotFound)
		_, err = s.Batches.Cancel(t.Context(), id)
		require.ErrorIs(t, err, domain.ErrBatchNotFound)
		_, err = s.Batches.Rerun(t.Context(), id, ports.BatchRerun{})
		require.ErrorIs(t, err, domain.ErrBatchNotFound)
	}
}

func batchDone(t *testing.T, s Services) {
	d := s.submitBatch(t, ports.BatchSubmission{ServerIDs: serverIDs(s.fleet(t, 1)...)})
	requireDone(t, map[string]func(context.Context) error{
		"Submit": func(ctx context.Context) error {
			_, err := s.Batches.Submit(ctx, ports.BatchSubmission{Submission: ports.Submission{Command: "w"}, All: true})
			return err
		},
		"Get": func(ctx context.Context) error {
			_, err := s.Batches.Get(ctx, d.Batch.ID, ports.JobQuery{Limit: 1})
			return err
		},
		"List":   func(ctx context.Context) error { _, err := s.Batches.List(ctx, ports.BatchQuery{Limit: 1}); return err },
		"Groups": func(ctx context.Context) error { _, err := s.Batches.Groups(ctx, d.Batch.ID); return err },
		"Cancel": func(ctx context.Context) error { _, err := s.Batches.Cancel(ctx, d.Batch.ID); return err },
		"Rerun": func(ctx context.Context) error {
			_, err := s.Batches.Rerun(ctx, d.Batch.ID, ports.BatchRerun{})
			return err
		},
	})
}
