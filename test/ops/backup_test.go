// Package ops does with Remora's real programs what docs/OPERATIONS.md tells its operators to do, and looks whether what it
// promises them holds.
package ops

import (
	"fmt"
	"os"
	"os/exec"
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
	"github.com/heysubinoy/remora/test/harness/pgtest"
	"github.com/heysubinoy/remora/test/harness/sshd"
	"github.com/heysubinoy/remora/test/harness/wait"
)

// patience bounds the wait for a fact on a busy machine.
const patience = 60 * time.Second

// gated is a command that notes its start, prints a counted line every 50 ms until a file is there, and says how many.
type gated struct {
	starts string
	gate   string
	id     domain.JobID
}

func newGated(t *testing.T, dir, name string) *gated {
	t.Helper()
	return &gated{starts: filepath.Join(dir, name+".starts"), gate: filepath.Join(dir, name+".gate")}
}

func (g *gated) command() string {
	return fmt.Sprintf(`echo start >> %s; i=0; while [ ! -e %s ]; do i=$((i+1)); echo "line $i"; sleep 0.05; done; echo "$i lines" >&2`, g.starts, g.gate)
}

func (g *gated) open(t *testing.T) {
	t.Helper()
	require.NoError(t, os.WriteFile(g.gate, nil, 0o600))
}

func (g *gated) timesStarted(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile(g.starts)
	require.NoError(t, err)
	return strings.Count(string(b), "\n")
}

// requireWhole says that a job has completed with every line it printed, in order, and was started once.
func (g *gated) requireWhole(t *testing.T, h *house.House) {
	t.Helper()
	job, out, errs := h.End(t, g.id)
	require.Equal(t, domain.StatusCompleted, job.Status, "%s: %s", job.Reason, job.Message)
	var n int
	_, err := fmt.Sscanf(errs, "%d lines", &n)
	require.NoError(t, err, errs)
	var want strings.Builder
	for i := range n {
		fmt.Fprintf(&want, "line %d\n", i+1)
	}
	require.Equal(t, want.String(), out)
	require.Equal(t, 1, g.timesStarted(t), "starts on the server")
}

// site is a house on one of the databases, with what an operator does to it.
type site struct {
	*house.House
	url string // of PostgreSQL; empty for SQLite
}

// run runs a command of remora with the services' own settings.
func (s *site) run(t *testing.T, args ...string) string {
	t.Helper()
	p := s.Start(t, "remora", args...)
	code := p.Exit(t, patience)
	require.Zero(t, code, "remora %v: %s", args, p.Log())
	return p.Out()
}

func (s *site) backup(t *testing.T, dir string) {
	t.Helper()
	s.run(t, "backup", dir)
	if s.url != "" {
		tool(t, pgtest.Program(t, "pg_dump"), "--format=custom", "--file="+filepath.Join(dir, "remora.dump"), s.url)
	}
}

func tool(t *testing.T, program string, args ...string) {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	require.NoError(t, err, "%s %v: %s", program, args, out)
}

// loseEverything leaves nothing of database, queue and secrets.
func (s *site) loseEverything(t *testing.T) {
	t.Helper()
	entries, err := os.ReadDir(s.Dir)
	require.NoError(t, err)
	for _, e := range entries {
		require.NoError(t, os.RemoveAll(filepath.Join(s.Dir, e.Name())))
	}
	if s.url != "" {
		pgtest.Empty(t, s.url)
	}
}

func (s *site) restore(t *testing.T, dir string) {
	t.Helper()
	s.run(t, "restore", dir)
	if s.url != "" {
		tool(t, pgtest.Program(t, "pg_restore"), "--no-owner", "--exit-on-error", "--dbname="+s.url, filepath.Join(dir, "remora.dump"))
	}
}

// onBoth tells a story on each database.
func onBoth(t *testing.T, story func(t *testing.T, s *site)) {
	t.Parallel()
	for name, url := range map[string]string{"sqlite": "", "postgres": pgtest.URL(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			story(t, &site{House: house.New(t, url, sshd.Start(t)), url: url})
		})
	}
}

