package contract

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
)

func (s *executorSuite) twice(t *testing.T) {
	id := s.id()
	c := executorLine(t, "echo started >>starts-"+id.String()+"; echo said; exit 4")
	for range 2 {
		r := NewRecorder()
		exit, err := s.start(t.Context(), id, c, r).wait(t)
		require.NoError(t, err)
		require.Equal(t, domain.Exit{Code: 4}, exit)
		require.Equal(t, "said\n", r.Text(domain.Stdout))
	}
	require.Equal(t, "started\n", s.sh(t, "cat starts-"+id.String()).Text(domain.Stdout))
}

func (s *executorSuite) race(t *testing.T) {
	id := s.id()
	c := executorLine(t, "echo started >>starts-"+id.String()+"; echo one; sleep 0.3; echo two; exit 5")
	var runs []*executorRun
	for range 20 {
		runs = append(runs, s.start(t.Context(), id, c, NewRecorder()))
	}
	for _, r := range runs {
		exit, err := r.wait(t)
		require.NoError(t, err)
		require.Equal(t, domain.Exit{Code: 5}, exit)
		require.Equal(t, "one\ntwo\n", r.Text(domain.Stdout))
	}
	require.Equal(t, "started\n", s.sh(t, "cat starts-"+id.String()).Text(domain.Stdout))
}

func (s *executorSuite) attach(t *testing.T) {
	id := s.id()
	r := s.start(t.Context(), id, executorLine(t, fmt.Sprintf("echo abc; echo 123 >&2; until [ -e go-%[1]s ]; do sleep 0.02; done; echo def; echo 456 >&2; exit 6", id)), NewRecorder())
	r.Await(t, domain.Stdout, "abc\n")
	r.Await(t, domain.Stderr, "123\n")
	second := make(chan struct{})
	go func() {
		defer close(second)
		other, exit, err := s.attachTo(t, id, r.Process(), domain.Offsets{Stdout: 2, Stderr: 4})
		if err != nil || exit.Code != 6 || other.Text(domain.Stdout) != "c\ndef\n" || other.Text(domain.Stderr) != "456\n" {
			t.Errorf("attached while running: %v %v %q %q", exit, err, other.Text(domain.Stdout), other.Text(domain.Stderr))
		}
	}()
	s.sh(t, "touch go-"+id.String())
	_, err := r.wait(t)
	require.NoError(t, err)
	<-second
	for _, c := range []struct {
		from     domain.Offsets
		out, err string
	}{{domain.Offsets{}, "abc\ndef\n", "123\n456\n"}, {domain.Offsets{Stdout: 5, Stderr: 8}, "ef\n", ""}, {domain.Offsets{Stdout: 8, Stderr: 1}, "", "23\n456\n"}} {
		other, exit, err := s.attachTo(t, id, nil, c.from)
		require.NoError(t, err)
		require.Equal(t, domain.Exit{Code: 6}, exit)
		require.Equal(t, c.out, other.Text(domain.Stdout))
		require.Equal(t, c.err, other.Text(domain.Stderr))
		require.Equal(t, r.Process().PID, other.Process().PID)
		require.Equal(t, r.Process().Boot, other.Process().Boot)
	}
}

func (s *executorSuite) void(t *testing.T) {
	id := s.id()
	for range 2 {
		r, _, err := s.attachTo(t, id, nil, domain.Offsets{})
		requireFailure(t, err, domain.ReasonLost, true)
		require.Nil(t, r.Process())
	}
	r := NewRecorder()
	_, err := s.start(t.Context(), id, executorLine(t, "touch ran-"+id.String()), r).wait(t)
	requireFailure(t, err, domain.ReasonLost, true)
	require.Nil(t, r.Process())
	s.sh(t, "[ ! -e ran-"+id.String()+" ]")
}

func (s *executorSuite) sinkError(t *testing.T) {
	full := errors.New("sink is full")
	id := s.id()
	r := NewRecorder()
	r.OnOutput = func(domain.Stream, []byte) error { return full }
	_, err := s.start(t.Context(), id, executorLine(t, fmt.Sprintf("echo one; until [ -e go-%[1]s ]; do sleep 0.02; done; echo two; exit 8", id)), r).wait(t)
	require.ErrorIs(t, err, full)
	s.sh(t, "touch go-"+id.String())
	other, exit, err := s.attachTo(t, id, r.Process(), domain.Offsets{})
	require.NoError(t, err)
	require.Equal(t, domain.Exit{Code: 8}, exit)
	require.Equal(t, "one\ntwo\n", other.Text(domain.Stdout))
}

