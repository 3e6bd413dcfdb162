package pgtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	startTimeout = 60 * time.Second
	firstLook    = 5 * time.Millisecond
	lastLook     = 100 * time.Millisecond
)

// Cluster is a private PostgreSQL of one test, to be stopped and started at will.
type Cluster struct {
	dir      string
	bin      string
	attr     *syscall.SysProcAttr // who runs it: not root, which PostgreSQL refuses
	server   *exec.Cmd
	guardian *exec.Cmd // ends what is left of the cluster when leash closes
	leash    *os.File  // held open by this process alone
}

// Start returns a private cluster that runs until the test ends. It is never the server that REMORA_TEST_POSTGRES_URL
// names, which is not the test's to stop.
func Start(t testing.TB) *Cluster {
	t.Helper()
	c, err := newCluster()
	if err != nil {
		missing(t, err)
	}
	t.Cleanup(func() { require.NoError(t, c.remove()) })
	require.NoError(t, c.start())
	return c
}

// URL returns the URL of a new, empty database of the cluster.
func (c *Cluster) URL(t testing.TB) string {
	t.Helper()
	return newDatabase(t, c.url("postgres")).String()
}

// Dir returns the directory of the cluster's Unix socket, a value for a URL's host parameter.
func (c *Cluster) Dir() string { return c.dir }

// Kill ends PostgreSQL at once, as a power cut would, and returns when it is gone.
func (c *Cluster) Kill(t testing.TB) {
	t.Helper()
	require.NoError(t, c.stop(syscall.SIGQUIT))
}

// Restart starts PostgreSQL after Kill, at the same place, and returns when it takes connections.
func (c *Cluster) Restart(t testing.TB) {
	t.Helper()
	require.NoError(t, c.start())
}

// Freeze makes PostgreSQL take new connections and say nothing on them, until the returned function is called.
func (c *Cluster) Freeze(t testing.TB) (thaw func()) {
	t.Helper()
	require.NoError(t, c.server.Process.Signal(syscall.SIGSTOP))
	return func() { require.NoError(t, c.server.Process.Signal(syscall.SIGCONT)) }
}

// newCluster makes the files of a cluster and its guardian.
func newCluster() (c *Cluster, err error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "remora-pg-")
	if err != nil {
		return nil, err
	}
	c = &Cluster{dir: dir, bin: bin}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.remove())
		}
	}()
	if c.attr, err = otherThanRoot(dir); err != nil {
		return c, err
	}
	if err := c.guard(); err != nil {
		return c, err
	}
	initdb := c.command("initdb", "-D", filepath.Join(dir, "data"), "-U", "remora", "-A", "trust", "--no-sync", "--no-locale", "-E", "UTF8")
	if out, err := initdb.CombinedOutput(); err != nil {
		return c, fmt.Errorf("initdb: %w: %s", err, out)
	}
	return c, nil
}

// guard starts a shell that waits for this process to let go of a pipe, as every end of a process does, and then ends
// what is left of the cluster.
func (c *Cluster) guard() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close() // the shell has its own
	const script = `cat >/dev/null; [ -f "$1/data/postmaster.pid" ] && kill -QUIT "$(head -n 1 "$1/data/postmaster.pid")" 2>/dev/null
		while [ -f "$1/data/postmaster.pid" ] && kill -0 "$(head -n 1 "$1/data/postmaster.pid")" 2>/dev/null; do sleep 0.05; done
		rm -rf "$1"`
	c.guardian = exec.Command("/bin/sh", "-c", script, "sh", c.dir)
	c.guardian.Stdin = r
	c.guardian.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // a Ctrl-C for the tests is not for it
	c.leash = w
	return c.guardian.Start()
}

// otherThanRoot hands dir to a user who may run PostgreSQL, when this one may not.
func otherThanRoot(dir string) (*syscall.SysProcAttr, error) {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if os.Getuid() != 0 {
		return attr, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr, os.Chown(dir, int(uid), int(gid))
}

func (c *Cluster) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(c.bin, name), args...)
	cmd.Dir, cmd.SysProcAttr = c.dir, c.attr
	return cmd
}

func (c *Cluster) url(database string) string {
	query := url.Values{"host": {c.dir}, "sslmode": {"disable"}}
	return "postgres://remora@/" + database + "?" + query.Encode()
}

// start runs PostgreSQL without its care for power cuts, but for which it is the real one.
func (c *Cluster) start() error {
	log, err := os.OpenFile(filepath.Join(c.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // PostgreSQL has its own
	c.server = c.command("postgres", "-D", filepath.Join(c.dir, "data"), "-c", "listen_addresses=", "-c", "unix_socket_directories="+c.dir,
		"-c", "fsync=off", "-c", "full_page_writes=off", "-c", "shared_buffers=64MB", "-c", "max_connections=300")
	c.server.Stdout, c.server.Stderr = log, log
	if err := c.server.Start(); err != nil {
		return err
	}
	db, err := sql.Open("postgres", c.url("postgres"))
	if err != nil {
		return err
	}
	defer db.Close() // nothing was written
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for pause := firstLook; ; pause = min(2*pause, lastLook) {
		if err = db.PingContext(ctx); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			said, reading := os.ReadFile(log.Name())
			return errors.Join(fmt.Errorf("PostgreSQL did not start: %w: %s", err, said), c.stop(syscall.SIGQUIT), reading)
		case <-time.After(pause):
		}
	}
}

func (c *Cluster) stop(signal syscall.Signal) error {
	if c.server == nil || c.server.ProcessState != nil {
		return nil
	}
	if err := c.server.Process.Signal(signal); err != nil {
		return err
	}
	err := c.server.Wait()
	if _, ended := errors.AsType[*exec.ExitError](err); ended {
		return nil // SIGQUIT is not a clean end, and not meant to be
	}
	return err
}

func (c *Cluster) remove() error {
	err := c.stop(syscall.SIGQUIT)
	if c.leash != nil {
		err = errors.Join(err, c.leash.Close())
	}
	if c.guardian != nil && c.guardian.Process != nil {
		err = errors.Join(err, c.guardian.Wait())
	}
	return errors.Join(err, os.RemoveAll(c.dir))
}

// binaries returns the directory of the newest PostgreSQL installed.
func binaries() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	if len(found) > 0 {
		return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return release(a) - release(b) })), nil
	}
	initdb, err := exec.LookPath("initdb")
	if err != nil {
		return "", errors.New("there is no initdb in /usr/lib/postgresql/*/bin nor on PATH")
	}
	if initdb, err = filepath.EvalSymlinks(initdb); err != nil {
		return "", err
	}
	return filepath.Dir(initdb), nil
}

func release(initdb string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(initdb))))
	if err != nil {
		return 0
	}
	return n
}

// Program returns the path of one of PostgreSQL's own programs, of the release that the tests run: pg_dump, pg_restore.
func Program(t testing.TB, name string) string {
	t.Helper()
	bin, err := binaries()
	if err != nil {
		missing(t, err)
	}
	return filepath.Join(bin, name)
}

// Empty takes everything out of a database.
func Empty(t testing.TB, database string) {
	t.Helper()
	execute(t, database, "DROP SCHEMA public CASCADE")
	execute(t, database, "CREATE SCHEMA public")
}
