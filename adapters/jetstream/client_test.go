package jetstream_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/jetstream"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/test/harness/natstest"
	"github.com/heysubinoy/remora/test/harness/wait"
)

func ticket(id string) domain.Ticket {
	return domain.Ticket{ID: id, Job: domain.JobID("job-" + id), Priority: domain.DefaultPriority}
}

// raw speaks to a server as somebody else does.
func raw(t *testing.T, s *natstest.Server) js.JetStream {
	t.Helper()
	nc, err := nats.Connect(s.URL())
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	j, err := js.New(nc)
	require.NoError(t, err)
	return j
}

// TestStore_ChangesWhenTheTicketsAreLost: a stream that was removed, and a server that lost everything, are seen.
func TestStore_ChangesWhenTheTicketsAreLost(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	c, other := client(t, s, "q"), client(t, s, "q")
	ctx := t.Context()
	first, err := c.Store(ctx)
	require.NoError(t, err)
	same, err := other.Store(ctx)
	require.NoError(t, err)
	require.Equal(t, first, same, "all clients see one store")
	require.NoError(t, c.Put(ctx, []domain.Ticket{ticket("a")}))

	require.NoError(t, raw(t, s).DeleteStream(ctx, "remora_q"))
	second, err := c.Store(ctx)
	require.NoError(t, err)
	require.NotEqual(t, first, second)
	require.NoError(t, c.Put(ctx, []domain.Ticket{ticket("a")}))
	d, err := other.Reserve(ctx, 5, time.Minute)
	for err != nil { // it has held on to what was removed
		require.ErrorIs(t, err, domain.ErrQueueUnavailable)
		d, err = other.Reserve(ctx, 5, time.Minute)
	}
	require.Equal(t, "a", d[0].Ticket.ID)

	s.Stop()
	s.Forget(t)
	s.Resume(t)
	var third string
	wait.Until(t, func() error {
		third, err = c.Store(ctx)
		return err
	})
	require.NotContains(t, []string{first, second}, third)
	require.NoError(t, c.Put(ctx, []domain.Ticket{ticket("b")}))
	require.Equal(t, uint64(2), c.Connects())
}

func TestAway(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	c := client(t, s, "q")
	require.NoError(t, c.Ping(t.Context()))
	waiting := make(chan error, 1)
	go func() {
		_, err := c.Reserve(t.Context(), 1, time.Minute)
		waiting <- err
	}()
	s.Stop()
	require.ErrorIs(t, <-waiting, domain.ErrQueueUnavailable, "who waits is told")
	wait.Until(t, func() error {
		if err := c.Ping(t.Context()); domain.KindOf(err) != domain.KindUnavailable {
			return fmt.Errorf("the server is away, and Ping says %w", err)
		}
		return nil
	})
	require.ErrorIs(t, c.Put(t.Context(), []domain.Ticket{ticket("a")}), domain.ErrQueueUnavailable)
	c.Publish("somebody")
	s.Resume(t)
	wait.Until(t, func() error { return c.Ping(t.Context()) })
}

// TestClientThatStartsFirst: programs may be started in any order.
func TestClientThatStartsFirst(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	s.Stop()
	c := client(t, s, "q")
	require.ErrorIs(t, c.Ping(t.Context()), domain.ErrQueueUnavailable)
	woken, cancel := c.Subscribe("topic")
	defer cancel()
	s.Resume(t)
	wait.Until(t, func() error { return c.Ping(t.Context()) })
	<-woken
}

func TestGapIsASignal(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	c := client(t, s, "q")
	woken, cancel := c.Subscribe("topic")
	defer cancel()
	<-woken // the server has heard of us
	s.Stop()
	s.Resume(t)
	<-woken
}

// TestWorkerThatDies: what a client held that was killed is handed out again, without anybody's doing.
func TestWorkerThatDies(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	c := client(t, s, "q")
	require.NoError(t, c.Put(t.Context(), []domain.Ticket{ticket("a")}))
	// A reader that takes the ticket and is never heard of again.
	consumer, err := raw(t, s).Consumer(t.Context(), "remora_q", "p5")
	require.NoError(t, err)
	m, err := consumer.Next()
	require.NoError(t, err)
	require.Contains(t, string(m.Data()), `"job-a"`)
	d, err := c.Reserve(t.Context(), 1, time.Minute)
	require.NoError(t, err)
	require.Equal(t, "a", d[0].Ticket.ID)
	require.Equal(t, 2, d[0].Count)
}

// TestLeaseOutlivesTheServersPatience: the client says that it is alive as long as the lease runs.
func TestLeaseOutlivesTheServersPatience(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	c, other := client(t, s, "q"), client(t, s, "q")
	require.NoError(t, c.Put(t.Context(), []domain.Ticket{ticket("a")}))
	d, err := c.Reserve(t.Context(), 1, time.Minute)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), jetstream.AckWait+jetstream.AckWait/2)
	defer cancel()
	got, err := other.Reserve(ctx, 1, time.Minute)
	require.Equal(t, domain.KindTimeout, domain.KindOf(err), "handed out twice: %v", got)
	require.NoError(t, c.Ack(t.Context(), d[0].Receipt))
}

