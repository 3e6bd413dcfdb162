package cluster

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/test/harness/wait"
)

// Process is a running program.
type Process struct {
	name string
	cmd  *exec.Cmd
	out  buffer
	err  buffer
	done chan struct{}
}

// Command is a program of Remora and how it is called.
type Command struct {
	Program string
	Args    []string
	Dir     string
	Env     []string // all of it; of two with the same name the later counts
	Stdin   string
	Stdout  *os.File // where it goes instead of Process.Out; stays open here
}

// Launch starts a program and does not wait for it. It is killed when the test ends.
func Launch(t testing.TB, c Command) *Process {
	t.Helper()
	p := &Process{name: c.Program, done: make(chan struct{})}
	p.cmd = exec.Command(filepath.Join(Build(t), c.Program), c.Args...)
	p.cmd.Dir, p.cmd.Env = c.Dir, c.Env
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = strings.NewReader(c.Stdin), &p.out, &p.err
	if c.Stdout != nil {
		p.cmd.Stdout = c.Stdout
	}
	require.NoError(t, p.cmd.Start())
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("log of %s (pid %d):\n%s", c.Program, p.PID(), tail(p.Log(), 8<<10))
		}
	})
	return p
}

// Result is how a command ended.
type Result struct {
	Code   int
	Stdout string
	Stderr string
}

// Run runs a command to its end.
func Run(t testing.TB, c Command) Result {
	t.Helper()
	p := Launch(t, c)
	return Result{Code: p.Exit(t, 2*time.Minute), Stdout: p.Out(), Stderr: p.Log()}
}

// PID is the process's.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Log returns what it has written to stderr so far.
func (p *Process) Log() string { return p.err.String() }

// Out returns what it has written to stdout so far.
func (p *Process) Out() string { return p.out.String() }

// Kill ends it with SIGKILL and waits until it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// Signal sends it a signal.
func (p *Process) Signal(t testing.TB, s syscall.Signal) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(s))
}

// Exit waits until it ends by itself and returns its exit code.
func (p *Process) Exit(t testing.TB, within time.Duration) int {
	t.Helper()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(within):
		require.Failf(t, "still running", "%s did not end within %s; its log:\n%s", p.name, within, tail(p.Log(), 8<<10))
		return -1
	}
}

func (p *Process) listening(t testing.TB, addr string) {
	t.Helper()
	wait.Within(t, ready, func() error {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return fmt.Errorf("%w: %s", err, p.state())
		}
		return c.Close()
	})
}

func (p *Process) state() string {
	select {
	case <-p.done:
		return fmt.Sprintf("%s has ended: %s\n%s", p.name, p.cmd.ProcessState, tail(p.Log(), 4<<10))
	default:
		return p.name + " is running"
	}
}

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
