package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/test/harness/cluster"
	"github.com/heysubinoy/remora/test/harness/proc"
	"github.com/heysubinoy/remora/test/harness/wait"
)

// visitor is somebody who was handed the program and starts it in an empty directory.
type visitor struct {
	dir   string
	api   string
	queue string
}

func newVisitor(t *testing.T) *visitor {
	v := &visitor{dir: t.TempDir(), api: cluster.FreeAddr(t), queue: cluster.FreeAddr(t)}
	t.Cleanup(func() {
		for pid := range v.jobs(t) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return v
}

func (v *visitor) command(args ...string) cluster.Command {
	return cluster.Command{Program: "remora", Args: args, Dir: v.dir, Env: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + v.dir, "SERVER_ADDR=" + v.api, "NETQUEUE_ADDR=" + v.queue, "REMORA_URL=http://" + v.api,
	}}
}

// up starts everything and waits until it is said to be up.
func (v *visitor) up(t *testing.T, args ...string) *cluster.Process {
	t.Helper()
	p := cluster.Launch(t, v.command(append([]string{"up"}, args...)...))
	waitFor(t, p.Log, "Remora is up at http://"+v.api)
	return p
}

func (v *visitor) run(t *testing.T, args ...string) cluster.Result {
	t.Helper()
	return cluster.Run(t, v.command(args...))
}

// jobs finds the processes that the demo servers' jobs left on this machine.
func (v *visitor) jobs(t *testing.T) map[int]string {
	return proc.FindEnv(t, "HOME="+filepath.Join(v.dir, "data", "demo")+"/")
}

func waitFor(t *testing.T, read func() string, text string) {
	t.Helper()
	wait.Until(t, func() error {
		if got := read(); !strings.Contains(got, text) {
			return fmt.Errorf("%q has not come; there is:\n%s", text, got)
		}
		return nil
	})
}

func TestUp_DemoShowsItselfAndLeavesNothing(t *testing.T) {
	cluster.Build(t)
	v := newVisitor(t)
	began := time.Now()
	p := cluster.Launch(t, v.command("up", "--demo"))
	for _, server := range []string{"demo-1", "demo-2", "demo-3"} {
		waitFor(t, p.Out, server+" | Hello from ")
	}
	seen := time.Since(began)
	t.Logf("a line of each demo server was there %s after the start", seen.Round(time.Millisecond))
	require.Less(t, seen, 10*time.Second)
	waitFor(t, p.Log, "3 servers: 3 completed")
	waitFor(t, p.Log, "Remora is up at http://"+v.api)

	mark := fmt.Sprintf("300.%d", time.Now().UnixNano())
	got := v.run(t, "run", "-s", "demo-2", "--detach", "--", "setsid sleep "+mark+" & sleep "+mark)
	require.Zero(t, got.Code, got.Stderr)
	proc.WaitCount(t, mark, 2)
	p.Signal(t, syscall.SIGINT)
	require.Zero(t, p.Exit(t, 15*time.Second))
	require.Empty(t, proc.Find(t, mark))
	require.Empty(t, v.jobs(t), "processes of demo jobs are left")
	for _, addr := range []string{v.api, v.queue} {
		l, err := net.Listen("tcp", addr)
		require.NoError(t, err, "somebody still listens")
		require.NoError(t, l.Close())
	}

	again := v.up(t)
	var left struct{ Servers []struct{ Name string } }
	decode(t, v.run(t, "servers", "ls", "-o", "json").Stdout, &left)
	require.Empty(t, left.Servers, "demo servers are left")
	again.Signal(t, syscall.SIGTERM)
	require.Zero(t, again.Exit(t, 15*time.Second))
}

// The promise of the README's "Kill it": in time for the old worker's lease to be alive, and long after it has run out,
// when the first thing that the new process finds is the job.
func TestUp_KilledDemoCarriesItsJobOn(t *testing.T) {
	cluster.Build(t)
	const last = 750 // lines, one every 40 ms: longer than a lease
	for name, away := range map[string]int{"AtOnce": 60, "AfterTheLeaseRanOut": 560} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVisitor(t)
			p := v.up(t, "--demo")
			got := v.run(t, "run", "-s", "demo-2", "--detach", "--", fmt.Sprintf(
				`echo start >> starts; i=0; while [ $i -lt %d ]; do i=$((i+1)); echo "line $i"; sleep 0.04; done; echo end >&2; exit 3`, last))
			require.Zero(t, got.Code, got.Stderr)
			id := strings.TrimSpace(got.Stdout)
			home := filepath.Join(v.dir, "data", "demo", "demo-2")
			printed := func(n int) {
				t.Helper()
				wait.Within(t, 2*time.Minute, func() error {
					files, _ := filepath.Glob(filepath.Join(home, ".remora", "run", id+"*", "out"))
					for _, f := range files {
						if text, err := os.ReadFile(f); err == nil && strings.Contains(string(text), fmt.Sprintf("line %d\n", n)) {
							return nil
						}
					}
					return fmt.Errorf("line %d is not in %v", n, files)
				})
			}
			printed(20)
			p.Kill()
			printed(away)
			p = v.up(t, "--demo")
			got = v.run(t, "jobs", "logs", "-f", id)
			var want strings.Builder
			for i := range last {
				fmt.Fprintf(&want, "line %d\n", i+1)
			}
			require.Equal(t, want.String(), got.Stdout)
			require.Contains(t, got.Stderr, "end\n")
			starts, err := os.ReadFile(filepath.Join(home, "starts"))
			require.NoError(t, err)
			require.Equal(t, "start\n", string(starts))
			var job struct {
				Status   string `json:"status"`
				Reason   string `json:"reason"`
				ExitCode *int   `json:"exit_code"`
				Attempt  int    `json:"attempt"`
			}
			decode(t, v.run(t, "jobs", "get", id, "-o", "json").Stdout, &job)
			require.Equal(t, "failed exit_nonzero 3 1", fmt.Sprint(job.Status, " ", job.Reason, " ", *job.ExitCode, " ", job.Attempt))
			p.Signal(t, syscall.SIGINT)
			require.Zero(t, p.Exit(t, 15*time.Second))
			require.Empty(t, v.jobs(t))
		})
	}
}
