package ops

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/harness/cluster"
	"github.com/heysubinoy/remora/test/harness/wait"
)

const (
	callers    = 4                      // who submit all the while
	pace       = 200 * time.Millisecond // between two jobs of a caller
	rounds     = 3                      // of restarting everything
	perRound   = 12
	retryAfter = 50 * time.Millisecond
)

// stream submits jobs while programs come and go. A caller tries again with the same key where an error says that something
// was away, and with no other error.
type stream struct {
	*site
	starts  string
	next    atomic.Int64
	retries atomic.Int64
	mu      sync.Mutex
	jobs    map[string]domain.JobID // by the key they were submitted with
}

// caller submits until it is told to stop, and returns what no retry would have covered.
func (s *stream) caller(ctx context.Context) error {
	for ctx.Err() == nil {
		key := fmt.Sprintf("job-%d", s.next.Add(1))
		id, err := s.submit(key)
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.jobs[key] = id
		s.mu.Unlock()
		<-time.After(pace)
	}
	return nil
}

func (s *stream) submit(key string) (domain.JobID, error) {
	command := fmt.Sprintf("echo %s >> %s; sleep 0.3; echo done %s", key, s.starts, key)
	deadline := time.Now().Add(patience)
	for {
		d, err := s.Jobs().Submit(context.Background(), ports.Submission{ServerID: s.Server.ID, Command: command, IdempotencyKey: key})
		switch {
		case err == nil:
			return d.Job.ID, nil
		case domain.KindOf(err) != domain.KindUnavailable:
			return "", fmt.Errorf("%s: no retry covers %w", key, err)
		case time.Now().After(deadline):
			return "", fmt.Errorf("%s: still refused: %w", key, err)
		}
		s.retries.Add(1)
		<-time.After(retryAfter)
	}
}

// grown waits until so many more jobs were submitted.
func (s *stream) grown(t *testing.T, by int) {
	t.Helper()
	from := s.next.Load()
	wait.Within(t, patience, func() error {
		if n := s.next.Load() - from; n < int64(by) {
			return fmt.Errorf("%d of %d more jobs were submitted", n, by)
		}
		return nil
	})
}

// stop asks a program to stop, as an update does, and says how long that took.
func stop(t *testing.T, p *cluster.Process) time.Duration {
	t.Helper()
	began := time.Now()
	p.Signal(t, syscall.SIGTERM)
	require.Zero(t, p.Exit(t, patience), p.Log())
	return time.Since(began).Round(time.Millisecond)
}

// API and workers are restarted one after the other, again and again, while jobs come in and run.
func TestRollingRestart(t *testing.T) {
	onBoth(t, func(t *testing.T, house *site) {
		s := &stream{site: house, starts: filepath.Join(t.TempDir(), "starts"), jobs: map[string]domain.JobID{}}
		s.StartQueue(t)
		api := s.StartAPI(t)
		workers := []*cluster.Process{s.StartWorker(t), s.StartWorker(t)}
		s.Register(t)
		long := newGated(t, t.TempDir(), "long")
		long.id = s.Submit(t, ports.Submission{Command: long.command(), Timeout: time.Hour})
		s.Printed(t, long.id, "line 3\n")

		ctx, cancel := context.WithCancelCause(t.Context())
		var all sync.WaitGroup
		errs := make([]error, callers)
		for i := range errs {
			all.Go(func() { errs[i] = s.caller(ctx) })
		}
		for round := range rounds {
			s.grown(t, perRound)
			took := stop(t, api)
			began := time.Now()
			api = s.StartAPI(t)
			t.Logf("round %d: the API stopped in %s and was back after %s more", round, took, time.Since(began).Round(time.Millisecond))
			for i := range workers {
				s.grown(t, perRound)
				took := stop(t, workers[i])
				epoch := s.Job(t, long.id).Epoch
				workers[i] = s.StartWorker(t)
				t.Logf("round %d: worker %d stopped in %s; the job that runs all the while was handed over at epoch %d", round, i, took, epoch)
			}
		}
		s.grown(t, perRound)
		cancel(errors.New("enough"))
		all.Wait()
		require.NoError(t, errors.Join(errs...))

		for key, id := range s.jobs {
			job, out, _ := s.End(t, id)
			require.Equal(t, domain.StatusCompleted, job.Status, "%s: %s %s", key, job.Reason, job.Message)
			require.Equal(t, "done "+key+"\n", out)
		}
		text, err := os.ReadFile(s.starts)
		require.NoError(t, err)
		started := map[string]int{}
		for key := range strings.FieldsSeq(string(text)) {
			started[key]++
		}
		for key := range s.jobs {
			require.Equal(t, 1, started[key], "starts of %s on the server", key)
		}
		require.Len(t, started, len(s.jobs), "something was started that nobody was told of")
		long.open(t)
		long.requireWhole(t, s.House)
		require.Greater(t, s.Job(t, long.id).Epoch, int64(1), "it was never handed over")
		t.Logf("%d jobs, %d submissions tried again", len(s.jobs), s.retries.Load())
	})
}