func (s *executorSuite) contextEnd(t *testing.T) {
	gone := errors.New("lease lost")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	id := s.id()
	r := s.start(ctx, id, executorLine(t, fmt.Sprintf("echo one; until [ -e go-%[1]s ]; do sleep 0.02; done; echo two; exit 8", id)), NewRecorder())
	r.Await(t, domain.Stdout, "one\n")
	cancel(gone)
	_, err := r.wait(t)
	require.ErrorIs(t, err, gone)
	s.sh(t, "touch go-"+id.String())
	other, exit, err := s.attachTo(t, id, r.Process(), r.Offsets())
	require.NoError(t, err)
	require.Equal(t, domain.Exit{Code: 8}, exit)
	require.Equal(t, "two\n", other.Text(domain.Stdout))
}

func (s *executorSuite) slowSink(t *testing.T) {
	release := make(chan struct{})
	var once sync.Once
	blocked := make(chan struct{})
	r := NewRecorder()
	r.OnOutput = func(domain.Stream, []byte) error {
		once.Do(func() { close(blocked) })
		<-release
		return nil
	}
	run := s.start(t.Context(), s.id(), executorLine(t, "yes | head -c 20000000; sleep 0.5; yes no | head -c 20000000 >&2"), r)
	<-blocked
	s.sh(t, "echo others go on") // the blocked stream takes nothing from other sessions
	close(release)
	exit, err := run.wait(t)
	require.NoError(t, err)
	require.Zero(t, exit)
	require.Equal(t, domain.Offsets{Stdout: 20000000, Stderr: 20000000}, r.Offsets())
}

// processes counts the living processes on the server that carry a mark in their command line.
func (s *executorSuite) processes(t *testing.T, mark string) int {
	t.Helper()
	r, _ := s.run(t, executorLine(t, "all=$(cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'); printf '%s\\n' \"$all\" | grep -cxF "+mark))
	n, err := strconv.Atoi(strings.TrimSpace(r.Text(domain.Stdout)))
	require.NoError(t, err)
	return n
}

// mark is a number of seconds that no other process sleeps for.
func (s *executorSuite) mark() string {
	return fmt.Sprintf("3%03d.%d", executorAttempts.Add(1)%1000, time.Now().UnixNano()%1e9)
}

// killTree grows a tree with, beside the usual, processes that can be found in one way only: by their output, by the
// cookie, by their group, by their session alone, by descent, and by descent until TERM has ended their parent.
func (s *executorSuite) killTree(t *testing.T) {
	id, m := s.id(), s.mark()
	tree := `sleep @ &
sh -c "trap '' TERM HUP INT; sleep @; sleep @" &
sh -c "sh -c 'sleep @' & sleep @" &
(sh -c "sleep @ & exit 0" &)
setsid sleep @ &
bash -c "set -m; sleep @ & wait" &
(setsid sh -c "sleep @ & exit 0" &)
(setsid env -i sleep @ &)
(setsid env -u REMORA_ATTEMPT sleep @ &)
(setsid sleep @ >/dev/null 2>&1 &)
(env -i sleep @ >/dev/null 2>&1 &)
(bash -c "set -m; env -i sleep @ >/dev/null 2>&1 &" &)
setsid env -i sleep @ >/dev/null 2>&1 &
setsid env -i sh -c "trap '' TERM; sleep @; sleep @" >/dev/null 2>&1 &
echo ready
sleep @`
	r := s.start(t.Context(), id, executorLine(t, strings.ReplaceAll(tree, "@", m)), NewRecorder())
	r.Await(t, domain.Stdout, "ready\n")
	deadline := time.Now().Add(executorWait)
	for s.processes(t, m) < 16 {
		require.True(t, time.Now().Before(deadline), "the tree did not grow")
	}
	receipt, err := s.e.Kill(t.Context(), s.target, id, time.Second)
	require.NoError(t, err)
	require.Equal(t, 0, s.processes(t, m), "%+v", receipt)
	require.True(t, receipt.Confirmed, "%+v", receipt)
	require.Empty(t, receipt.Left)
	require.GreaterOrEqual(t, receipt.Ended, 16)
	require.NotEmpty(t, receipt.Way)
	require.Positive(t, receipt.Took)
	exit, err := r.wait(t)
	require.NoError(t, err)
	require.Equal(t, domain.Exit{Code: 143, Signal: "TERM"}, exit)
}

