package sshdemo_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heysubinoy/remora/adapters/sshdemo"
	"github.com/heysubinoy/remora/adapters/sshexec"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/contract"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T) (*sshdemo.Server, ports.Target) {
	private, authorized, err := sshdemo.NewKey()
	require.NoError(t, err)
	s, err := sshdemo.Start(sshdemo.Config{Name: "demo-1", AuthorizedKey: authorized})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	host, port, err := net.SplitHostPort(s.Addr())
	require.NoError(t, err)
	n, err := strconv.Atoi(port)
	require.NoError(t, err)
	return s, ports.Target{
		Server: domain.Server{
			ID: "demo", Name: "demo-1", Hostname: host, Port: n, User: "demo", Auth: domain.AuthKey,
			HostKey: &domain.HostKey{Fingerprint: s.HostKeyFingerprint(), Type: s.HostKeyType()},
		},
		Credential: domain.Credential{PrivateKey: domain.NewSecret(private)},
	}
}

func TestServer_RunsTheContract(t *testing.T) {
	contract.ExecutorOn(t, contract.ExecutorTraits{AnyUser: true}, func(t *testing.T) (ports.Executor, ports.Target) {
		_, target := start(t)
		e := sshexec.New(sshexec.Config{})
		t.Cleanup(func() { require.NoError(t, e.Close()) })
		return e, target
	})
}

func TestServer_RefusesOtherKeys(t *testing.T) {
	_, target := start(t)
	other, _, err := sshdemo.NewKey()
	require.NoError(t, err)
	target.Credential.PrivateKey = domain.NewSecret(other)
	e := sshexec.New(sshexec.Config{})
	defer func() { require.NoError(t, e.Close()) }()
	report := e.Probe(t.Context(), target, false)
	require.Equal(t, domain.ReasonAuth, report.Reason, report.Message)
}

func TestServer_JobsOutliveConnectionsButNotTheServer(t *testing.T) {
	s, target := start(t)
	first := sshexec.New(sshexec.Config{})
	c, err := domain.ShellLine("echo ready; setsid sleep 3210 & sleep 3211", "")
	require.NoError(t, err)
	id := domain.AttemptID{Job: "0193-demo", Number: 1}
	r := contract.NewRecorder()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := first.Start(ctx, target, id, c, r)
		done <- err
	}()
	r.Await(t, domain.Stdout, "ready\n")
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	require.NoError(t, first.Close())
	pid := r.Process().PID
	require.True(t, alive(pid), "the job ended with its connection")

	text, err := os.ReadFile(filepath.Join(s.Home(), ".remora/run", id.String(), "sup"))
	require.NoError(t, err)
	supervisor, err := strconv.Atoi(strings.Fields(string(text))[1])
	require.NoError(t, err)
	began := time.Now()
	require.NoError(t, s.Close())
	require.Less(t, time.Since(began), 10*time.Second)
	for _, p := range []int{pid, supervisor} {
		require.False(t, alive(p), "process %d is alive", p)
	}
	environs, err := filepath.Glob("/proc/[0-9]*/environ")
	require.NoError(t, err)
	for _, path := range environs {
		text, _ := os.ReadFile(path)
		require.NotContains(t, string(text), "HOME="+s.Home()+"\x00", path)
	}
	require.NoDirExists(t, s.Home())
}

// alive tells a process that runs from one that is gone, or only waits for init to take note of it.
func alive(pid int) bool {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return !strings.HasPrefix(rest, "Z")
}
