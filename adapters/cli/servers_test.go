package cli

import (
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

func TestServers_Golden(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	require.NoError(t, os.WriteFile(key, []byte("KEY TEXT\n"), 0o600))
	t.Chdir(dir)
	for name, c := range map[string]struct {
		args   []string
		stdin  string
		before func(*world)
	}{
		"servers-ls":           {args: []string{"servers", "ls"}},
		"servers-ls-json":      {args: []string{"servers", "ls", "--search", "web", "-o", "json"}},
		"servers-ls-none":      {args: []string{"servers", "ls", "--inactive", "-o", "json"}},
		"servers-get":          {args: []string{"servers", "get", "web"}},
		"servers-get-yaml":     {args: []string{"servers", "get", "00000000-0000-7000-9000-000000000002", "-o", "yaml"}},
		"servers-get-near":     {args: []string{"servers", "get", "wbe"}},
		"servers-add-key":      {args: []string{"servers", "add", "new", "deploy@10.0.0.9:2222", "--key", "key", "-t", "x", "-t", "a"}},
		"servers-add-password": {args: []string{"servers", "add", "new", "10.0.0.9", "--user", "root", "--password-stdin", "--host-key", fingerprint, "-o", "json"}, stdin: "hunter2\n"},
		"servers-add-accept":   {args: []string{"servers", "add", "new", "root@::1", "--key", "key", "--accept-new"}},
		"servers-add-unreached": {args: []string{"servers", "add", "new", "root@10.0.0.9", "--key", "key", "--accept-new"}, before: func(w *world) {
			w.report = func(s *domain.Server, _ ports.TestReport) ports.TestReport {
				s.HostKey = nil
				return ports.TestReport{Step: ports.StepConnect, Reason: domain.ReasonConnect, Message: "connection refused"}
			}
		}},
		"servers-add-taken":     {args: []string{"servers", "add", "web", "root@10.0.0.9", "--key", "key"}},
		"servers-add-no-tty":    {args: []string{"servers", "add", "new", "root@10.0.0.9"}},
		"servers-add-no-key":    {args: []string{"servers", "add", "new", "root@10.0.0.9", "--key", "none"}},
		"servers-add-no-stdin":  {args: []string{"servers", "add", "new", "root@10.0.0.9", "--password-stdin"}},
		"servers-add-exclusive": {args: []string{"servers", "add", "new", "root@h", "--key", "key", "--password-stdin"}},
		"servers-add-port":      {args: []string{"servers", "add", "new", "root@h:99999", "--key", "key"}},
		"servers-add-encrypted": {args: []string{"servers", "add", "new", "root@h", "--key", "key"}, before: encryptedKey},
		"servers-rm":            {args: []string{"servers", "rm", "web", "db"}},
		"servers-test":          {args: []string{"servers", "test", "web", "db", "new"}, before: func(w *world) { w.byName("web").HostKey = nil; w.shown[w.byName("new").ID] = nil }},
		"servers-test-json":     {args: []string{"servers", "test", "web", "-o", "json"}},
		"servers-trust-flag":    {args: []string{"servers", "trust", "web", "--fingerprint", fingerprint2}},
		"servers-trust-already": {args: []string{"servers", "trust", "web"}},
		"servers-trust-no-tty":  {args: []string{"servers", "trust", "web"}, before: func(w *world) { w.byName("web").HostKey = nil }},
		"servers-trust-unseen":  {args: []string{"servers", "trust", "web"}, before: func(w *world) { w.shown[w.byName("web").ID] = nil }},
		"servers-edit":          {args: []string{"servers", "edit", "web", "--hostname", "10.9.9.9", "--active=false", "--no-tags"}},
		"servers-edit-key":      {args: []string{"servers", "edit", "web", "--port", "2222", "--key", "key", "-o", "json"}},
		"servers-edit-bad":      {args: []string{"servers", "edit", "web", "--port", "0"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "web", "db")
			if name == "servers-test" {
				w = newWorld(t, "web", "db", "new")
			}
			if c.before != nil {
				c.before(w)
			}
			s := w.session()
			s.stdin = strings.NewReader(c.stdin)
			s.golden(name, c.args...)
			require.NotContains(t, s.stdout.String()+s.stderr.String(), "hunter2")
		})
	}
}

// encryptedKey makes a world that takes a key only with its passphrase.
func encryptedKey(w *world) {
	w.create = func(n ports.NewServer) error {
		if n.Credential.Passphrase.Reveal() != "open sesame" {
			return &domain.Error{Kind: domain.KindUnprocessable, Code: "key_encrypted", Message: "the key is encrypted"}
		}
		return nil
	}
}

