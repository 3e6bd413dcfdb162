package pgtest_test

import (
	"bufio"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/test/harness/pgtest"
	"github.com/heysubinoy/remora/test/harness/wait"
)

func number(t testing.TB, url, query string) (n int) {
	t.Helper()
	db, err := sql.Open("postgres", url)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	require.NoError(t, db.QueryRow(query).Scan(&n))
	return n
}

func TestURL_EveryDatabaseIsItsOwn(t *testing.T) {
	one, two := pgtest.URL(t), pgtest.URL(t)
	require.NotEqual(t, one, two)
	db, err := sql.Open("postgres", one)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	_, err = db.Exec("CREATE TABLE mine (id int)")
	require.NoError(t, err)
	require.Equal(t, 1, number(t, one, "SELECT COUNT(*) FROM pg_tables WHERE tablename = 'mine'"))
	require.Zero(t, number(t, two, "SELECT COUNT(*) FROM pg_tables WHERE tablename = 'mine'"))
}

func TestCluster_KeepsItsDataOverKillAndRestart(t *testing.T) {
	c := pgtest.Start(t)
	url := c.URL(t)
	require.GreaterOrEqual(t, number(t, url, "SELECT current_setting('server_version_num')::int / 10000"), 15)
	c.Kill(t)
	db, err := sql.Open("postgres", url)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	require.Error(t, db.Ping())
	c.Restart(t)
	require.NoError(t, db.Ping())
}

// asChild says to a second run of this test binary that it is to be killed with its cluster running.
const asChild = "REMORA_PGTEST_CHILD"

func TestCluster_EndsWithTheProcessThatIsKilled(t *testing.T) {
	if os.Getenv(asChild) != "" {
		fmt.Println(number(t, pgtest.URL(t), "SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1)::int"))
		select {}
	}
	pgtest.URL(t) // skips where there is no PostgreSQL
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), asChild+"=1", pgtest.URLVariable+"=")
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	var pid int
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, err := fmt.Sscan(lines.Text(), &pid); err == nil {
			break
		}
	}
	require.NotZero(t, pid, "the child told no process id")
	dir, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	require.NoError(t, err)
	require.NoError(t, child.Process.Kill())
	require.Error(t, child.Wait())
	wait.Until(t, func() error {
		_, process := os.Stat(fmt.Sprintf("/proc/%d", pid))
		_, files := os.Stat(dir)
		if errors.Is(process, os.ErrNotExist) && errors.Is(files, os.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("PostgreSQL %d: %w; its directory %s: %w", pid, process, dir, files)
	})
}
