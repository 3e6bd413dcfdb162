// Package fault breaks Remora's real programs while they work, and looks on the server what really happened.
package fault

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/harness/house"
	"github.com/heysubinoy/remora/test/harness/pgtest"
	"github.com/heysubinoy/remora/test/harness/proc"
	"github.com/heysubinoy/remora/test/harness/sshd"
	"github.com/heysubinoy/remora/test/harness/wait"
)

// counted prints a counted line every 20 ms for 20 s, after it has noted its start in a file on the server.
func counted(starts string) string {
	return fmt.Sprintf(`echo start >> %s; i=0; while [ $i -lt 1000 ]; do i=$((i+1)); echo "line $i"; sleep 0.02; done; echo end >&2`, starts)
}

func countedOutput() string {
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, "line %d\n", i+1)
	}
	return b.String()
}

func lines(t *testing.T, path string) int {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return strings.Count(string(b), "\n")
}

func requireCounted(t *testing.T, h *house.House, id domain.JobID, starts string) domain.Job {
	t.Helper()
	job, out, errs := h.End(t, id)
	require.Equal(t, domain.StatusCompleted, job.Status, "%s: %s", job.Reason, job.Message)
	require.Equal(t, sha256.Sum256([]byte(countedOutput())), sha256.Sum256([]byte(out)), "the stored output is not what the job printed")
	require.Equal(t, "end\n", errs)
	require.Equal(t, 1, lines(t, starts), "starts of the command on the server")
	require.Equal(t, 1, job.Attempt)
	return job
}

// Promise 3: a job outlives its worker.
func TestWorkerKilled(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{"sqlite": "", "postgres": pgtest.URL(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := house.New(t, url, sshd.Start(t))
			h.StartQueue(t)
			h.StartAPI(t)
			worker := h.StartWorker(t)
			h.Register(t)
			starts := filepath.Join(t.TempDir(), "starts")
			id := h.Submit(t, ports.Submission{Command: counted(starts)})
			h.Printed(t, id, "line 100\n")
			worker.Kill()
			began := time.Now()
			h.StartWorker(t)
			h.Printed(t, id, "line 700\n")
			t.Logf("seen running on by the new worker %s after the old one was killed", time.Since(began).Round(time.Millisecond))
			job := requireCounted(t, h, id, starts)
			require.Greater(t, job.Epoch, int64(1))
		})
	}
}

// Promise 3: sshd's connection process is killed under the job.
func TestConnectionKilled(t *testing.T) {
	t.Parallel()
	server := sshd.Start(t)
	h := house.New(t, "", server)
	h.StartAll(t)
	h.Register(t)
	starts := filepath.Join(t.TempDir(), "starts")
	id := h.Submit(t, ports.Submission{Command: counted(starts)})
	for n := 1; n <= 5; n++ {
		h.Printed(t, id, fmt.Sprintf("line %d\n", n*100))
		server.KillConnections()
	}
	requireCounted(t, h, id, starts)
}

// A worker that is asked to stop takes nothing new, leaves the job on its server, and another carries it on at once.
func TestWorkerStopped(t *testing.T) {
	t.Parallel()
	h := house.New(t, "", sshd.Start(t))
	_, _, worker := h.StartAll(t)
	h.Register(t)
	starts := filepath.Join(t.TempDir(), "starts")
	id := h.Submit(t, ports.Submission{Command: counted(starts)})
	h.Printed(t, id, "line 100\n")
	worker.Signal(t, syscall.SIGTERM)
	require.Zero(t, worker.Exit(t, 20*time.Second))
	d := h.Job(t, id)
	require.Equal(t, domain.PhaseDetached, d.Phase)
	h.StartWorker(t)
	requireCounted(t, h, id, starts)
}

// Promise 6: a worker that was asleep for longer than its lease changes nothing any more.
func TestWorkerAsleep(t *testing.T) {
	t.Parallel()
	h := house.New(t, pgtest.URL(t), sshd.Start(t))
	h.StartQueue(t)
	h.StartAPI(t)
	asleep := h.StartWorker(t)
	h.Register(t)
	starts := filepath.Join(t.TempDir(), "starts")
	id := h.Submit(t, ports.Submission{Command: counted(starts)})
	h.Printed(t, id, "line 50\n")
	asleep.Signal(t, syscall.SIGSTOP)
	h.StartWorker(t)
	wait.Within(t, time.Minute, func() error {
		if j := h.Job(t, id); j.Epoch < 3 {
			return fmt.Errorf("nobody has taken the job over: %s, epoch %d", j.State(), j.Epoch)
		}
		return nil
	})
	asleep.Signal(t, syscall.SIGCONT)
	requireCounted(t, h, id, starts)
}

// Promise 4: a job is canceled while its worker is dead; the next worker ends its processes.
func TestCancelWithoutWorker(t *testing.T) {
	t.Parallel()
	h := house.New(t, "", sshd.Start(t))
	_, _, worker := h.StartAll(t)
	h.Register(t)
	mark := fmt.Sprintf("300.%d", time.Now().UnixNano())
	id := h.Submit(t, ports.Submission{Command: "echo begun; setsid sleep " + mark + " & sleep " + mark})
	h.Printed(t, id, "begun")
	proc.WaitCount(t, mark, 2)
	worker.Kill()
	_, err := h.Jobs().Cancel(t.Context(), id)
	require.NoError(t, err)
	h.StartWorker(t)
	job, _, _ := h.End(t, id)
	require.Equal(t, domain.StatusCanceled, job.Status, "%s: %s", job.Reason, job.Message)
	require.True(t, *job.KillConfirmed())
	require.Empty(t, proc.Find(t, mark))
}

// The database is away in the middle: the job runs on, and nothing of it is lost.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	pg := pgtest.Start(t)
	h := house.New(t, pg.URL(t), sshd.Start(t))
	h.StartAll(t)
	h.Register(t)
	starts := filepath.Join(t.TempDir(), "starts")
	id := h.Submit(t, ports.Submission{Command: counted(starts)})
	h.Printed(t, id, "line 100\n")
	pg.Kill(t)
	_, err := h.Jobs().Get(t.Context(), id)
	require.ErrorIs(t, err, domain.ErrStorageUnavailable)
	pg.Restart(t)
	requireCounted(t, h, id, starts)
}
