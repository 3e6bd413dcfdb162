package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/harness/cluster"
	"github.com/heysubinoy/remora/test/harness/house"
	"github.com/heysubinoy/remora/test/harness/proc"
	"github.com/heysubinoy/remora/test/harness/sshd"
)

// desk is where somebody sits who knows the running house by its command line alone.
type desk struct{ *house.House }

func TestCommandLine(t *testing.T) {
	d := &desk{house.New(t, "", sshd.Start(t))}
	_, api, _ := d.StartAll(t)
	d.Register(t)
	d.Add(t, "web-2", func(n *ports.NewServer) { n.Tags = []string{"twin"} })
	d.Add(t, "web-3", func(n *ports.NewServer) { n.Tags = []string{"twin"} })
	t.Run("ExitCodes", d.exitCodes)
	t.Run("StreamsByteExact", d.streams)
	t.Run("ArgumentsAsTheyAre", d.arguments)
	t.Run("ManyServers", d.many)
	t.Run("Scripts", d.scripts)
	t.Run("Detached", d.detached)
	t.Run("CtrlC", d.ctrlC)
	t.Run("ReaderGoesAway", d.readerGoes)
	t.Run("Jobs", d.jobsStory)
	t.Run("Batches", d.batchStory)
	t.Run("Copies", d.copies)
	t.Run("Servers", d.serversStory)
	t.Run("TrustStory", d.trustStory)
	t.Run("Client", d.clientStory)
	t.Run("ErrorsHaveCodes", d.errorCodes)
	t.Run("LogsAcrossARestart", func(t *testing.T) { d.logsAcrossRestart(t, api) })
}

// remora runs a command to its end.
func (d *desk) remora(t *testing.T, args ...string) cluster.Result {
	t.Helper()
	return cluster.Run(t, d.Command("remora", args...))
}

// ok runs a command that has to end with 0, and returns its stdout.
func (d *desk) ok(t *testing.T, args ...string) string {
	t.Helper()
	got := d.remora(t, args...)
	require.Zero(t, got.Code, "%v: %s", args, got.Stderr)
	return got.Stdout
}

func (d *desk) exitCodes(t *testing.T) {
	got := d.remora(t, "run", "-s", "web-1", "--", "echo fine")
	require.Equal(t, 0, got.Code)
	require.Equal(t, "fine\n", got.Stdout)
	require.Contains(t, got.Stderr, "web-1: completed")

	got = d.remora(t, "run", "-s", "web-1", "--", "exit 7")
	require.Equal(t, 7, got.Code)
	require.Empty(t, got.Stdout)
	require.Contains(t, got.Stderr, "web-1")

	require.Equal(t, 137, d.remora(t, "run", "-s", "web-1", "--", "kill -9 $$").Code)
	got = d.remora(t, "run", "-s", "web-1", "--timeout", "1", "--", "sleep 300")
	require.Equal(t, 7, got.Code)
	require.Contains(t, got.Stderr, "time")
}

func (d *desk) streams(t *testing.T) {
	got := d.remora(t, "run", "-q", "-s", "web-1", "--", `printf 'a\000\377\r\n\033[31mb'; printf 'c\001\376' >&2`)
	require.Zero(t, got.Code, got.Stderr)
	require.Equal(t, "a\x00\xff\r\n\x1b[31mb", got.Stdout)
	require.Equal(t, "c\x01\xfe", got.Stderr, "--quiet adds nothing")

	const size = 3 << 20
	got = d.remora(t, "run", "-q", "-s", "web-1", "--", fmt.Sprintf("(yes one | head -c %d) & (yes three | head -c %d) >&2; wait", size, size))
	require.Zero(t, got.Code)
	require.Equal(t, sum([]byte(strings.Repeat("one\n", size/4+1)[:size])), sum([]byte(got.Stdout)))
	require.Equal(t, sum([]byte(strings.Repeat("three\n", size/6+1)[:size])), sum([]byte(got.Stderr)))
}

func (d *desk) arguments(t *testing.T) {
	require.Equal(t, "[a b][$HOME][*][']", d.ok(t, "run", "-s", "web-1", "--", "printf", "[%s]", "a b", "$HOME", "*", "'"))
	require.Equal(t, "6 7\n", d.ok(t, "run", "-s", "web-1", "--shell-line", "--", "echo", "$((3+3))", "7"))
	require.Equal(t, d.SSHD.Home+"\n", d.ok(t, "run", "-s", "web-1", "--", `echo "$HOME"`))
}

