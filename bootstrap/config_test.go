package bootstrap_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/joho/godotenv"
	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/bootstrap"
)

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestLoad_Defaults(t *testing.T) {
	t.Chdir(t.TempDir())
	c, err := bootstrap.Load(env())
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:8080", c.ServerAddr)
	require.Equal(t, "data/remora.db", c.DatabaseURL.Reveal())
	require.False(t, c.Postgres())
	require.Empty(t, c.CORSAllowedOrigins)
	require.Equal(t, "127.0.0.1:9000", c.NetQueueAddr)
	require.Equal(t, "job_queue", c.QueueName)
	require.Equal(t, "data/netqueue", c.NetQueueDir)
	require.Equal(t, 50, c.WorkerConcurrency)
	require.Equal(t, 30*time.Second, c.SSHConnectionTimeout)
	require.Equal(t, 300*time.Second, c.SSHExecutionTimeout)
	require.Equal(t, 100*time.Millisecond, c.OutputFlushInterval)
	require.Equal(t, 65536, c.OutputFlushBytes)
	require.EqualValues(t, 1<<30, c.MaxOutputSize)
	require.Contains(t, c.AllowedShells, "/bin/bash")
	require.EqualValues(t, 65536, c.MaxUploadSize)
	require.Equal(t, bootstrap.AuthToken, c.AuthMode)
	require.Equal(t, slog.LevelInfo, c.LogLevel)
	require.Equal(t, bootstrap.LogAuto, c.LogFormat)
}

func TestLoad_DataDirMovesWhatLiesInIt(t *testing.T) {
	t.Chdir(t.TempDir())
	c, err := bootstrap.Load(env("REMORA_DATA_DIR", "/var/lib/remora"))
	require.NoError(t, err)
	require.Equal(t, "/var/lib/remora/remora.db", c.DatabaseURL.Reveal())
	require.Equal(t, "/var/lib/remora/netqueue", c.NetQueueDir)
}

// TestEnvExample holds the file to the code: the same variables, and its values are the defaults.
func TestEnvExample(t *testing.T) {
	text, err := os.ReadFile("../.env.example")
	require.NoError(t, err)
	values, err := godotenv.Unmarshal(string(text))
	require.NoError(t, err)
	var names []string
	for name := range values {
		names = append(names, name)
	}
	known := bootstrap.Variables()
	slices.Sort(names)
	slices.Sort(known)
	require.Equal(t, known, names)

	t.Chdir(t.TempDir())
	byExample, err := bootstrap.Load(func(name string) string { return values[name] })
	require.NoError(t, err)
	byDefault, err := bootstrap.Load(env())
	require.NoError(t, err)
	require.Equal(t, byDefault.String(), byExample.String())

	explained := 0
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "# ") && !strings.HasPrefix(line, "# ---") {
			explained++
		}
	}
	require.Greater(t, explained, 20)
}

