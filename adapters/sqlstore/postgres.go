package sqlstore

import (
	"context"
	"database/sql"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/lib/pq/pqerror"

	"github.com/heysubinoy/remora/domain"
)

const (
	postgresConns    = 16 // per process
	connectTimeout   = 5 * time.Second
	statementTimeout = 10 * time.Second
	// silence is how long a connection may say nothing while it is asked: longer than any statement may take, so that
	// only a machine that is gone or frozen falls silent for so long.
	silence = statementTimeout + 2*time.Second
)

// openPostgres opens a pool and makes its first connection.
func (s *Store) openPostgres(ctx context.Context, given string) error {
	s.d = &postgres
	cfg, err := postgresConfig(given)
	if err != nil {
		return err
	}
	s.name = "postgres://" + cfg.User + "@" + net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port))) + "/" + cfg.Database
	db := connectPostgres(cfg, postgresConns, silence)
	s.reads, s.writes = db, db
	s.migrate = func(ctx context.Context) error { return s.migratePostgres(ctx, cfg) }
	if err := db.PingContext(ctx); err != nil {
		if ended := done(ctx); ended != nil {
			return ended
		}
		return s.unreachable(err)
	}
	return nil
}

// unreachable says why there is no first connection and what to do.
func (s *Store) unreachable(err error) error {
	e := pq.As(err)
	switch {
	case e == nil:
		return away("PostgreSQL cannot be reached at %s: %v; start it, or set DATABASE_URL to where it is", err, s.name, err)
	case e.Code == pqerror.InvalidCatalogName:
		return away("PostgreSQL has no database of the name in %s; make it with createdb, or set DATABASE_URL", err, s.name)
	case string(e.Code)[:2] == "28":
		return away("PostgreSQL refuses the user or password of %s (%s); set them in DATABASE_URL", err, s.name, e.Message)
	default:
		return away("PostgreSQL at %s does not take the connection (%s)", err, s.name, e.Message)
	}
}

func postgresConfig(given string) (pq.Config, error) {
	parsed, err := url.Parse(given)
	if err != nil {
		return pq.Config{}, domain.Invalid("database_url", "DATABASE_URL is not a URL such as postgres://user:password@127.0.0.1:5432/remora")
	}
	cfg, err := pq.NewConfig(given)
	if err != nil {
		return pq.Config{}, domain.Invalid("database_url", "DATABASE_URL cannot be used: %v", err)
	}
	if parsed.Query().Get("sslmode") == "" && os.Getenv("PGSSLMODE") == "" {
		cfg.SSLMode = pq.SSLModeRequire
		if sameMachine(cfg) {
			cfg.SSLMode = pq.SSLModePrefer
		}
	}
	if cfg.ConnectTimeout <= 0 {
		cfg.ConnectTimeout = connectTimeout
	}
	if cfg.ApplicationName == "" {
		cfg.ApplicationName = "remora"
	}
	cfg.BinaryParameters = true
	runtime := map[string]string{
		"TimeZone":          "UTC",
		"statement_timeout": strconv.FormatInt(statementTimeout.Milliseconds(), 10),
		// A process that was frozen in a transaction must not keep its locks.
		"idle_in_transaction_session_timeout": strconv.FormatInt((2 * statementTimeout).Milliseconds(), 10),
	}
	for k, v := range cfg.Runtime {
		runtime[k] = v
	}
	cfg.Runtime = runtime
	return cfg, nil
}

func sameMachine(cfg pq.Config) bool {
	if cfg.Hostaddr.IsValid() {
		return cfg.Hostaddr.IsLoopback()
	}
	if strings.HasPrefix(cfg.Host, "/") || strings.HasPrefix(cfg.Host, "@") || cfg.Host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(cfg.Host)
	return err == nil && addr.IsLoopback()
}

func connectPostgres(cfg pq.Config, conns int, silence time.Duration) *sqlx.DB {
	db := sqlx.NewDb(sql.OpenDB(preparing{cfg: cfg, silence: silence}), "postgres")
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	db.SetConnMaxIdleTime(5 * time.Minute)
	return db
}

// withoutPassword returns a URL as it may be shown.
func withoutPassword(given string) string {
	parsed, err := url.Parse(given)
	if err != nil {
		return "(unreadable)"
	}
	return parsed.Redacted()
}
