package netqueue_test

import (
	"encoding/binary"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/netqueue"
	"github.com/heysubinoy/remora/domain"
)

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
