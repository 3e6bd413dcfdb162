package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
)

func TestKeys_Golden(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "ssh"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ssh", "deploy.pem"), []byte("KEY TEXT\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "locked"), []byte("ENCRYPTED KEY\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "my key"), []byte("KEY TEXT\n"), 0o600))
	t.Chdir(dir)
	stored := func(w *world) {
		for _, name := range []string{"deploy.pem", "spare"} {
			w.keys[name] = domain.Key{Name: name, KeyInfo: domain.KeyInfo{Fingerprint: fingerprint2, Type: "ssh-ed25519"}, Size: 411, CreatedAt: epoch}
		}
		w.byName("web").KeyName = "deploy.pem"
	}
	for name, c := range map[string]struct {
		args   []string
		stdin  string
		before func(*world)
	}{
		"keys-add":            {args: []string{"keys", "add", "ssh/deploy.pem"}},
		"keys-add-json":       {args: []string{"keys", "add", "ssh/deploy.pem", "--name", "prod", "-o", "json"}},
		"keys-add-taken":      {args: []string{"keys", "add", "ssh/deploy.pem"}, before: stored},
		"keys-add-none":       {args: []string{"keys", "add", "nothing"}},
		"keys-add-bad-name":   {args: []string{"keys", "add", "my key"}},
		"keys-add-encrypted":  {args: []string{"keys", "add", "locked"}},
		"keys-add-passphrase": {args: []string{"keys", "add", "locked", "--passphrase-stdin"}, stdin: "open sesame\n"},
		"keys-ls":             {args: []string{"keys", "ls"}, before: stored},
		"keys-ls-none":        {args: []string{"keys", "ls", "-o", "json"}},
		"keys-ls-json":        {args: []string{"keys", "ls", "-o", "json"}, before: stored},
		"keys-rm":             {args: []string{"keys", "rm", "spare"}, before: stored},
		"keys-rm-used":        {args: []string{"keys", "rm", "spare", "deploy.pem"}, before: stored},
		"servers-add-stored":  {args: []string{"servers", "add", "new", "root@10.0.0.9", "--stored-key", "spare", "-o", "json"}, before: stored},
		"servers-add-jump":    {args: []string{"servers", "add", "new", "root@10.0.0.9", "--stored-key", "spare", "--jump", "web", "-o", "yaml"}, before: stored},
		"servers-add-no-jump": {args: []string{"servers", "add", "new", "root@10.0.0.9", "--stored-key", "spare", "--jump", "wbe"}, before: stored},
		"servers-edit-jump":   {args: []string{"servers", "edit", "db", "--jump", "web"}},
		"servers-edit-direct": {args: []string{"servers", "edit", "db", "--no-jump", "--stored-key", "spare"}, before: stored},
		"servers-edit-ways":   {args: []string{"servers", "edit", "db", "--no-jump", "--jump", "web"}},
		"servers-status":      {args: []string{"servers", "status"}},
		"servers-status-one":  {args: []string{"servers", "status", "web", "-o", "json"}},
		"servers-status-down": {args: []string{"servers", "status"}, before: func(w *world) { w.shown[w.byName("db").ID] = nil }},
		"servers-status-tag":  {args: []string{"servers", "status", "--tag", "nobody", "-o", "json"}},
		"servers-status-both": {args: []string{"servers", "status", "web", "--tag", "all"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "web", "db")
			if c.before != nil {
				c.before(w)
			}
			s := w.session()
			s.stdin = strings.NewReader(c.stdin)
			s.golden(name, c.args...)
			require.NotContains(t, s.stdout.String()+s.stderr.String(), "KEY TEXT")
		})
	}
}
