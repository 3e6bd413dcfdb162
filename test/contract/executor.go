package contract

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// executorWait bounds every wait of the suite for a fact.
const executorWait = 30 * time.Second

// Executor is the contract of ports.Executor on a server that keeps run directories and has a POSIX shell, bash and
// the usual tools. open returns an executor and a target that logs in with a private key; it is called once.
func Executor(t *testing.T, open func(t *testing.T) (ports.Executor, ports.Target)) {
	ExecutorOn(t, ExecutorTraits{}, open)
}

// ExecutorTraits are what servers may do differently.
type ExecutorTraits struct {
	AnyUser bool // the server lets its key in under every user name
}

// ExecutorOn is Executor on a server with traits.
func ExecutorOn(t *testing.T, traits ExecutorTraits, open func(t *testing.T) (ports.Executor, ports.Target)) {
	e, target := open(t)
	s := &executorSuite{e: e, target: target, traits: traits}
	for _, c := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"ExitIsTheCommandsOwn", s.exits}, {"StreamsStayApart", s.streams}, {"RunsInTheLoginUsersHome", s.home},
		{"TextArrivesByteExact", s.bytes}, {"ScriptRunsUnderItsShellWithArguments", s.script}, {"ArgvIsNotParsed", s.argv},
		{"BigOutputOnBothStreams", s.big}, {"OutputComesWhileTheCommandRuns", s.live}, {"StartingTwiceIsStartingOnce", s.twice},
		{"RacingStartsAreOne", s.race}, {"AttachGivesTheRest", s.attach}, {"AttachToUnknownMakesItVoid", s.void},
		{"SinkErrorLeavesTheCommandRunning", s.sinkError}, {"EndedContextLeavesTheCommandRunning", s.contextEnd},
		{"SlowSinkHoldsTheServerBack", s.slowSink}, {"KillEndsTheTree", s.killTree}, {"KillInsistsAfterGrace", s.killStubborn}, {"KillEndsWhatFlees", s.killFleeing},
		{"KillBeforeStartIsVoid", s.killUnstarted}, {"KillSparesOthers", s.killSpares}, {"KillOfTheEndedFindsNothing", s.killEnded},
		{"RemoveForgetsTheEndedOnly", s.remove}, {"MissingShellIsNotStarted", s.missingShell}, {"SignalsKeepTheirMeaning", s.signals},
		{"UnknownHostKeyIsRefused", s.hostKeyUnknown}, {"ChangedHostKeyIsRefused", s.hostKeyChanged},
		{"RefusedLoginIsNotUnreachable", s.login}, {"UnreachableServer", s.unreachable},
	} {
		t.Run(c.name, c.run)
	}
}

type executorSuite struct {
	e      ports.Executor
	target ports.Target
	traits ExecutorTraits
}

var executorAttempts atomic.Int64

func (s *executorSuite) id() domain.AttemptID {
	return domain.AttemptID{Job: domain.JobID(fmt.Sprintf("0193-%x-%x-%d", os.Getpid(), time.Now().UnixNano(), executorAttempts.Add(1))), Number: 1}
}

// Recorder is a sink that keeps what it is given.
type Recorder struct {
	OnOutput func(s domain.Stream, data []byte) error // may be nil

	mu      sync.Mutex
	process *domain.Process
	text    map[domain.Stream]*bytes.Buffer
	started chan struct{}
	changed chan struct{}
}

// NewRecorder returns an empty recorder.
func NewRecorder() *Recorder {
	return &Recorder{
		text:    map[domain.Stream]*bytes.Buffer{domain.Stdout: {}, domain.Stderr: {}},
		started: make(chan struct{}), changed: make(chan struct{}, 1),
	}
}

// Started implements ports.Sink.
func (r *Recorder) Started(_ context.Context, p domain.Process) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.process != nil {
		return errors.New("started twice")
	}
	r.process = &p
	close(r.started)
	return nil
}

// Output implements ports.Sink.
func (r *Recorder) Output(_ context.Context, s domain.Stream, data []byte) error {
	if r.OnOutput != nil {
		if err := r.OnOutput(s, data); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.process == nil {
		return errors.New("output before the start")
	}
	r.text[s].Write(data)
	select {
	case r.changed <- struct{}{}:
	default:
	}
	return nil
}

// Process returns what Started was told, nil before.
func (r *Recorder) Process() *domain.Process {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.process
}

// Text returns what came on a stream so far.
func (r *Recorder) Text(s domain.Stream) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text[s].String()
}

// Offsets counts what came.
func (r *Recorder) Offsets() domain.Offsets {
	r.mu.Lock()
	defer r.mu.Unlock()
	return domain.Offsets{Stdout: int64(r.text[domain.Stdout].Len()), Stderr: int64(r.text[domain.Stderr].Len())}
}

// AwaitStart waits until the command was started.
func (r *Recorder) AwaitStart(t testing.TB) {
	t.Helper()
	select {
	case <-r.started:
	case <-time.After(executorWait):
		require.Fail(t, "the command was not started in time")
	}
}

