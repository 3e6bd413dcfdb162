package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

const sshConfigFile = `# mine
Include conf.d/*.conf

Host bastion
	HostName bastion.example.com
	Port 2222

Host web1 web2
	HostName %h.example.com
	User deploy
	IdentityFile ~/.ssh/id_web
	ForwardAgent yes
	ProxyJump bastion

Host db
	HostName 10.0.0.7
	ProxyJump ops@bastion:2222,gate.example.com

Host odd
	ProxyCommand nc -X 5 -x proxy:1080 %h %p

Host broken
	HostName %n.example.com

Host round
	ProxyJump round

Match host *.example.com exec "on-vpn"
	User vpn

Host *
	User me
`

const ansibleFile = `lone ansible_host=10.9.9.9 ansible_user=ops
here ansible_connection=local

[web]
web[01:03].example.com ansible_user=deploy

[db]
db1 ansible_host=10.0.0.5 ansible_port=2200 ansible_user=ops
db2 ansible_user="{{ who }}" ansible_password=hunter2
db3 ansible_user=ops ansible_password=hunter2

[prod:children]
web
db

[prod:vars]
ansible_ssh_private_key_file=~/.ssh/id_web
ansible_ssh_common_args=-o ProxyJump=lone
`

// importWorld is a world with a home, in which an import's files are.
func importWorld(t *testing.T, names ...string) (*world, func(args ...string) *session) {
	home := t.TempDir()
	for name, text := range map[string]string{
		"config": sshConfigFile, "hosts": ansibleFile, ".ssh/id_web": "KEY TEXT\n", ".ssh/id_ed25519": "OWN KEY\n",
		".ssh/conf.d/more.conf": "Host cache\n  HostName 10.0.0.8\n  SendEnv LANG\n", "hosts.yml": "all:\n  hosts:\n    a: {ansible_user: ops}\n    b:\n      ansible_host: [1]\n",
		"bad": "[web]\na b\n", "bad.yml": "all:\n  hosts:\n   - a\n", "badconfig": "Host a\n  Port twenty\n",
		"known_hosts": "10.0.0.8 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6nD5Aj3GDnNxe1Rr7Nm0h2dYyQHnWbmV0JYFQDQyJx\n" +
			"[bastion.example.com]:2222 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6nD5Aj3GDnNxe1Rr7Nm0h2dYyQHnWbmV0JYFQDQyJx\n",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(home, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(home, name), []byte(text), 0o600))
	}
	t.Chdir(home)
	w := newWorld(t, names...)
	return w, func(args ...string) *session {
		s := w.session()
		s.env["HOME"] = home
		s.run(append([]string{"servers", "import"}, args...)...)
		return s
	}
}

func TestImport_ServersAsSSHWouldReachThem(t *testing.T) {
	w, run := importWorld(t)
	s := run("config", "--with-keys", "--known-hosts", "known_hosts", "-o", "json")
	require.NotContains(t, s.stderr.String(), "KEY")
	require.Contains(t, s.stderr.String(), "added")
	web := w.byName("web1")
	require.Equal(t, []any{"web1.example.com", 22, "deploy", domain.AuthKey}, []any{web.Hostname, web.Port, web.User, web.Auth})
	require.Equal(t, "KEY TEXT\n", w.creds[web.ID].PrivateKey.Reveal())
	cache := w.byName("cache")
	require.Equal(t, "me", cache.User)
	require.Equal(t, "OWN KEY\n", w.creds[cache.ID].PrivateKey.Reveal(), "where nothing names a key, ssh takes its default ones")
	require.NotNil(t, cache.HostKey)
	require.NotNil(t, w.byName("bastion").HostKey)
	for _, name := range []string{"odd", "broken", "round"} {
		for _, have := range w.servers {
			require.NotEqual(t, name, have.Name)
		}
	}
}

func TestImport_Again(t *testing.T) {
	w, run := importWorld(t, "db1")
	run("hosts", "--with-keys")
	before := len(w.servers)
	db := *w.byName("db1")
	require.Equal(t, "10.0.0.1", db.Hostname, "a server that exists is left as it is")
	s := run("hosts", "--with-keys")
	require.Len(t, w.servers, before)
	require.NotContains(t, s.stdout.String(), importAdded)
	require.Contains(t, s.stdout.String(), "differs: deploy@10.0.0.1:22 → ops@10.0.0.5:2200, tags +db +prod")

	run("hosts", "--with-keys", "--update", "-t", "imported")
	db = *w.byName("db1")
	require.Equal(t, []any{"10.0.0.5", 2200, []string{"all", "db", "imported", "prod"}}, []any{db.Hostname, db.Port, db.Tags})
	require.Equal(t, "KEY TEXT\n", w.creds[db.ID].PrivateKey.Reveal())
	require.Len(t, w.servers, before)
}

func TestImport_DryRunChangesNothing(t *testing.T) {
	w, run := importWorld(t, "db1")
	s := run("hosts", "--dry-run", "--update", "--with-keys")
	require.Len(t, w.servers, 1)
	require.Equal(t, "10.0.0.1", w.byName("db1").Hostname)
	require.Contains(t, s.stdout.String(), "would be added")
	require.Contains(t, s.stdout.String(), "would be updated")
}

func TestImport_Golden(t *testing.T) {
	for name, args := range map[string][]string{
		"import-ssh":        {"config", "--dry-run", "--known-hosts", "known_hosts"},
		"import-ini":        {"hosts", "--dry-run", "--with-keys", "--except", "web*"},
		"import-yaml":       {"hosts.yml", "--dry-run", "-o", "yaml"},
		"import-bad-ini":    {"bad", "--dry-run"},
		"import-bad-yaml":   {"bad.yml", "--dry-run"},
		"import-bad-config": {"badconfig", "--dry-run"},
		"import-no-file":    {"none", "--dry-run"},
		"import-no-login":   {"hosts"},
		"import-format":     {"hosts", "--dry-run", "--format", "toml"},
		"import-refused":    {"hosts", "--key", ".ssh/id_web", "--except", "db*"},
	} {
		t.Run(name, func(t *testing.T) {
			w, _ := importWorld(t, "web")
			s := w.session()
			s.env["HOME"], _ = os.Getwd()
			if name == "import-refused" {
				w.create = func(n ports.NewServer) error {
					if strings.HasPrefix(n.Name, "web02") {
						return domain.ErrKeyUnreadable
					}
					return nil
				}
			}
			s.golden(name, append([]string{"servers", "import"}, args...)...)
			require.NotContains(t, s.stdout.String()+s.stderr.String(), "hunter2")
		})
	}
}
