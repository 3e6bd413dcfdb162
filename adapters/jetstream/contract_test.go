package jetstream_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heysubinoy/remora/adapters/jetstream"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/contract"
	"github.com/heysubinoy/remora/test/harness/natstest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("github.com/nats-io/nats-server/v2/server.(*fileStore).flushLoop"), // of stores that are gone
	)
}

// client returns a client of a queue on a server; it ends with the test.
func client(t *testing.T, s *natstest.Server, queue string) *jetstream.Client {
	t.Helper()
	url, err := jetstream.ParseURL(s.URL())
	require.NoError(t, err)
	c, err := jetstream.NewClient(jetstream.Config{URL: url, Queue: queue})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestQueue(t *testing.T) {
	t.Parallel()
	var opened sync.Map // of *natstest.Server by the test that opened it
	contract.Queue(t, func(t *testing.T) (ports.Enqueuer, ports.Dequeuer) {
		s := natstest.Start(t)
		opened.Store(t, s)
		return client(t, s, "a.queue"), client(t, s, "a.queue")
	}, contract.QueueTraits{Restart: func(t *testing.T) {
		s, _ := opened.Load(t)
		s.(*natstest.Server).Stop()
		s.(*natstest.Server).Resume(t)
	}})
}

// TestQueue_OneServer runs the contract on many queues of one server, each with one client for both sides.
func TestQueue_OneServer(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	contract.Queue(t, func(t *testing.T) (ports.Enqueuer, ports.Dequeuer) {
		c := client(t, s, queueName(t))
		return c, c
	}, contract.QueueTraits{})
}

func TestSignals(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	contract.Signals(t, func(t *testing.T) (here, there ports.Signals) {
		return client(t, s, queueName(t)), client(t, s, queueName(t))
	})
}

func TestPinger(t *testing.T) {
	t.Parallel()
	contract.Pinger(t, func(t *testing.T) ports.Pinger { return client(t, natstest.Start(t), "q") })
}