func TestLoad_OneMistakeEach(t *testing.T) {
	for _, c := range []struct{ name, value, says string }{
		{"SERVER_ADDR", "8080", "HOST:PORT"},
		{"SERVER_ADDR", "localhost", "HOST:PORT"},
		{"SERVER_ADDR", "127.0.0.1:65536", "0 to 65535"},
		{"SERVER_ADDR", "127.0.0.1:http", "0 to 65535"},
		{"SERVER_ADDR", "http://127.0.0.1:80", "HOST:PORT"},
		{"NETQUEUE_ADDR", "::1:9000", "HOST:PORT"},
		{"CORS_ALLOWED_ORIGINS", "*", "exact origins"},
		{"CORS_ALLOWED_ORIGINS", "https://a.example/", "no path"},
		{"CORS_ALLOWED_ORIGINS", "https://A.example", "lower case"},
		{"CORS_ALLOWED_ORIGINS", "a.example", "exact origins"},
		{"CORS_ALLOWED_ORIGINS", "https://*.example", "no wildcard"},
		{"CORS_ALLOWED_ORIGINS", "null", "exact origins"},
		{"QUEUE_NAME", "job queue", "letters"},
		{"QUEUE_NAME", strings.Repeat("q", 129), "128"},
		{"NETQUEUE_TLS_CERT", "a.pem", "NETQUEUE_TLS_KEY"},
		{"NETQUEUE_TLS_KEY", "a.pem", "NETQUEUE_TLS_CERT"},
		{"WORKER_CONCURRENCY", "0", "1 to 10000"},
		{"WORKER_CONCURRENCY", "fifty", "whole number"},
		{"WORKER_POOL_SIZE", "1.5", "whole number"},
		{"SSH_CONNECTION_TIMEOUT", "30", "unit"},
		{"SSH_CONNECTION_TIMEOUT", "0s", "1s to 10m"},
		{"SSH_EXECUTION_TIMEOUT", "1500ms", "whole seconds"},
		{"SSH_EXECUTION_TIMEOUT", "721h", "720h"},
		{"OUTPUT_FLUSH_INTERVAL", "1h", "10s"},
		{"OUTPUT_FLUSH_BYTES", "1GiB", "1048576"},
		{"MAX_OUTPUT_SIZE", "1 gig", "GiB"},
		{"MAX_OUTPUT_SIZE", "-1", "GiB"},
		{"MAX_OUTPUT_SIZE", "99999999999999999999GiB", "GiB"},
		{"MAX_OUTPUT_SIZE", "9999999999TiB", "GiB"},
		{"MAX_UPLOAD_SIZE", "1023", "1024 to 1048576"},
		{"MAX_UPLOAD_SIZE", "2MiB", "1024 to 1048576"},
		{"NEXT_PUBLIC_API_URL", "api:8080", "page's own origin"},
		{"NEXT_PUBLIC_BACKEND_URL", "ftp://api", "page's own origin"},
		{"ALLOWED_SHELLS", "bash", "absolute"},
		{"ALLOWED_SHELLS", "/bin/../bin/sh", "absolute"},
		{"ALLOWED_SHELLS", ",", "at least one"},
		{"AUTH_MODE", "off", "token, none"},
		{"LOG_LEVEL", "verbose", "debug, info, warn, error"},
		{"LOG_FORMAT", "xml", "json, text"},
		{"DATABASE_URL", "mysql://db/remora", "PostgreSQL"},
		{"DATABASE_URL", "sqlite:", "file"},
		{"DATABASE_URL", ":memory:", "file"},
		{"DATABASE_URL", "./x.db?mode=memory", "file"},
		{"DATABASE_URL", "postgres:///db", "PostgreSQL"},
		{"DATABASE_URL", "postgres://db/x?sslmode=maybe", "verify-full"},
		{"POSTGRES_PORT", "0", "65535"},
		{"POSTGRES_SSLMODE", "on", "verify-full"},
	} {
		t.Run(c.name+"="+c.value, func(t *testing.T) {
			t.Chdir(t.TempDir())
			_, err := bootstrap.Load(env(c.name, c.value))
			require.ErrorContains(t, err, c.name)
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "\n", "one mistake is told once")
		})
	}
}

func TestLoad_AllMistakesAtOnce(t *testing.T) {
	t.Chdir(t.TempDir())
	_, err := bootstrap.Load(env("SERVER_ADDR", "x", "LOG_LEVEL", "y", "MAX_OUTPUT_SIZE", "z"))
	require.ErrorContains(t, err, `SERVER_ADDR="x": `)
	require.ErrorContains(t, err, `LOG_LEVEL="y": `)
	require.ErrorContains(t, err, `MAX_OUTPUT_SIZE="z": `)
}

