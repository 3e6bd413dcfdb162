// Package pgtest gives tests a real PostgreSQL: a private cluster on a Unix socket in a temporary directory, made once per
// test binary, or the server that REMORA_TEST_POSTGRES_URL names. Every test gets databases of its own.
//
// Where there is no PostgreSQL tests are skipped, and fail when CI or REMORA_REQUIRE_POSTGRES says that there must be one.
// A private cluster ends with the process that started it, however that ends, and leaves nothing behind.
package pgtest

import (
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	_ "github.com/lib/pq" // the driver
	"github.com/stretchr/testify/require"
)

// URLVariable names a PostgreSQL server to use instead of a private cluster; its user must be allowed to create databases.
const URLVariable = "REMORA_TEST_POSTGRES_URL"

// shared is the server of this test binary. It is kept as a cluster, because the cluster ends when nothing holds it.
var shared = sync.OnceValues(func() (*Cluster, error) {
	c, err := newCluster()
	if err != nil {
		return nil, err
	}
	return c, c.start()
})

func server() (string, error) {
	if given := os.Getenv(URLVariable); given != "" {
		return given, nil
	}
	c, err := shared()
	if err != nil {
		return "", err
	}
	return c.url("postgres"), nil
}

var databases atomic.Int64

// URL returns the URL of a new, empty database, which is dropped when the test ends.
func URL(t testing.TB) string {
	t.Helper()
	server, err := server()
	if err != nil {
		missing(t, err)
	}
	u := newDatabase(t, server)
	if os.Getenv(URLVariable) != "" { // a private cluster goes with all that is in it
		t.Cleanup(func() { execute(t, server, "DROP DATABASE IF EXISTS "+strings.TrimPrefix(u.Path, "/")+" WITH (FORCE)") })
	}
	return u.String()
}

func newDatabase(t testing.TB, server string) *url.URL {
	t.Helper()
	name := fmt.Sprintf("remora_test_%d_%d", os.Getpid(), databases.Add(1))
	execute(t, server, "CREATE DATABASE "+name)
	u, err := url.Parse(server)
	require.NoError(t, err)
	u.Path = "/" + name
	return u
}

func execute(t testing.TB, server, statement string) {
	t.Helper()
	db, err := sql.Open("postgres", server)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	_, err = db.Exec(statement)
	require.NoError(t, err, statement)
}

func missing(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("CI") != "" || os.Getenv("REMORA_REQUIRE_POSTGRES") != "" {
		t.Fatalf("PostgreSQL is required here: %v", err)
	}
	t.Skipf("SKIPPED, THERE IS NO POSTGRESQL: %v\n\tapt-get install -y postgresql, or set %s", err, URLVariable)
}
