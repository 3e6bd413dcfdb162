package bootstrap

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/joho/godotenv"

	"github.com/heysubinoy/remora/domain"
)

// Config is every setting, checked. .env.example explains each.
type Config struct {
	ServerAddr         string
	DatabaseURL        domain.Secret // a path of an SQLite file, or a postgres:// URL that names its sslmode
	CORSAllowedOrigins []string

	QueueURL          domain.Secret // of JetStream, in place of NetQueue; empty: NetQueue
	NetQueueAddr      string
	QueueName         string
	NetQueueDir       string
	NetQueueTokenFile string        // empty: see Config.QueueToken
	NetQueueToken     domain.Secret // the token itself, in place of its file
	NetQueueTLS       TLSFiles

	WorkerConcurrency    int
	SSHConnectionTimeout time.Duration
	SSHExecutionTimeout  time.Duration
	OutputFlushInterval  time.Duration
	OutputFlushBytes     int
	MaxOutputSize        int64
	AllowedShells        []string
	MaxUploadSize        int64 // of a key file

	MasterKeyFile string        // empty: see Config.Vault
	MasterKey     domain.Secret // the key itself, in place of its file
	SessionSecret domain.Secret // empty: see Config.SessionKey
	DataDir       string
	AuthMode      AuthMode

	LogLevel  slog.Level
	LogFormat LogFormat

	MetricsAddr string // of worker and queue; the API has its own. Empty: nowhere
	PprofAddr   string // on the loopback interface; empty: nowhere

	logLevelGiven bool
	shown         []Setting
}

// TLSFiles names the PEM files of a TLS connection; empty means none.
type TLSFiles struct {
	Cert string
	Key  string
	CA   string
}

// AuthMode says how the API's callers sign in.
type AuthMode string

// The ways to sign in.
const (
	AuthToken AuthMode = "token" // every caller shows a token
	AuthNone  AuthMode = "none"  // everybody may do everything; only on the loopback interface
)

// LogFormat says how log lines look.
type LogFormat string

// The formats.
const (
	LogAuto LogFormat = ""     // text on a terminal, else JSON
	LogJSON LogFormat = "json" // one object a line
	LogText LogFormat = "text"
)

// Postgres reports whether the database is PostgreSQL; otherwise it is SQLite.
func (c Config) Postgres() bool { return strings.HasPrefix(c.DatabaseURL.Reveal(), "postgres://") }

// String returns the settings, one NAME=value a line, without any secret.
func (c Config) String() string {
	var b strings.Builder
	for _, s := range c.shown {
		fmt.Fprintf(&b, "%s=%s\n", s.Name, s.Value)
	}
	return b.String()
}

