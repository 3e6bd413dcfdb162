package domain_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
)

func TestCheckKeyName(t *testing.T) {
	for _, name := range []string{
		"a", "Z9", "id_ed25519", "web-1.pem", "a.b-c_d", "0", "console.pem", "com10", "nullable", strings.Repeat("x", domain.MaxKeyNameBytes),
	} {
		require.NoError(t, domain.CheckKeyName("name", name), "%q", name)
	}
	for _, name := range []string{
		"", ".", "..", ".ssh", "-rf", "_x", "x.", "x-", "x_", "a..b", "../x", "a/b", `a\b`, "a b", " a", "a\n", "a\x00", "ключ", "a%2fb", "a:b", "~", "$HOME", "*",
		"CON", "nul", "aux.pem", "Com1", "LPT9.key", "con.tar.gz", strings.Repeat("x", domain.MaxKeyNameBytes+1), "\xff",
	} {
		err := domain.CheckKeyName("name", name)
		e, ok := errors.AsType[*domain.Error](err)
		require.True(t, ok, "%q is taken", name)
		require.Equal(t, "name_invalid", e.Code)
		require.Equal(t, map[string]any{"field": "name"}, e.Details)
	}
}

func TestKeyNameOf(t *testing.T) {
	for file, want := range map[string]string{
		"id": "id", "/home/ada/.ssh/id": "id", `C:\keys\id.pem`: "id.pem", "../../etc/passwd": "passwd", "dir/": "", "": "", `mixed/a\b`: "b",
	} {
		require.Equal(t, want, domain.KeyNameOf(file), "%q", file)
	}
}

func TestServer_Hostnames(t *testing.T) {
	label := strings.Repeat("a", 63)
	for _, name := range []string{
		"web", "web-1.example.org", "WEB.Example.ORG", "web_1.lab", "10.0.0.7", "127.0.0.1", "::1", "fe80::1%eth0", "2001:db8::8a2e:370:7334",
		"::ffff:10.0.0.7", "xn--bcher-kva.example", "1.example", "a", "web.example.org.", label + ".example", "3com.example", "0.pool.example",
		strings.Repeat(label+".", 3) + strings.Repeat("b", 61), // 253 bytes
	} {
		require.NoError(t, goodServer(t, func(s *domain.Server) { s.Hostname = name }).Check(), "%q", name)
	}
	for name, says := range map[string]string{
		"":                           "empty",
		" web":                       "white space",
		"two words":                  "neither",
		"bücher.example":             "xn--",
		"пример.рф":                  "xn--",
		"web..example":               "neither",
		".example":                   "neither",
		"-web":                       "neither",
		"web-.example":               "neither",
		"web.-x":                     "neither",
		label + "a.example":          "neither",
		strings.Repeat(label+".", 4): "bytes",
		"user@web":                   "neither",
		"web:22":                     "neither",
		"[::1]":                      "brackets",
		"[::1]:22":                   "brackets",
		":::1":                       "neither",
		"1::2::3":                    "neither",
		"12345::1":                   "neither",
		"fe80::1%":                   "neither",
		"fe80::1%a b":                "neither",
		"10.0.0.256":                 "neither",
		"10.0.0":                     "neither",
		"1.2.3.4.5":                  "neither",
		"010.0.0.1":                  "neither",
		"http://web":                 "neither",
		"web/path":                   "neither",
		"web;rm":                     "neither",
		"$(id)":                      "neither",
		"-oProxyCommand=x":           "neither",
		"web\x00":                    "control",
		"web\nweb":                   "control",
		"10.0.0.0/8":                 "neither",
		"\u202eweb":                  "seen",
	} {
		err := goodServer(t, func(s *domain.Server) { s.Hostname = name }).Check()
		e, ok := errors.AsType[*domain.Error](err)
		require.True(t, ok, "%q is taken", name)
		require.Equal(t, "hostname_invalid", e.Code, "%q", name)
		require.Contains(t, e.Message, says, "%q", name)
	}
}

// goodServer returns one that is good but for what change does to it.
func goodServer(t *testing.T, change func(*domain.Server)) *domain.Server {
	t.Helper()
	s := &domain.Server{
		ID: "s", Name: "web", Hostname: "web", Port: 22, User: "deploy", Auth: domain.AuthPassword, HostKeyPolicy: domain.HostKeyConfirm, MaxSessions: 8,
	}
	require.NoError(t, s.Check())
	change(s)
	return s
}

func TestServer_NamesUsersAndTags(t *testing.T) {
	for _, name := range []string{"web", "Web 1 (old)", "база", "数据库", "a/b", "50%", strings.Repeat("x", 128)} {
		require.NoError(t, goodServer(t, func(s *domain.Server) { s.Name = name }).Check(), "%q", name)
	}
	for _, tag := range []string{"prod", "eu-west:1", "ünï côdé", strings.Repeat("x", 64)} {
		require.NoError(t, goodServer(t, func(s *domain.Server) { s.Tags = []string{tag} }).Check(), "%q", tag)
	}
	for _, user := range []string{"root", "deploy.user", "DOMAIN\\user", "user@realm", "_svc", "svc$"} {
		require.NoError(t, goodServer(t, func(s *domain.Server) { s.User = user }).Check(), "%q", user)
	}
	for code, changes := range map[string][]func(*domain.Server){
		"name_invalid": {
			func(s *domain.Server) { s.Name = "" }, func(s *domain.Server) { s.Name = " web" }, func(s *domain.Server) { s.Name = "a\tb" },
			func(s *domain.Server) { s.Name = strings.Repeat("x", 129) }, func(s *domain.Server) { s.Name = "\xff" },
			func(s *domain.Server) { s.Name = "we\u202eb" }, func(s *domain.Server) { s.Name = "a\u2028b" }, func(s *domain.Server) { s.Name = "\u200b" },
			func(s *domain.Server) { s.Name = "018f3c1e-7a52-7c3e-9b1d-2f4a5c6d7e8f" },
		},
		"user_invalid": {
			func(s *domain.Server) { s.User = "" }, func(s *domain.Server) { s.User = "a\nb" }, func(s *domain.Server) { s.User = strings.Repeat("x", 65) },
		},
		"tags_invalid": {
			func(s *domain.Server) { s.Tags = []string{""} }, func(s *domain.Server) { s.Tags = []string{"ok", " x"} },
			func(s *domain.Server) { s.Tags = []string{strings.Repeat("x", 65)} }, func(s *domain.Server) { s.Tags = make([]string, 33) },
			func(s *domain.Server) { s.Tags = []string{"a\u0085b"} },
		},
	} {
		for i, change := range changes {
			err := goodServer(t, change).Check()
			e, ok := errors.AsType[*domain.Error](err)
			require.True(t, ok, "%s %d is taken", code, i)
			require.Equal(t, code, e.Code, "%d", i)
		}
	}
	s := goodServer(t, func(s *domain.Server) { s.Tags = []string{"b", "a", "b"} })
	require.NoError(t, s.Check())
	require.Equal(t, []string{"a", "b"}, s.Tags)
}
