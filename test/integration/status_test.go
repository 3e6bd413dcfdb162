package integration

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/heysubinoy/remora/adapters/memory"
	"github.com/heysubinoy/remora/adapters/sshexec"
	"github.com/heysubinoy/remora/adapters/system"
	"github.com/heysubinoy/remora/adapters/vault"
	"github.com/heysubinoy/remora/application"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// crowd is many servers: each user of an in-process SSH server counts as one, for each is a connection of its own.
type crowd struct {
	servers *application.Servers
	port    int
	pin     string
}

func newCrowd(t testing.TB) *crowd {
	_, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(key)
	require.NoError(t, err)
	config := &ssh.ServerConfig{PasswordCallback: func(ssh.ConnMetadata, []byte) (*ssh.Permissions, error) { return nil, nil }}
	config.AddHostKey(signer)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				conn, channels, requests, err := ssh.NewServerConn(c, config)
				if err != nil {
					_ = c.Close()
					return
				}
				all.Go(func() { ssh.DiscardRequests(requests) })
				for ch := range channels {
					_ = ch.Reject(ssh.Prohibited, "nothing runs here")
				}
				_ = conn.Close()
			})
		}
	})
	executor := sshexec.New(sshexec.Config{})
	t.Cleanup(func() {
		_ = executor.Close()
		_ = l.Close()
		all.Wait()
	})
	v, err := vault.New([]byte("0123456789abcdef0123456789abcdef"))
	require.NoError(t, err)
	store := memory.NewStore(time.Now)
	return &crowd{
		port: l.Addr().(*net.TCPAddr).Port, pin: ssh.FingerprintSHA256(signer.PublicKey()),
		servers: &application.Servers{
			Repository: store.Servers(), Vault: v, Keys: sshexec.KeyReader{}, Stored: store.Keys(), Checks: store.Checks(), Prober: executor,
			Signals: memory.NewSignals(), Clock: system.Clock{}, Entropy: system.Entropy{},
		},
	}
}

// add adds n servers at a port of 127.0.0.1.
func (c *crowd) add(t testing.TB, n, port int, tag string) {
	for i := range n {
		_, err := c.servers.Create(t.Context(), ports.NewServer{
			Name: fmt.Sprintf("%s-%03d", tag, i), Hostname: "127.0.0.1", Port: port, User: fmt.Sprintf("%s%d", tag, i), Auth: domain.AuthPassword,
			HostKey: c.pin, Tags: []string{tag}, Credential: domain.Credential{Password: domain.NewSecret("x")},
		})
		require.NoError(t, err)
	}
}

// silentPort takes connections and never says a word.
func silentPort(t testing.TB) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

// deafPort does not even answer who knocks: its queue of connections is full.
func deafPort(t testing.TB) int {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Close(fd) })
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	require.NoError(t, syscall.Listen(fd, 0))
	name, err := syscall.Getsockname(fd)
	require.NoError(t, err)
	port := name.(*syscall.SockaddrInet4).Port
	for range 10 {
		c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), 300*time.Millisecond)
		if err != nil {
			e, ok := errors.AsType[net.Error](err)
			require.True(t, ok && e.Timeout(), "%v", err)
			return port
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	t.Fatal("the port answers without end")
	return 0
}

// TestCheckAll_BlackHolesHoldNobodyUp is the promise of ports.ServerAccess.CheckAll, with bounds for a machine that is busy
// with other things: 500 servers, of which 50 never answer, take what one that never answers takes.
func TestCheckAll_BlackHolesHoldNobodyUp(t *testing.T) {
	c := newCrowd(t)
	c.add(t, 450, c.port, "good")
	c.add(t, 25, silentPort(t), "silent")
	c.add(t, 25, deafPort(t), "deaf")
	began := time.Now()
	list, err := c.servers.CheckAll(t.Context(), ports.ServerQuery{})
	took := time.Since(began)
	require.NoError(t, err)
	require.Len(t, list, 500)
	for _, s := range list {
		good := strings.HasPrefix(s.Server.Name, "good")
		require.Equal(t, good, s.Check.Connected, "%s: %s", s.Server.Name, s.Check.Message)
		if !good {
			require.Contains(t, s.Check.Message, "no answer in")
		}
		require.Less(t, s.Check.Latency, ports.CheckTimeout+5*time.Second)
	}
	require.GreaterOrEqual(t, took, ports.CheckTimeout, "nobody waited for the black holes")
	require.Less(t, took, 2*ports.CheckTimeout, "they were waited for one after the other")
	page, err := c.servers.List(t.Context(), ports.ServerQuery{})
	require.NoError(t, err)
	for _, s := range page.Servers {
		require.NotNil(t, s.LastCheck, s.Name)
	}
	t.Logf("500 servers, 50 of them black holes: %s", took)
}

// BenchmarkCheckAll is a check of 450 servers that answer, with a login each time and then over what stands.
func BenchmarkCheckAll(b *testing.B) {
	for name, standing := range map[string]bool{"Login": false, "Standing": true} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				c := newCrowd(b)
				c.add(b, 450, c.port, "good")
				if standing {
					_, err := c.servers.CheckAll(b.Context(), ports.ServerQuery{})
					require.NoError(b, err)
				}
				b.StartTimer()
				list, err := c.servers.CheckAll(b.Context(), ports.ServerQuery{})
				require.NoError(b, err)
				require.True(b, list[0].Check.Connected)
			}
		})
	}
}