// Await waits until a stream holds text.
func (r *Recorder) Await(t testing.TB, s domain.Stream, text string) {
	t.Helper()
	deadline := time.After(executorWait)
	for !strings.Contains(r.Text(s), text) {
		select {
		case <-r.changed:
		case <-deadline:
			require.Failf(t, "output did not come", "%q is not in %s: %q", text, s, r.Text(s))
		}
	}
}

// executorRun is a Start or Attach under way.
type executorRun struct {
	*Recorder
	done chan struct{}
	exit domain.Exit
	err  error
}

func (r *executorRun) wait(t testing.TB) (domain.Exit, error) {
	t.Helper()
	select {
	case <-r.done:
	case <-time.After(executorWait):
		require.Fail(t, "the run did not end in time")
	}
	return r.exit, r.err
}

func (s *executorSuite) start(ctx context.Context, id domain.AttemptID, c domain.Command, r *Recorder) *executorRun {
	run := &executorRun{Recorder: r, done: make(chan struct{})}
	go func() {
		defer close(run.done)
		run.exit, run.err = s.e.Start(ctx, s.target, id, c, r)
	}()
	return run
}

func (s *executorSuite) attachTo(t *testing.T, id domain.AttemptID, p *domain.Process, from domain.Offsets) (*Recorder, domain.Exit, error) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), executorWait, errors.New("attach took too long"))
	defer cancel()
	r := NewRecorder()
	exit, err := s.e.Attach(ctx, s.target, id, p, from, r)
	return r, exit, err
}

// run starts a command and waits for its end.
func (s *executorSuite) run(t *testing.T, c domain.Command) (*Recorder, domain.Exit) {
	t.Helper()
	r := NewRecorder()
	exit, err := s.start(t.Context(), s.id(), c, r).wait(t)
	require.NoError(t, err)
	require.NotNil(t, r.Process())
	return r, exit
}

func (s *executorSuite) sh(t *testing.T, text string) *Recorder {
	t.Helper()
	r, exit := s.run(t, executorLine(t, text))
	require.Zero(t, exit, "%s: %s", text, r.Text(domain.Stderr))
	return r
}

func executorLine(t testing.TB, text string) domain.Command {
	t.Helper()
	c, err := domain.ShellLine(text, "")
	require.NoError(t, err)
	return c
}

func requireFailure(t testing.TB, err error, reason domain.Reason, notStarted bool) {
	t.Helper()
	f, ok := errors.AsType[*domain.Failure](err)
	require.Truef(t, ok, "want a *domain.Failure of %s, got %v", reason, err)
	require.Equal(t, reason, f.Reason, f.Message)
	require.Equal(t, notStarted, f.NotStarted, f.Message)
	require.NotEmpty(t, f.Message)
}

func (s *executorSuite) exits(t *testing.T) {
	for _, c := range []struct {
		line string
		exit domain.Exit
	}{
		{"true", domain.Exit{}},
		{"exit 0", domain.Exit{}},
		{"exit 7", domain.Exit{Code: 7}},
		{"exit 255", domain.Exit{Code: 255}},
		{"exit 143", domain.Exit{Code: 143}},
		{"exit 137", domain.Exit{Code: 137}},
		{"kill -9 $$", domain.Exit{Code: 137, Signal: "KILL"}},
		{"kill -TERM $$", domain.Exit{Code: 143, Signal: "TERM"}},
		{"kill -SEGV $$", domain.Exit{Code: 139, Signal: "SEGV"}},
		{"no-such-program", domain.Exit{Code: 127}},
		{"sleep 0.3; exit 3", domain.Exit{Code: 3}},
		{"sleep 0.3; kill -KILL $$", domain.Exit{Code: 137, Signal: "KILL"}},
	} {
		_, exit := s.run(t, executorLine(t, c.line))
		require.Equal(t, c.exit, exit, c.line)
	}
}

func (s *executorSuite) streams(t *testing.T) {
	r := s.sh(t, "for i in 1 2 3; do echo out $i; echo err $i >&2; done; printf 'no newline'; printf '\\000\\377\\001' >&2")
	require.Equal(t, "out 1\nout 2\nout 3\nno newline", r.Text(domain.Stdout))
	require.Equal(t, "err 1\nerr 2\nerr 3\n\x00\xff\x01", r.Text(domain.Stderr))
}

func (s *executorSuite) home(t *testing.T) {
	r := s.sh(t, `pwd; echo "$HOME"; umask; echo "[$#]"; readlink /proc/$$/fd/0`)
	lines := strings.Split(r.Text(domain.Stdout), "\n")
	require.Equal(t, lines[0], lines[1], "the working directory is not HOME")
	require.Equal(t, "[0]", lines[3])
	require.Equal(t, "/dev/null", lines[4])
}