// A backup is made while jobs run, everything is lost, and the backup is restored.
func TestBackup_EverythingIsLostAndRestored(t *testing.T) {
	onBoth(t, func(t *testing.T, s *site) {
		queue, api, worker := s.StartAll(t)
		s.Register(t)
		narrow := s.Add(t, "narrow", func(n *ports.NewServer) { n.MaxSessions = 1 })
		files := t.TempDir()
		old, oldOut, oldErr := s.Run(t, ports.Submission{
			Command: `head -c 3000000 /dev/urandom; head -c 200000 /dev/urandom >&2; printf 'no newline \377\000'; exit 3`,
		})
		require.Equal(t, domain.StatusFailed, old.Status)

		through, down, past, queued := newGated(t, files, "through"), newGated(t, files, "down"), newGated(t, files, "past"), newGated(t, files, "queued")
		for g, server := range map[*gated]domain.ServerID{through: "", down: "", past: narrow.ID} {
			g.id = s.Submit(t, ports.Submission{Command: g.command(), ServerID: server, Timeout: time.Hour})
			s.Printed(t, g.id, "line 5\n")
		}
		queued.id = s.Submit(t, ports.Submission{Command: queued.command(), ServerID: narrow.ID, Timeout: time.Hour})
		require.Equal(t, domain.StatusQueued, s.Job(t, queued.id).Status)

		dir := filepath.Join(t.TempDir(), "backups", "today")
		s.backup(t, dir)

		// After the backup two jobs come to their end, and what their server kept of them is tidied away.
		past.open(t)
		past.requireWhole(t, s.House)
		queued.open(t)
		queued.requireWhole(t, s.House)
		for _, g := range []*gated{past, queued} {
			run := filepath.Join(s.SSHD.Home, ".remora", "run", string(g.id)+"-1")
			wait.Within(t, patience, func() error {
				if _, err := os.Stat(run); err == nil {
					return fmt.Errorf("%s is still there", run)
				}
				return nil
			})
		}
		for _, p := range []*cluster.Process{worker, api, queue} {
			p.Kill()
		}
		s.loseEverything(t)
		down.open(t)

		s.restore(t, dir)
		s.StartAll(t)
		again := s.Job(t, old.ID)
		require.Equal(t, old, again, "an old job is as it was")
		job, out, errs := s.End(t, old.ID)
		require.Equal(t, old, job)
		require.True(t, oldOut == out && oldErr == errs, "the output of an old job is not what it was, byte for byte")

		down.requireWhole(t, s.House)
		s.Printed(t, through.id, "line 10\n")
		through.open(t)
		through.requireWhole(t, s.House)
		for _, g := range []*gated{past, queued} {
			job, _, _ := s.End(t, g.id)
			require.Equal(t, domain.StatusFailed, job.Status, "nothing is known of its end any more")
			require.Equal(t, domain.ReasonLost, job.Reason, job.Message)
			require.Equal(t, 1, job.Attempt)
			require.Equal(t, 1, g.timesStarted(t), "what has run since the backup is not run again")
		}
		fresh, out, _ := s.Run(t, ports.Submission{Command: "echo logged in with the sealed key"})
		require.Equal(t, domain.StatusCompleted, fresh.Status, fresh.Message)
		require.Equal(t, "logged in with the sealed key\n", out)
	})
}

// A backup that was begun or is there is not written into, and a restore overwrites nothing.
func TestBackup_OverwritesNothing(t *testing.T) {
	t.Parallel()
	s := &site{House: house.New(t, "", sshd.Start(t))}
	queue, api, worker := s.StartAll(t)
	s.Register(t)
	dir := filepath.Join(t.TempDir(), "today")
	out := s.run(t, "backup", dir)
	require.Contains(t, out, "remora.db: copied and checked")
	for _, name := range []string{".", "remora.db", "secrets", "secrets/master.key", "secrets/queue.token", "secrets/admin.token"} {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, "%s can be read by others", name)
	}
	again := s.Start(t, "remora", "backup", dir)
	require.NotZero(t, again.Exit(t, patience))
	require.FileExists(t, filepath.Join(dir, "remora.db"))

	refused := func(because string) {
		t.Helper()
		p := s.Start(t, "remora", "restore", dir)
		require.Equal(t, 5, p.Exit(t, patience), p.Log())
		require.Contains(t, p.Log(), because)
	}
	refused("remora.db-wal is left of another database")
	for _, p := range []*cluster.Process{worker, api, queue} {
		p.Signal(t, syscall.SIGTERM)
		require.Zero(t, p.Exit(t, patience), p.Log())
	}
	refused("remora.db exists, and nothing is overwritten")
	require.NoError(t, os.Rename(filepath.Join(s.Dir, "remora.db"), filepath.Join(s.Dir, "old.db")))
	key := filepath.Join(s.Dir, "master.key")
	other := filepath.Join(s.Dir, "other.key")
	require.NoError(t, os.Rename(key, other))
	require.NoError(t, os.WriteFile(key, []byte("another\n"), 0o600))
	refused("master.key exists, and nothing is overwritten")
	require.NoError(t, os.Remove(key))
	out = s.run(t, "restore", dir)
	require.Contains(t, out, "queue.token: is in its place")
	restored, err := os.ReadFile(key)
	require.NoError(t, err)
	want, err := os.ReadFile(other)
	require.NoError(t, err)
	require.Equal(t, want, restored)
}
