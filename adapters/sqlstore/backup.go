package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/jmoiron/sqlx"

	"github.com/heysubinoy/remora/domain"
)

// SQLiteFile returns the path of the SQLite file that a DATABASE_URL means.
func SQLiteFile(url string) (string, error) {
	path := strings.TrimPrefix(url, "sqlite:")
	if path == "" {
		path = DefaultPath
	}
	return filepath.Abs(path)
}

// BackupSQLite writes the database as it is at one moment to a new file of this user alone, and looks whether the copy is whole.
// Others may read and write the database meanwhile; it is not changed. The file is there only when the copy is good and on
// the disk. Fails with ErrStorageUnavailable, and with backup_exists, domain.KindConflict, when there is such a file.
func BackupSQLite(ctx context.Context, url, to string) (err error) {
	from, err := SQLiteFile(url)
	if err != nil {
		return domain.Internal("finding the database", err)
	}
	if _, err := os.Stat(from); err != nil { // or opening would make one
		return away("the database file %s cannot be read: %v", err, from, err)
	}
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return &domain.Error{Kind: domain.KindConflict, Code: "backup_exists", Message: fmt.Sprintf("%s exists; give a new directory", to)}
	}
	s, err := Open(ctx, from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	partial := to + ".partial"
	if err := makeFile(partial); err != nil { // SQLite would let others read it
		return away("the copy %s cannot be written: %v", err, partial, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(partial)
		}
	}()
	if _, err := s.reads.ExecContext(ctx, "VACUUM INTO ?", partial); err != nil {
		return s.copyFailed(ctx, err, to)
	}
	if err := checkCopy(ctx, partial); err != nil {
		return err
	}
	if err := syncPath(partial); err != nil {
		return s.copyFailed(ctx, err, to)
	}
	if err := os.Rename(partial, to); err != nil {
		return s.copyFailed(ctx, err, to)
	}
	return syncPath(filepath.Dir(to))
}

func (s *Store) copyFailed(ctx context.Context, err error, to string) error {
	if ended := done(ctx); ended != nil {
		return ended
	}
	return away("the database %s could not be copied to %s: %v; is there room for as much again?", err, s.name, to, err)
}

// checkCopy reads a whole file as SQLite sees it.
func checkCopy(ctx context.Context, path string) (err error) {
	db, err := sqlx.Open("sqlite3", "file:"+escapedPath(path)+"?mode=ro&immutable=1")
	if err != nil {
		return domain.Internal("opening the copy", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var verdict []string
	if err := db.SelectContext(ctx, &verdict, "PRAGMA integrity_check(3)"); err != nil {
		return away("the copy %s cannot be read: %v", err, path, err)
	}
	if len(verdict) != 1 || verdict[0] != "ok" {
		return away("the copy %s is damaged, and so is the database it was made of: %s", nil, path, strings.Join(verdict, "; "))
	}
	return nil
}

// syncPath waits until a file, or the names in a directory, are on the disk.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