func TestServersAdd_WhatIsStored(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(key, []byte("KEY TEXT\n"), 0o600))
	w := newWorld(t)
	s := w.session()
	s.stdin = strings.NewReader(" pass word \r\n")
	require.Equal(t, 0, s.run("servers", "add", "a", "h", "--user", "u", "--port", "23", "--password-stdin", "--max-sessions", "3", "--inactive"))
	a := w.byName("a")
	require.Equal(t, " pass word ", w.creds[a.ID].Password.Reveal(), "only the line end is not the password's")
	require.Equal(t, []any{"u", 23, 3, false, domain.AuthPassword, domain.HostKeyConfirm}, []any{a.User, a.Port, a.MaxSessions, a.Active, a.Auth, a.HostKeyPolicy})

	encryptedKey(w)
	s = w.session()
	s.stdin = strings.NewReader("open sesame")
	require.Equal(t, 0, s.run("servers", "add", "b", "h", "--key", key, "--passphrase-stdin"))
	b := w.byName("b")
	require.Equal(t, "KEY TEXT\n", w.creds[b.ID].PrivateKey.Reveal())
	me, err := user.Current()
	require.NoError(t, err)
	require.Equal(t, me.Username, b.User)

	s = w.session()
	s.stdin = strings.NewReader("new")
	require.Equal(t, 0, s.run("servers", "edit", "b", "--password-stdin"))
	require.Equal(t, "new", w.creds[b.ID].Password.Reveal())
	require.Equal(t, domain.AuthPassword, w.byName("b").Auth)
}

func TestServersRemove_WithJobs(t *testing.T) {
	w := newWorld(t, "web")
	require.Equal(t, 0, w.session().run("run", "-s", "web", "--detach", "--", "x"))
	s := w.session()
	require.Equal(t, 5, s.run("servers", "rm", "web"))
	require.Contains(t, s.stderr.String(), "remora: web: the server has 1 jobs; cancel those that are active; --force deletes finished ones with their output\n")
	s = w.session()
	require.Equal(t, 0, s.run("servers", "rm", "--force", "web"))
	require.Equal(t, "remora: removed web with 1 job\n", s.stderr.String())
	require.Empty(t, w.servers)
}

func TestServersTrust_AsksOnATerminal(t *testing.T) {
	for answer, trusted := range map[string]bool{"yes\n": true, "YES\nmore": true, "y\n": false, "\n": false, "": false} {
		t.Run(answer, func(t *testing.T) {
			w := newWorld(t, "web")
			w.shown[w.byName("web").ID].Fingerprint = fingerprint2
			s := w.session()
			s.tty, s.stdin = terminals{in: true}, strings.NewReader(answer)
			code := s.run("servers", "trust", "web")
			require.Contains(t, s.stderr.String(), "The host key of web has CHANGED.")
			require.Contains(t, s.stderr.String(), "web (deploy@10.0.0.1:22) shows the host key\n  "+fingerprint2+" (ssh-ed25519)\nIs it this server's own? Type yes to confirm: ")
			if trusted {
				require.Equal(t, 0, code)
				require.Equal(t, fingerprint2, w.byName("web").HostKey.Fingerprint)
				require.Contains(t, s.stderr.String(), "`remora servers edit web --key FILE`")
			} else {
				require.Equal(t, 1, code)
				require.Equal(t, fingerprint, w.byName("web").HostKey.Fingerprint)
			}
		})
	}
}

func TestSplitAddress(t *testing.T) {
	type parts struct {
		login, hostname string
		port            int
		bad             bool
	}
	for in, want := range map[string]parts{
		"h": {hostname: "h"}, "u@h": {login: "u", hostname: "h"}, "u@h:22": {login: "u", hostname: "h", port: 22},
		"u@x@h": {login: "u@x", hostname: "h"}, "fe80::1": {hostname: "fe80::1"}, "[::1]": {hostname: "::1"},
		"[::1]:2222": {hostname: "::1", port: 2222}, "h:0": {bad: true}, "h:": {bad: true}, "h:x": {bad: true}, "@h": {bad: true},
		"u@": {bad: true}, "": {bad: true}, "h:65536": {bad: true}, "[::1]:": {bad: true},
	} {
		login, hostname, port, err := splitAddress(in)
		require.Equal(t, want, parts{login, hostname, port, err != nil}, "%q: %v", in, err)
	}
}

func TestCompletion(t *testing.T) {
	w := newWorld(t, "web", "worker", "db")
	require.Equal(t, 0, w.session().run("run", "-s", "web", "--detach", "--", "uptime"))
	for want, args := range map[string][]string{
		"web\tdeploy@10.0.0.1:22\nworker\tdeploy@10.0.0.2:22\n": {"run", "-s", "w"},
		"db\tdeploy@10.0.0.3:22\n":                              {"servers", "test", "d"},
		string(w.job(0).ID) + "\tqueued on web: uptime\n":       {"jobs", "get", ""},
		"table\njson\nyaml\n":                                   {"jobs", "ls", "-o", ""},
	} {
		s := w.session()
		require.Equal(t, 0, s.run(append([]string{"__complete"}, args...)...), s.stderr)
		require.True(t, strings.HasPrefix(s.stdout.String(), want), "%q\n%q", s.stdout, want)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		s := w.session()
		require.Equal(t, 0, s.run("completion", shell))
		require.Contains(t, s.stdout.String(), "remora")
	}
}
