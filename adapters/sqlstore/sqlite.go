package sqlstore

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/jmoiron/sqlx"
	"github.com/mattn/go-sqlite3"

	"github.com/heysubinoy/remora/domain"
)

// preparedPerConn is how many statements the driver keeps per connection.
const preparedPerConn = 100

// beginBusy is how long one try to begin waits for a writer of another process; in between the group looks whether its
// callers are still there.
const beginBusy = 250

// openSQLite opens the file with one connection that writes and several that read.
func (s *Store) openSQLite(ctx context.Context, given string) error {
	s.d = &sqlite
	if path := strings.TrimPrefix(given, "sqlite:"); strings.HasPrefix(path, ":memory:") || strings.Contains(path, "://") {
		return domain.Invalid("database_url", "DATABASE_URL %q is neither a path, nor sqlite:path, nor postgres://…", withoutPassword(given))
	}
	path, err := SQLiteFile(given)
	if err != nil {
		return away("the directory of the database %q cannot be found: %v", err, given, err)
	}
	s.name = path
	if err := makeFile(path); err != nil {
		return away("the database file %s cannot be opened: %v; make its directory writable or set DATABASE_URL to another path", err, path, err)
	}
	common := url.Values{
		"_journal_mode": {"WAL"}, "_synchronous": {"FULL"}, "_foreign_keys": {"on"},
		"_stmt_cache_size": {strconv.Itoa(preparedPerConn)}, "_cache_size": {"-16384"},
	}
	with := func(lock, busy string) string {
		values := url.Values{"_busy_timeout": {busy}}
		for k, v := range common {
			values[k] = v
		}
		return "file:" + escapedPath(path) + "?" + values.Encode() + "&_txlock=" + lock
	}
	if s.writes, err = sqlx.Open("sqlite3", with("immediate", strconv.Itoa(beginBusy))); err != nil {
		return domain.Internal("opening SQLite", err)
	}
	s.writes.SetMaxOpenConns(1)
	if s.reads, err = sqlx.Open("sqlite3", with("deferred", strconv.FormatInt(maxBusy.Milliseconds(), 10))); err != nil {
		return domain.Internal("opening SQLite", err)
	}
	readers := max(4, runtime.GOMAXPROCS(0))
	s.reads.SetMaxOpenConns(readers)
	s.reads.SetMaxIdleConns(readers)
	s.group = &group{d: s.d, db: s.writes, max: maxGroup}
	s.migrate = s.migrateSQLite
	return s.lookAtSQLite(ctx)
}

// escapedPath is a path as SQLite's file: addresses have it.
func escapedPath(path string) string { return (&url.URL{Path: path}).EscapedPath() }

// lookAtSQLite reads the file's head, so that a file that is no database is found out now.
func (s *Store) lookAtSQLite(ctx context.Context) error {
	var tables int
	err := s.reads.GetContext(ctx, &tables, "SELECT COUNT(*) FROM sqlite_schema")
	if err == nil {
		return nil
	}
	if ended := done(ctx); ended != nil {
		return ended
	}
	if e, ok := errors.AsType[sqlite3.Error](err); ok && (e.Code == sqlite3.ErrNotADB || e.Code == sqlite3.ErrCorrupt) {
		return away("%s is not a SQLite database or is damaged; restore it from a backup or set DATABASE_URL to another path", err, s.name)
	}
	return away("the database file %s cannot be read: %v; make it and its directory readable and writable for this user", err, s.name, err)
}

// makeFile makes the file and its directory for this user alone: output may hold what others must not see. SQLite gives
// the files beside it the same mode.
func makeFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// away is ErrStorageUnavailable with a message that names the database and says what to do.
func away(format string, cause error, args ...any) error {
	return domain.ErrStorageUnavailable.Withf(format, args...).Because(cause)
}
