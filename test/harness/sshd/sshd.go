// Package sshd starts real OpenSSH servers for tests: on a free port of 127.0.0.1, in a temporary directory, with keys made
// for the occasion, as whoever runs the test. Their users' HOME is a temporary directory too.
package sshd

import (
	"crypto/ed25519"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

const program = "/usr/sbin/sshd"

// Server is a running sshd.
type Server struct {
	Port       int
	User       string
	Home       string // HOME of every command
	PrivateKey string // logs in
	HostKey    domain.HostKey

	t      testing.TB
	dir    string
	config Config
	mu     sync.Mutex
	cmd    *exec.Cmd
	ended  chan struct{}
	log    *os.File
}

// Config is what a test may want otherwise.
type Config struct {
	Lines []string          // to the front of sshd_config, where the first value of an option wins
	Env   map[string]string // of every command
	Home  string            // instead of a temporary directory
}

// Start runs an sshd until the test ends. Without OpenSSH the test is skipped, and under CI=true it fails.
func Start(t testing.TB) *Server {
	t.Helper()
	return StartWith(t, Config{})
}

// StartWith is Start with another configuration.
func StartWith(t testing.TB, c Config) *Server {
	t.Helper()
	if _, err := os.Stat(program); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not there; install openssh-server", program)
		}
		t.Skipf("SKIPPED: %s is not there; install openssh-server to run this test", program)
	}
	me, err := user.Current()
	require.NoError(t, err)
	if me.Uid == "0" {
		require.NoError(t, os.MkdirAll("/run/sshd", 0o755))
	}
	dir, err := os.MkdirTemp("", "remora-sshd-") //nolint:usetesting // a process that still writes must not fail the test at its removal
	require.NoError(t, err)
	s := &Server{t: t, User: me.Username, Home: c.Home, dir: dir, config: c}
	if s.Home == "" {
		s.Home = filepath.Join(dir, "home")
		require.NoError(t, os.Mkdir(s.Home, 0o700))
	}
	key, public := newKey(t)
	s.PrivateKey = string(key)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "authorized"), ssh.MarshalAuthorizedKey(public), 0o600))
	s.log, err = os.Create(filepath.Join(dir, "log"))
	require.NoError(t, err)
	s.SwapHostKey()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.Port = l.Addr().(*net.TCPAddr).Port
	require.NoError(t, l.Close())
	t.Cleanup(func() {
		s.Stop()
		s.killJobs()
		if t.Failed() {
			text, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Logf("sshd's log:\n%s", text[max(0, len(text)-4000):])
		}
		_ = s.log.Close()
		_ = os.RemoveAll(dir)
	})
	s.Restart()
	return s
}

// Target is the server, its key pinned, with the credential that logs in.
func (s *Server) Target() ports.Target {
	k := s.HostKey
	return ports.Target{
		Server: domain.Server{
			ID: domain.ServerID("sshd-" + strconv.Itoa(s.Port)), Name: "real", Hostname: "127.0.0.1", Port: s.Port, User: s.User,
			Auth: domain.AuthKey, Active: true, HostKey: &k, HostKeyPolicy: domain.HostKeyConfirm, MaxSessions: domain.DefaultSessions,
		},
		Credential: domain.Credential{PrivateKey: domain.NewSecret(s.PrivateKey)},
	}
}

// SwapHostKey gives the server another host key; it shows it after Restart.
func (s *Server) SwapHostKey() {
	key, public := newKey(s.t)
	require.NoError(s.t, os.WriteFile(filepath.Join(s.dir, "host"), key, 0o600))
	s.HostKey = domain.HostKey{Fingerprint: ssh.FingerprintSHA256(public), Type: public.Type()}
}

// Restart starts the server, on the port it had before, and waits until it answers.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	env := "SetEnv HOME=" + s.Home
	for k, v := range s.config.Env {
		env += " " + k + "=" + v
	}
	config := strings.Join(append(slices.Clone(s.config.Lines),
		"Port "+strconv.Itoa(s.Port), "ListenAddress 127.0.0.1", "HostKey "+filepath.Join(s.dir, "host"),
		"AuthorizedKeysFile "+filepath.Join(s.dir, "authorized"), "PidFile none", "UsePAM no", "StrictModes no",
		"PermitRootLogin yes", "PasswordAuthentication yes", "KbdInteractiveAuthentication no", "LogLevel VERBOSE", env), "\n") + "\n"
	path := filepath.Join(s.dir, "config")
	require.NoError(s.t, os.WriteFile(path, []byte(config), 0o600))
	cmd := exec.Command(program, "-D", "-e", "-f", path)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	require.NoError(s.t, cmd.Start())
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	s.mu.Lock()
	s.cmd, s.ended = cmd, ended
	s.mu.Unlock()
	deadline := time.Now().Add(10 * time.Second)
	for !s.answers() {
		select {
		case <-ended:
			text, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			s.t.Fatalf("sshd ended at once: %s", text)
		case <-time.After(5 * time.Millisecond):
		}
		require.True(s.t, time.Now().Before(deadline), "sshd does not answer")
	}
}

func (s *Server) answers() bool {
	c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)))
	if err != nil {
		return false
	}
	defer func() { _ = c.Close() }()
	_ = c.SetReadDeadline(time.Now().Add(time.Second))
	n, _ := c.Read(make([]byte, 8))
	return n > 0
}

// Stop kills the server and its connections, and nothing that they started.
func (s *Server) Stop() {
	s.KillConnections() // while they can be told by their parent
	s.mu.Lock()
	cmd, ended := s.cmd, s.ended
	s.cmd = nil
	s.mu.Unlock()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Kill()
	<-ended
}

// KillConnections kills -9 the processes that serve connections, and nothing that they started. It returns how many.
func (s *Server) KillConnections() int {
	s.mu.Lock()
	cmd := s.cmd
	s.mu.Unlock()
	if cmd == nil {
		return 0
	}
	n := 0
	for _, pid := range connections(cmd.Process.Pid) {
		// a session's child is called sshd until it becomes the user's shell, which is not ours to kill
		name, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
		if strings.HasPrefix(string(name), "sshd") && syscall.Kill(pid, syscall.SIGKILL) == nil {
			n++
		}
	}
	return n
}

// killJobs ends what the test left running: durable jobs outlive their server.
func (s *Server) killJobs() {
	environs, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range environs {
		text, err := os.ReadFile(path)
		pid, _ := strconv.Atoi(strings.Split(path, "/")[2])
		if err == nil && pid != os.Getpid() && strings.Contains("\x00"+string(text), "\x00HOME="+s.Home+"\x00") {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// connections finds the sshd processes below another one.
func connections(parent int) []int {
	var pids []int
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		var pid, ppid int
		var state string
		name := string(text[strings.IndexByte(string(text), '(')+1 : strings.LastIndexByte(string(text), ')')])
		_, _ = fmt.Sscan(string(text), &pid)
		_, _ = fmt.Sscan(string(text[strings.LastIndexByte(string(text), ')')+1:]), &state, &ppid)
		if ppid == parent && strings.HasPrefix(name, "sshd") {
			pids = append(pids, append(connections(pid), pid)...)
		}
	}
	return pids
}

func newKey(t testing.TB) (private []byte, public ssh.PublicKey) {
	t.Helper()
	pub, priv, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(priv, "")
	require.NoError(t, err)
	public, err = ssh.NewPublicKey(pub)
	require.NoError(t, err)
	return pem.EncodeToMemory(block), public
}

// Connections counts the connections that are being served.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return 0
	}
	return len(connections(s.cmd.Process.Pid))
}