// Settings returns every setting in force, by name.
func (c Config) Settings() []Setting {
	all := slices.Clone(c.shown)
	slices.SortFunc(all, func(a, b Setting) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Load reads the settings from getenv and, where that returns nothing, from the file .env in the working directory, and
// else takes the default. The error is settings_invalid and tells all mistakes; each names the variable, its value unless that is a secret, and what is allowed.
func Load(getenv func(string) string) (Config, error) {
	file, err := readDotEnv(".env")
	r := &reader{get: func(name string) string {
		if v := getenv(name); strings.TrimSpace(v) != "" {
			return v
		}
		return file[name]
	}, source: func(name string) Source {
		switch {
		case strings.TrimSpace(getenv(name)) != "":
			return SourceEnvironment
		case strings.TrimSpace(file[name]) != "":
			return SourceFile
		}
		return SourceDefault
	}}
	r.fail(err)
	c := r.config()
	if err := settingsInvalid(r.mistakes...); err != nil {
		return Config{}, err
	}
	return c, nil
}

// settingsInvalid joins mistakes in the settings; nil where there are none.
func settingsInvalid(mistakes ...error) error {
	err := errors.Join(mistakes...)
	if err == nil {
		return nil
	}
	return &domain.Error{Kind: domain.KindInvalid, Code: "settings_invalid", Message: err.Error(), Err: err}
}

// Variables lists the names of all settings.
func Variables() []string {
	r := &reader{get: func(string) string { return "" }, source: func(string) Source { return SourceDefault }}
	r.config()
	names := make([]string, len(r.shown))
	for i, s := range r.shown {
		names[i] = s.Name
	}
	return names
}

func (r *reader) config() Config {
	dataDir := r.text("REMORA_DATA_DIR", "./data")
	c := Config{
		ServerAddr:         r.addr("SERVER_ADDR", "127.0.0.1:8080"),
		DatabaseURL:        r.database(filepath.Join(dataDir, "remora.db")),
		CORSAllowedOrigins: r.list("CORS_ALLOWED_ORIGINS", "", checkOrigin),

		QueueURL:          r.queueURL(),
		NetQueueAddr:      r.addr("NETQUEUE_ADDR", "127.0.0.1:9000"),
		QueueName:         r.matching("QUEUE_NAME", "job_queue", queueName, "1 to 128 letters, digits, dots, dashes and underscores"),
		NetQueueDir:       r.text("NETQUEUE_DIR", filepath.Join(dataDir, "netqueue")),
		NetQueueTokenFile: r.text("NETQUEUE_TOKEN_FILE", ""),
		NetQueueToken:     r.longSecret("NETQUEUE_TOKEN"),
		NetQueueTLS:       r.tls(),

		WorkerConcurrency:    r.concurrency(),
		SSHConnectionTimeout: r.duration("SSH_CONNECTION_TIMEOUT", "30s", time.Second, 10*time.Minute),
		SSHExecutionTimeout:  r.seconds("SSH_EXECUTION_TIMEOUT", "300s", domain.MinTimeout, domain.MaxTimeout),
		OutputFlushInterval:  r.duration("OUTPUT_FLUSH_INTERVAL", "100ms", time.Millisecond, 10*time.Second),
		OutputFlushBytes:     int(r.size("OUTPUT_FLUSH_BYTES", "64KiB", 1<<10, 1<<20)),
		MaxOutputSize:        r.size("MAX_OUTPUT_SIZE", "1GiB", 1<<10, 1<<40),
		AllowedShells:        r.shells(),
		MaxUploadSize:        r.size("MAX_UPLOAD_SIZE", "64KiB", 1<<10, 1<<20),

		MasterKeyFile: r.text("REMORA_MASTER_KEY_FILE", ""),
		MasterKey:     r.longSecret("REMORA_MASTER_KEY"),
		SessionSecret: r.longSecret("SESSION_SECRET"),
		DataDir:       dataDir,
		AuthMode:      AuthMode(r.oneOf("AUTH_MODE", string(AuthToken), string(AuthToken), string(AuthNone))),

		LogLevel:  r.level(),
		LogFormat: LogFormat(r.oneOf("LOG_FORMAT", string(LogAuto), string(LogJSON), string(LogText))),

		MetricsAddr: r.optionalAddr("METRICS_ADDR", "127.0.0.1:9464"),
		PprofAddr:   r.optionalAddr("PPROF_ADDR", "127.0.0.1:6060"),
	}
	if !c.QueueURL.Empty() {
		r.noNetQueue(map[string]string{"NETQUEUE_ADDR": "127.0.0.1:9000", "NETQUEUE_DIR": filepath.Join(dataDir, "netqueue")})
	}
	if c.PprofAddr != "" && !Loopback(c.PprofAddr) {
		r.mistake("PPROF_ADDR", c.PprofAddr, "profiles show what is in memory; give an address on the loopback interface, as 127.0.0.1:6060")
	}
	for _, name := range []string{"NEXT_PUBLIC_API_URL", "NEXT_PUBLIC_BACKEND_URL"} {
		r.browserURL(name) // the dashboard's build reads them; a mistake is told here, where the others are
	}
	r.oneOfTwo("REMORA_MASTER_KEY", "REMORA_MASTER_KEY_FILE")
	r.oneOfTwo("NETQUEUE_TOKEN", "NETQUEUE_TOKEN_FILE")
	if c.AuthMode == AuthNone {
		r.loopbackOnly("METRICS_ADDR", c.MetricsAddr)
		r.loopbackOnly("SERVER_ADDR", c.ServerAddr)
		r.loopbackOnly("NETQUEUE_ADDR", c.NetQueueAddr)
	}
	c.logLevelGiven = r.peek("LOG_LEVEL") != ""
	c.shown = r.shown
	return c
}

func (r *reader) loopbackOnly(name, addr string) {
	if addr != "" && !Loopback(addr) {
		r.mistake("AUTH_MODE", string(AuthNone), fmt.Sprintf(
			"allowed only while every listener is on the loopback interface, and %s=%q is not; use AUTH_MODE=token", name, addr))
	}
}

// Loopback reports whether an address is on the loopback interface. A name other than localhost is not, whatever it
// resolves to today.
func Loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// database returns DATABASE_URL, or what the POSTGRES_ variables put together, or the SQLite file of the data directory.
func (r *reader) database(sqlite string) domain.Secret {
	text := r.secret("DATABASE_URL")
	host := r.text("POSTGRES_HOST", "")
	port := r.integer("POSTGRES_PORT", "5432", 1, 65535)
	db := r.text("POSTGRES_DB", "remora")
	user := r.text("POSTGRES_USER", "remora")
	password := r.secret("POSTGRES_PASSWORD")
	mode := r.oneOf("POSTGRES_SSLMODE", "require", sslModes...)
	switch {
	case !text.Empty():
		return r.databaseURL(text.Reveal())
	case host == "":
		return domain.NewSecret(sqlite)
	}
	r.notSample("POSTGRES_PASSWORD", password.Reveal())
	u := url.URL{Scheme: "postgres", Host: net.JoinHostPort(host, fmt.Sprint(port)), Path: "/" + db, User: url.User(user)}
	if !password.Empty() {
		u.User = url.UserPassword(user, password.Reveal())
	}
	query := url.Values{"sslmode": {mode}}
	if strings.HasPrefix(host, "/") { // the directory of a unix socket
		u.Host = ""
		query.Set("host", host)
		query.Set("port", fmt.Sprint(port))
	}
	u.RawQuery = query.Encode()
	return domain.NewSecret(u.String())
}

const databaseForms = "give a path or sqlite:PATH for SQLite, or postgres://USER:PASSWORD@HOST:PORT/DB?sslmode=MODE for PostgreSQL"

func (r *reader) databaseURL(text string) domain.Secret {
	scheme, rest, ok := strings.Cut(text, ":")
	switch {
	case ok && (scheme == "postgres" || scheme == "postgresql"):
		return r.postgresURL(text)
	case ok && scheme == "sqlite":
		text = strings.TrimPrefix(rest, "//")
	case strings.Contains(text, "://"):
		r.hidden("DATABASE_URL", databaseForms)
		return domain.Secret{}
	}
	if text == "" || strings.Contains(text, ":memory:") || strings.ContainsAny(text, "?#") {
		r.hidden("DATABASE_URL", "an SQLite database is a file that outlives the process; "+databaseForms)
		return domain.Secret{}
	}
	return domain.NewSecret(text)
}

func (r *reader) postgresURL(text string) domain.Secret {
	u, err := url.Parse(text) // its error would show the password
	if err != nil || u.Opaque != "" || u.Host == "" && u.Query().Get("host") == "" {
		r.hidden("DATABASE_URL", databaseForms)
		return domain.Secret{}
	}
	u.Scheme = "postgres"
	query := u.Query()
	if !query.Has("sslmode") {
		query.Set("sslmode", "require")
		u.RawQuery = query.Encode()
	}
	if mode := query.Get("sslmode"); !slices.Contains(sslModes, mode) {
		r.hidden("DATABASE_URL", fmt.Sprintf("its sslmode %q is unknown; use %s", mode, strings.Join(sslModes, ", ")))
	}
	if password, ok := u.User.Password(); ok {
		r.notSample("DATABASE_URL", password)
	}
	return domain.NewSecret(u.String())
}

func (r *reader) tls() TLSFiles {
	f := TLSFiles{Cert: r.text("NETQUEUE_TLS_CERT", ""), Key: r.text("NETQUEUE_TLS_KEY", ""), CA: r.text("NETQUEUE_TLS_CA", "")}
	switch {
	case f.Cert != "" && f.Key == "":
		r.mistake("NETQUEUE_TLS_KEY", "", "NETQUEUE_TLS_CERT is set; name the file of its private key too")
	case f.Cert == "" && f.Key != "":
		r.mistake("NETQUEUE_TLS_CERT", "", "NETQUEUE_TLS_KEY is set; name the file of its certificate too")
	}
	return f
}

func (r *reader) concurrency() int {
	const least, most = 1, 10_000
	now, older := r.peek("WORKER_CONCURRENCY"), r.peek("WORKER_POOL_SIZE")
	n := r.integer("WORKER_CONCURRENCY", "50", least, most)
	if older == "" {
		r.text("WORKER_POOL_SIZE", "")
		return n
	}
	m := r.integer("WORKER_POOL_SIZE", "", least, most)
	if now != "" && n != m {
		r.mistake("WORKER_POOL_SIZE", older, fmt.Sprintf("the older name of WORKER_CONCURRENCY, which is set to %q; keep one of them", now))
	}
	return m
}

func (r *reader) shells() []string {
	const all = "/bin/bash,/bin/sh,/usr/bin/bash,/usr/bin/zsh,/bin/zsh,/usr/bin/python3"
	before := len(r.mistakes)
	shells := r.list("ALLOWED_SHELLS", all, checkShell)
	if len(shells) == 0 && len(r.mistakes) == before {
		r.mistake("ALLOWED_SHELLS", r.peek("ALLOWED_SHELLS"), "name at least one shell by its absolute path")
	}
	return shells
}

func (r *reader) level() slog.Level {
	levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
	return levels[r.oneOf("LOG_LEVEL", "info", "debug", "info", "warn", "error")]
}

func readDotEnv(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	values, err := godotenv.Parse(f)
	if err != nil {
		// The parser's error quotes the rest of the file, secrets and all.
		return nil, fmt.Errorf("%s: not lines of NAME=value; quote values with spaces, and close every quote", path)
	}
	return values, nil
}
