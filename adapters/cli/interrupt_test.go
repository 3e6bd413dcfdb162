package cli

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
)

// untilCanceled prints a line and then waits to be ended.
func untilCanceled(receipt domain.Receipt) func(*remote) {
	return func(r *remote) {
		r.print(domain.Stdout, "running\n")
		<-r.canceled
		r.kill(receipt)
	}
}

var clean = domain.Receipt{Confirmed: true, Way: "session+group+descent+cookie", Ended: 3}

func TestInterrupt_BeforeAnythingWasSubmitted(t *testing.T) {
	w := newWorld(t, "web")
	asked := make(chan struct{})
	w.onList = func(ctx context.Context) error {
		close(asked)
		<-ctx.Done()
		return domain.ErrCanceled.Because(ctx.Err())
	}
	s := w.session()
	s.begin("run", "-s", "web", "--", "x")
	<-asked
	s.interrupt()
	require.Equal(t, 130, s.end())
	require.Equal(t, "remora: interrupted\n", s.stderr.String())
	require.Zero(t, w.count())
}

func TestInterrupt_WhileSubmitting(t *testing.T) {
	w := newWorld(t, "web")
	w.behave = untilCanceled(clean)
	sent, answer := make(chan struct{}), make(chan struct{})
	w.onSubmit = func(ctx context.Context, _ domain.ServerID) error {
		close(sent)
		<-answer
		return ctx.Err()
	}
	s := w.session()
	s.begin("run", "-s", "web", "--", "x")
	<-sent
	s.interrupt()
	s.stderr.await(t, "Ctrl-C again")
	close(answer) // the job is made after the signal, and must be ended all the same
	require.Equal(t, 130, s.end())
	require.Contains(t, s.stderr.String(), "remora: web: canceled, 0 processes left\n")
	require.Equal(t, domain.StatusCanceled, w.job(0).Status)
}

func TestInterrupt_WhileQueued(t *testing.T) {
	w := newWorld(t, "web")
	followed := make(chan struct{}, 1)
	w.onFollow = func(context.Context, domain.Seq) error { followed <- struct{}{}; return nil }
	s := w.session()
	s.begin("run", "-s", "web", "--", "x")
	<-followed
	s.interrupt()
	require.Equal(t, 130, s.end())
	require.Contains(t, s.stderr.String(), "remora: web: canceled before it started\n")
}

func TestInterrupt_WhileRunning(t *testing.T) {
	for name, c := range map[string]struct {
		receipt domain.Receipt
		want    string
	}{
		"nothing left": {clean, "remora: web: canceled, 0 processes left\n"},
		"one left": {domain.Receipt{Ended: 2, Left: []domain.Remaining{{PID: 812, Command: "sleep 300\x1b[2J"}}},
			"remora: web: canceled, but 1 process left: pid 812 (sleep 300[2J)\n"},
		"two left": {domain.Receipt{Left: []domain.Remaining{{PID: 1, Command: "a"}, {PID: 2, Command: "b"}}},
			"remora: web: canceled, but 2 processes left: pid 1 (a), 2 (b)\n"},
		"not known": {domain.Receipt{Way: "unreachable"}, "remora: web: canceled, but it is not known what is left\n"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "web")
			w.behave = untilCanceled(c.receipt)
			s := w.session()
			s.begin("run", "-s", "web", "--", "sleep", "300")
			s.stdout.await(t, "running")
			s.interrupt()
			require.Equal(t, 130, s.end())
			require.Equal(t, "remora: interrupted; ending what was started; Ctrl-C again leaves without waiting\n"+c.want, s.stderr.String())
		})
	}
}

func TestInterrupt_TheExitWins(t *testing.T) {
	w := newWorld(t, "web")
	w.behave = func(r *remote) {
		r.print(domain.Stdout, "running\n")
		<-r.canceled
		r.exit(0, "")
	}
	s := w.session()
	s.begin("run", "-s", "web", "--", "x")
	s.stdout.await(t, "running")
	s.interrupt()
	require.Equal(t, 130, s.end())
	require.Contains(t, s.stderr.String(), "remora: web: had ended by itself: completed after 1.5s\n")
}