func (s *executorSuite) killStubborn(t *testing.T) {
	id, m := s.id(), s.mark()
	r := s.start(t.Context(), id, executorLine(t, "trap 'echo no' TERM; echo ready; while :; do sleep "+m+" & wait $!; done"), NewRecorder())
	r.Await(t, domain.Stdout, "ready\n")
	began := time.Now()
	receipt, err := s.e.Kill(t.Context(), s.target, id, 500*time.Millisecond)
	require.NoError(t, err)
	require.GreaterOrEqual(t, time.Since(began), 500*time.Millisecond)
	require.True(t, receipt.Confirmed, "%+v", receipt)
	require.Equal(t, 0, s.processes(t, m))
	exit, err := r.wait(t)
	require.NoError(t, err)
	require.Equal(t, domain.Exit{Code: 137, Signal: "KILL"}, exit)
	require.Contains(t, r.Text(domain.Stdout), "no\n")
}

// killFleeing kills a job that never stays in one process for longer than it takes to fork the next: a look at the
// processes hardly ever sees one.
func (s *executorSuite) killFleeing(t *testing.T) {
	id := s.id()
	hop, beat := "hop-"+id.String(), "beat-"+id.String()
	text := fmt.Sprintf("echo \"echo >>%[2]s; sh %[1]s & \" >%[1]s; (sh %[1]s &); until [ -s %[2]s ]; do :; done; echo ready; while :; do sleep 0.02; done", hop, beat)
	r := s.start(t.Context(), id, executorLine(t, text), NewRecorder())
	r.Await(t, domain.Stdout, "ready\n")
	grows := "a=$(wc -c <" + beat + "); sleep 0.3; [ \"$(wc -c <" + beat + ")\" != \"$a\" ]"
	s.sh(t, grows)
	receipt, err := s.e.Kill(t.Context(), s.target, id, 100*time.Millisecond)
	require.NoError(t, err)
	require.True(t, receipt.Confirmed, "%+v", receipt)
	_, err = r.wait(t)
	require.NoError(t, err)
	s.sh(t, "! { "+grows+"; }")
}

func (s *executorSuite) killUnstarted(t *testing.T) {
	id := s.id()
	receipt, err := s.e.Kill(t.Context(), s.target, id, time.Second)
	require.NoError(t, err)
	require.True(t, receipt.Confirmed)
	require.Zero(t, receipt.Ended)
	_, err = s.start(t.Context(), id, executorLine(t, "touch ran-"+id.String()), NewRecorder()).wait(t)
	requireFailure(t, err, domain.ReasonLost, true)
	s.sh(t, "[ ! -e ran-"+id.String()+" ]")
}

func (s *executorSuite) killSpares(t *testing.T) {
	// the ids share a beginning
	base := s.id()
	one, ten := base, domain.AttemptID{Job: base.Job, Number: 10}
	m := s.mark()
	r1 := s.start(t.Context(), one, executorLine(t, "echo ready; sleep "+m), NewRecorder())
	r10 := s.start(t.Context(), ten, executorLine(t, "echo ready; sleep "+m), NewRecorder())
	r1.Await(t, domain.Stdout, "ready\n")
	r10.Await(t, domain.Stdout, "ready\n")
	receipt, err := s.e.Kill(t.Context(), s.target, one, time.Second)
	require.NoError(t, err)
	require.True(t, receipt.Confirmed)
	_, err = r1.wait(t)
	require.NoError(t, err)
	require.Equal(t, 1, s.processes(t, m), "the other attempt's process")
	_, err = s.e.Kill(t.Context(), s.target, ten, time.Second)
	require.NoError(t, err)
	_, err = r10.wait(t)
	require.NoError(t, err)
	require.Equal(t, 0, s.processes(t, m))
}

