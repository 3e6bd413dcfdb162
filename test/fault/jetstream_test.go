package fault

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/test/harness/house"
	"github.com/heysubinoy/remora/test/harness/natstest"
	"github.com/heysubinoy/remora/test/harness/pgtest"
	"github.com/heysubinoy/remora/test/harness/sshd"
	"github.com/heysubinoy/remora/test/harness/wait"
)

// onJetStream prepares a house whose queue is the given server.
func onJetStream(t *testing.T, url string, nats *natstest.Process) *house.House {
	t.Helper()
	return house.New(t, url, sshd.Start(t), "QUEUE_URL="+nats.URL(), "NETQUEUE_ADDR=", "NETQUEUE_DIR=", "NETQUEUE_TOKEN_FILE=")
}

// waitHealthy waits until the API says what is expected of database and queue together.
func waitHealthy(t *testing.T, h *house.House, healthy bool) {
	t.Helper()
	system := h.Client(t).System
	wait.Until(t, func() error {
		if now := system.Health(t.Context()); now.Healthy() != healthy {
			return fmt.Errorf("health is %+v", now)
		}
		return nil
	})
}

// Promise 1 on JetStream: the server is killed with all that it has stored, with jobs waiting in it.
func TestJetStreamLost(t *testing.T) {
	for name, url := range map[string]string{"sqlite": "", "postgres": pgtest.URL(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nats := natstest.StartProcess(t)
			h := onJetStream(t, url, nats)
			api := h.StartAPI(t)
			h.Register(t)
			n := submitNoters(t, h, 100)
			waitOffered(t, h)
			nats.Kill()
			nats.Forget(t)
			nats.Resume(t)
			worker := h.StartWorker(t)
			n.requireRanOnce(t, h)
			require.True(t, says(storeIsNew, api, worker), "nobody has seen that the queue's storage is another")
		})
	}
}

// Promise 1 on JetStream: the server is killed again and again while jobs come out of it; those submitted while it is away
// are accepted and wait.
func TestJetStreamKilled(t *testing.T) {
	t.Parallel()
	nats := natstest.StartProcess(t)
	h := onJetStream(t, "", nats)
	api, worker := h.StartAPI(t), h.StartWorker(t)
	h.Register(t)
	waitHealthy(t, h, true)
	n := submitNoters(t, h, 90)
	for _, ran := range []int{1, 30, 60} {
		wait.Until(t, func() error {
			if done, err := os.ReadDir(n.dir); err != nil || len(done) < ran {
				return fmt.Errorf("%d jobs have run, %w", len(done), err)
			}
			return nil
		})
		nats.Kill()
		if ran == 30 {
			waitHealthy(t, h, false)
			away := submitNoters(t, h, 10)
			require.Equal(t, domain.StatusQueued, h.Job(t, away.ids[9]).Status)
			defer func() { away.requireRanOnce(t, h) }()
		}
		nats.Resume(t)
	}
	n.requireRanOnce(t, h)
	waitHealthy(t, h, true)
	require.False(t, says(storeIsNew, api, worker), "the queue has kept its storage")
}

// TestJetStreamRefusesNetQueue: where QUEUE_URL is set, the broker does not start and says why.
func TestJetStreamRefusesNetQueue(t *testing.T) {
	t.Parallel()
	h := house.New(t, "", nil, "QUEUE_URL=nats://127.0.0.1:4222", "NETQUEUE_ADDR=", "NETQUEUE_DIR=", "NETQUEUE_TOKEN_FILE=")
	queue := h.Start(t, "remora-queue")
	require.Equal(t, 2, queue.Exit(t, time.Minute))
	require.Contains(t, queue.Log(), "QUEUE_URL")
}