func TestInterrupt_FinishedMeanwhile(t *testing.T) {
	w := newWorld(t, "web")
	w.behave = func(r *remote) {
		r.print(domain.Stdout, "running\n")
		<-r.canceled
	}
	w.onCancel = func(_ context.Context, id domain.JobID) error {
		r := w.remote(id)
		r.exit(4, "")
		r.once.Do(func() { close(r.canceled) })
		return nil // so that the cancel comes too late
	}
	s := w.session()
	s.begin("run", "-s", "web", "--", "x")
	s.stdout.await(t, "running")
	s.interrupt()
	require.Equal(t, 130, s.end())
	require.Contains(t, s.stderr.String(), "remora: web: had ended by itself: failed with exit code 4 after 1.5s\n")
}

func TestInterrupt_ManyServers(t *testing.T) {
	w := newWorld(t, "a", "b", "c", "d")
	w.behave = untilCanceled(clean)
	s := w.session()
	s.begin("run", "--all", "--parallel", "2", "--", "x")
	s.stdout.await(t, "a | running")
	s.stdout.await(t, "b | running")
	s.interrupt()
	require.Equal(t, 130, s.end())
	require.Equal(t, `remora: interrupted; ending what was started; Ctrl-C again leaves without waiting
remora: a,b: canceled, 0 processes left
remora: c,d: canceled before it started
`, s.stderr.String())
}

func TestInterrupt_CancelFails(t *testing.T) {
	w := newWorld(t, "web")
	ended := make(chan struct{})
	w.behave = func(r *remote) { r.print(domain.Stdout, "running\n"); <-ended }
	w.onCancel = func(context.Context, domain.JobID) error { return domain.ErrStorageUnavailable }
	s := w.session()
	s.begin("run", "-s", "web", "--", "x")
	s.stdout.await(t, "running")
	s.interrupt()
	require.Equal(t, 130, s.end())
	id := string(w.job(0).ID)
	require.Contains(t, s.stderr.String(), "remora: web: could not be canceled and may be alive: the database cannot be reached; `remora jobs cancel "+id+"` tries again\n")
	close(ended)
}

func TestInterrupt_TwiceLeavesAtOnce(t *testing.T) {
	w := newWorld(t, "web")
	ended, asked := make(chan struct{}), make(chan struct{})
	w.behave = func(r *remote) { r.print(domain.Stdout, "running\n"); <-ended }
	w.onCancel = func(context.Context, domain.JobID) error { close(asked); return nil } // and then nothing happens
	s := w.session()
	s.begin("run", "-s", "web", "--", "x")
	s.stdout.await(t, "running")
	s.interrupt()
	<-asked
	s.interrupt()
	require.Equal(t, 130, s.end())
	require.Contains(t, s.stderr.String(), "remora: left without waiting\nremora: web: may be alive; `remora jobs get "+string(w.job(0).ID)+"` tells\n")
	close(ended)
}

func TestInterrupt_TwiceWhileSubmitting(t *testing.T) {
	w := newWorld(t, "web")
	sent := make(chan struct{})
	w.onSubmit = func(ctx context.Context, _ domain.ServerID) error {
		close(sent)
		<-ctx.Done()
		return domain.ErrCanceled
	}
	s := w.session()
	s.begin("run", "-s", "web", "--", "x")
	<-sent
	s.interrupt()
	s.interrupt()
	require.Equal(t, 130, s.end())
	require.Contains(t, s.stderr.String(), "remora: web: it is not known whether it was submitted; `remora jobs ls` tells\n")
}

// stuckWriter takes one write and then none until it is let go.
type stuckWriter struct {
	stuck chan struct{}
	let   chan struct{}
	once  atomic.Bool
}

func (w *stuckWriter) Write(p []byte) (int, error) {
	if !w.once.Swap(true) {
		close(w.stuck)
	}
	<-w.let
	return len(p), nil
}

