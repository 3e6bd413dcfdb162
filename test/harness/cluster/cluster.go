// Package cluster runs Remora's real programs as separate processes for tests: queue, API and workers on one database,
// which can be killed, stopped and started again.
package cluster

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/httpapi/client"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/test/harness/wait"
)

// ready is how long a program may take to be ready on a busy machine.
const ready = 30 * time.Second

// Cluster is a set of programs that share a database, a queue and secrets.
type Cluster struct {
	Dir       string // everything of it
	QueueDir  string
	APIAddr   string
	QueueAddr string
	Token     domain.Secret // of the administrator

	env []string
}

// New prepares a cluster on a database (an SQLite path inside the cluster's own directory when url is empty). Nothing runs
// yet. env adds settings, NAME=value.
func New(t testing.TB, url string, env ...string) *Cluster {
	t.Helper()
	dir := t.TempDir()
	c := &Cluster{
		Dir: dir, QueueDir: filepath.Join(dir, "netqueue"), APIAddr: FreeAddr(t), QueueAddr: FreeAddr(t),
		Token: domain.NewSecret("remora_" + rand.Text() + rand.Text()),
	}
	if url == "" {
		url = filepath.Join(dir, "remora.db")
	}
	secret := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text+"\n"), 0o600))
		return path
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	secret("admin.token", c.Token.Reveal())
	c.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir,
		"DATABASE_URL=" + url, "REMORA_DATA_DIR=" + dir, "SERVER_ADDR=" + c.APIAddr, "NETQUEUE_ADDR=" + c.QueueAddr,
		"NETQUEUE_DIR=" + c.QueueDir, "LOG_FORMAT=json", "LOG_LEVEL=debug", "SESSION_SECRET=" + rand.Text() + rand.Text(),
		"REMORA_MASTER_KEY_FILE=" + secret("master.key", base64.StdEncoding.EncodeToString(key)),
		"NETQUEUE_TOKEN_FILE=" + secret("queue.token", rand.Text()+rand.Text()),
	}, env...)
	return c
}

// Client returns a client of the cluster's API, signed in as its administrator.
func (c *Cluster) Client(t testing.TB) *client.Client {
	t.Helper()
	api, err := client.New(client.Config{URL: c.URL(), Token: c.Token})
	require.NoError(t, err)
	return api
}

// URL is the API's.
func (c *Cluster) URL() string { return "http://" + c.APIAddr }

// StartAll starts one of each program.
func (c *Cluster) StartAll(t testing.TB) (queue, api, worker *Process) {
	t.Helper()
	return c.StartQueue(t), c.StartAPI(t), c.StartWorker(t)
}

// StartQueue starts the queue and waits until it listens.
func (c *Cluster) StartQueue(t testing.TB) *Process {
	t.Helper()
	p := c.Start(t, "remora-queue")
	p.listening(t, c.QueueAddr)
	return p
}

// StartAPI starts the API and waits until it listens.
func (c *Cluster) StartAPI(t testing.TB) *Process {
	t.Helper()
	p := c.Start(t, "remora-api")
	p.listening(t, c.APIAddr)
	return p
}

// StartWorker starts a worker and waits until it is ready for jobs.
func (c *Cluster) StartWorker(t testing.TB) *Process {
	t.Helper()
	p := c.Start(t, "remora-worker")
	wait.Within(t, ready, func() error {
		if !strings.Contains(p.Log(), "worker is ready") {
			return fmt.Errorf("the worker is not ready: %s", p.state())
		}
		return nil
	})
	return p
}

// Start starts a program with the cluster's settings and does not wait for it. It is killed when the test ends.
func (c *Cluster) Start(t testing.TB, program string, args ...string) *Process {
	t.Helper()
	return Launch(t, Command{Program: program, Args: args, Dir: c.Dir, Env: c.env})
}

// StartWith is Start with some settings changed, NAME=value; an empty value is as none.
func (c *Cluster) StartWith(t testing.TB, env []string, program string, args ...string) *Process {
	t.Helper()
	return Launch(t, Command{Program: program, Args: args, Dir: c.Dir, Env: append(slices.Clone(c.env), env...)})
}

// Command describes what a user does at a terminal: a command of remora or remora-client against the cluster's API, as its
// administrator.
func (c *Cluster) Command(program string, args ...string) Command {
	return Command{Program: program, Args: args, Dir: c.Dir, Env: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + c.Dir, "REMORA_URL=" + c.URL(), "REMORA_TOKEN=" + c.Token.Reveal(),
	}}
}

// FreeAddr returns a loopback address that nobody else uses: an IP of its own, drawn from 127.0.0.0/8. So a program finds
// it free again after a restart, however many tests run beside.
func FreeAddr(t testing.TB) string {
	t.Helper()
	ip := make([]byte, 3)
	_, _ = rand.Read(ip)
	return fmt.Sprintf("127.%d.%d.%d:7080", 1+ip[0]%254, ip[1], 1+ip[2]%254)
}

var built = sync.OnceValues(func() (string, error) {
	if dir := os.Getenv("REMORA_TEST_BIN"); dir != "" {
		return dir, nil
	}
	dir, err := os.MkdirTemp("", "remora-bin-")
	if err != nil {
		return "", err
	}
	if err := removeAtExit(dir); err != nil {
		return "", err
	}
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("finding the module: %w", err)
	}
	for program, source := range map[string]string{
		"remora": "remora", "remora-api": "api", "remora-worker": "worker", "remora-queue": "queue", "remora-client": "client",
	} {
		build := exec.Command("go", "build", "-o", filepath.Join(dir, program), "./cmd/"+source)
		build.Dir = strings.TrimSpace(string(root))
		if out, err := build.CombinedOutput(); err != nil {
			return "", fmt.Errorf("building %s: %w: %s", program, err, out)
		}
	}
	return dir, nil
})

// removeAtExit has a shell wait for this process to let go of a pipe, which it does at its end however that comes, and
// remove dir then.
func removeAtExit(dir string) error {
	var pipe [2]int
	if err := syscall.Pipe2(pipe[:], syscall.O_CLOEXEC); err != nil {
		return err
	}
	r := os.NewFile(uintptr(pipe[0]), "the end of the tests")
	defer func() { _ = r.Close() }() // the shell has its own
	remove := exec.Command("/bin/sh", "-c", `cat >/dev/null; rm -rf "$1"`, "sh", dir)
	remove.Stdin = r
	remove.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // a Ctrl-C for the tests is not for it
	return remove.Start()
}

// Build builds the programs once a test process and returns their folder. REMORA_TEST_BIN names one that is built already.
func Build(t testing.TB) string {
	t.Helper()
	dir, err := built()
	require.NoError(t, err)
	return dir
}

func tail(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}
