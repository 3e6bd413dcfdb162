package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/test/harness/cluster"
	"github.com/heysubinoy/remora/test/harness/proc"
	"github.com/heysubinoy/remora/test/harness/wait"
)

type printedBatch struct {
	ID       string
	Finished bool
	Origin   *string `json:"origin_batch_id"`
	Counts   struct{ Total, Queued, Completed, Failed, Canceled int }
	Jobs     []printedJob
}

// batchStory is what people do with one command on three servers.
func (d *desk) batchStory(t *testing.T) {
	// The servers are one machine under three names: the first to make the directory prints something else.
	once := filepath.Join(t.TempDir(), "once")
	command := "echo same; if mkdir " + once + " 2>/dev/null; then echo first; echo oh >&2; exit 4; fi; echo rest"
	got := d.remora(t, "run", "-s", "web-1,web-2,web-3", "--parallel", "2", "--diff", "--", command)
	require.Equal(t, 1, got.Code, got.Stderr)
	require.Regexp(t, `\A== web-(\[1-2\]|\[2-3\]|\[1,3\]) \(2 servers\): completed\nsame\nrest\n\n== web-\d \(1 server\): failed with exit code 4\n`+
		`--- web-\S+ stdout\n\+\+\+ web-\d stdout\n@@ -1,2 \+1,2 @@\n same\n-rest\n\+first\n--- web-\S+ stderr\n\+\+\+ web-\d stderr\n@@ -0,0 \+1 @@\n\+oh\n\z`, got.Stdout)
	require.Contains(t, got.Stderr, "3 servers: 2 completed, 1 failed")

	var list struct{ Batches []printedBatch }
	decode(t, d.ok(t, "batches", "ls", "--limit", "1", "-o", "json"), &list)
	id := list.Batches[0].ID
	require.True(t, list.Batches[0].Finished)
	require.Equal(t, 1, list.Batches[0].Counts.Failed)
	text := d.ok(t, "batches", "groups", id)
	require.Contains(t, text, "(2 servers): completed\nsame\nrest\n")
	require.Contains(t, d.ok(t, "batches", "get", id), "3: 2 completed, 1 failed")
	var failed printedJobs
	decode(t, d.ok(t, "jobs", "ls", "--batch", id, "--reason", "exit_nonzero", "--since", "1h", "-o", "json"), &failed)
	require.Len(t, failed.Jobs, 1)
	require.Equal(t, 5, d.remora(t, "batches", "cancel", id).Code)

	again := strings.TrimSpace(d.ok(t, "batches", "rerun", "--failed", id))
	var batch printedBatch
	wait.Until(t, func() error {
		decode(t, d.ok(t, "batches", "get", again, "-o", "json"), &batch)
		if !batch.Finished {
			return fmt.Errorf("not finished: %+v", batch.Counts)
		}
		return nil
	})
	require.Equal(t, id, *batch.Origin)
	require.Equal(t, 1, batch.Counts.Completed, "the directory is there now")
	require.Equal(t, failed.Jobs[0].Server.Name, batch.Jobs[0].Server.Name)

	got = d.remora(t, "run", "-s", "web-1,web-2,web-3", "--parallel", "1", "--stop-after", "1", "--", "exit 3")
	require.Equal(t, 1, got.Code)
	require.Contains(t, got.Stderr, "3 servers: 1 failed, 2 canceled")
	require.Equal(t, 2, d.remora(t, "run", "-s", "web-1,web-2", "--max-attempts", "1000", "--", "true").Code)
	d.batchCancel(t)
}

func (d *desk) batchCancel(t *testing.T) {
	mark := newMark()
	command, n := tree(mark)
	p := cluster.Launch(t, d.Command("remora", "run", "-s", "web-1,web-2,web-3", "--parallel", "2", "--", command))
	proc.WaitCount(t, mark, 2*n)
	p.Signal(t, syscall.SIGINT)
	require.Equal(t, 130, p.Exit(t, 30*time.Second))
	require.Regexp(t, `remora: web-\S+: canceled, 0 processes left\n`, p.Log())
	require.Regexp(t, `remora: web-\d: canceled before it started\n`, p.Log())
	require.Empty(t, proc.Find(t, mark))

	mark = newMark()
	command, n = tree(mark)
	made := d.remora(t, "run", "-s", "web-1,web-2", "--detach", "--", command)
	require.Zero(t, made.Code, made.Stderr)
	_, id, ok := strings.Cut(strings.TrimSpace(made.Stderr), "remora: batch ")
	require.True(t, ok, made.Stderr)
	proc.WaitCount(t, mark, 2*n)
	got := d.remora(t, "batches", "cancel", id)
	require.Zero(t, got.Code, got.Stderr)
	require.Contains(t, got.Stderr, "web-[1-2]: canceled, 0 processes left")
	require.Empty(t, proc.Find(t, mark))
}

// copies runs a job again, as it was and changed.
func (d *desk) copies(t *testing.T) {
	marker := filepath.Join(t.TempDir(), "marker")
	require.Equal(t, 9, d.remora(t, "run", "-s", "web-1", "--", "echo once; test -e "+marker+" || exit 9").Code)
	var jobs printedJobs
	decode(t, d.ok(t, "jobs", "ls", "--limit", "1", "-o", "json"), &jobs)
	id := string(jobs.Jobs[0].ID)
	require.NoError(t, os.WriteFile(marker, nil, 0o600))
	got := d.remora(t, "jobs", "rerun", "-f", id)
	require.Equal(t, 0, got.Code, got.Stderr)
	require.Equal(t, "once\n", got.Stdout)
	got = d.remora(t, "jobs", "duplicate", id, "-s", "web-2", "-f", "--", "printf", "[%s]", "a b")
	require.Equal(t, 0, got.Code, got.Stderr)
	require.Equal(t, "[a b]", got.Stdout)
	require.Contains(t, got.Stderr, "web-2: completed")
	copied := strings.TrimSpace(d.ok(t, "jobs", "duplicate", id, "--timeout", "20"))
	require.Contains(t, d.ok(t, "jobs", "get", copied), "20s")
	require.Equal(t, 4, d.remora(t, "jobs", "rerun", nobody).Code)
	require.Contains(t, d.ok(t, "system"), "with room for")
}
