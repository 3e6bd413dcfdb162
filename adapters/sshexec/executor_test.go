package sshexec_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heysubinoy/remora/adapters/sshexec"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/test/harness/sshd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var attempts atomic.Int64

func newID() domain.AttemptID {
	return domain.AttemptID{Job: domain.JobID(fmt.Sprintf("0193-%d-%d-%d", os.Getpid(), time.Now().UnixNano(), attempts.Add(1))), Number: 1}
}

// record is a sink that keeps everything.
type record struct {
	mu       sync.Mutex
	process  *domain.Process
	out, err bytes.Buffer
	started  chan struct{}
	grew     chan struct{}
}

func newRecord() *record { return &record{started: make(chan struct{}), grew: make(chan struct{}, 1)} }

func (r *record) Started(_ context.Context, p domain.Process) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.process = &p
	close(r.started)
	return nil
}

func (r *record) Output(_ context.Context, s domain.Stream, data []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s == domain.Stderr {
		r.err.Write(data)
	} else {
		r.out.Write(data)
	}
	select {
	case r.grew <- struct{}{}:
	default:
	}
	return nil
}

func (r *record) texts() (string, string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out.String(), r.err.String()
}

func newExecutor(t testing.TB, c sshexec.Config) *sshexec.Executor {
	e := sshexec.New(c)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

func line(t testing.TB, text string) domain.Command {
	c, err := domain.ShellLine(text, "")
	require.NoError(t, err)
	return c
}

func TestSmoke(t *testing.T) {
	s := sshd.Start(t)
	e := newExecutor(t, sshexec.Config{})
	for _, c := range []string{"echo hi; echo oops >&2; exit 7", "true", "exit 255", "exit 143", "kill -9 $$", "sleep 0.3; echo later; sleep 0.3; echo more >&2", "pwd; env; umask"} {
		r := newRecord()
		began := time.Now()
		exit, err := e.Start(t.Context(), s.Target(), newID(), line(t, c), r)
		out, errs := r.texts()
		t.Logf("%s: %v %v %q %q in %s %+v", c, exit, err, out, errs, time.Since(began), r.process)
	}
	rep := e.Probe(t.Context(), s.Target(), false)
	t.Logf("%+v", rep)
	id := newID()
	r := newRecord()
	done := make(chan struct{})
	go func() {
		defer close(done)
		exit, err := e.Start(t.Context(), s.Target(), id, line(t, "sleep 100 & sleep 200; echo no"), r)
		t.Log(exit, err)
	}()
	<-r.started
	rec, err := e.Kill(t.Context(), s.Target(), id, time.Second)
	t.Logf("%+v %v", rec, err)
	<-done
	require.NoError(t, e.Remove(t.Context(), s.Target(), id))
}
