package netqueue_test

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/netqueue"
	"github.com/heysubinoy/remora/domain"
)

func TestOpen_RefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	q := start(t)
	good := q.config
	for name, c := range map[string]struct {
		change func(*netqueue.ServerConfig)
		want   error
		says   string
	}{
		"a taken port":       {func(c *netqueue.ServerConfig) { c.Dir = t.TempDir() }, netqueue.ErrAddressTaken, q.config.Addr},
		"a used directory":   {func(c *netqueue.ServerConfig) { c.Addr = "127.0.0.1:0" }, netqueue.ErrQueueInUse, good.Dir},
		"no token":           {func(c *netqueue.ServerConfig) { c.Token = domain.Secret{} }, domain.Invalid("token", ""), "token"},
		"no directory":       {func(c *netqueue.ServerConfig) { c.Dir = "" }, domain.Invalid("dir", ""), "directory"},
		"no address at all":  {func(c *netqueue.ServerConfig) { c.Addr = "127.0.0.1:port" }, domain.Invalid("addr", ""), "127.0.0.1:port"},
		"a file for its log": {func(c *netqueue.ServerConfig) { c.Addr, c.Dir = "127.0.0.1:0", os.Args[0] }, nil, "log"},
	} {
		config := good
		c.change(&config)
		_, err := netqueue.Open(config)
		require.Error(t, err, name)
		require.ErrorContains(t, err, c.says, name)
		if c.want != nil {
			require.ErrorIs(t, err, c.want, name)
		}
	}
	require.NoError(t, q.client(t).Ping(t.Context()), "the one that runs is not disturbed")
}

func TestOpen_RefusesADamagedLog(t *testing.T) {
	t.Parallel()
	q := start(t)
	c := q.client(t)
	require.NoError(t, c.Put(t.Context(), tickets("a", 10)))
	store, err := c.Store(t.Context())
	require.NoError(t, err)
	q.stop()
	segments, err := filepath.Glob(filepath.Join(q.config.Dir, "segment-*"))
	require.NoError(t, err)
	b, err := os.ReadFile(segments[0])
	require.NoError(t, err)
	b[len(b)/2] ^= 1
	require.NoError(t, os.WriteFile(segments[0], b, 0o600))

	_, err = netqueue.Open(q.config)
	require.ErrorIs(t, err, netqueue.ErrQueueDamaged)
	require.ErrorContains(t, err, segments[0])
	require.ErrorContains(t, err, "remora queue repair")

	report, err := netqueue.Repair(q.config.Dir)
	require.NoError(t, err)
	require.NotNil(t, report.Damage)
	q.start()
	after, err := q.client(t).Store(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, store, after, "what was lost is told by the store's identity")
}

func TestServer_StopIsIdempotentAndFreesEverything(t *testing.T) {
	t.Parallel()
	q := start(t)
	c := q.client(t)
	require.NoError(t, c.Put(t.Context(), tickets("a", 1)))
	q.mu.Lock()
	s := q.server
	q.mu.Unlock()
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	require.Error(t, s.Run(t.Context()))
	unused, err := netqueue.Open(q.config)
	require.NoError(t, err, "address and directory are free")
	require.NoError(t, unused.Close())
	require.NoError(t, unused.Close())
	require.Error(t, unused.Run(t.Context()))
	q.stop()
	q.start()
	_, err = eventuallyStore(t, c)
	require.NoError(t, err)
	d, err := c.Reserve(within(t, 20*time.Second), 1, time.Minute)
	require.NoError(t, err)
	require.Equal(t, "a-000000", d[0].Ticket.ID)
}

func TestServer_StoreIsNewWithTheDirectory(t *testing.T) {
	t.Parallel()
	q := start(t)
	c := q.client(t)
	first, err := c.Store(t.Context())
	require.NoError(t, err)
	q.stop()
	q.start()
	again, err := eventuallyStore(t, c)
	require.NoError(t, err)
	require.Equal(t, first, again)
	q.stop()
	require.NoError(t, os.RemoveAll(q.config.Dir))
	q.start()
	other, err := eventuallyStore(t, c)
	require.NoError(t, err)
	require.NotEqual(t, first, other)
}

