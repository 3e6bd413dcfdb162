package sqlstore

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/pressly/goose/v3"

	"github.com/heysubinoy/remora/domain"
)

//go:embed migrations
var migrations embed.FS

// migrationLock is the advisory lock under which PostgreSQL is migrated: "remora" in ASCII.
const migrationLock = 0x72656d6f7261

// lockPoll is how often a process that waits for another's migration of a SQLite file looks whether it is done.
const lockPoll = 20 * time.Millisecond

// Migrate brings the schema up to what this program knows, forward only. Any number of processes may call it at once: one
// migrates, the others wait. Fails with ErrStorageUnavailable, and with database_newer, domain.KindConflict, when the
// database was migrated by a newer program; then nothing is changed.
func (s *Store) Migrate(ctx context.Context) error {
	if err := done(ctx); err != nil {
		return err
	}
	return s.translate(ctx, s.migrate(ctx))
}

// migratePostgres migrates on connections of its own, because a migration may take longer than a statement should.
func (s *Store) migratePostgres(ctx context.Context, cfg pq.Config) (err error) {
	cfg = cfg.Clone()
	cfg.Runtime = maps.Clone(cfg.Runtime)
	cfg.Runtime["statement_timeout"], cfg.Runtime["idle_in_transaction_session_timeout"] = "0", "0"
	db := connectPostgres(cfg, 2, 0)
	defer func() { err = errors.Join(err, db.Close()) }()
	lock, err := db.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	// The lock is the transaction's, so that it ends with the connection whatever happens to this process.
	defer func() { _ = lock.Rollback() }()
	if _, err := lock.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", migrationLock); err != nil {
		return err
	}
	return s.up(ctx, db, goose.DialectPostgres)
}

// migrateSQLite migrates under a lock on the file's directory. Not on the file: closing another handle of it would take
// away the locks that SQLite itself has in this process.
func (s *Store) migrateSQLite(ctx context.Context) (err error) {
	dir, err := os.Open(filepath.Dir(s.name))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	for {
		err = syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("locking %s: %w", dir.Name(), err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lockPoll):
		}
	}
	return s.up(ctx, s.writes, goose.DialectSQLite3)
}

func (s *Store) up(ctx context.Context, db *sqlx.DB, d goose.Dialect) error {
	scripts, err := fs.Sub(migrations, "migrations/"+s.d.kind)
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(d, db.DB, scripts, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	version, known, err := provider.GetVersions(ctx)
	if err != nil {
		return cause(err)
	}
	if version > known {
		return &domain.Error{
			Kind: domain.KindConflict, Code: "database_newer", Details: map[string]any{"version": version, "known": known},
			Message: fmt.Sprintf("the database %s has schema version %d and this program knows versions up to %d only; "+
				"run a newer release of Remora, or restore the backup made before the update", s.name, version, known),
		}
	}
	_, err = provider.Up(ctx)
	return cause(err)
}

// cause unwraps goose's error of a migration, so that the driver's is found whatever goose puts around it.
func cause(err error) error {
	if partial, ok := errors.AsType[*goose.PartialError](err); ok {
		return fmt.Errorf("migration %s: %w", partial.Failed.Source.Path, partial.Err)
	}
	return err
}