func TestLoad_Values(t *testing.T) {
	t.Chdir(t.TempDir())
	c, err := bootstrap.Load(env(
		"SERVER_ADDR", "[::1]:0", "CORS_ALLOWED_ORIGINS", " https://a.example , http://localhost:3000,https://a.example",
		"MAX_OUTPUT_SIZE", "2 MB", "MAX_UPLOAD_SIZE", "1MiB", "OUTPUT_FLUSH_BYTES", "4096", "LOG_LEVEL", "debug", "LOG_FORMAT", "text",
		"SSH_EXECUTION_TIMEOUT", "1m", "ALLOWED_SHELLS", "/bin/sh", "AUTH_MODE", "none", "DATABASE_URL", "sqlite:./x.db"))
	require.NoError(t, err)
	require.Equal(t, "[::1]:0", c.ServerAddr)
	require.Equal(t, []string{"https://a.example", "http://localhost:3000"}, c.CORSAllowedOrigins)
	require.EqualValues(t, 2_000_000, c.MaxOutputSize)
	require.EqualValues(t, 1<<20, c.MaxUploadSize)
	require.Equal(t, 4096, c.OutputFlushBytes)
	require.Equal(t, slog.LevelDebug, c.LogLevel)
	require.Equal(t, bootstrap.LogText, c.LogFormat)
	require.Equal(t, time.Minute, c.SSHExecutionTimeout)
	require.Equal(t, []string{"/bin/sh"}, c.AllowedShells)
	require.Equal(t, bootstrap.AuthNone, c.AuthMode)
	require.Equal(t, "./x.db", c.DatabaseURL.Reveal())
}

func TestLoad_WorkerPoolSizeIsTheOlderName(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		now, older string
		want       int
	}{{"", "7", 7}, {"9", "", 9}, {"8", "8", 8}, {"", "", 50}} {
		got, err := bootstrap.Load(env("WORKER_CONCURRENCY", c.now, "WORKER_POOL_SIZE", c.older))
		require.NoError(t, err)
		require.Equal(t, c.want, got.WorkerConcurrency)
	}
	_, err := bootstrap.Load(env("WORKER_CONCURRENCY", "8", "WORKER_POOL_SIZE", "9"))
	require.ErrorContains(t, err, "keep one of them")
}

func TestLoad_Postgres(t *testing.T) {
	t.Chdir(t.TempDir())
	parts := []string{"POSTGRES_HOST", "db", "POSTGRES_USER", "u@x", "POSTGRES_PASSWORD", "p:/?#w", "POSTGRES_DB", "r", "POSTGRES_SSLMODE", "disable"}
	c, err := bootstrap.Load(env(parts...))
	require.NoError(t, err)
	require.True(t, c.Postgres())
	require.Equal(t, "postgres://u%40x:p%3A%2F%3F%23w@db:5432/r?sslmode=disable", c.DatabaseURL.Reveal())

	c, err = bootstrap.Load(env(append(parts, "DATABASE_URL", "./mine.db")...))
	require.NoError(t, err)
	require.Equal(t, "./mine.db", c.DatabaseURL.Reveal(), "DATABASE_URL comes first")

	c, err = bootstrap.Load(env("POSTGRES_HOST", "/run/postgresql"))
	require.NoError(t, err)
	require.Equal(t, "postgres://remora@/remora?host=%2Frun%2Fpostgresql&port=5432&sslmode=require", c.DatabaseURL.Reveal())

	c, err = bootstrap.Load(env("DATABASE_URL", "postgresql://u:pw@db/r"))
	require.NoError(t, err)
	require.True(t, c.Postgres())
	require.Contains(t, c.DatabaseURL.Reveal(), "sslmode=require")
}

func TestLoad_SampleSecretsAreRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	_, err := bootstrap.Load(env("POSTGRES_HOST", "db", "POSTGRES_PASSWORD", "password123"))
	require.ErrorContains(t, err, "POSTGRES_PASSWORD")
	require.NotContains(t, err.Error(), "password123")
	_, err = bootstrap.Load(env("DATABASE_URL", "postgres://u:Your-Secret-Key@db/r"))
	require.ErrorContains(t, err, "DATABASE_URL")
	require.NotContains(t, err.Error(), "Your-Secret-Key")
}

