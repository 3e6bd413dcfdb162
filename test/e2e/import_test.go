package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/harness/cluster"
	"github.com/heysubinoy/remora/test/harness/house"
	"github.com/heysubinoy/remora/test/harness/sshd"
)

// A person brings an OpenSSH configuration and an Ansible inventory, and runs a command on what was in them, one server
// through the other.
func TestImport_RunsOnWhatWasImported(t *testing.T) {
	s := sshd.Start(t)
	h := house.New(t, "", s)
	h.StartAll(t)
	write := func(name, text string) {
		path := filepath.Join(h.Dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	write(".ssh/id_deploy", s.PrivateKey)
	write(".ssh/config", fmt.Sprintf("Include conf.d/*\nHost gate\n  IdentityFile ~/.ssh/id_deploy\nHost *\n  HostName 127.0.0.1\n  User %s\n", s.User))
	write(".ssh/conf.d/work", fmt.Sprintf("Host inner\n  ProxyJump gate\n  IdentityFile ~/.ssh/id_deploy\nHost gate inner\n  Port %d\n", s.Port))
	write("hosts", fmt.Sprintf("[lab]\nlab[1:2] ansible_host=127.0.0.1 ansible_port=%d ansible_user=%s ansible_ssh_private_key_file=~/.ssh/id_deploy\n", s.Port, s.User))
	run := func(args ...string) cluster.Result { return cluster.Run(t, h.Command("remora", args...)) }

	for _, file := range []string{".ssh/config", "hosts"} {
		r := run("servers", "import", file, "--with-keys", "--accept-new")
		require.Zero(t, r.Code, r.Stderr+r.Stdout)
		require.Contains(t, r.Stderr, "2 added")
		r = run("servers", "import", file, "--with-keys", "--accept-new")
		require.Zero(t, r.Code, r.Stderr+r.Stdout)
		require.Contains(t, r.Stderr, "2 exists")
	}
	require.Zero(t, run("servers", "test", "gate").Code)
	r := run("run", "-s", "inner", "--", "echo through the gate")
	require.Zero(t, r.Code, r.Stderr)
	require.Equal(t, "through the gate\n", r.Stdout)
	r = run("run", "-t", "lab", "--", "echo in the lab")
	require.Zero(t, r.Code, r.Stderr)
	require.Contains(t, r.Stdout, "lab2 | in the lab\n")
	page, err := h.Servers().List(t.Context(), ports.ServerQuery{})
	require.NoError(t, err)
	require.Len(t, page.Servers, 4)
	for _, server := range page.Servers {
		require.Equal(t, "id_deploy", server.KeyName, "%s: all use the one stored key", server.Name)
		require.Equal(t, server.Name == "inner", server.ProxyJump != "", server.Name)
	}
}
