package netqueue_test

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
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

func TestServer_WrongToken(t *testing.T) {
	t.Parallel()
	q := start(t)
	r := q.dial(t)
	r.hello("another token")
	r.requireError(1, "token_invalid")
	r.requireClosed()

	c := q.client(t, func(c *netqueue.ClientConfig) { c.Token = domain.NewSecret(token + "x") })
	err := c.Ping(t.Context())
	require.ErrorIs(t, err, domain.ErrQueueUnavailable)
	require.ErrorIs(t, err, domain.ErrUnauthenticated)
	require.ErrorContains(t, err, "token")
	require.NotContains(t, err.Error(), token)
}

func TestServer_HelloComesFirst(t *testing.T) {
	t.Parallel()
	q := start(t)
	alive := q.connected(t)

	r := q.dial(t)
	r.send(0x02, 7, "jobs", uint16(0))
	r.requireError(7, "token_invalid")
	r.requireClosed()

	r = q.dial(t)
	r.send(0x01, 3, []byte("RMNQ"), uint16(2), "whatever version 2 says")
	r.requireError(3, "version_unsupported")
	r.requireClosed()

	r = q.dial(t)
	_, err := r.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
	require.NoError(t, err)
	r.requireError(0, "frame_too_large")
	r.requireClosed()

	r = q.dial(t)
	r.send(0x01, 3, []byte("RMNQ"), uint16(1), token, "name", "something more")
	r.requireError(3, "frame_invalid")
	r.requireClosed()

	r = q.connected(t)
	r.hello(token)
	r.requireError(1, "frame_invalid")
	r.requireClosed()

	alive.send(0x0e, 9)
	verb, c, _ := alive.receive()
	require.Equal(t, byte(0x8e), verb)
	require.Equal(t, uint32(9), c)
}

func TestServer_BoundsBeforeHello(t *testing.T) {
	t.Parallel()
	q := start(t)
	r := q.dial(t)
	_, err := r.Write(binary.BigEndian.AppendUint32(nil, 4097)) // not a byte of it has to come
	require.NoError(t, err)
	r.requireError(0, "frame_too_large")
	r.requireClosed()
}

func TestServer_SlowHello(t *testing.T) {
	t.Parallel()
	q := start(t)
	q.stop()
	q.tune = func(s *netqueue.Server) { s.Shorten(200*time.Millisecond, time.Minute, time.Minute) }
	q.start()
	silent, slow := q.dial(t), q.dial(t)
	go func() { // a byte now and then does not keep it
		whole := frameOf(0x01, 1, []byte("RMNQ"), uint16(1), token, "slow")
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for _, b := range whole {
			if _, err := slow.Write([]byte{b}); err != nil {
				return
			}
			<-tick.C
		}
	}()
	silent.requireClosed()
	slow.requireClosed()
	require.NoError(t, q.client(t).Ping(t.Context()))
}

func TestServer_IdleConnectionIsClosed(t *testing.T) {
	t.Parallel()
	q := start(t)
	q.stop()
	q.tune = func(s *netqueue.Server) { s.Shorten(5*time.Second, 200*time.Millisecond, time.Minute) }
	q.start()
	idle := q.connected(t)
	stuck := q.connected(t)
	_, err := stuck.Write([]byte{0, 0, 1, 0, 2}) // the beginning of a frame
	require.NoError(t, err)
	idle.requireClosed()
	stuck.requireClosed()
}