// A secret that guards something by itself is long, nobody's example, and given in one way.
func TestLoad_SecretsOfTheirOwn(t *testing.T) {
	t.Chdir(t.TempDir())
	const long = "0123456789abcdef0123456789abcdef"
	for _, name := range []string{"SESSION_SECRET", "NETQUEUE_TOKEN", "REMORA_MASTER_KEY"} {
		for value, says := range map[string]string{
			"your-secret-key": "known sample", "Password123": "known sample", long[1:]: "has 31 characters; give at least 32",
		} {
			_, err := bootstrap.Load(env(name, value))
			require.ErrorContains(t, err, name+": ")
			require.ErrorContains(t, err, says)
			require.NotContains(t, err.Error(), value)
		}
		c, err := bootstrap.Load(env(name, " "+long+"\n"))
		require.NoError(t, err)
		require.NotContains(t, fmt.Sprintf("%+v %s", c, c), long)
		require.Contains(t, c.String(), name+"=[secret]")
	}
	for name, file := range map[string]string{"NETQUEUE_TOKEN": "NETQUEUE_TOKEN_FILE", "REMORA_MASTER_KEY": "REMORA_MASTER_KEY_FILE"} {
		_, err := bootstrap.Load(env(name, long, file, "/some/file"))
		require.ErrorContains(t, err, name)
		require.ErrorContains(t, err, file)
	}
}

func TestSettings_SayWhereTheyComeFrom(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile(".env", []byte("LOG_LEVEL=warn\nQUEUE_NAME=night\nPOSTGRES_PASSWORD=hunter2\nLOG_FORMAT=\n"), 0o600))
	c, err := bootstrap.Load(env("LOG_LEVEL", "error", "QUEUE_NAME", " "))
	require.NoError(t, err)
	all := map[string]bootstrap.Setting{}
	for i, s := range c.Settings() {
		all[s.Name] = s
		if i > 0 {
			require.Less(t, c.Settings()[i-1].Name, s.Name)
		}
	}
	require.Len(t, all, len(bootstrap.Variables()))
	for _, want := range []bootstrap.Setting{
		{Name: "LOG_LEVEL", Value: "error", Source: bootstrap.SourceEnvironment},
		{Name: "QUEUE_NAME", Value: "night", Source: bootstrap.SourceFile},
		{Name: "POSTGRES_PASSWORD", Value: "[secret]", Source: bootstrap.SourceFile},
		{Name: "LOG_FORMAT", Value: "", Source: bootstrap.SourceDefault},
		{Name: "SERVER_ADDR", Value: "127.0.0.1:8080", Source: bootstrap.SourceDefault},
	} {
		require.Equal(t, want, all[want.Name])
	}
}

func TestLoad_NoSecretShows(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, url := range []string{"postgres://u:hunter2@db/r", "postgres://u:hunter2@db:x/%zz", "mysql://u:hunter2@db", "postgres://u:hunter2@db/r?sslmode=x"} {
		c, err := bootstrap.Load(env("DATABASE_URL", url, "POSTGRES_PASSWORD", "hunter2"))
		require.NotContains(t, fmt.Sprint(err), "hunter2")
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			require.NotContains(t, fmt.Sprintf(verb, c), "hunter2", verb)
		}
	}
}

func TestLoad_NoAuthOnlyOnLoopback(t *testing.T) {
	t.Chdir(t.TempDir())
	for addr, ok := range map[string]bool{
		"127.0.0.1:8080": true, "127.9.9.9:8080": true, "[::1]:8080": true, "localhost:8080": true,
		":8080": false, "0.0.0.0:8080": false, "[::]:8080": false, "192.0.2.1:8080": false, "box:8080": false,
	} {
		for _, listener := range []string{"SERVER_ADDR", "NETQUEUE_ADDR"} {
			_, err := bootstrap.Load(env("AUTH_MODE", "none", listener, addr))
			if ok {
				require.NoError(t, err)
				continue
			}
			require.ErrorContains(t, err, "loopback")
			require.ErrorContains(t, err, listener)
			_, err = bootstrap.Load(env(listener, addr))
			require.NoError(t, err, "with tokens any address will do")
		}
	}
}