// executorText holds what shells and terminals are fond of, and every character that a command may carry.
func executorText() string {
	var b strings.Builder
	b.WriteString("it's \"quoted\" $HOME `id` $(id) \\n \\ !! ~ * ? [a] {a,b} # ; & | < > %s %% \t\r\n\n  two  spaces \n-n\n--\n")
	for r := rune(1); r < 0x500; r++ {
		b.WriteRune(r)
	}
	b.WriteString("\u0081\u00a0\ufeff\ufffd\U0001f41f 'end'\\")
	return b.String()
}

func (s *executorSuite) bytes(t *testing.T) {
	text := executorText()
	here := "cat <<'remora-end'\n" + text + "\nremora-end\n"
	require.Equal(t, text+"\n", s.sh(t, here).Text(domain.Stdout), "a shell line")

	c, err := domain.ShellLine("printf '%s|'", `a "b  c" 'd'\''e' \$x`)
	require.NoError(t, err)
	r, _ := s.run(t, c)
	require.Equal(t, "a|b  c|d'e|$x|", r.Text(domain.Stdout), "arguments of a shell line")

	long := "cat <<'remora-end'\n" + strings.Repeat(text, 256<<10/len(text)) + "\nremora-end\n"
	c, err = domain.Script(long, "", "/bin/sh")
	require.NoError(t, err)
	r, _ = s.run(t, c)
	require.Equal(t, sha256.Sum256([]byte(strings.Repeat(text, 256<<10/len(text))+"\n")), sha256.Sum256([]byte(r.Text(domain.Stdout))), "a long script")
}

func (s *executorSuite) script(t *testing.T) {
	c, err := domain.Script("#!/bin/nonsense\nset -u\n[[ -n $BASH_VERSION ]] && printf '<%s>' \"$@\"\ncat \"$0\" >&2; exit 9", `one "two  three" 'it'\''s' ""`, "/bin/bash")
	require.NoError(t, err)
	r, exit := s.run(t, c)
	require.Equal(t, domain.Exit{Code: 9}, exit)
	require.Equal(t, "<one><two  three><it's><>", r.Text(domain.Stdout))
	require.Equal(t, c.Script, r.Text(domain.Stderr), "the script's own file")

	c, err = domain.Script("import sys\nprint(sys.argv[1:])\n", "x 'y z'", "/usr/bin/env")
	require.NoError(t, err)
	_, exit = s.run(t, c)
	require.NotZero(t, exit.Code, "env is no interpreter of this text, and says so by its own exit code")
}

func (s *executorSuite) argv(t *testing.T) {
	argv := []string{"printf", "%s|", "", "$HOME", "it's", "a b", "*", "-x", "new\nline", `back\slash`, executorText()}
	c, err := domain.Argv(argv)
	require.NoError(t, err)
	r, exit := s.run(t, c)
	require.Zero(t, exit, r.Text(domain.Stderr))
	require.Equal(t, strings.Join(argv[2:], "|")+"|", r.Text(domain.Stdout))

	c, err = domain.Argv([]string{"no such program"})
	require.NoError(t, err)
	_, exit = s.run(t, c)
	require.Equal(t, domain.Exit{Code: 127}, exit)
}

func (s *executorSuite) big(t *testing.T) {
	r := s.sh(t, "yes remora-out | head -c 8388608 & yes remora-err | head -c 8388608 >&2; wait")
	require.Equal(t, sha256.Sum256(executorRepeat("remora-out\n")), sha256.Sum256([]byte(r.Text(domain.Stdout))))
	require.Equal(t, sha256.Sum256(executorRepeat("remora-err\n")), sha256.Sum256([]byte(r.Text(domain.Stderr))))
}

func executorRepeat(line string) []byte {
	return bytes.Repeat([]byte(line), 8<<20/len(line)+1)[:8<<20]
}

func (s *executorSuite) live(t *testing.T) {
	id := s.id()
	r := s.start(t.Context(), id, executorLine(t, fmt.Sprintf("echo first; echo second >&2; until [ -e go-%[1]s ]; do sleep 0.02; done; rm go-%[1]s; echo last", id)), NewRecorder())
	r.Await(t, domain.Stdout, "first\n")
	r.Await(t, domain.Stderr, "second\n")
	require.Positive(t, r.Process().PID)
	require.Equal(t, domain.ModeDurable, r.Process().Mode)
	s.sh(t, "touch go-"+id.String())
	exit, err := r.wait(t)
	require.NoError(t, err)
	require.Zero(t, exit)
	require.Equal(t, "first\nlast\n", r.Text(domain.Stdout))
	require.Equal(t, "second\n", r.Text(domain.Stderr))
}

func (s *executorSuite) signals(t *testing.T) {
	r := s.sh(t, `trap 'echo interrupted' INT; kill -INT $$; trap 'echo quit' QUIT; kill -QUIT $$; trap 'echo hup' HUP; kill -HUP $$`)
	require.Equal(t, "interrupted\nquit\nhup\n", r.Text(domain.Stdout))
}
