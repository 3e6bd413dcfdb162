package e2e

import (
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/harness/cluster"
	"github.com/heysubinoy/remora/test/harness/house"
	"github.com/heysubinoy/remora/test/harness/pgtest"
	"github.com/heysubinoy/remora/test/harness/sshd"
)

// atOnce is how soon a program that cannot start has to say so.
const atOnce = 20 * time.Second

// A port that somebody else has: the message names it, and nothing of the program is left running.
func TestStart_TakenPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = taken.Close() }()
	addr := taken.Addr().String()
	c := cluster.New(t, "")
	for name, start := range map[string]struct {
		program string
		args    []string
		env     string
		free    string // what must not be listened on afterwards
	}{
		"API":        {"remora-api", nil, "SERVER_ADDR=" + addr, c.QueueAddr},
		"Queue":      {"remora-queue", nil, "NETQUEUE_ADDR=" + addr, c.APIAddr},
		"UpForAPI":   {"remora", []string{"up"}, "SERVER_ADDR=" + addr, c.QueueAddr},
		"UpForQueue": {"remora", []string{"up"}, "NETQUEUE_ADDR=" + addr, c.APIAddr},
		"Demo":       {"remora", []string{"up", "--demo"}, "SERVER_ADDR=" + addr, c.QueueAddr},
	} {
		t.Run(name, func(t *testing.T) {
			p := c.StartWith(t, []string{start.env}, start.program, start.args...)
			require.Equal(t, 5, p.Exit(t, atOnce), p.Log())
			require.Empty(t, p.Out())
			require.Contains(t, p.Log(), addr)
			require.Contains(t, p.Log(), "listen")
			l, err := net.Listen("tcp", start.free)
			require.NoError(t, err, "half of it was started")
			require.NoError(t, l.Close())
		})
	}
	c.StartAll(t) // on the same directory and database: nothing was left half done
}

// The database is away when the programs start: they say where they looked, without its password, and what to do.
func TestStart_DatabaseAway(t *testing.T) {
	pg := pgtest.Start(t)
	const password = "s3cret-of-the-database"
	u, err := url.Parse(pg.URL(t))
	require.NoError(t, err)
	u.User = url.UserPassword(u.User.Username(), password)
	c := cluster.New(t, u.String())
	pg.Kill(t)
	for _, program := range []string{"remora-api", "remora-worker", "remora"} {
		var args []string
		if program == "remora" {
			args = []string{"up"}
		}
		p := c.Start(t, program, args...)
		require.Equal(t, 6, p.Exit(t, atOnce), p.Log())
		require.Contains(t, p.Log(), "PostgreSQL cannot be reached")
		require.Contains(t, p.Log(), strings.TrimPrefix(u.Path, "/"), "the database's name")
		require.Contains(t, p.Log(), "DATABASE_URL")
		require.NotContains(t, p.Log(), password)
	}
	pg.Restart(t)
	_, api, worker := c.StartAll(t)
	require.NotContains(t, api.Log()+worker.Log(), password)
}

// Services that run apart from each other share secrets that nobody makes for them; all that is wrong is told at once.
func TestStart_MissingSettings(t *testing.T) {
	c := cluster.New(t, "", "NETQUEUE_TOKEN_FILE=", "REMORA_MASTER_KEY_FILE=")
	for program, names := range map[string][]string{
		"remora-api": {"NETQUEUE_TOKEN_FILE is not set", "REMORA_MASTER_KEY_FILE is not set", "openssl rand"}, "remora-queue": {"NETQUEUE_TOKEN_FILE is not set"},
		"remora-worker": {"NETQUEUE_TOKEN_FILE is not set", "REMORA_MASTER_KEY_FILE is not set", "openssl rand"},
	} {
		p := c.Start(t, program)
		require.Equal(t, 2, p.Exit(t, atOnce))
		for _, name := range names {
			require.Contains(t, p.Log(), name, program)
		}
	}
	p := c.StartWith(t, []string{"SERVER_ADDR=8080", "LOG_LEVEL=loud", "WORKER_CONCURRENCY=none"}, "remora", "up")
	require.Equal(t, 2, p.Exit(t, atOnce))
	for _, name := range []string{"SERVER_ADDR", "LOG_LEVEL", "WORKER_CONCURRENCY"} {
		require.Contains(t, p.Log(), name)
	}
	require.NoFileExists(t, filepath.Join(c.Dir, "remora.db"), "a program that could not start has touched the database")
}

// Another master key than the one that sealed the credentials: nothing starts, and nothing is shown.
func TestStart_WrongMasterKey(t *testing.T) {
	d := &desk{house.New(t, "", sshd.Start(t))}
	const password = "the-password-of-a-server"
	_, api, worker := d.StartAll(t)
	d.Register(t)
	d.Add(t, "by-password", func(n *ports.NewServer) {
		n.Auth, n.Credential = domain.AuthPassword, domain.Credential{Password: domain.NewSecret(password)}
	})
	job, _, _ := d.Run(t, ports.Submission{Command: "true"})
	require.Equal(t, domain.StatusCompleted, job.Status, job.Message)
	for _, p := range []*cluster.Process{api, worker} {
		p.Kill()
	}
	other := []byte(strings.Repeat("A", 43) + "=\n")
	require.NoError(t, os.WriteFile(filepath.Join(d.Dir, "master.key"), other, 0o600))
	for _, program := range []string{"remora-api", "remora-worker"} {
		p := d.Start(t, program)
		require.Equal(t, 2, p.Exit(t, atOnce), p.Log())
		require.Contains(t, p.Log(), "this is not the master key that sealed", program)
		require.Contains(t, p.Log(), "REMORA_MASTER_KEY_FILE", program)
		require.NotContains(t, p.Log(), password, program)
		require.NotContains(t, p.Log(), "PRIVATE KEY", program)
	}
	files, err := filepath.Glob(filepath.Join(d.Dir, "remora.db*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NotContains(t, string(text), password, file)
		require.NotContains(t, string(text), "PRIVATE KEY", file)
	}
}
