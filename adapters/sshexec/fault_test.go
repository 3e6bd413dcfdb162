package sshexec_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/sshexec"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/contract"
	"github.com/heysubinoy/remora/test/harness/sshd"
)

// store is a sink that outlives runs, as the database does, and cuts the connection now and then.
type store struct {
	at    domain.Offsets
	out   bytes.Buffer
	cutAt int64
	every int64
	cut   func()
	cuts  int
}

func (s *store) Started(context.Context, domain.Process) error { return nil }

func (s *store) Output(_ context.Context, stream domain.Stream, data []byte) error {
	if stream != domain.Stdout {
		return fmt.Errorf("stderr: %q", data)
	}
	s.out.Write(data)
	s.at = s.at.Plus(stream, len(data))
	if s.at.Stdout >= s.cutAt {
		s.cutAt += s.every
		s.cuts++
		s.cut()
	}
	return nil
}

func TestExecutor_CutConnectionsLoseNothing(t *testing.T) {
	s := sshd.Start(t)
	e := newExecutor(t, sshexec.Config{})
	const size = 20 << 20
	st := &store{cutAt: 1 << 20, every: 2 << 20, cut: func() { s.KillConnections() }}
	id := newID()
	text := fmt.Sprintf("echo started >>starts; seq 1 10000000 | head -c %d", size)
	exit, err := e.Start(t.Context(), s.Target(), id, line(t, text), st)
	attached := 0
	for errors.Is(err, ports.ErrCut) {
		attached++
		require.Less(t, attached, 100)
		exit, err = e.Attach(t.Context(), s.Target(), id, nil, st.at, st)
	}
	require.NoError(t, err)
	require.Zero(t, exit)
	require.GreaterOrEqual(t, attached, 3, "the connection was hardly ever cut")
	var want bytes.Buffer
	for i := 1; want.Len() < size; i++ {
		want.WriteString(strconv.Itoa(i))
		want.WriteByte('\n')
	}
	require.Equal(t, sha256.Sum256(want.Bytes()[:size]), sha256.Sum256(st.out.Bytes()))
	starts, err := os.ReadFile(filepath.Join(s.Home, "starts"))
	require.NoError(t, err)
	require.Equal(t, "started\n", string(starts))
}

func TestExecutor_JobOutlivesServerAndExecutor(t *testing.T) {
	s := sshd.Start(t)
	first := sshexec.New(sshexec.Config{})
	id := newID()
	r := contract.NewRecorder()
	done := make(chan error, 1)
	go func() {
		_, err := first.Start(t.Context(), s.Target(), id, line(t, "echo one; until [ -e go ]; do sleep 0.02; done; echo two; exit 9"), r)
		done <- err
	}()
	r.Await(t, domain.Stdout, "one\n")
	s.Stop()
	require.ErrorIs(t, <-done, ports.ErrCut)
	_, err := first.Attach(t.Context(), s.Target(), id, r.Process(), r.Offsets(), contract.NewRecorder())
	require.ErrorIs(t, err, ports.ErrCut, "the server is away")
	require.NoError(t, first.Close())
	require.NoError(t, os.WriteFile(filepath.Join(s.Home, "go"), nil, 0o600))
	s.Restart()
	second := newExecutor(t, sshexec.Config{})
	rest := contract.NewRecorder()
	exit, err := second.Attach(t.Context(), s.Target(), id, r.Process(), r.Offsets(), rest)
	require.NoError(t, err)
	require.Equal(t, domain.Exit{Code: 9}, exit)
	require.Equal(t, "two\n", rest.Text(domain.Stdout))
}

// startLong starts a command that prints ready and waits, and returns its processes.
func startLong(t *testing.T, e *sshexec.Executor, s *sshd.Server) (domain.AttemptID, *contract.Recorder, <-chan error) {
	id := newID()
	r := contract.NewRecorder()
	done := make(chan error, 1)
	go func() {
		_, err := e.Start(t.Context(), s.Target(), id, line(t, "echo ready; sleep 4321"), r)
		done <- err
	}()
	r.Await(t, domain.Stdout, "ready\n")
	return id, r, done
}

func factsOf(t *testing.T, s *sshd.Server, id domain.AttemptID, file string) []string {
	text, err := os.ReadFile(filepath.Join(s.Home, ".remora/run", id.String(), file))
	require.NoError(t, err)
	return strings.Fields(string(text))
}

