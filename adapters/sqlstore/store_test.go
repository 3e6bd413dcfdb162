package sqlstore_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/sqlstore"
	"github.com/heysubinoy/remora/test/contract"
	"github.com/heysubinoy/remora/test/harness/pgtest"
)

// databases are the two kinds: each function returns the URL of a fresh database.
var databases = map[string]func(t testing.TB) string{
	"sqlite":   func(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "remora.db") },
	"postgres": func(t testing.TB) string { return pgtest.URL(t) },
}

// onEach runs a test on both databases.
func onEach(t *testing.T, test func(t *testing.T, url string)) {
	for kind, fresh := range databases {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			test(t, fresh(t))
		})
	}
}

// open opens a database and brings its schema up.
func open(t testing.TB, url string) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	require.NoError(t, s.Migrate(t.Context()))
	return s
}

func storage(s *sqlstore.Store) contract.Storage {
	return contract.Storage{
		Jobs: s.Jobs(), Batches: s.Batches(), Backlog: s.Backlog(), Workers: s.Workers(), Output: s.Output(), Servers: s.Servers(), Tokens: s.Tokens(),
		Passes: s.Passes(), Totals: s.Totals(),
		Keys: s.Keys(), Checks: s.Checks(), MasterKey: s.MasterKeyCheck(),
	}
}

func TestStore_KeepsTheContract(t *testing.T) {
	for kind, fresh := range databases {
		t.Run(kind, func(t *testing.T) {
			contract.Store(t, func(t *testing.T) contract.Storage { return storage(open(t, fresh(t))) })
		})
	}
}
