package sshexec_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/sshexec"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/contract"
	"github.com/heysubinoy/remora/test/harness/sshd"
)

// through makes a target that is reached through others, the one next to it last.
func through(target ports.Target, jumps ...ports.Target) ports.Target {
	for i, j := range jumps {
		j.Server.Name = fmt.Sprintf("jump%d", i+1)
		if i > 0 {
			before := jumps[i-1]
			j.Via = &before
			j.Server.ProxyJump = before.Server.ID
		}
		jumps[i] = j
	}
	if n := len(jumps); n > 0 {
		target.Via = &jumps[n-1]
		target.Server.ProxyJump = jumps[n-1].Server.ID
	}
	return target
}

func TestTunnel_RunsThroughOneAndTwo(t *testing.T) {
	outer, inner, end := sshd.Start(t), sshd.Start(t), sshd.Start(t)
	for name, target := range map[string]ports.Target{
		"One": through(end.Target(), outer.Target()),
		"Two": through(end.Target(), outer.Target(), inner.Target()),
	} {
		t.Run(name, func(t *testing.T) {
			e := newExecutor(t, sshexec.Config{})
			report := e.Probe(t.Context(), target, false)
			require.True(t, report.OK, report.Message)
			require.Equal(t, end.HostKey.Fingerprint, report.Seen.Fingerprint, "it is the end's own key")
			r := contract.NewRecorder()
			const size = 4 << 20
			exit, err := e.Start(t.Context(), target, newID(), line(t, fmt.Sprintf("echo to >&2; head -c %d /dev/zero | tr '\\0' x; exit 3", size)), r)
			require.NoError(t, err)
			require.Equal(t, domain.Exit{Code: 3}, exit)
			require.Equal(t, size, strings.Count(r.Text(domain.Stdout), "x"))
			require.Len(t, r.Text(domain.Stdout), size)
			require.Equal(t, "to\n", r.Text(domain.Stderr))
		})
	}
}

// TestTunnel_SharesTheConnectionToTheJumpServer counts what stands at the jump server for many servers behind it.
func TestTunnel_SharesTheConnectionToTheJumpServer(t *testing.T) {
	jump, end := sshd.Start(t), sshd.StartWith(t, sshd.Config{Lines: []string{"MaxStartups 100"}})
	e := newExecutor(t, sshexec.Config{})
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			target := through(end.Target(), jump.Target())
			target.Credential.Passphrase = domain.NewSecret(strings.Repeat("x", i+1)) // another identity: a connection of its own
			report := e.Check(t.Context(), target)
			if !report.OK {
				t.Error(report.Message)
			}
		})
	}
	all.Wait()
	require.LessOrEqual(t, jump.Connections(), 3, "a way to a server takes no place of a session")
	require.GreaterOrEqual(t, end.Connections(), 12)
}