func (s *executorSuite) killEnded(t *testing.T) {
	id := s.id()
	_, err := s.start(t.Context(), id, executorLine(t, "exit 3"), NewRecorder()).wait(t)
	require.NoError(t, err)
	receipt, err := s.e.Kill(t.Context(), s.target, id, time.Second)
	require.NoError(t, err)
	require.True(t, receipt.Confirmed)
	require.Zero(t, receipt.Ended)
	_, exit, err := s.attachTo(t, id, nil, domain.Offsets{})
	require.NoError(t, err)
	require.Equal(t, domain.Exit{Code: 3}, exit)
}

func (s *executorSuite) remove(t *testing.T) {
	ended, running, c := s.id(), s.id(), "echo started >>starts-"
	_, err := s.start(t.Context(), ended, executorLine(t, c+ended.String()), NewRecorder()).wait(t)
	require.NoError(t, err)
	r := s.start(t.Context(), running, executorLine(t, fmt.Sprintf("echo one; until [ -e go-%[1]s ]; do sleep 0.02; done; exit 2", running)), NewRecorder())
	r.Await(t, domain.Stdout, "one\n")
	require.NoError(t, s.e.Remove(t.Context(), s.target, ended, running, s.id()))
	require.NoError(t, s.e.Remove(t.Context(), s.target))

	_, err = s.start(t.Context(), ended, executorLine(t, c+ended.String()), NewRecorder()).wait(t)
	requireFailure(t, err, domain.ReasonLost, false)
	require.Equal(t, "started\n", s.sh(t, "cat starts-"+ended.String()).Text(domain.Stdout), "a removed attempt was started again")
	s.sh(t, "touch go-"+running.String())
	exit, err := r.wait(t)
	require.NoError(t, err)
	require.Equal(t, domain.Exit{Code: 2}, exit)
}

func (s *executorSuite) missingShell(t *testing.T) {
	c, err := domain.Script("echo hi", "", "/no/such/shell")
	require.NoError(t, err)
	r := NewRecorder()
	_, err = s.start(t.Context(), s.id(), c, r).wait(t)
	requireFailure(t, err, domain.ReasonStartFailed, true)
	require.ErrorContains(t, err, "/no/such/shell")
	require.Nil(t, r.Process())
}

func (s *executorSuite) everywhere(t *testing.T, target func() *executorSuite, reason domain.Reason, attachable bool) {
	t.Helper()
	other := target()
	_, err := other.start(t.Context(), s.id(), executorLine(t, "true"), NewRecorder()).wait(t)
	requireFailure(t, err, reason, true)
	_, _, err = other.attachTo(t, s.id(), nil, domain.Offsets{})
	if attachable {
		require.Equal(t, domain.KindUnavailable, domain.KindOf(err), "%v", err)
	} else {
		requireFailure(t, err, reason, false)
	}
	_, err = other.e.Kill(t.Context(), other.target, s.id(), time.Second)
	requireFailure(t, err, reason, false)
}

func (s *executorSuite) hostKeyUnknown(t *testing.T) {
	s.everywhere(t, func() *executorSuite {
		o := *s
		o.target.Server.HostKey = nil
		return &o
	}, domain.ReasonHostKeyUnknown, false)
}

func (s *executorSuite) hostKeyChanged(t *testing.T) {
	s.everywhere(t, func() *executorSuite {
		o := *s
		o.target.Server.HostKey = &domain.HostKey{Fingerprint: "SHA256:" + strings.Repeat("A", 43), Type: s.target.Server.HostKey.Type}
		return &o
	}, domain.ReasonHostKeyMismatch, false)
}

func (s *executorSuite) login(t *testing.T) {
	if s.traits.AnyUser { // there is no login for it to refuse
		return
	}
	s.everywhere(t, func() *executorSuite {
		o := *s
		o.target.Server.User = "no-such-user"
		return &o
	}, domain.ReasonAuth, false)
}

func (s *executorSuite) unreachable(t *testing.T) {
	s.everywhere(t, func() *executorSuite {
		o := *s
		o.target.Server.Port = 1
		return &o
	}, domain.ReasonConnect, true)
}
