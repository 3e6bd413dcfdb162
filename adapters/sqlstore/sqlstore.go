package sqlstore

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"

	"github.com/jmoiron/sqlx"
	"github.com/klauspost/compress/zstd"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// DefaultPath is where the SQLite database is when no other is named.
const DefaultPath = "data/remora.db"

var _ ports.Pinger = (*Store)(nil)

// Store is an open database. Its methods return the storage ports over it, all safe for concurrent use.
type Store struct {
	d       *dialect
	name    string // the database for people, never with a password
	reads   *sqlx.DB
	writes  *sqlx.DB
	group   *group // of SQLite's one writer; nil on PostgreSQL
	migrate func(ctx context.Context) error

	encoder *zstd.Encoder
	decoder *zstd.Decoder
	swept   atomic.Int64 // when old idempotency keys were last swept, in Unix seconds
	tally   tally
	bounds  bounds
}

// Open opens the database that url names: postgres:// or postgresql:// is PostgreSQL, a path or sqlite:path a SQLite file,
// which is made with its directory (modes 0600 and 0700) if it is not there, and "" is SQLite at DefaultPath. The schema
// is not looked at: call Migrate before anything else. A PostgreSQL URL without sslmode means require, or prefer on the same
// machine. Fails with ErrStorageUnavailable, which names the database and says what to do, and database_url_invalid.
func Open(ctx context.Context, url string) (*Store, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(4))
	if err != nil {
		return nil, domain.Internal("making the compressor", err)
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(4), zstd.WithDecoderMaxMemory(4*chunkBytes))
	if err != nil {
		return nil, domain.Internal("making the decompressor", err)
	}
	s := &Store{encoder: encoder, decoder: decoder, bounds: usualBounds}
	if strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://") {
		err = s.openPostgres(ctx, url)
	} else {
		err = s.openSQLite(ctx, url)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close ends all connections. Calls under way fail.
func (s *Store) Close() error {
	var errs []error
	if s.reads != nil {
		errs = append(errs, s.reads.Close())
	}
	if s.writes != nil && s.writes != s.reads {
		errs = append(errs, s.writes.Close())
	}
	s.decoder.Close()
	return errors.Join(errs...)
}

// Kind returns "sqlite" or "postgres".
func (s *Store) Kind() string { return s.d.kind }

// Name returns the database for people: the file, or user, host, port and name. It holds no password.
func (s *Store) Name() string { return s.name }

// Ping implements ports.Pinger.
func (s *Store) Ping(ctx context.Context) error {
	return s.read(ctx, func(c *conn) error {
		var one int
		return c.get(&one, "SELECT 1")
	})
}

// Jobs returns the jobs.
func (s *Store) Jobs() ports.JobRepository { return &jobs{s} }

// Backlog returns the jobs as the dispatcher and the sweeper see them.
func (s *Store) Backlog() ports.Backlog { return &backlog{s} }

// Workers returns the workers.
func (s *Store) Workers() ports.WorkerRepository { return &workers{s} }

// Output returns the output of jobs.
func (s *Store) Output() ports.OutputStore { return &output{s} }

// Servers returns the servers.
func (s *Store) Servers() ports.ServerRepository { return &servers{s} }

// Keys returns the stored keys.
func (s *Store) Keys() ports.KeyRepository { return &keys{s} }

// Checks returns the checks of servers.
func (s *Store) Checks() ports.ServerChecks { return &checks{s} }

// MasterKeyCheck returns the value that the master key is known by.
func (s *Store) MasterKeyCheck() ports.MasterKeyCheck { return &masterKeyCheck{s} }

// Tokens returns the tokens.
func (s *Store) Tokens() ports.TokenRepository { return &tokens{s} }

// Passes returns the sessions and sign-in codes.
func (s *Store) Passes() ports.PassRepository { return &passes{s} }

// read runs statements that change nothing, each by itself.
func (s *Store) read(ctx context.Context, fn func(c *conn) error) error {
	if err := done(ctx); err != nil {
		return err
	}
	run := func() error { return fn(&conn{d: s.d, ctx: ctx, on: s.reads}) }
	err := run()
	if s.severed(err) {
		err = run()
	}
	return s.translate(ctx, err)
}

// snapshot runs statements that change nothing and all see the database as it was at one moment.
func (s *Store) snapshot(ctx context.Context, fn func(c *conn) error) error {
	if err := done(ctx); err != nil {
		return err
	}
	run := func() error {
		tx, err := s.reads.BeginTxx(ctx, s.d.snapshot)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }() // there is nothing to keep
		return fn(&conn{d: s.d, ctx: ctx, on: tx})
	}
	err := run()
	if s.severed(err) {
		err = run()
	}
	return s.translate(ctx, err)
}

// maxRaces is how often a transaction that lost a race inside PostgreSQL is repeated.
const maxRaces = 5

// write runs fn in a transaction that commits when fn returns nil. fn may run more than once: it must not change
// anything but the database and what it alone sees, and leave the rest for after write.
func (s *Store) write(ctx context.Context, fn func(c *conn) error) error {
	err := s.commit(ctx, fn)
	if err == nil && s.tally.due(1) {
		s.addUp(ctx)
	}
	return err
}

// commit is write without what is done in passing.
func (s *Store) commit(ctx context.Context, fn func(c *conn) error) error {
	if err := done(ctx); err != nil {
		return err
	}
	if s.group != nil {
		return s.translate(ctx, s.group.write(ctx, fn))
	}
	var err error
	for range maxRaces {
		committing := false
		err = s.transact(ctx, fn, &committing)
		// A connection that broke in a commit leaves it unknown whether it was made; nobody but the caller can tell.
		if s.d.fault(err) != faultRace && (committing || !s.severed(err)) {
			break
		}
	}
	return s.translate(ctx, err)
}

func (s *Store) transact(ctx context.Context, fn func(c *conn) error, committing *bool) error {
	tx, err := s.writes.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	if err := fn(&conn{d: s.d, ctx: ctx, on: tx}); err != nil {
		_ = tx.Rollback() // err is what matters; a broken connection is dropped by the pool
		return err
	}
	*committing = true
	return tx.Commit()
}

// severed reports whether the connection broke under a call, as all do when PostgreSQL restarts, and if so drops the idle
// ones, which then are as broken: the next call gets a fresh one, or learns that the database is away.
func (s *Store) severed(err error) bool {
	if err == nil || s.d.fault(err) != faultSevered {
		return false
	}
	s.reads.SetMaxIdleConns(0)
	s.reads.SetMaxIdleConns(postgresConns)
	return true
}
