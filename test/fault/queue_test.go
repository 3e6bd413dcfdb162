package fault

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/netqueue"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/harness/cluster"
	"github.com/heysubinoy/remora/test/harness/house"
	"github.com/heysubinoy/remora/test/harness/pgtest"
	"github.com/heysubinoy/remora/test/harness/sshd"
	"github.com/heysubinoy/remora/test/harness/wait"
)

// storeIsNew is what a dispatcher logs when it offers every job again.
const storeIsNew = "the queue's storage is new"

// noter submits jobs that note each of their runs in a file of their own on the server.
type noter struct {
	dir string
	ids []domain.JobID
}

func (n *noter) note(i int) string    { return filepath.Join(n.dir, fmt.Sprint(i)) }
func (n *noter) command(i int) string { return "echo ran >> " + n.note(i) }

func submitNoters(t *testing.T, h *house.House, jobs int) *noter {
	t.Helper()
	n := &noter{dir: t.TempDir(), ids: make([]domain.JobID, jobs)}
	for i := range n.ids {
		n.ids[i] = h.Submit(t, ports.Submission{Command: n.command(i)})
	}
	return n
}

// requireRanOnce waits for the end of every job and looks on the server how often each ran.
func (n *noter) requireRanOnce(t *testing.T, h *house.House) {
	t.Helper()
	for i, id := range n.ids {
		job, _, _ := h.End(t, id)
		require.Equal(t, domain.StatusCompleted, job.Status, "%s: %s", job.Reason, job.Message)
		require.Equal(t, 1, lines(t, n.note(i)), "runs of job %d", i)
	}
}

// waitOffered waits until the queue was offered every job that it has room for.
func waitOffered(t *testing.T, h *house.House) {
	t.Helper()
	wait.Until(t, func() error {
		for page := 1; ; page++ {
			list, err := h.Jobs().List(t.Context(), ports.JobQuery{Limit: 100, Page: page})
			if err != nil {
				return err
			}
			for _, j := range list.Jobs {
				if j.Job.Phase == domain.PhasePending {
					return fmt.Errorf("job %s was not offered yet", j.Job.ID)
				}
			}
			if len(list.Jobs) < 100 {
				return nil
			}
		}
	})
}

// Promise 1: the queue is killed and its directory deleted with jobs waiting.
func TestQueueLost(t *testing.T) {
	for name, url := range map[string]string{"sqlite": "", "postgres": pgtest.URL(t)} {
		t.Run(name, func(t *testing.T) {
			h := house.New(t, url, sshd.Start(t))
			queue := h.StartQueue(t)
			api := h.StartAPI(t)
			h.Register(t)
			n := submitNoters(t, h, 200)
			waitOffered(t, h)
			queue.Kill()
			require.NoError(t, os.RemoveAll(h.QueueDir))
			h.StartQueue(t)
			worker := h.StartWorker(t)
			n.requireRanOnce(t, h)
			require.True(t, says(storeIsNew, api, worker), "nobody has seen that the queue's storage is another")
		})
	}
}

// Promise 1: the queue is killed again and again while jobs come out of it; its directory has them all.
func TestQueueKilled(t *testing.T) {
	h := house.New(t, "", sshd.Start(t))
	queue, api, worker := h.StartAll(t)
	h.Register(t)
	n := submitNoters(t, h, 120)
	for _, ran := range []int{1, 40, 80} {
		wait.Until(t, func() error {
			if done, err := os.ReadDir(n.dir); err != nil || len(done) < ran {
				return fmt.Errorf("%d jobs have run, %w", len(done), err)
			}
			return nil
		})
		queue.Kill()
		queue = h.StartQueue(t)
	}
	n.requireRanOnce(t, h)
	require.False(t, says(storeIsNew, api, worker), "the queue that was killed lost what it had said was safe")
}

