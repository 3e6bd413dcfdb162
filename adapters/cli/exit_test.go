package cli

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
)

func TestExitCode_EveryKindHasOne(t *testing.T) {
	want := map[domain.Kind]int{
		"internal": 1, "invalid": 2, "unauthenticated": 3, "denied": 3, "not_found": 4, "conflict": 5, "too_large": 2,
		"unsupported": 2, "unprocessable": 2, "exhausted": 6, "unavailable": 6, "timeout": 7, "canceled": 130,
	}
	for _, kind := range domain.Kinds() {
		code, ok := want[kind]
		require.True(t, ok, "say here which exit code belongs to %s", kind)
		require.Contains(t, exitCodes, kind)
		require.Equal(t, code, ExitCode(fmt.Errorf("wrapped: %w", &domain.Error{Kind: kind, Code: "x"})), kind)
	}
	require.Len(t, exitCodes, len(domain.Kinds()))
	require.Equal(t, 0, ExitCode(nil))
	require.Equal(t, 1, ExitCode(errors.New("unheard of")))
}

func TestErrors_AreToldOnceWithWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		code int
		want string
	}{
		"not signed in": {domain.ErrUnauthenticated, 3, "remora: sign in first: the token is missing or unknown; `remora login` keeps one, or give it with --token-file or REMORA_TOKEN\n"},
		"away": {&domain.Error{Kind: domain.KindUnavailable, Code: codeAPIUnreachable, Message: "connection refused"}, 6,
			"remora: connection refused; is the API at http://127.0.0.1:8080 running? `remora up` starts one here\n"},
		"away, and what to do is said": {&domain.Error{Kind: domain.KindUnavailable, Code: codeAPIUnreachable, Message: "nobody; start it with remora up"}, 6,
			"remora: nobody; start it with remora up\n"},
		"something else is away": {&domain.Error{Kind: domain.KindUnavailable, Code: codeHostKeyUnseen, Message: "web shows no host key: is sshd running?"}, 6,
			"remora: web shows no host key: is sshd running?\n"},
		"what is said is not said twice": {&domain.Error{Kind: domain.KindUnprocessable, Code: codeKeyEncrypted, Message: "it is encrypted; give its passphrase"}, 2,
			"remora: it is encrypted; give its passphrase with --passphrase-stdin\n"},
		"internal": {domain.Internal("reading the answer", errors.New("EOF")), 1, "remora: reading the answer: EOF\n"},
		"controls": {errors.New("a\x1b]0;t\x07b"), 1, "remora: a]0;tb\n"},
		"timeout":  {domain.ErrTimeout, 7, "remora: the request took too long\n"},
		"closed":   {fmt.Errorf("write: %w", syscall.EPIPE), 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.onList = func(context.Context) error { return c.err }
			s := w.session()
			require.Equal(t, c.code, s.run("servers", "ls"))
			require.Equal(t, c.want, s.stderr.String())
			require.Empty(t, s.stdout.String())
		})
	}
}

func TestUsage_Golden(t *testing.T) {
	for name, args := range map[string][]string{
		"usage-command":     {"jbos"},
		"usage-nested":      {"servers", "trsut", "web"},
		"usage-nothing":     {"jobs", "xyzzy"},
		"usage-missing":     {"jobs", "get"},
		"usage-too-many":    {"jobs", "get", "a", "b"},
		"usage-form":        {"jobs", "ls", "-o", "xml"},
		"usage-short":       {"jobs", "ls", "-x"},
		"usage-status":      {"jobs", "ls", "--status", "done"},
		"usage-exclusive":   {"jobs", "logs", "x", "--stdout", "--stderr"},
		"usage-edit":        {"servers", "edit", "web"},
		"usage-fingerprint": {"servers", "trust", "web", "--fingerprint", "SHA256:x"},
		"usage-worker":      {"worker", "now"},
		"usage-shell":       {"completion", "tcsh"},
		"usage-help":        {"help", "rnu"},
		"usage-detach":      {"run", "--detach", "--group", "-s", "web", "x"},
		"version":           {"version"},
		"version-json":      {"version", "-o", "json"},
		"help":              {"--help"},
		"help-run":          {"run", "--help"},
		"help-jobs":         {"jobs"},
	} {
		t.Run(name, func(t *testing.T) { newWorld(t, "web").session().golden(name, args...) })
	}
}

func TestPrograms(t *testing.T) {
	w := newWorld(t)
	s := w.session()
	for _, args := range [][]string{{"up"}, {"api"}, {"worker"}, {"queue"}, {"queue", "repair", "x"}} {
		require.Equal(t, 2, s.run(args...), "a program that is not part of this one")
	}
	var ran []string
	run := func(name string) func(context.Context) error {
		return func(context.Context) error { ran = append(ran, name); return nil }
	}
	s.config = func(c *Config) {
		c.API, c.Worker, c.Queue = run("api"), run("worker"), run("queue")
		c.Up = func(_ context.Context, o UpOptions) error { ran = append(ran, fmt.Sprint("up ", o.Demo)); return nil }
		c.RepairQueue = func(_ context.Context, dir string) (string, error) {
			if dir == "bad" {
				return "", errors.New("no log there")
			}
			return "mended " + dir, nil
		}
	}
	for _, args := range [][]string{{"up"}, {"up", "--demo"}, {"api"}, {"worker"}, {"queue"}, {"queue", "repair", "dir"}} {
		require.Equal(t, 0, s.run(args...))
	}
	require.Equal(t, []string{"up false", "up true", "api", "worker", "queue"}, ran)
	require.Equal(t, "mended dir\n", s.stdout.String())
	require.Equal(t, 1, s.run("queue", "repair", "bad"))
	s.config = func(c *Config) {
		c.API = func(context.Context) error {
			return domain.Invalid("server_addr", "SERVER_ADDR: port 99999 is out of range")
		}
	}
	require.Equal(t, 2, s.run("api"))
	require.Contains(t, s.stderr.String(), "remora: SERVER_ADDR: port 99999 is out of range\n")
}

func TestHealth(t *testing.T) {
	w := newWorld(t)
	w.session().golden("health", "health")
	w.health.Queue = domain.ErrQueueUnavailable
	w.session().golden("health-degraded", "health")
	w.session().golden("health-json", "health", "-o", "json")

	away := &domain.Error{Kind: domain.KindUnavailable, Code: codeAPIUnreachable, Message: "connection refused"}
	w.health.Database, w.health.Queue = away, away
	for _, form := range []string{"table", "json"} {
		s := w.session()
		require.Equal(t, 6, s.run("health", "-o", form))
		require.Empty(t, s.stdout.String(), "nothing is known of database and queue")
		require.Equal(t, "remora: connection refused; is the API at http://127.0.0.1:8080 running? `remora up` starts one here\n", s.stderr.String())
	}
}