func TestLoad_DotEnv(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	write := func(text string) { require.NoError(t, os.WriteFile(filepath.Join(dir, ".env"), []byte(text), 0o600)) }
	write("# mine\nWORKER_CONCURRENCY=7\nexport LOG_LEVEL='warn'\nQUEUE_NAME=\"night\"\n")
	c, err := bootstrap.Load(env("LOG_LEVEL", "error"))
	require.NoError(t, err)
	require.Equal(t, 7, c.WorkerConcurrency)
	require.Equal(t, "night", c.QueueName)
	require.Equal(t, slog.LevelError, c.LogLevel, "the environment wins")

	write("LOG_LEVEL=loud\nPOSTGRES_PASSWORD=\"hunter2\nno end\n")
	_, err = bootstrap.Load(env("SERVER_ADDR", "x"))
	require.ErrorContains(t, err, ".env")
	require.ErrorContains(t, err, "SERVER_ADDR", "the other mistakes are told too")
	require.NotContains(t, err.Error(), "hunter2")
}

func TestLoad_QueueURL(t *testing.T) {
	t.Chdir(t.TempDir())
	c, err := bootstrap.Load(env("QUEUE_URL", "nats://remora:hunter22@queue-1:4222,nats://queue-2:4222?replicas=3", "NETQUEUE_ADDR", "127.0.0.1:9000"))
	require.NoError(t, err, "a copied .env.example names the defaults")
	require.NotContains(t, c.String(), "hunter22")
	for name, pairs := range map[string][]string{
		"QUEUE_URL: its scheme":      {"QUEUE_URL", "amqp://remora:hunter22@queue:5672"},
		"QUEUE_URL: give nats://":    {"QUEUE_URL", "nats://"},
		"QUEUE_URL: its option":      {"QUEUE_URL", "nats://queue:4222?replica=3"},
		"QUEUE_URL: its replicas":    {"QUEUE_URL", "nats://queue:4222?replicas=6"},
		"QUEUE_URL: its creds":       {"QUEUE_URL", "nats://queue:4222?creds=/no/such/file"},
		`NETQUEUE_ADDR="10.0.0.1:9"`: {"QUEUE_URL", "nats://queue:4222", "NETQUEUE_ADDR", "10.0.0.1:9"},
		"NETQUEUE_TOKEN_FILE=":       {"QUEUE_URL", "nats://queue:4222", "NETQUEUE_TOKEN_FILE", "/run/token"},
	} {
		_, err := bootstrap.Load(env(pairs...))
		require.ErrorContains(t, err, name)
		require.NotContains(t, err.Error(), "hunter22")
	}
}

func TestLoad_SideListeners(t *testing.T) {
	t.Chdir(t.TempDir())
	c, err := bootstrap.Load(env("METRICS_ADDR", "0.0.0.0:9464", "PPROF_ADDR", "127.0.0.1:6060"))
	require.NoError(t, err)
	require.Equal(t, "0.0.0.0:9464", c.MetricsAddr)
	require.Equal(t, "127.0.0.1:6060", c.PprofAddr)
	_, err = bootstrap.Load(env("PPROF_ADDR", "0.0.0.0:6060"))
	require.ErrorContains(t, err, "PPROF_ADDR", "profiles are for this machine alone")
	_, err = bootstrap.Load(env("AUTH_MODE", "none", "METRICS_ADDR", "0.0.0.0:9464"))
	require.ErrorContains(t, err, "METRICS_ADDR")
	_, err = bootstrap.Load(env("METRICS_ADDR", "9464"))
	require.ErrorContains(t, err, "METRICS_ADDR")
}