// Promise 10: the queue's log is damaged while it is down, or torn at its end, and no job is lost.
func TestQueueDamaged(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, h *house.House, log string) (lost bool){
		"torn tail": func(t *testing.T, h *house.House, log string) bool {
			f, err := os.OpenFile(log, os.O_APPEND|os.O_WRONLY, 0)
			require.NoError(t, err)
			_, err = f.Write(bytes.Repeat([]byte{0xa5}, 37))
			require.NoError(t, err)
			require.NoError(t, f.Close())
			queue := h.StartQueue(t)
			wait.Until(t, func() error { // what a process has written comes over a pipe
				if !strings.Contains(queue.Log(), "torn end was cut") {
					return fmt.Errorf("the queue has not said that it cut the torn end: %s", queue.Log())
				}
				return nil
			})
			return false
		},
		"flipped bit": func(t *testing.T, h *house.House, log string) bool {
			b, err := os.ReadFile(log)
			require.NoError(t, err)
			b[len(b)/2] ^= 0x10
			require.NoError(t, os.WriteFile(log, b, 0o600))
			for range 2 { // refused is refused, however often
				refused := h.Start(t, "remora-queue")
				require.NotZero(t, refused.Exit(t, 20*time.Second))
				require.Contains(t, refused.Log(), log+" is damaged at byte ", "it says what and where")
				require.Contains(t, refused.Log(), "remora queue repair", "it says what to do")
			}
			after, err := os.ReadFile(log)
			require.NoError(t, err)
			require.True(t, bytes.Equal(b, after), "a queue that refuses to start has changed its log")
			repair := h.Start(t, "remora", "queue", "repair", h.QueueDir)
			require.Zero(t, repair.Exit(t, 20*time.Second), repair.Log())
			require.Contains(t, repair.Out(), filepath.Base(log))
			h.StartQueue(t)
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := house.New(t, "", sshd.Start(t))
			queue := h.StartQueue(t)
			api := h.StartAPI(t)
			h.Register(t)
			n := submitNoters(t, h, 60)
			waitOffered(t, h)
			queue.Kill()
			logs, err := filepath.Glob(filepath.Join(h.QueueDir, "segment-*.log"))
			require.NoError(t, err)
			require.Len(t, logs, 1)
			lost := damage(t, h, logs[0])
			worker := h.StartWorker(t)
			n.requireRanOnce(t, h)
			require.Equal(t, lost, says(storeIsNew, api, worker), "a queue is offered everything again when, and only when, it lost something")
		})
	}
}

// Promise 9: a queue that is full refuses, and jobs wait in the database until there is room.
func TestQueueFull(t *testing.T) {
	const room = 300
	h := house.New(t, "", sshd.Start(t))
	secret, err := os.ReadFile(filepath.Join(h.Dir, "queue.token"))
	require.NoError(t, err)
	token := domain.NewSecret(string(bytes.TrimSpace(secret)))
	queue, err := netqueue.Open(netqueue.ServerConfig{Addr: h.QueueAddr, Dir: h.QueueDir, Token: token, MaxTickets: room})
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- queue.Run(context.WithoutCancel(t.Context())) }()
	t.Cleanup(func() {
		require.NoError(t, queue.Close())
		require.NoError(t, <-ended)
	})
	client := netqueue.NewClient(netqueue.ClientConfig{Addr: h.QueueAddr, Queue: "job_queue", Token: token})
	t.Cleanup(client.Close)
	var others []domain.Ticket // of jobs that nobody knows; whoever takes them drops them
	for i := range room {
		others = append(others, domain.Ticket{ID: fmt.Sprintf("other.%d", i), Job: domain.JobID(fmt.Sprint("other-", i)), Priority: domain.DefaultPriority})
	}
	require.NoError(t, client.Put(t.Context(), others))

	api := h.StartAPI(t)
	h.Register(t)
	n := submitNoters(t, h, 60)
	waitSays(t, "the queue is full", api)
	wait.Until(t, func() error { // they wait in the database, not for tickets that are nowhere
		list, err := h.Jobs().List(t.Context(), ports.JobQuery{Limit: 100})
		if err != nil {
			return err
		}
		require.Len(t, list.Jobs, len(n.ids))
		for _, j := range list.Jobs {
			if j.Job.Phase != domain.PhasePending && j.Job.Phase != domain.PhaseHeld {
				return fmt.Errorf("job %s is %s", j.Job.ID, j.Job.State())
			}
		}
		return nil
	})
	stats, err := client.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, room, stats.Waiting, "a full queue took more")
	h.StartWorker(t)
	n.requireRanOnce(t, h)
	waitSays(t, "dispatching works again", api)
}

// says reports whether one of the programs has logged text.
func says(text string, programs ...*cluster.Process) bool {
	return slices.ContainsFunc(programs, func(p *cluster.Process) bool { return strings.Contains(p.Log(), text) })
}

func waitSays(t *testing.T, text string, p *cluster.Process) {
	t.Helper()
	wait.Until(t, func() error {
		if !says(text, p) {
			return fmt.Errorf("its log does not say %q", text)
		}
		return nil
	})
}
