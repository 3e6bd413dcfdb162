package application_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/memory"
	"github.com/heysubinoy/remora/application"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

func TestWorker_AttachesAgainAfterACut(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.work()
		program, text := counts(200, 100*time.Millisecond)
		id := w.submit(w.server(), program)
		for range 12 {
			w.pass(870 * time.Millisecond)
			w.machines.Cut(w.job(id).AttemptID())
			before := w.job(id).Output.Stdout
			w.pass(450 * time.Millisecond)
			require.Greater(t, w.job(id).Output.Stdout, before, "a connection that had worked is made again at once")
		}
		j := w.final(id)
		require.Equal(t, domain.StatusCompleted, j.Status)
		require.Equal(t, 1, w.starts(id))
		stdout, _ := w.printed(id)
		require.Equal(t, text, stdout)
	})
}

func TestWorker_WaitsForAServerThatIsOutOfReach(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.work()
		s := w.server()
		program, text := counts(100, time.Second)
		id := w.submit(s, program)
		w.executing(id)
		w.pass(10 * time.Second)
		w.machines.Unreachable(s.ID, true)
		w.pass(60 * time.Second)
		require.Equal(t, domain.PhaseExecuting, w.job(id).Phase)
		w.machines.Unreachable(s.ID, false)
		w.pass(10 * time.Second) // it asks every 5 s at least
		require.Greater(t, w.job(id).Output.Stdout, int64(len(text)/2))
		require.Equal(t, domain.StatusCompleted, w.final(id).Status)
		stdout, _ := w.printed(id)
		require.Equal(t, text, stdout)
	})
}

func TestWorker_CutAroundTheStartStartsOnce(t *testing.T) {
	for name, when := range map[string]memory.CutAt{"Before": memory.CutBeforeStart, "After": memory.CutAfterStart} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.server()
				w.machines.CutNext(s.ID, when)
				w.work()
				program, text := counts(3, time.Second)
				id := w.submit(s, program)
				j := w.final(id)
				require.Equal(t, domain.StatusCompleted, j.Status)
				require.Equal(t, 1, w.starts(id))
				stdout, _ := w.printed(id)
				require.Equal(t, text, stdout)
			})
		})
	}
}

// deafServers cut every connection before the start reaches them.
type deafServers struct{ *memory.Executor }

func (d deafServers) Start(context.Context, ports.Target, domain.AttemptID, domain.Command, ports.Sink) (domain.Exit, error) {
	return domain.Exit{}, ports.ErrCut
}

func TestWorker_StartThatNeverArrivesIsNotTriedForEver(t *testing.T) {
	for mode, attempts := range map[domain.RetryMode]int{domain.RetryNever: 1, domain.RetrySafe: 3} {
		t.Run(string(mode), func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				w.retry = &domain.Retry{Mode: mode, MaxAttempts: 3}
				s := w.server()
				w.work(func(it *application.Worker) { it.Executor = deafServers{w.machines} })
				id := w.submit(s, memory.Sequence())
				w.pass(time.Minute)
				j := w.job(id)
				require.Equal(t, domain.StatusFailed, j.Status, "after attempt %d", j.Attempt)
				require.Equal(t, attempts, j.Attempt)
				require.Zero(t, w.starts(id))
			})
		})
	}
}

func TestWorker_ServerWasRestarted(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.work()
		s := w.server()
		id := w.submit(s, memory.Sequence(memory.Prints(domain.Stdout, "begin"), memory.Sleeps(time.Hour)))
		w.executing(id)
		w.pass(time.Second)
		w.machines.Reboot(s.ID)
		j := w.final(id)
		require.Equal(t, domain.ReasonServerRebooted, j.Reason)
		stdout, _ := w.printed(id)
		require.Equal(t, "begin", stdout)
		require.Equal(t, 1, w.starts(id))
	})
}

func TestWorker_PinsTheFirstKeyUnderAcceptNew(t *testing.T) {
	acceptNew := func(n *ports.NewServer) { n.HostKey, n.HostKeyPolicy = "", domain.HostKeyAcceptNew }
	for name, fault := range map[string]func(*faults){
		"Calm":                      func(*faults) {},
		"DatabaseAwayAtFirst":       func(f *faults) { f.once("Servers.Get", away) },
		"DatabaseAwayInTheTest":     func(f *faults) { f.once("Servers.Get", works, away) },
		"DatabaseAwayAtThePin":      func(f *faults) { f.once("Servers.Save", away) },
		"PinStoredButNotAnswered":   func(f *faults) { f.once("Servers.Save", deaf) },
		"DatabaseAwayAtTheCheck":    func(f *faults) { f.once("Servers.Save", works, away) },
		"CheckStoredButNotAnswered": func(f *faults) { f.once("Servers.Save", works, deaf) },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				s := w.server(acceptNew)
				own := w.work(func(it *application.Worker) { it.Executor = pinned{w.machines} })
				w.pass(time.Second)
				fault(own.database)
				id := w.submit(s, memory.Sequence())
				j := w.final(id)
				require.Equal(t, domain.StatusCompleted, j.Status, "%s: %s", j.Reason, j.Message)
				now, err := w.servers.Get(t.Context(), s.ID)
				require.NoError(t, err)
				require.Equal(t, memory.MemoryHostKey, now.HostKey.Fingerprint)
				require.True(t, now.HasCredential)
				require.False(t, now.CredentialNeeded)
			})
		})
	}
}

// pinned are servers that are sent nothing before their key is pinned, as the real executor does it.
type pinned struct{ *memory.Executor }

func (p pinned) Start(ctx context.Context, t ports.Target, id domain.AttemptID, c domain.Command, sink ports.Sink) (domain.Exit, error) {
	if t.Server.HostKey == nil {
		return domain.Exit{}, &domain.Failure{Reason: domain.ReasonHostKeyUnknown, Message: "not confirmed", NotStarted: true}
	}
	return p.Executor.Start(ctx, t, id, c, sink)
}

func TestWorker_RefusedOnItsReturnSaysThatTheCommandMayBeAlive(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.work()
		s := w.server()
		program, _ := counts(100, time.Second)
		id := w.submit(s, program)
		w.executing(id)
		w.machines.Refuse(s.ID, &domain.Failure{Reason: domain.ReasonHostKeyMismatch, Message: "another key"})
		w.machines.Cut(w.job(id).AttemptID())
		j := w.final(id)
		require.Equal(t, domain.StatusFailed, j.Status)
		require.Equal(t, domain.ReasonHostKeyMismatch, j.Reason)
		require.NotNil(t, j.KillConfirmed(), "nobody has looked whether the command is gone")
		require.False(t, *j.KillConfirmed())
	})
}
