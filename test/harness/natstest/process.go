package natstest

import (
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/test/harness/wait"
)

// The environment of a process that is to be a server.
const (
	serveHost = "REMORA_NATSTEST_HOST"
	serveDir  = "REMORA_NATSTEST_DIR"
)

// Main makes this process a NATS server, until it is killed, when StartProcess has started it as one; else it returns. The
// TestMain of a package that uses StartProcess calls it before anything else.
func Main() {
	host := os.Getenv(serveHost)
	if host == "" {
		return
	}
	s, err := server.NewServer(&server.Options{Host: host, Port: 4222, JetStream: true, StoreDir: os.Getenv(serveDir), NoLog: true})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	s.Start()
	s.WaitForShutdown()
	os.Exit(0)
}

// Process is a NATS server in a process of its own, which can be killed.
type Process struct {
	host string
	dir  string
	cmd  *exec.Cmd
}

// StartProcess starts this test's program once more, as a server. It is killed when the test ends.
func StartProcess(t testing.TB) *Process {
	t.Helper()
	ip := make([]byte, 3)
	_, _ = rand.Read(ip)
	p := &Process{host: fmt.Sprintf("127.%d.%d.%d", 1+ip[0]%254, ip[1], 1+ip[2]%254), dir: t.TempDir()}
	p.Resume(t)
	t.Cleanup(p.Kill)
	return p
}

// URL is where it listens.
func (p *Process) URL() string { return "nats://" + net.JoinHostPort(p.host, "4222") }

// Kill ends it with SIGKILL and waits until it is gone.
func (p *Process) Kill() {
	if p.cmd != nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		p.cmd = nil
	}
}

// Resume starts a killed server again on what it has stored, and waits until it listens.
func (p *Process) Resume(t testing.TB) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	p.cmd = exec.Command(self)
	p.cmd.Env = append(os.Environ(), serveHost+"="+p.host, serveDir+"="+p.dir)
	p.cmd.Stderr = os.Stderr
	require.NoError(t, p.cmd.Start())
	wait.Until(t, func() error {
		c, err := net.Dial("tcp", net.JoinHostPort(p.host, "4222"))
		if err != nil {
			return err
		}
		return c.Close()
	})
}

// Forget removes all that a killed server has stored.
func (p *Process) Forget(t testing.TB) {
	t.Helper()
	require.Nil(t, p.cmd, "kill it first")
	require.NoError(t, os.RemoveAll(p.dir))
}
