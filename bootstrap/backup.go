package bootstrap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/heysubinoy/remora/adapters/sqlstore"
	"github.com/heysubinoy/remora/domain"
)

// The names in a backup.
const (
	backupDatabase = "remora.db"
	backupSecrets  = "secrets"
)

// kept is a file that a backup holds.
type kept struct {
	name string // in the backup
	path string // where it belongs
}

// secretFiles are the secrets that a backup holds.
func (c Config) secretFiles() []kept {
	place := func(name, named string) kept {
		if named == "" {
			named = filepath.Join(c.DataDir, name)
		}
		return kept{filepath.Join(backupSecrets, name), named}
	}
	return []kept{place("master.key", c.MasterKeyFile), place("queue.token", c.NetQueueTokenFile), place("session.secret", ""), place("admin.token", "")}
}

// Backup copies database and secrets to a new directory while everything may be running, and says what it did.
func Backup(ctx context.Context, cfg Config, dir string) (report string, err error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return "", backupFailed(err)
	}
	if err := os.Mkdir(dir, 0o700); errors.Is(err, fs.ErrExist) {
		return "", &domain.Error{Kind: domain.KindConflict, Code: "backup_exists",
			Message: dir + " is there already, and a backup overwrites nothing; name a directory that it can make"}
	} else if err != nil {
		return "", backupFailed(err)
	}
	defer func() {
		if err != nil { // half a backup is none
			_ = os.RemoveAll(dir)
		}
	}()
	if err := os.Mkdir(filepath.Join(dir, backupSecrets), 0o700); err != nil {
		return "", backupFailed(err)
	}
	var b strings.Builder
	for _, s := range cfg.secretFiles() {
		err := copyFile(s.path, filepath.Join(dir, s.name))
		switch {
		case errors.Is(err, fs.ErrNotExist): // it is given in another way, or another machine has it
			fmt.Fprintf(&b, "%s: there is no %s\n", s.name, s.path)
			continue
		case err != nil:
			return b.String(), backupFailed(err)
		}
		fmt.Fprintf(&b, "%s: copied from %s\n", s.name, s.path)
	}
	if cfg.Postgres() {
		fmt.Fprintf(&b, "the database is PostgreSQL; copy it with:\n  pg_dump --format=custom --file=%s '%s'\n",
			filepath.Join(dir, "remora.dump"), withoutPassword(cfg.DatabaseURL.Reveal()))
		return b.String(), nil
	}
	if err := sqlstore.BackupSQLite(ctx, cfg.DatabaseURL.Reveal(), filepath.Join(dir, backupDatabase)); err != nil {
		return b.String(), err
	}
	fmt.Fprintf(&b, "%s: copied and checked\n", backupDatabase)
	return b.String(), nil
}

// Restore puts what Backup copied in its places and says what it did. It overwrites nothing.
func Restore(_ context.Context, cfg Config, dir string) (report string, err error) {
	files := cfg.secretFiles()
	if !cfg.Postgres() { // the database comes last: without it nothing starts
		path, err := sqlstore.SQLiteFile(cfg.DatabaseURL.Reveal())
		if err != nil {
			return "", domain.Internal("finding the database", err)
		}
		files = append(files, kept{backupDatabase, path})
		for _, beside := range []string{"-wal", "-shm", "-journal"} {
			if there(path + beside) {
				return "", restoreRefused("%s is left of another database, and SQLite would read it into this one; move it away first", path+beside)
			}
		}
		if !there(filepath.Join(dir, backupDatabase)) {
			return "", restoreRefused("%s holds no %s; is it a directory that `remora backup` made?", dir, backupDatabase)
		}
	}
	for _, f := range files {
		if there(filepath.Join(dir, f.name)) && there(f.path) && (f.name == backupDatabase || !same(filepath.Join(dir, f.name), f.path)) {
			return "", restoreRefused("%s exists, and nothing is overwritten; stop Remora and move it away first", f.path)
		}
	}
	var b strings.Builder
	for _, f := range files {
		if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
			return b.String(), backupFailed(err)
		}
		if there(f.path) {
			fmt.Fprintf(&b, "%s: is in its place\n", f.path)
			continue
		}
		err := copyFile(filepath.Join(dir, f.name), f.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			fmt.Fprintf(&b, "%s: not in the backup\n", f.name)
			continue
		case err != nil:
			return b.String(), backupFailed(err)
		}
		fmt.Fprintf(&b, "%s: restored from %s\n", f.path, f.name)
	}
	if cfg.Postgres() {
		fmt.Fprintf(&b, "the database is PostgreSQL; fill an empty one with:\n  pg_restore --no-owner --exit-on-error --dbname='%s' %s\n",
			withoutPassword(cfg.DatabaseURL.Reveal()), filepath.Join(dir, "remora.dump"))
	}
	return b.String(), nil
}

func there(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// same reports whether two small files hold the same.
func same(a, b string) bool {
	x, err := os.ReadFile(a)
	y, err2 := os.ReadFile(b)
	return err == nil && err2 == nil && len(x) > 0 && bytes.Equal(x, y)
}

func restoreRefused(format string, args ...any) error {
	return &domain.Error{Kind: domain.KindConflict, Code: "restore_refused", Message: fmt.Sprintf(format, args...)}
}

func backupFailed(err error) error {
	return &domain.Error{Kind: domain.KindInvalid, Code: "backup_failed", Message: "the backup's files cannot be written or read: " + err.Error(), Err: err}
}

// copyFile copies a file to a new one that only this user may read. It has its name once it is whole and on the disk.
func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.CreateTemp(filepath.Dir(to), filepath.Base(to)+".*.partial") // 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(out.Name()) }()
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return err
	}
	return os.Link(out.Name(), to) // unlike a rename it overwrites nothing
}

// withoutPassword is a database's address for people.
func withoutPassword(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "postgres://…"
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	return u.String()
}

// loaded calls do with the settings.
func loaded(do func(context.Context, Config, string) (string, error)) func(context.Context, string) (string, error) {
	return func(ctx context.Context, dir string) (string, error) {
		cfg, err := Load(os.Getenv)
		if err != nil {
			return "", err
		}
		return do(ctx, cfg, dir)
	}
}
