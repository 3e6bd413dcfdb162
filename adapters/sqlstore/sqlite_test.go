package sqlstore_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/sqlstore"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

func TestSQLite_FilesAreForTheirOwnerAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "dir with ?#% and spaces", "remora.db")
	s := open(t, path)
	require.NoError(t, s.Servers().Add(t.Context(), fixture.Server(t), nil))
	require.Equal(t, "sqlite", s.Kind())
	require.Equal(t, path, s.Name())
	files, err := filepath.Glob(filepath.Dir(path) + "/*")
	require.NoError(t, err)
	require.Contains(t, files, path)
	for _, f := range files {
		info, err := os.Stat(f)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), f)
	}
	for _, dir := range []string{filepath.Dir(path), filepath.Dir(filepath.Dir(path))} {
		info, err := os.Stat(dir)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o700), info.Mode().Perm(), dir)
	}
}

func TestSQLite_DefaultPathIsUnderTheWorkingDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	s := open(t, "")
	require.FileExists(t, sqlstore.DefaultPath)
	require.True(t, filepath.IsAbs(s.Name()))
}

func TestSQLite_SettingsAreThoseThatKeepPromises(t *testing.T) {
	s := open(t, databases["sqlite"](t))
	for pragma, want := range map[string]int64{"synchronous": 2, "foreign_keys": 1} {
		require.Equal(t, want, s.Number(t, "SELECT "+pragma+" FROM pragma_"+pragma), pragma)
	}
	require.Equal(t, int64(1), s.Number(t, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"))
}

func TestSQLite_OpenSaysWhatIsWrongWithThePath(t *testing.T) {
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.db")
	require.NoError(t, os.WriteFile(garbage, []byte("this is no database, whatever its name may say, and long enough to tell"), 0o600))
	for path, says := range map[string]string{
		garbage:                                "is not a SQLite database",
		filepath.Join(garbage, "x", "some.db"): "cannot be opened",
		dir:                                    "cannot be",
	} {
		_, err := sqlstore.Open(t.Context(), path)
		require.ErrorIs(t, err, domain.ErrStorageUnavailable, path)
		require.ErrorContains(t, err, says)
		require.ErrorContains(t, err, path)
	}
	for _, url := range []string{":memory:", "sqlite::memory:", "mysql://root:hunter2@db/remora"} {
		_, err := sqlstore.Open(t.Context(), url)
		require.Equal(t, domain.KindInvalid, domain.KindOf(err), url)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func TestSQLite_WritesShareATransactionWithoutHarmingEachOther(t *testing.T) {
	s := open(t, databases["sqlite"](t))
	server := fixture.Server(t)
	require.NoError(t, s.Servers().Add(t.Context(), server, nil))
	release, held := s.HoldWriter(t)
	const writes = 40
	var (
		all  sync.WaitGroup
		jobs = make([]*domain.Job, writes)
		errs = make([]error, writes)
	)
	ctx, cancel := context.WithCancelCause(t.Context())
	for i := range writes {
		jobs[i] = fixture.Job(t, fixture.Pending, fixture.On(server.ID))
		if i%4 == 1 {
			jobs[i].ServerID = "no such server"
		}
		all.Go(func() {
			who := t.Context()
			if i%4 == 2 {
				who = ctx
			}
			_, errs[i] = s.Jobs().Add(who, ports.Idempotency{}, jobs[i])
		})
	}
	s.AwaitWaiting(t, writes)
	cancel(errors.New("the caller went away"))
	s.AwaitGone(t, writes/4)
	before := s.Commits(held)
	release()
	all.Wait()
	for i, err := range errs {
		_, lookup := s.Jobs().Get(t.Context(), jobs[i].ID)
		switch i % 4 {
		case 1:
			require.ErrorIs(t, err, domain.ErrServerNotFound)
			require.ErrorIs(t, lookup, domain.ErrJobNotFound)
		case 2:
			require.ErrorIs(t, err, domain.ErrCanceled)
			require.ErrorIs(t, lookup, domain.ErrJobNotFound, "what its caller gave up was written all the same")
		default:
			require.NoError(t, err)
			require.NoError(t, lookup)
		}
	}
	require.Equal(t, int64(1), s.Commits(held)-before, "they did not share a transaction")
}

func TestSQLite_PanicReachesItsCallerAlone(t *testing.T) {
	s := open(t, databases["sqlite"](t))
	require.PanicsWithValue(t, "a defect", func() { s.PanicInWrite(t, "a defect") })
	require.NoError(t, s.Servers().Add(t.Context(), fixture.Server(t), nil))
	require.Zero(t, s.Number(t, "SELECT COUNT(*) FROM queues"), "what it wrote before stayed")
}