func TestCloseGivesBack(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	c, other := client(t, s, "q"), client(t, s, "q")
	require.NoError(t, c.Put(t.Context(), []domain.Ticket{ticket("a")}))
	_, err := c.Reserve(t.Context(), 1, time.Hour)
	require.NoError(t, err)
	c.Close()
	c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), jetstream.AckWait/2)
	defer cancel()
	d, err := other.Reserve(ctx, 1, time.Minute)
	require.NoError(t, err, "at once, not when the server's patience ends")
	require.Equal(t, "a", d[0].Ticket.ID)
	require.ErrorIs(t, c.Ping(t.Context()), domain.ErrQueueUnavailable)
}

func TestFullQueue(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	c := client(t, s, "q")
	require.NoError(t, c.Ping(t.Context()))
	j := raw(t, s)
	stream, err := j.Stream(t.Context(), "remora_q")
	require.NoError(t, err)
	config := stream.CachedInfo().Config
	config.MaxMsgs = 3
	_, err = j.UpdateStream(t.Context(), config)
	require.NoError(t, err)
	require.NoError(t, c.Put(t.Context(), []domain.Ticket{ticket("a"), ticket("b")}))
	require.ErrorIs(t, c.Put(t.Context(), []domain.Ticket{ticket("c"), ticket("d")}), domain.ErrQueueFull)
	level, err := c.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, level.Waiting, "all or none")
	require.NoError(t, c.Put(t.Context(), []domain.Ticket{ticket("c")}))
}

func TestStats(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	c := client(t, s, "q")
	empty, err := c.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, jetstream.Stats{}, empty)
	require.NoError(t, c.Put(t.Context(), []domain.Ticket{ticket("a"), ticket("b"), ticket("c")}))
	_, err = c.Reserve(t.Context(), 1, time.Minute)
	require.NoError(t, err)
	level, err := c.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, level.Waiting)
	require.Equal(t, 1, level.Leased)
	require.Positive(t, level.OldestAge)
}

// TestForeignStream: a stream of that name which is not ours is left alone.
func TestForeignStream(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	_, err := raw(t, s).CreateStream(t.Context(), js.StreamConfig{Name: "remora_q", Subjects: []string{"theirs.>"}})
	require.NoError(t, err)
	err = client(t, s, "q").Ping(t.Context())
	require.ErrorIs(t, err, domain.ErrQueueUnavailable)
	require.ErrorContains(t, err, "QUEUE_NAME")
}

func TestServerWithoutJetStream(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, func(o *server.Options) { o.JetStream = false })
	err := client(t, s, "q").Ping(t.Context())
	require.ErrorIs(t, err, domain.ErrQueueUnavailable)
	require.ErrorContains(t, err, "JetStream")
}

func TestSigningIn(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, func(o *server.Options) { o.Username, o.Password = "remora", "hunter22" })
	for who, works := range map[string]bool{"remora:hunter22@": true, "remora:hunter23@": false, "": false} {
		url, err := jetstream.ParseURL(strings.Replace(s.URL(), "://", "://"+who, 1))
		require.NoError(t, err)
		require.NotContains(t, url.String(), "hunter")
		c, err := jetstream.NewClient(jetstream.Config{URL: url, Queue: "q"})
		require.NoError(t, err)
		err = c.Ping(t.Context())
		c.Close()
		if works {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, domain.ErrQueueUnavailable)
		require.NotContains(t, err.Error(), "hunter")
	}
}

func TestParseURL(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	u, err := jetstream.ParseURL("tls://a:secretive@one:4222, nats://two?replicas=3&tls_ca=" + file)
	require.NoError(t, err)
	require.Equal(t, 3, u.Replicas)
	require.Equal(t, file, u.CA)
	require.Equal(t, "tls://one:4222,nats://two", u.String())
	for _, bad := range []string{
		"", "nats://", "queue:4222", "http://a:secretive@queue", "nats://a:secretive@queue/path", "nats://queue,", "nats://queue?replicas=0",
		"nats://queue?tls_cert=" + file, "nats://queue?creds=/no/such", "nats://queue?x=1", "nats://a:secretive@que ue", "nats://queue?%zz",
	} {
		_, err := jetstream.ParseURL(bad)
		require.Equal(t, domain.KindInvalid, domain.KindOf(err), bad)
		require.NotContains(t, err.Error(), "secretive")
	}
	_, err = jetstream.NewClient(jetstream.Config{URL: u, Queue: "q"})
	require.Error(t, err, "the authority's file is empty")
}
