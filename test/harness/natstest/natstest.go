// Package natstest runs real NATS servers with JetStream inside the test's process, on addresses of their own, which can be
// stopped and started again on what they have stored, or on nothing.
package natstest

import (
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"
)

// Server is a NATS server.
type Server struct {
	options server.Options
	running *server.Server
}

// Start starts a server; change may change its options before. It ends with the test.
func Start(t testing.TB, change ...func(*server.Options)) *Server {
	t.Helper()
	ip := make([]byte, 3)
	_, _ = rand.Read(ip)
	s := &Server{options: server.Options{
		Host: fmt.Sprintf("127.%d.%d.%d", 1+ip[0]%254, ip[1], 1+ip[2]%254), Port: 4222, JetStream: true, StoreDir: t.TempDir(),
		NoLog: true, NoSigs: true,
	}}
	for _, f := range change {
		f(&s.options)
	}
	s.Resume(t)
	t.Cleanup(s.Stop)
	return s
}

// URL is where it listens.
func (s *Server) URL() string {
	return "nats://" + net.JoinHostPort(s.options.Host, strconv.Itoa(s.options.Port))
}

// Stop ends the server; what it has stored stays.
func (s *Server) Stop() {
	if s.running != nil {
		s.running.Shutdown()
		s.running.WaitForShutdown()
		s.running = nil
	}
}

// Resume starts a stopped server again.
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	options := s.options
	running, err := server.NewServer(&options)
	require.NoError(t, err)
	running.Start()
	require.True(t, running.ReadyForConnections(30*time.Second), "the NATS server does not listen on %s", s.URL())
	s.running = running
}

// Forget removes all that a stopped server has stored.
func (s *Server) Forget(t testing.TB) {
	t.Helper()
	require.Nil(t, s.running, "stop it first")
	require.NoError(t, os.RemoveAll(s.options.StoreDir))
}
