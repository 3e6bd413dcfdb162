package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/harness/cluster"
	"github.com/heysubinoy/remora/test/harness/proc"
	"github.com/heysubinoy/remora/test/harness/wait"
)

// printedJob is what is looked at of a job that a program printed.
type printedJob struct {
	ID       domain.JobID
	Status   string
	Reason   string
	ExitCode *int `json:"exit_code"`
	Command  string
	Stdout   string
	Stderr   string
	Server   struct{ Name string }
}

type printedJobs struct {
	Jobs       []printedJob
	Pagination struct {
		Total   int64
		HasNext bool `json:"has_next"`
	}
}

func (d *desk) jobsStory(t *testing.T) {
	word := fmt.Sprint("needle-", time.Now().UnixNano())
	d.remora(t, "run", "-s", "web-1", "--", "echo "+word+"; echo oh >&2; exit 5")
	d.remora(t, "run", "-s", "web-2", "--", "echo "+word)

	table := d.ok(t, "jobs", "ls", "--search", word)
	require.Contains(t, table, "STATUS")
	require.Equal(t, 2, strings.Count(table, word))
	var all, failed printedJobs
	decode(t, d.ok(t, "jobs", "ls", "--search", word, "--limit", "1", "-o", "json"), &all)
	require.Len(t, all.Jobs, 1)
	require.EqualValues(t, 2, all.Pagination.Total)
	require.True(t, all.Pagination.HasNext)
	require.Equal(t, "web-2", all.Jobs[0].Server.Name, "the newest comes first")
	decode(t, d.ok(t, "jobs", "ls", "--search", word, "--status", "failed", "--server", "web-1", "-o", "json"), &failed)
	require.Len(t, failed.Jobs, 1)
	id := string(failed.Jobs[0].ID)

	text := d.ok(t, "jobs", "get", id)
	for _, part := range []string{id, "web-1", "failed", "exit_nonzero", "5"} {
		require.Contains(t, text, part)
	}
	var job printedJob
	decode(t, d.ok(t, "jobs", "get", id, "-o", "json"), &job)
	require.Equal(t, "failed exit_nonzero 5", fmt.Sprint(job.Status, " ", job.Reason, " ", *job.ExitCode))
	require.Equal(t, word+"\n", job.Stdout)
	require.Equal(t, "oh\n", job.Stderr)

	got := d.remora(t, "jobs", "logs", id)
	require.Equal(t, cluster.Result{Stdout: word + "\n", Stderr: "oh\n"}, got)
	require.Equal(t, cluster.Result{Stdout: word + "\n"}, d.remora(t, "jobs", "logs", id, "--stdout"))
	require.Equal(t, cluster.Result{Stdout: "oh\n"}, d.remora(t, "jobs", "logs", id, "--stderr"))
	lines := strings.Split(strings.TrimSpace(d.ok(t, "jobs", "logs", id, "-o", "json")), "\n")
	require.Len(t, lines, 2)
	for _, line := range lines {
		require.True(t, json.Valid([]byte(line)), line)
	}
	got = d.remora(t, "jobs", "cancel", id)
	require.Equal(t, 5, got.Code, "a job that is over cannot be canceled: %s", got.Stderr)
	d.cancelStory(t)
}

func (d *desk) cancelStory(t *testing.T) {
	mark := newMark()
	command, n := tree(mark)
	id := string(d.Submit(t, ports.Submission{Command: command}))
	follower := cluster.Launch(t, d.Command("remora", "jobs", "logs", "-f", id))
	waitFor(t, follower.Out, "begun\n")
	proc.WaitCount(t, mark, n)
	got := d.remora(t, "jobs", "cancel", id, "-o", "json")
	require.Zero(t, got.Code, got.Stderr)
	require.Contains(t, got.Stderr, "0 processes left")
	require.Empty(t, proc.Find(t, mark))
	var canceled printedJobs
	decode(t, got.Stdout, &canceled)
	require.Len(t, canceled.Jobs, 1)
	require.Equal(t, "canceled", canceled.Jobs[0].Status)
	require.Zero(t, follower.Exit(t, 20*time.Second), follower.Log())
	require.Equal(t, "begun\n", follower.Out())
}

// logsAcrossRestart comes last: it leaves another API process behind.
func (d *desk) logsAcrossRestart(t *testing.T, api *cluster.Process) {
	const last = 250
	dir := t.TempDir()
	id := d.Submit(t, ports.Submission{Command: fmt.Sprintf(
		`i=0; while [ $i -lt %[1]d ]; do i=$((i+1)); echo "line $i"; [ $i -eq 120 ] && until [ -e %[2]s/on ]; do sleep 0.02; done; sleep 0.01; done; printf end >&2; touch %[2]s/done`, last, dir)})
	follower := cluster.Launch(t, d.Command("remora", "jobs", "logs", "-f", string(id)))
	waitFor(t, follower.Out, "line 60\n")
	api.Kill()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "on"), nil, 0o600))
	wait.Until(t, func() error { _, err := os.Stat(filepath.Join(dir, "done")); return err }) // half of it came while nobody could be asked
	d.StartAPI(t)
	require.Zero(t, follower.Exit(t, time.Minute), follower.Log())
	var want strings.Builder
	for i := range last {
		fmt.Fprintf(&want, "line %d\n", i+1)
	}
	require.Equal(t, want.String(), follower.Out())
	require.Regexp(t, `\Aremora: the API is away, trying again: [^\n]+\nremora: the API is back\nend\z`, follower.Log(), "said once each")
	require.Equal(t, want.String(), d.ok(t, "jobs", "logs", string(id)))
}