// eventuallyStore asks until the client has found the server again; each failure has waited for an attempt to connect.
func eventuallyStore(t *testing.T, c *netqueue.Client) (string, error) {
	ctx := within(t, 20*time.Second)
	for {
		id, err := c.Store(ctx)
		if !errors.Is(err, domain.ErrQueueUnavailable) {
			return id, err
		}
	}
}

func TestServer_Full(t *testing.T) {
	t.Parallel()
	q := start(t, func(c *netqueue.ServerConfig) { c.MaxTickets = 10 })
	c := q.client(t)
	require.NoError(t, c.Put(t.Context(), tickets("a", 8)))
	require.ErrorIs(t, c.Put(t.Context(), tickets("b", 3)), domain.ErrQueueFull)
	stats, err := c.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, 8, stats.Waiting, "all or none")
	require.NoError(t, c.Put(t.Context(), append(tickets("a", 8), tickets("b", 2)...)), "what is there takes no room")
}

func TestServer_MaxConnections(t *testing.T) {
	t.Parallel()
	q := start(t, func(c *netqueue.ServerConfig) { c.MaxConnections = 2 })
	first, second := q.connected(t), q.connected(t)
	third := q.dial(t)
	third.requireError(0, "connections_exhausted")
	third.requireClosed()
	second.send(0x0e, 1)
	second.receive()
	require.NoError(t, first.Close())
	_, err := eventuallyStore(t, q.client(t))
	require.NoError(t, err, "there is room again")
}

func TestServer_DeliveriesOfAConnectionThatClosesGoBack(t *testing.T) {
	t.Parallel()
	q := start(t)
	c := q.client(t)
	require.NoError(t, c.Put(t.Context(), tickets("a", 4)))
	r := q.connected(t)
	r.send(0x04, 1, "jobs", uint16(3), uint64(time.Hour))
	verb, _, body := r.receive()
	require.Equal(t, byte(0x84), verb)
	require.Equal(t, uint16(3), binary.BigEndian.Uint16(body))
	receipt := binary.BigEndian.Uint64(body[2+1+2+8+2+8:])
	r.send(0x06, 2, uint16(1), receipt)
	verb, _, _ = r.receive()
	require.Equal(t, byte(0x86), verb)
	require.NoError(t, r.Close())

	// Who waits gets them at their old places, but for the one that was acknowledged.
	var ids []string
	for len(ids) < 3 {
		d, err := c.Reserve(within(t, 10*time.Second), 1, time.Hour)
		require.NoError(t, err)
		ids = append(ids, d[0].Ticket.ID)
	}
	require.ElementsMatch(t, []string{"a-000001", "a-000002", "a-000003"}, ids)
	stats, err := c.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, 3, stats.Leased)
	require.Equal(t, uint64(1), stats.Acked)
	require.Equal(t, uint64(2), stats.Lost)
}

func TestServer_CreditIsBounded(t *testing.T) {
	t.Parallel()
	q := start(t)
	r := q.connected(t)
	for i := range uint32(16) {
		r.send(0x04, i+1, "jobs", uint16(1024), uint64(time.Second))
	}
	r.send(0x04, 99, "jobs", uint16(1), uint64(time.Second))
	r.requireError(99, "credit_exhausted")
	r.send(0x05, 0, uint32(7))
	verb, correlation, body := r.receive()
	require.Equal(t, []any{byte(0x84), uint32(7), []byte{0, 0}}, []any{verb, correlation, body})
}

func TestServer_DeadLettersAreSetAside(t *testing.T) {
	t.Parallel()
	q := start(t, func(c *netqueue.ServerConfig) { c.MaxLosses = 2 })
	c := q.client(t)
	require.NoError(t, c.Put(t.Context(), tickets("poison", 1)))
	for range 2 {
		_, err := c.Reserve(within(t, 10*time.Second), 1, 20*time.Millisecond)
		require.NoError(t, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := c.Reserve(ctx, 1, time.Minute)
	require.Equal(t, domain.KindTimeout, domain.KindOf(err), "it was lost twice")
	stats, err := c.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, stats.Dead)
	n, err := c.Kick(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	peeked, err := c.Peek(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, tickets("poison", 1), peeked)
	d, err := c.Reserve(within(t, 10*time.Second), 1, time.Minute)
	require.NoError(t, err)
	require.Equal(t, 3, d[0].Count)
}
