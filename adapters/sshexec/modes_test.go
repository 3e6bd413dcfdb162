package sshexec_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/sshexec"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/contract"
	"github.com/heysubinoy/remora/test/harness/sshd"
)

// shellDir is a directory for the front of PATH in which sh is another shell.
func shellDir(t *testing.T, shell string) string {
	path, err := exec.LookPath(shell)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not there", shell)
		}
		t.Skipf("SKIPPED: %s is not there", shell)
	}
	dir := t.TempDir()
	require.NoError(t, os.Symlink(path, filepath.Join(dir, "sh")))
	if shell == "busybox" {
		for _, tool := range []string{"head", "tail", "cat", "mkdir", "ln", "sleep", "setsid", "grep", "tr", "awk", "ls", "rm", "find", "rmdir"} {
			require.NoError(t, os.Symlink(path, filepath.Join(dir, tool)))
		}
	}
	return dir
}

func TestContract_OtherShells(t *testing.T) {
	for _, shell := range []string{"bash", "busybox"} {
		t.Run(shell, func(t *testing.T) {
			dir := shellDir(t, shell)
			contract.Executor(t, func(t *testing.T) (ports.Executor, ports.Target) {
				s := sshd.StartWith(t, sshd.Config{Env: map[string]string{"PATH": dir + ":/usr/bin:/bin"}})
				return newExecutor(t, sshexec.Config{}), s.Target()
			})
		})
	}
}

func TestAttached(t *testing.T) {
	// a home that nothing can be written to, not even by root
	s := sshd.StartWith(t, sshd.Config{Home: "/proc"})
	e := newExecutor(t, sshexec.Config{})
	report := e.Probe(t.Context(), s.Target(), false)
	require.True(t, report.OK, report.Message)
	require.Equal(t, domain.ModeAttached, report.Mode)
	require.Contains(t, report.Cause, "not writable")

	run := func(mode domain.Mode, c domain.Command) (*contract.Recorder, domain.Exit, error) {
		target := s.Target()
		target.Server.Mode = mode
		r := contract.NewRecorder()
		exit, err := e.Start(t.Context(), target, newID(), c, r)
		return r, exit, err
	}
	for _, mode := range []domain.Mode{domain.ModeUnknown, domain.ModeDurable, domain.ModeAttached} {
		for text, want := range map[string]domain.Exit{
			"echo out; echo err >&2; exit 7": {Code: 7}, "echo out; echo err >&2; kill -9 $$": {Code: 137, Signal: "KILL"},
			"echo out; echo err >&2; exit 143": {Code: 143},
		} {
			r, exit, err := run(mode, line(t, text))
			require.NoError(t, err)
			require.Equal(t, want, exit, text)
			require.Equal(t, "out\n", r.Text(domain.Stdout))
			require.Equal(t, "err\n", r.Text(domain.Stderr))
			require.Equal(t, domain.ModeAttached, r.Process().Mode)
			require.Positive(t, r.Process().PID)
		}
	}
	script, err := domain.Script("printf '<%s>' \"$@\"; cat <<'E'\nit's 'quoted' $x \\n\nE\nexit 4", "a 'b c'", "/bin/bash")
	require.NoError(t, err)
	r, exit, err := run(domain.ModeAttached, script)
	require.NoError(t, err)
	require.Equal(t, domain.Exit{Code: 4}, exit)
	require.Equal(t, "<a><b c>it's 'quoted' $x \\n\n", r.Text(domain.Stdout))
	argv, err := domain.Argv([]string{"printf", "%s|", "$HOME", "a b", ""})
	require.NoError(t, err)
	r, _, err = run(domain.ModeAttached, argv)
	require.NoError(t, err)
	require.Equal(t, "$HOME|a b||", r.Text(domain.Stdout))
	missing, err := domain.Script("echo", "", "/no/such/shell")
	require.NoError(t, err)
	_, _, err = run(domain.ModeAttached, missing)
	f, ok := errors.AsType[*domain.Failure](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, domain.ReasonStartFailed, f.Reason)
	require.True(t, f.NotStarted)
}

func TestAttached_KillAndCut(t *testing.T) {
	s := sshd.StartWith(t, sshd.Config{Home: "/proc"})
	e := newExecutor(t, sshexec.Config{})
	begin := func(text string) (domain.AttemptID, *contract.Recorder, <-chan error) {
		id := newID()
		r := contract.NewRecorder()
		done := make(chan error, 1)
		go func() {
			exit, err := e.Start(t.Context(), s.Target(), id, line(t, text), r)
			if err == nil {
				err = errors.New(exit.Signal)
			}
			done <- err
		}()
		r.Await(t, domain.Stdout, "ready\n")
		return id, r, done
	}
	id, _, done := begin("(setsid sleep 3213 &); echo ready; while :; do :; done")
	receipt, err := e.Kill(t.Context(), s.Target(), id, time.Second)
	require.NoError(t, err)
	require.True(t, receipt.Confirmed, "%+v", receipt)
	require.Equal(t, 2, receipt.Ended)
	require.EqualError(t, <-done, "TERM")

	id, r, done := begin("(setsid sleep 3214 &); echo ready; sleep 3214")
	_, err = e.Start(t.Context(), s.Target(), id, line(t, "echo ready"), contract.NewRecorder())
	require.Error(t, err, "an attached attempt was started twice")
	s.KillConnections()
	require.ErrorIs(t, <-done, ports.ErrCut)
	_, err = e.Attach(t.Context(), s.Target(), id, r.Process(), r.Offsets(), contract.NewRecorder())
	f, ok := errors.AsType[*domain.Failure](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, domain.ReasonLost, f.Reason)
	require.False(t, f.NotStarted)
	left, err := exec.Command("sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'").Output()
	require.NoError(t, err)
	require.NotContains(t, strings.Split(string(left), "\n"), "3214", "the cut command runs on")
}

func TestProbe_NoCommandsAtAll(t *testing.T) {
	s := sshd.StartWith(t, sshd.Config{Lines: []string{"ForceCommand echo only greetings; exit 3"}})
	e := newExecutor(t, sshexec.Config{})
	report := e.Probe(t.Context(), s.Target(), false)
	require.False(t, report.OK)
	require.Equal(t, ports.StepSession, report.Step)
	require.Contains(t, report.Message, "only greetings")
	_, err := e.Start(t.Context(), s.Target(), newID(), line(t, "true"), contract.NewRecorder())
	f, ok := errors.AsType[*domain.Failure](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, domain.ReasonStartFailed, f.Reason)
	require.True(t, f.NotStarted)
	require.Contains(t, f.Message, "only greetings")
}