func TestServer_BrokenFramesEndOneConnection(t *testing.T) {
	t.Parallel()
	q := start(t)
	alive := q.client(t)
	require.NoError(t, alive.Ping(t.Context()))
	for name, c := range map[string]struct {
		bytes       []byte
		correlation uint32
		code        string
	}{
		"too large":                   {binary.BigEndian.AppendUint32(nil, 1<<20+1), 0, "frame_too_large"},
		"as large as can be":          {[]byte{0xff, 0xff, 0xff, 0xff}, 0, "frame_too_large"},
		"no room for a head":          {[]byte{0, 0, 0, 4, 1, 2, 3, 4}, 0, "frame_invalid"},
		"empty PUT":                   {frameOf(0x02, 5), 5, "frame_invalid"},
		"PUT of more than it has":     {frameOf(0x02, 5, "jobs", uint16(65535)), 5, "frame_invalid"},
		"PUT with something left":     {frameOf(0x02, 5, "jobs", uint16(0), byte(1)), 5, "frame_invalid"},
		"ACK of more than it has":     {frameOf(0x06, 5, uint16(2), uint64(1)), 5, "frame_invalid"},
		"RELEASE cut off":             {frameOf(0x07, 5, uint64(1)), 5, "frame_invalid"},
		"SUBSCRIBE to a cut off text": {frameOf(0x0a, 5, uint16(9), []byte("short")), 5, "frame_invalid"},
	} {
		r := q.connected(t)
		_, err := r.Write(c.bytes)
		require.NoError(t, err, name)
		r.requireError(c.correlation, c.code)
		r.requireClosed()
	}
	require.NoError(t, alive.Ping(t.Context()))
}

func TestServer_WrongRequestsLeaveTheConnection(t *testing.T) {
	t.Parallel()
	q := start(t)
	r := q.connected(t)
	id := string(make([]byte, 129))
	for i, c := range []struct {
		frame []byte
		code  string
	}{
		{frameOf(0x77, 0), "verb_unknown"},
		{frameOf(0x02, 1, "jobs", uint16(1), byte(0), "id", "job"), "priority_invalid"},
		{frameOf(0x02, 2, "jobs", uint16(1), byte(5), id, "job"), "ticket_invalid"},
		{frameOf(0x02, 3, "", uint16(1), byte(5), "id", "job"), "queue_invalid"},
		{frameOf(0x04, 4, "jobs", uint16(0), uint64(time.Second)), "max_invalid"},
		{frameOf(0x04, 5, "jobs", uint16(1), uint64(1)<<63), "lease_invalid"},
		{frameOf(0x06, 6, uint16(1), uint64(1)), "receipt_stale"},
		{frameOf(0x07, 7, uint64(1), uint64(0)), "receipt_stale"},
		{frameOf(0x07, 8, uint64(1), ^uint64(0)), "delay_invalid"},
		{frameOf(0x08, 9, uint64(1), uint64(0)), "lease_invalid"},
		{frameOf(0x0a, 10, ""), "topic_invalid"},
		{frameOf(0x09, 11, string(make([]byte, 257))), "topic_invalid"},
	} {
		_, err := r.Write(c.frame)
		require.NoError(t, err)
		r.requireError(uint32(i), c.code)
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

// TestServer_SlowReaderBlocksNobody subscribes and never reads: signals become fewer, and others are served.
func TestServer_SlowReaderBlocksNobody(t *testing.T) {
	t.Parallel()
	q := start(t)
	q.stop()
	q.tune = func(s *netqueue.Server) { s.Shorten(5*time.Second, time.Minute, 300*time.Millisecond) }
	q.start()
	slow, signals := q.connected(t), uint32(2000)
	require.NoError(t, slow.Conn.(*net.TCPConn).SetReadBuffer(4096))
	for i := range signals {
		slow.send(0x0a, i, string(binary.BigEndian.AppendUint32(make([]byte, 200), i)))
	}
	fast := q.client(t)
	require.NoError(t, fast.Put(t.Context(), tickets("a", 100)))
	other := q.connected(t)
	for ctx, all := within(t, 15*time.Second), 3; all == 3; { // until the server has given the slow one up
		for i := range signals {
			other.send(0x09, 0, string(binary.BigEndian.AppendUint32(make([]byte, 200), i)))
		}
		stats, err := fast.Stats(ctx)
		require.NoError(t, err)
		all = stats.Connections
	}
	d, err := fast.Reserve(within(t, 10*time.Second), 100, time.Minute)
	require.NoError(t, err)
	require.Len(t, d, 100)
	other.send(0x0e, 1)
	verb, _, _ := other.receive()
	require.Equal(t, byte(0x8e), verb)
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