func TestInterrupt_TwiceWhileNobodyReads(t *testing.T) {
	w := newWorld(t, "web")
	w.behave = untilCanceled(clean)
	out := &stuckWriter{stuck: make(chan struct{}), let: make(chan struct{})}
	s := w.session()
	s.out = out
	s.begin("run", "-s", "web", "--", "yes")
	<-out.stuck
	s.interrupt()
	s.interrupt()
	require.Equal(t, 130, s.end(), "a stuck terminal does not hold the program")
	require.Contains(t, s.stderr.String(), "remora: left without waiting\nremora: web: ")
	close(out.let)
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestRun_TheReaderGoesAway(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"closed pipe": {syscall.EPIPE, "remora: web: canceled, 0 processes left\n"},
		"full disk":   {errors.New("no space left on device"), "remora: output cannot be written: no space left on device\nremora: web: canceled, 0 processes left\n"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "web")
			w.behave = untilCanceled(clean)
			s := w.session()
			s.out = failingWriter{c.err}
			require.Equal(t, 1, s.run("run", "-s", "web", "--", "yes"))
			require.Equal(t, c.want, s.stderr.String())
			require.Equal(t, domain.StatusCanceled, w.job(0).Status, "a job that nobody reads is ended")
		})
	}
}

func TestInterrupt_Detach(t *testing.T) {
	w := newWorld(t, "a", "b", "c")
	sent, answer := make(chan struct{}), make(chan struct{})
	w.onSubmit = func(context.Context, domain.ServerID) error { close(sent); <-answer; return nil }
	s := w.session()
	s.begin("run", "--all", "--detach", "--", "x")
	<-sent
	s.interrupt()
	s.stderr.await(t, "interrupted; waiting for the answer")
	close(answer)
	require.Equal(t, 130, s.end())
	require.Equal(t, 3, strings.Count(s.stdout.String(), "00000000-0000-7000-8000-"), "what was submitted is told")
	require.Contains(t, s.stderr.String(), "3 jobs submitted; what was submitted goes on")
}

func TestInterrupt_ReadingStdin(t *testing.T) {
	w := newWorld(t, "web")
	in, never := io.Pipe()
	s := w.session()
	reading := make(chan struct{})
	s.stdin = readerFunc(func(p []byte) (int, error) { close(reading); return in.Read(p) })
	s.begin("run", "-s", "web", "--script", "-")
	<-reading
	s.interrupt()
	require.Equal(t, 130, s.end())
	require.NoError(t, never.Close())
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestInterrupt_FollowingAJobLeavesItAlone(t *testing.T) {
	w := newWorld(t, "web")
	ended := make(chan struct{})
	w.behave = func(r *remote) { r.print(domain.Stdout, "running\n"); <-ended; r.exit(0, "") }
	require.Equal(t, 0, w.session().run("run", "-s", "web", "--detach", "--", "x"))
	s := w.session()
	id := string(w.job(0).ID)
	s.begin("jobs", "logs", "-f", id)
	s.stdout.await(t, "running")
	s.interrupt()
	require.Equal(t, 130, s.end())
	require.Contains(t, s.stderr.String(), "the job goes on; `remora jobs cancel "+id+"` ends it\n")
	require.False(t, w.job(0).CancelRequested)
	close(ended)
}

func TestInterrupt_ADoneContextCountsAsOne(t *testing.T) {
	w := newWorld(t, "web")
	w.behave = untilCanceled(clean)
	s := w.session()
	ctx, stop := context.WithCancelCause(t.Context())
	go func() { s.exitCode <- s.app("remora").main(ctx, []string{"run", "-s", "web", "--", "x"}) }()
	s.stdout.await(t, "running")
	stop(nil)
	require.Equal(t, 130, s.end())
	require.Contains(t, s.stderr.String(), "remora: web: canceled, 0 processes left\n")
}

func TestInterrupt_Programs(t *testing.T) {
	w := newWorld(t)
	started := make(chan struct{}, 1)
	for name, stop := range map[string]func(context.Context) error{
		"nil":      func(context.Context) error { return nil },
		"canceled": func(ctx context.Context) error { return ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			s := w.session()
			s.config = func(c *Config) {
				c.Worker = func(ctx context.Context) error { started <- struct{}{}; <-ctx.Done(); return stop(ctx) }
			}
			s.begin("worker")
			<-started
			s.interrupt()
			require.Equal(t, 0, s.end(), "an orderly stop is no failure")
		})
	}
	t.Run("stuck", func(t *testing.T) {
		let := make(chan struct{})
		s := w.session()
		s.config = func(c *Config) {
			c.Queue = func(context.Context) error { started <- struct{}{}; <-let; return nil }
		}
		s.begin("queue")
		<-started
		s.interrupt()
		s.interrupt()
		require.Equal(t, 130, s.end())
		close(let)
	})
}

var closedPipe = failingWriter{syscall.EPIPE}
