package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture/drivingports"
)

// desk is a session at an API that knows tokens: whoever connects is who their token says.
func desk(t *testing.T) (*session, *drivingports.World) {
	w := drivingports.New()
	s := newWorld(t).session()
	s.env["HOME"] = t.TempDir()
	s.env["REMORA_TOKEN"] = drivingports.Token
	s.connect = func(_ context.Context, url string, token domain.Secret, _ func(error)) (Services, error) {
		return Services{Tokens: w.Tokens(), Account: account{w, url, token}}, nil
	}
	return s, w
}

// account is the caller's side of an API at url.
type account struct {
	w     *drivingports.World
	url   string
	token domain.Secret
}

// Who implements ports.Account.
func (a account) Who(ctx context.Context) (ports.Session, error) {
	p, err := a.w.Auth().Authenticate(ctx, a.token)
	return ports.Session{Principal: p}, err
}

// Code implements ports.Account.
func (a account) Code(ctx context.Context) (ports.SignInCode, error) {
	who, err := a.Who(ctx)
	if err != nil {
		return ports.SignInCode{}, err
	}
	pass, err := a.w.Sessions().Code(ctx, who.Principal)
	return ports.SignInCode{URL: domain.NewSecret(a.url + "/login#code=" + pass.Text.Reveal()), ExpiresAt: pass.ExpiresAt}, err
}

func TestToken_Golden(t *testing.T) {
	for name, args := range map[string][]string{
		"token-add":         {"token", "add", "ci", "--role", "operator"},
		"token-add-json":    {"token", "add", "ci", "--role", "admin", "--expires", "2030-01-31", "-o", "json"},
		"token-add-role":    {"token", "add", "ci", "--role", "owner"},
		"token-add-expires": {"token", "add", "ci", "--expires", "soon"},
		"token-add-taken":   {"token", "add", "ada"},
		"token-ls":          {"token", "ls"},
		"token-ls-json":     {"token", "ls", "-o", "json"},
		"token-rotate":      {"token", "rotate", "bob"},
		"token-rm":          {"token", "rm", "bob"},
		"token-rm-near":     {"token", "rm", "bbo"},
		"token-rm-last":     {"token", "rm", "ada"},
		"dashboard":         {"dashboard"},
		"dashboard-json":    {"dashboard", "-o", "json"},
	} {
		t.Run(name, func(t *testing.T) {
			s, w := desk(t)
			w.AddToken("bobs-own-token", "bob", domain.RoleViewer)
			s.golden(name, args...)
			require.NotContains(t, s.stdout.String()+s.stderr.String(), "bobs-own-token")
		})
	}
}

func TestToken_Expiry(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"": {}, "12h": now.Add(12 * time.Hour), "90d": now.AddDate(0, 0, 90),
		"2030-01-31": time.Date(2030, 1, 31, 0, 0, 0, 0, time.UTC), "2030-01-31T01:02:03+01:00": time.Date(2030, 1, 31, 0, 2, 3, 0, time.UTC),
	} {
		got, err := expiry(text, now)
		require.NoError(t, err, text)
		require.True(t, want.Equal(got), "%s: %s", text, got)
	}
	for _, text := range []string{"-1h", "0d", "-3d", "d", "1.5d", "100001d", "30", "tomorrow", "2030-13-01"} {
		_, err := expiry(text, now)
		require.Error(t, err, text)
	}
}

func TestLogin_KeepsWhatTheAPIKnows(t *testing.T) {
	s, w := desk(t)
	delete(s.env, "REMORA_TOKEN")
	w.AddToken("a-fine-token-of-bob", "bob", domain.RoleOperator)
	path := filepath.Join(s.env["HOME"], ".config", "remora", "config.yaml")

	s.stdin = strings.NewReader("a-wrong-token\n")
	require.Equal(t, 3, s.run("login", "http://127.0.0.1:7"))
	require.NoFileExists(t, path, "a token that opens nothing is not kept")

	s.stdin = strings.NewReader("a-fine-token-of-bob\n")
	require.Equal(t, 0, s.run("login", "http://127.0.0.1:7/"), s.stderr)
	require.Contains(t, s.stderr.String(), "signed in to http://127.0.0.1:7 as bob (operator)")
	require.NotContains(t, s.stdout.String()+s.stderr.String(), "a-fine-token")
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())
	dir, err := os.Stat(filepath.Dir(path))
	require.NoError(t, err)
	require.EqualValues(t, 0o700, dir.Mode().Perm())
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "url: http://127.0.0.1:7\ntoken: a-fine-token-of-bob\n", string(text))
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1)

	require.Equal(t, 0, s.run("dashboard"), "later commands use it: %s", s.stderr)
	require.Contains(t, s.stdout.String(), "http://127.0.0.1:7/login#code=")

	other, _ := desk(t)
	other.env["HOME"] = ""
	require.Equal(t, 2, other.run("login"))
	require.Contains(t, other.stderr.String(), "no place for a config file")
	s.stdin = strings.NewReader("")
	require.Equal(t, 2, s.run("login"))
	require.Contains(t, s.stderr.String(), "there is no token on stdin")
}

func TestConfig_ShowsSettingsOrMistakes(t *testing.T) {
	all := []Setting{{"DATABASE_URL", "[secret]", "environment"}, {"LOG_LEVEL", "info", "default"}, {"QUEUE_NAME", "", ".env"}}
	mistakes := &domain.Error{
		Kind: domain.KindInvalid, Code: "settings_invalid", Message: "LOG_LEVEL=\"x\": use info\nSERVER_ADDR=\"y\": give HOST:PORT",
	}
	for name, c := range map[string]struct {
		args []string
		err  error
	}{
		"config": {[]string{"config"}, nil}, "config-yaml": {[]string{"config", "-o", "yaml"}, nil}, "config-mistakes": {[]string{"config"}, mistakes},
	} {
		t.Run(name, func(t *testing.T) {
			s := newWorld(t).session()
			s.config = func(cfg *Config) { cfg.Settings = func() ([]Setting, error) { return all, c.err } }
			s.golden(name, c.args...)
		})
	}
}