func TestTunnel_ReportsSayWhichHopFailed(t *testing.T) {
	jump, inner, end := sshd.Start(t), sshd.Start(t), sshd.Start(t)
	closed := sshd.StartWith(t, sshd.Config{Lines: []string{"AllowTcpForwarding no"}})
	dead := freePort(t)
	pin := domain.HostKey{Fingerprint: "SHA256:" + strings.Repeat("B", 43)}
	at := func(target ports.Target, change func(*ports.Target)) ports.Target { change(&target); return target }
	unpinned := func(t *ports.Target) { t.Server.HostKey = nil }
	wrongPin := func(t *ports.Target) { t.Server.HostKey = &pin }
	noKey := func(t *ports.Target) { t.Credential = domain.Credential{} }
	away := func(t *ports.Target) { t.Server.Port = dead }
	first, second, none := jump.Target().Server.ID, inner.Target().Server.ID, domain.ServerID("")
	for name, c := range map[string]struct {
		target ports.Target
		hop    domain.ServerID
		step   ports.TestStep
		reason domain.Reason
		seen   bool
		says   string
	}{
		"FirstIsAway":       {through(end.Target(), at(jump.Target(), away), inner.Target()), first, ports.StepConnect, domain.ReasonConnect, false, "connection refused"},
		"FirstUnknown":      {through(end.Target(), at(jump.Target(), unpinned), inner.Target()), first, ports.StepHostKey, domain.ReasonHostKeyUnknown, false, "remora servers trust jump1"},
		"FirstChanged":      {through(end.Target(), at(jump.Target(), wrongPin)), first, ports.StepHostKey, domain.ReasonHostKeyMismatch, false, "jump1"},
		"FirstWithoutKey":   {through(end.Target(), at(jump.Target(), noKey)), first, ports.StepLogin, domain.ReasonAuth, false, "needs its password or key anew"},
		"FirstForwardsNot":  {through(end.Target(), closed.Target()), closed.Target().Server.ID, ports.StepSession, domain.ReasonConnect, false, "AllowTcpForwarding"},
		"SecondIsAway":      {through(end.Target(), jump.Target(), at(inner.Target(), away)), second, ports.StepConnect, domain.ReasonConnect, false, "through jump1"},
		"SecondUnknown":     {through(end.Target(), jump.Target(), at(inner.Target(), unpinned)), second, ports.StepHostKey, domain.ReasonHostKeyUnknown, false, "jump2"},
		"ServerIsAway":      {through(at(end.Target(), away), jump.Target()), none, ports.StepConnect, domain.ReasonConnect, false, "could not connect"},
		"ServerUnknown":     {through(at(end.Target(), unpinned), jump.Target()), none, ports.StepHostKey, domain.ReasonHostKeyUnknown, true, "nobody has confirmed"},
		"ServerWithoutKey":  {through(at(end.Target(), noKey), jump.Target()), none, ports.StepLogin, domain.ReasonAuth, true, "anew"},
		"ServerOfOtherUser": {through(at(end.Target(), func(t *ports.Target) { t.Server.User = "nobody-here" }), jump.Target()), none, ports.StepLogin, domain.ReasonAuth, true, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newExecutor(t, sshexec.Config{})
			for _, report := range []ports.TestReport{e.Probe(t.Context(), c.target, false), e.Check(t.Context(), c.target)} {
				require.False(t, report.OK)
				require.Equal(t, c.hop, report.Hop, report.Message)
				require.Equal(t, c.step, report.Step, report.Message)
				require.Equal(t, c.reason, report.Reason, report.Message)
				require.Equal(t, c.seen, report.Seen != nil, "only the server's own key is shown as seen")
				require.Contains(t, report.Message, c.says)
			}
			require.Equal(t, c.reason, start(t, e, c.target).Reason)
		})
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

func TestTunnel_CutsAtTheJumpServerLoseNothing(t *testing.T) {
	jump, end := sshd.Start(t), sshd.Start(t)
	target := through(end.Target(), jump.Target())
	e := newExecutor(t, sshexec.Config{})
	const size = 8 << 20
	st := &store{cutAt: 1 << 20, every: 2 << 20, cut: func() { jump.KillConnections() }}
	id := newID()
	exit, err := e.Start(t.Context(), target, id, line(t, fmt.Sprintf("seq 1 10000000 | head -c %d; exit 4", size)), st)
	attached := 0
	for errors.Is(err, ports.ErrCut) {
		attached++
		require.Less(t, attached, 100)
		exit, err = e.Attach(t.Context(), target, id, nil, st.at, st)
	}
	require.NoError(t, err)
	require.Equal(t, domain.Exit{Code: 4}, exit)
	require.Positive(t, attached, "the way was never cut")
	var want bytes.Buffer
	for i := 1; want.Len() < size; i++ {
		fmt.Fprintln(&want, i)
	}
	require.Equal(t, sha256.Sum256(want.Bytes()[:size]), sha256.Sum256(st.out.Bytes()))
}

// TestTunnel_SilentServerBehindAJumpIsLeft shows that what never answers holds nobody longer than its time limit.
func TestTunnel_SilentServerBehindAJumpIsLeft(t *testing.T) {
	jump := sshd.Start(t)
	target := through(silent(t), jump.Target())
	e := newExecutor(t, sshexec.Config{ConnectTimeout: 500 * time.Millisecond})
	began := time.Now()
	report := e.Probe(t.Context(), target, false)
	require.False(t, report.OK)
	require.Empty(t, report.Hop, report.Message)
	require.Less(t, time.Since(began), 5*time.Second)
}

// silent is a target that takes connections and never says a word.
func silent(t *testing.T) ports.Target {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return ports.Target{
		Server: domain.Server{
			ID: "silent", Name: "silent", Hostname: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, User: "u", Auth: domain.AuthPassword,
			HostKey: &domain.HostKey{Fingerprint: "SHA256:" + strings.Repeat("B", 43)},
		},
		Credential: domain.Credential{Password: domain.NewSecret("x")},
	}
}