func TestExecutor_VanishedProcessesAreLost(t *testing.T) {
	s := sshd.Start(t)
	e := newExecutor(t, sshexec.Config{})
	id, r, done := startLong(t, e, s)
	supervisor, err := strconv.Atoi(factsOf(t, s, id, "sup")[1])
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(supervisor, syscall.SIGKILL))
	require.NoError(t, syscall.Kill(-r.Process().PID, syscall.SIGKILL))
	s.KillConnections()
	err = <-done
	if errors.Is(err, ports.ErrCut) {
		_, err = e.Attach(t.Context(), s.Target(), id, r.Process(), r.Offsets(), contract.NewRecorder())
	}
	f, ok := errors.AsType[*domain.Failure](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, domain.ReasonLost, f.Reason)
	require.False(t, f.NotStarted)

	p := *r.Process()
	p.Boot = "another"
	rest := contract.NewRecorder()
	_, err = e.Attach(t.Context(), s.Target(), id, &p, domain.Offsets{}, rest)
	f, ok = errors.AsType[*domain.Failure](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, domain.ReasonServerRebooted, f.Reason)
	require.Equal(t, "ready\n", rest.Text(domain.Stdout), "what it printed before is kept")
}

func TestExecutor_SupervisorGoneWhileFollowed(t *testing.T) {
	s := sshd.Start(t)
	e := newExecutor(t, sshexec.Config{})
	id, r, done := startLong(t, e, s)
	supervisor, err := strconv.Atoi(factsOf(t, s, id, "sup")[1])
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(supervisor, syscall.SIGKILL))
	select {
	case err := <-done:
		t.Fatalf("the job is alive, but its run ended: %v", err)
	case <-time.After(300 * time.Millisecond): // long enough to be told by the follower, were it so
	}
	receipt, err := e.Kill(t.Context(), s.Target(), id, time.Second)
	require.NoError(t, err)
	require.True(t, receipt.Confirmed)
	f, ok := errors.AsType[*domain.Failure](<-done)
	require.True(t, ok)
	require.Equal(t, domain.ReasonLost, f.Reason)
	require.NotNil(t, r.Process())
}

func TestExecutor_TornCommandIsNotStarted(t *testing.T) {
	// the connection dies while the command is on its way
	s := sshd.Start(t)
	e := newExecutor(t, sshexec.Config{})
	for range 10 {
		id := newID()
		text := "touch ran; : " + strings.Repeat("x", 60000)
		var wg sync.WaitGroup
		wg.Go(func() { s.KillConnections() })
		_, err := e.Start(t.Context(), s.Target(), id, line(t, text), contract.NewRecorder())
		wg.Wait()
		for errors.Is(err, ports.ErrCut) {
			_, err = e.Attach(t.Context(), s.Target(), id, nil, domain.Offsets{}, contract.NewRecorder())
		}
		if f, ok := errors.AsType[*domain.Failure](err); ok {
			if f.Reason == domain.ReasonConnect { // cut during the login
				continue
			}
			require.True(t, f.NotStarted, "%v", err)
			_, statErr := os.Stat(filepath.Join(s.Home, "ran"))
			require.ErrorIs(t, statErr, os.ErrNotExist, "declared not started, but it ran")
			continue
		}
		require.NoError(t, err)
		require.NoError(t, os.Remove(filepath.Join(s.Home, "ran")))
	}
}

func TestExecutor_ManySessionsAndFewAllowed(t *testing.T) {
	s := sshd.StartWith(t, sshd.Config{Lines: []string{"MaxSessions 2"}})
	e := newExecutor(t, sshexec.Config{})
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			r := contract.NewRecorder()
			exit, err := e.Start(t.Context(), s.Target(), newID(), line(t, fmt.Sprintf("echo %d; exit 3", i)), r)
			if err != nil || exit.Code != 3 || r.Text(domain.Stdout) != fmt.Sprintf("%d\n", i) {
				t.Errorf("run %d: %v %v %q", i, exit, err, r.Text(domain.Stdout))
			}
		})
	}
	wg.Wait()
}

func TestExecutor_IdleConnectionsAreClosed(t *testing.T) {
	s := sshd.Start(t)
	e := newExecutor(t, sshexec.Config{IdleTimeout: 50 * time.Millisecond})
	for range 2 {
		exit, err := e.Start(t.Context(), s.Target(), newID(), line(t, "true"), contract.NewRecorder())
		require.NoError(t, err)
		require.Zero(t, exit)
		deadline := time.Now().Add(10 * time.Second)
		for s.Connections() > 0 {
			require.True(t, time.Now().Before(deadline), "the connection stays open")
			<-time.After(5 * time.Millisecond)
		}
	}
}

func TestExecutor_SessionsThatAreNeverAllowed(t *testing.T) {
	s := sshd.StartWith(t, sshd.Config{Lines: []string{"MaxSessions 0"}})
	_, err := newExecutor(t, sshexec.Config{}).Start(t.Context(), s.Target(), newID(), line(t, "true"), contract.NewRecorder())
	f, ok := errors.AsType[*domain.Failure](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, domain.ReasonConnect, f.Reason)
	require.True(t, f.NotStarted)
	require.ErrorContains(t, err, "refuses to open a session")
}
