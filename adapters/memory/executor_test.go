package memory_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/memory"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

type sink struct {
	process *domain.Process
	out     bytes.Buffer
}

func (s *sink) Started(_ context.Context, p domain.Process) error { s.process = &p; return nil }

func (s *sink) Output(_ context.Context, _ domain.Stream, data []byte) error {
	s.out.Write(data)
	return nil
}

var (
	target  = ports.Target{Server: domain.Server{ID: "s1"}}
	id      = domain.AttemptID{Job: "j1", Number: 1}
	command = domain.Command{Kind: domain.KindShellLine, Line: "long"}
)

func reason(t *testing.T, err error) *domain.Failure {
	f, ok := errors.AsType[*domain.Failure](err)
	require.True(t, ok, "%v", err)
	return f
}

func bubble(t *testing.T, check func(t *testing.T, e *memory.Executor)) {
	synctest.Test(t, func(t *testing.T) {
		e := memory.NewExecutor()
		defer e.Close()
		e.On("long", memory.Sequence(memory.Prints(domain.Stdout, "one\n"), memory.Sleeps(time.Hour), memory.Prints(domain.Stdout, "two\n"), memory.Exits(3)))
		check(t, e)
	})
}

func TestExecutor_ACutCommandRunsOn(t *testing.T) {
	bubble(t, func(t *testing.T, e *memory.Executor) {
		first := &sink{}
		done := make(chan error)
		go func() {
			_, err := e.Start(t.Context(), target, id, command, first)
			done <- err
		}()
		synctest.Wait()
		e.Cut(id)
		require.ErrorIs(t, <-done, ports.ErrCut)
		rest := &sink{}
		exit, err := e.Attach(t.Context(), target, id, first.process, domain.Offsets{Stdout: 2}, rest)
		require.NoError(t, err)
		require.Equal(t, domain.Exit{Code: 3}, exit)
		require.Equal(t, "e\ntwo\n", rest.out.String())
		require.Equal(t, []domain.AttemptID{id}, e.Starts())
	})
}

func TestExecutor_NothingIsStartedAfterVoid(t *testing.T) {
	bubble(t, func(t *testing.T, e *memory.Executor) {
		_, err := e.Attach(t.Context(), target, id, nil, domain.Offsets{}, &sink{})
		require.True(t, reason(t, err).NotStarted)
		_, err = e.Start(t.Context(), target, id, command, &sink{})
		require.True(t, reason(t, err).NotStarted)
		require.Empty(t, e.Starts())
	})
}

func TestExecutor_KillEndsIt(t *testing.T) {
	bubble(t, func(t *testing.T, e *memory.Executor) {
		done := make(chan domain.Exit)
		go func() {
			exit, _ := e.Start(t.Context(), target, id, command, &sink{})
			done <- exit
		}()
		synctest.Wait()
		r, err := e.Kill(t.Context(), target, id, time.Second)
		require.NoError(t, err)
		require.Equal(t, 1, r.Ended)
		require.True(t, r.Confirmed)
		require.Equal(t, domain.Exit{Code: 143, Signal: "TERM"}, <-done)
	})
}

func TestExecutor_ARebootIsToldFromALoss(t *testing.T) {
	bubble(t, func(t *testing.T, e *memory.Executor) {
		for again, want := range map[int]domain.Reason{1: domain.ReasonLost, 2: domain.ReasonServerRebooted} {
			id := domain.AttemptID{Job: "j2", Number: again}
			done := make(chan error)
			go func() {
				_, err := e.Start(t.Context(), target, id, command, &sink{})
				done <- err
			}()
			synctest.Wait()
			if again == 1 {
				e.Lose(id)
				require.Equal(t, want, reason(t, <-done).Reason)
				continue
			}
			e.Reboot("s1")
			require.ErrorIs(t, <-done, ports.ErrCut)
			_, err := e.Attach(t.Context(), target, id, nil, domain.Offsets{}, &sink{})
			require.Equal(t, want, reason(t, err).Reason)
		}
	})
}
