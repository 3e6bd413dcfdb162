package netqueue_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heysubinoy/remora/adapters/netqueue"
	"github.com/heysubinoy/remora/domain"
)

const token = "a token that is long enough for a test"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		serveUntilKilled(dir, os.Getenv(crashAddr))
		return
	}
	goleak.VerifyTestMain(m)
}

// queue is a server under test that can be stopped and started on the same port.
type queue struct {
	t      *testing.T
	config netqueue.ServerConfig
	tune   func(*netqueue.Server)

	mu     sync.Mutex
	server *netqueue.Server
	ran    chan error
	cancel context.CancelFunc
}

func start(t *testing.T, change ...func(*netqueue.ServerConfig)) *queue {
	t.Helper()
	q := &queue{t: t, config: netqueue.ServerConfig{Addr: "127.0.0.1:0", Dir: filepath.Join(t.TempDir(), "queue"), Token: domain.NewSecret(token)}}
	for _, c := range change {
		c(&q.config)
	}
	q.start()
	t.Cleanup(q.stop)
	return q
}

func (q *queue) start() {
	q.t.Helper()
	q.mu.Lock()
	defer q.mu.Unlock()
	s, err := netqueue.Open(q.config)
	require.NoError(q.t, err)
	if q.tune != nil {
		q.tune(s)
	}
	q.config.Addr = s.Addr()
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	q.server, q.cancel, q.ran = s, cancel, ran
}

func (q *queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.server == nil {
		return
	}
	q.cancel()
	if err := <-q.ran; err != nil {
		q.t.Errorf("Run: %v", err)
	}
	q.server = nil
}

func (q *queue) client(t *testing.T, change ...func(*netqueue.ClientConfig)) *netqueue.Client {
	config := netqueue.ClientConfig{Addr: q.config.Addr, Queue: "jobs", Token: domain.NewSecret(token)}
	for _, c := range change {
		c(&config)
	}
	c := netqueue.NewClient(config)
	t.Cleanup(c.Close)
	return c
}

// raw is a connection that speaks bytes.
type raw struct {
	net.Conn
	t *testing.T
}

func (q *queue) dial(t *testing.T) raw {
	t.Helper()
	nc, err := net.Dial("tcp", q.config.Addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	require.NoError(t, nc.SetDeadline(time.Now().Add(20*time.Second)))
	return raw{nc, t}
}

func (r raw) send(verb byte, correlation uint32, parts ...any) {
	r.t.Helper()
	_, err := r.Write(frameOf(verb, correlation, parts...))
	require.NoError(r.t, err)
}

// frameOf builds a frame from the documentation, without the package's own codec.
func frameOf(verb byte, correlation uint32, parts ...any) []byte {
	b := binary.BigEndian.AppendUint32([]byte{verb}, correlation)
	for _, p := range parts {
		switch v := p.(type) {
		case string:
			b = append(binary.BigEndian.AppendUint16(b, uint16(len(v))), v...)
		case []byte:
			b = append(b, v...)
		default:
			b, _ = binary.Append(b, binary.BigEndian, v)
		}
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
}

func (r raw) hello(token string) {
	r.t.Helper()
	r.send(0x01, 1, []byte("RMNQ"), uint16(1), token, "raw")
}

// receive reads a frame.
func (r raw) receive() (verb byte, correlation uint32, body []byte) {
	r.t.Helper()
	var head [9]byte
	_, err := io.ReadFull(r, head[:])
	require.NoError(r.t, err)
	body = make([]byte, binary.BigEndian.Uint32(head[:])-5)
	_, err = io.ReadFull(r, body)
	require.NoError(r.t, err)
	return head[4], binary.BigEndian.Uint32(head[5:]), body
}

// requireError reads an error and returns its code.
func (r raw) requireError(correlation uint32, code string) {
	r.t.Helper()
	verb, c, body := r.receive()
	require.Equal(r.t, byte(0xff), verb)
	n := binary.BigEndian.Uint16(body[1:])
	require.Equal(r.t, code, string(body[3:3+n]))
	require.Equal(r.t, correlation, c)
}

// requireClosed checks that the server has nothing more to say.
func (r raw) requireClosed() {
	r.t.Helper()
	n, err := io.Copy(io.Discard, r)
	if err == nil {
		require.Zero(r.t, n)
		return
	}
	require.ErrorContains(r.t, err, "reset")
}

// connected returns a raw connection that has said HELLO.
func (q *queue) connected(t *testing.T) raw {
	t.Helper()
	r := q.dial(t)
	r.hello(token)
	verb, _, _ := r.receive()
	require.Equal(t, byte(0x81), verb)
	return r
}

func tickets(prefix string, n int) []domain.Ticket {
	all := make([]domain.Ticket, n)
	for i := range all {
		id := fmt.Sprintf("%s-%06d", prefix, i)
		all[i] = domain.Ticket{ID: id, Job: domain.JobID(id), Priority: domain.DefaultPriority}
	}
	return all
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func withTLS(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	certificate, pool := selfSigned(t)
	return &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13}, &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13}
}
