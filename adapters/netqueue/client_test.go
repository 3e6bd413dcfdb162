package netqueue_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/netqueue"
	"github.com/heysubinoy/remora/domain"
)

// requireUnavailable checks that every call says so, and soon.
func requireUnavailable(t *testing.T, c *netqueue.Client) {
	t.Helper()
	for name, call := range map[string]func(ctx context.Context) error{
		"Put":      func(ctx context.Context) error { return c.Put(ctx, tickets("x", 1)) },
		"Withdraw": func(ctx context.Context) error { _, err := c.Withdraw(ctx, []string{"x"}); return err },
		"Store":    func(ctx context.Context) error { _, err := c.Store(ctx); return err },
		"Reserve":  func(ctx context.Context) error { _, err := c.Reserve(ctx, 1, time.Minute); return err },
		"Ack":      func(ctx context.Context) error { return c.Ack(ctx, 1) },
		"Release":  func(ctx context.Context) error { return c.Release(ctx, 1, 0) },
		"Extend":   func(ctx context.Context) error { return c.Extend(ctx, 1, time.Minute) },
		"Ping":     c.Ping,
		"Stats":    func(ctx context.Context) error { _, err := c.Stats(ctx); return err },
	} {
		began := time.Now()
		require.ErrorIs(t, call(t.Context()), domain.ErrQueueUnavailable, name)
		require.Less(t, time.Since(began), 5*time.Second, name)
	}
	c.Publish("x") // says nothing, and returns
}

func TestClient_ServerIsAway(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	c := netqueue.NewClient(netqueue.ClientConfig{Addr: addr, Queue: "jobs", Token: domain.NewSecret(token)})
	requireUnavailable(t, c)
	c.Close()
	c.Close()
	requireUnavailable(t, c)
}

// TestClient_ServerThatSaysNothing accepts and is silent.
func TestClient_ServerThatSaysNothing(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	c := netqueue.NewClient(netqueue.ClientConfig{Addr: l.Addr().String(), Queue: "jobs", Token: domain.NewSecret(token)})
	defer c.Close()
	began := time.Now()
	require.ErrorIs(t, c.Ping(t.Context()), domain.ErrQueueUnavailable)
	require.Less(t, time.Since(began), 5*time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.Equal(t, domain.KindTimeout, domain.KindOf(c.Ping(ctx)))
}

func TestClient_WaitingCallsEndWithTheConnection(t *testing.T) {
	t.Parallel()
	q := start(t)
	c := q.client(t)
	require.NoError(t, c.Ping(t.Context()))
	var waiting sync.WaitGroup
	for range 10 {
		waiting.Go(func() {
			if _, err := c.Reserve(t.Context(), 1, time.Minute); domain.KindOf(err) != domain.KindUnavailable {
				t.Errorf("Reserve: %v", err)
			}
		})
	}
	q.stop()
	waiting.Wait()
	requireUnavailable(t, c)
	q.start()
	_, err := eventuallyStore(t, c)
	require.NoError(t, err)
	require.NoError(t, c.Put(t.Context(), tickets("a", 1)))
}

func TestClient_CloseEndsWaitingCalls(t *testing.T) {
	t.Parallel()
	q := start(t)
	c := q.client(t)
	require.NoError(t, c.Ping(t.Context()))
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if _, err := c.Reserve(t.Context(), 1, time.Minute); domain.KindOf(err) != domain.KindUnavailable {
			t.Errorf("Reserve: %v", err)
		}
	})
	c.Close()
	waiting.Wait()
}

func TestClient_SubscriptionsSurviveAnotherServer(t *testing.T) {
	t.Parallel()
	q := start(t)
	here, there := q.client(t), q.client(t)
	signals, cancel := here.Subscribe("topic")
	defer cancel()
	second, cancelSecond := here.Subscribe("topic")
	defer cancelSecond()
	<-signals // the first connection is a gap too
	<-second
	for range 3 {
		q.stop()
		q.start()
		<-signals // once after the gap, though nobody published
		<-second
		_, err := eventuallyStore(t, there)
		require.NoError(t, err)
		there.Publish("topic")
		<-signals
		<-second
	}
}

// TestClient_PublishBeforeTheConnection says something to a server that it has not spoken to.
func TestClient_PublishBeforeTheConnection(t *testing.T) {
	t.Parallel()
	q := start(t)
	here := q.client(t)
	signals, cancel := here.Subscribe("topic")
	defer cancel()
	require.NoError(t, here.Ping(t.Context()))
	<-signals
	q.client(t).Publish("topic")
	<-signals
}

func TestClient_SharesOneSubscription(t *testing.T) {
	t.Parallel()
	q := start(t)
	c, other := q.client(t), q.client(t)
	var signals []<-chan struct{}
	var cancels []func()
	for range 50 {
		s, cancel := c.Subscribe("topic")
		signals, cancels = append(signals, s), append(cancels, cancel)
	}
	for _, s := range signals {
		<-s
	}
	for _, cancel := range cancels[1:] {
		cancel()
	}
	other.Publish("topic")
	<-signals[0]
	cancels[0]()
	require.NoError(t, c.Ping(t.Context())) // behind the UNSUBSCRIBE
	other.Publish("topic")
	require.NoError(t, other.Ping(t.Context()))
	require.NoError(t, c.Ping(t.Context()))
	require.Empty(t, signals[0])
}

func TestClient_PutTooMuchAtOnce(t *testing.T) {
	t.Parallel()
	q := start(t)
	c := q.client(t)
	require.Equal(t, domain.KindInvalid, domain.KindOf(c.Put(t.Context(), tickets("many", 70_000))))
	require.NoError(t, c.Put(t.Context(), tickets("fit", 40_000)))
	ids := make([]string, 0, 40_000)
	for _, ticket := range tickets("fit", 40_000) {
		ids = append(ids, ticket.ID)
	}
	n, err := c.Withdraw(t.Context(), ids)
	require.NoError(t, err)
	require.Equal(t, 40_000, n)
}

// TestClient_ReconnectsUnderLoad stops and starts the server while four clients work; each ticket is done once at least,
// and after the last restart nothing is left.
func TestClient_ReconnectsUnderLoad(t *testing.T) {
	t.Parallel()
	q := start(t)
	const each = 300
	var mu sync.Mutex
	done := map[string]bool{}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var all sync.WaitGroup
	for _, name := range []string{"a", "b"} {
		c := q.client(t)
		all.Go(func() {
			for _, ticket := range tickets(name, each) {
				for c.Put(ctx, []domain.Ticket{ticket}) != nil && ctx.Err() == nil {
				}
			}
		})
		all.Go(func() {
			c := q.client(t)
			for ctx.Err() == nil {
				d, _ := c.Reserve(ctx, 4, time.Minute)
				for _, x := range d {
					if c.Ack(ctx, x.Receipt) == nil {
						mu.Lock()
						done[x.Ticket.ID] = true
						if len(done) == 2*each {
							stop()
						}
						mu.Unlock()
					}
				}
			}
		})
	}
	for range 5 {
		q.stop()
		q.start()
		_, err := eventuallyStore(t, q.client(t))
		require.NoError(t, err)
	}
	all.Wait()
	stats, err := q.client(t).Stats(t.Context())
	require.NoError(t, err)
	require.Len(t, done, 2*each)
	require.Zero(t, stats.Waiting)
}