func (d *desk) many(t *testing.T) {
	got := d.remora(t, "run", "-s", "web-1,web-2", "-s", "web-3", "--", "echo one; echo two; printf three")
	require.Zero(t, got.Code, got.Stderr)
	var want []string
	for _, line := range []string{"one", "two", "three"} {
		for _, s := range []string{"web-1", "web-2", "web-3"} {
			want = append(want, s+" | "+line)
		}
	}
	require.ElementsMatch(t, want, strings.Split(strings.TrimSuffix(got.Stdout, "\n"), "\n"))
	require.Contains(t, got.Stderr, "3 servers: 3 completed")
	require.ElementsMatch(t, []string{"web-2 | x", "web-3 | x"}, strings.Split(strings.TrimSpace(d.ok(t, "run", "-t", "twin", "--", "echo x")), "\n"))

	once := filepath.Join(t.TempDir(), "once") // of two on the same machine, one makes it
	got = d.remora(t, "run", "-t", "twin", "--", "mkdir "+once+" || exit 9")
	require.Equal(t, 1, got.Code)
	require.Contains(t, got.Stderr, "2 servers: 1 completed, 1 failed")
	require.Contains(t, got.Stderr, "exit code 9")
}

func (d *desk) scripts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "check.sh")
	require.NoError(t, os.WriteFile(path, []byte("printf '<%s>' \"$#\" \"$@\"\nexit 4\n"), 0o600))
	got := d.remora(t, "run", "-q", "-s", "web-1", "--script", path, "--", "--verbose", "two words", "$x 'y'", "")
	require.Equal(t, 4, got.Code)
	require.Equal(t, "<4><--verbose><two words><$x 'y'><>", got.Stdout)

	c := d.Command("remora", "run", "-s", "web-1", "--script", "-", "--shell", "/bin/sh")
	c.Stdin = "cat <<'E'\nit's \"stdin\" $NOT\nE\n"
	got = cluster.Run(t, c)
	require.Zero(t, got.Code, got.Stderr)
	require.Equal(t, "it's \"stdin\" $NOT\n", got.Stdout)
}

func (d *desk) detached(t *testing.T) {
	out := d.ok(t, "run", "-s", "web-1", "--detach", "--", "echo later")
	id := domain.JobID(strings.TrimSpace(out))
	job, stdout, _ := d.End(t, id)
	require.Equal(t, domain.StatusCompleted, job.Status)
	require.Equal(t, "later\n", stdout)
	var made []struct {
		Server string
		JobID  domain.JobID `json:"job_id"`
	}
	decode(t, d.ok(t, "run", "-t", "twin", "--detach", "-o", "json", "--", "true"), &made)
	require.Len(t, made, 2)
	for _, m := range made {
		job, _, _ := d.End(t, m.JobID)
		require.Equal(t, domain.StatusCompleted, job.Status)
	}
}

// tree is a command whose processes all carry mark, two of them in sessions of their own; it takes n processes.
func tree(mark string) (command string, n int) {
	return fmt.Sprintf("sleep %[1]s & setsid sleep %[1]s & (setsid sh -c 'sleep %[1]s & exit 0' &); echo begun; sleep %[1]s", mark), 4
}

func newMark() string { return fmt.Sprintf("300.%d", time.Now().UnixNano()) }

func (d *desk) ctrlC(t *testing.T) {
	mark := newMark()
	command, n := tree(mark)
	p := cluster.Launch(t, d.Command("remora", "run", "-s", "web-1", "--", command))
	waitFor(t, p.Out, "begun\n")
	proc.WaitCount(t, mark, n)
	p.Signal(t, syscall.SIGINT)
	require.Equal(t, 130, p.Exit(t, 30*time.Second))
	require.Contains(t, p.Log(), "0 processes left")
	require.Empty(t, proc.Find(t, mark), "Ctrl-C left processes on the server")

	mark = newMark()
	command, n = tree(mark)
	p = cluster.Launch(t, d.Command("remora", "run", "-t", "twin", "--", command))
	proc.WaitCount(t, mark, 2*n)
	p.Signal(t, syscall.SIGINT)
	require.Equal(t, 130, p.Exit(t, 30*time.Second))
	require.Contains(t, p.Log(), "remora: web-[2-3]: canceled, 0 processes left\n")
	require.Empty(t, proc.Find(t, mark))
}

// A reader that has seen enough ends the command on the server, as it would end one here.
func (d *desk) readerGoes(t *testing.T) {
	mark := newMark()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	c := d.Command("remora", "run", "-s", "web-1", "--", "sleep "+mark+" & while echo line; do sleep 0.05; done")
	c.Stdout = w
	p := cluster.Launch(t, c)
	require.NoError(t, w.Close())
	_, err = r.Read(make([]byte, 5))
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.Equal(t, 1, p.Exit(t, 30*time.Second))
	require.Contains(t, p.Log(), "0 processes left")
	require.Empty(t, proc.Find(t, mark))
}
