package cli

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

func (s *session) client(args ...string) int {
	s.t.Helper()
	go func() {
		a := s.app("remora-client")
		s.exitCode <- ClientMain(s.t.Context(), a.Config, args)
	}()
	return s.end()
}

func TestClient_Golden(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "script.sh"), []byte("echo $1\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "key"), []byte("KEY\n"), 0o600))
	t.Chdir(dir)
	for name, args := range map[string][]string{
		"client-submit-job":     {"-action", "submit-job", "-command", "ls", "-args", "-l /tmp", "-server-id", "00000000-0000-7000-9000-000000000001", "-timeout", "60", "-priority", "7"},
		"client-submit-script":  {"-action", "submit-script", "-script-file", "script.sh", "-args", "a", "-server-id", "web"},
		"client-get-job":        {"-action", "get-job", "-job-id", "00000000-0000-7000-8000-000100000001"},
		"client-get-job-none":   {"-action", "get-job", "-job-id", "x"},
		"client-list-jobs":      {"-action", "list-jobs"},
		"client-list-jobs-of":   {"-action", "list-jobs", "-server-id", "db"},
		"client-cancel-job":     {"-action", "cancel-job", "-job-id", "00000000-0000-7000-8000-000100000001"},
		"client-create-server":  {"-action", "create-server", "-server-name", "new", "-hostname", "10.0.0.9", "-user", "root", "-auth-type", "key", "-private-key", "key"},
		"client-create-pinned":  {"-action", "create-server", "-server-name", "new", "-hostname", "10.0.0.9", "-user", "root", "-password", "hunter2", "-host-key", fingerprint},
		"client-list-servers":   {"-action", "list-servers"},
		"client-no-action":      {},
		"client-near-action":    {"-action", "submit-jobs"},
		"client-missing":        {"-action", "submit-job", "-command", "x"},
		"client-bad-flag":       {"-action", "get-job", "-id", "x"},
		"client-bad-argument":   {"list-jobs"},
		"client-bad-timeout":    {"-action", "submit-job", "-timeout", "0"},
		"client-bad-auth":       {"-action", "create-server", "-server-name", "new", "-hostname", "h", "-user", "root", "-auth-type", "key", "-password", "hunter2"},
		"client-no-credential":  {"-action", "create-server", "-server-name", "new", "-hostname", "h", "-user", "root"},
		"client-unknown-server": {"-action", "submit-job", "-command", "x", "-server-id", "nowhere"},
		"client-help":           {"-help"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "web", "db")
			require.Equal(t, 0, w.session().run("run", "-s", "web", "--detach", "--", "earlier"))
			s := w.session()
			code := s.client(args...)
			if code == 0 && name != "client-help" {
				require.True(t, json.Valid([]byte(s.stdout.String())), s.stdout)
			}
			require.NotContains(t, s.stdout.String()+s.stderr.String(), "hunter2")
			s.compare(name, "remora-client "+quoteAll(args), code)
		})
	}
}

func TestClient_HintsNameItsOwnFlags(t *testing.T) {
	w := newWorld(t)
	w.onList = func(context.Context) error { return domain.ErrUnauthenticated }
	s := w.session()
	require.Equal(t, 3, s.client("-action", "list-servers"))
	require.Contains(t, s.stderr.String(), "or give it with -token or REMORA_TOKEN\n")
	require.NotContains(t, s.stderr.String(), "--token-file")
}

func TestClient_SubmitsWhatItWasGiven(t *testing.T) {
	w := newWorld(t, "web")
	s := w.session()
	s.stdin = strings.NewReader("echo x\n")
	require.Equal(t, 0, s.client("-action", "submit-script", "-script-file", "-", "-args", "'a b'", "-server-id", "web", "-priority", "9"))
	got := w.jobs[w.order[0]].command
	got.IdempotencyKey, got.ServerID = "", ""
	require.Equal(t, ports.Submission{Script: "echo x\n", Args: "'a b'", Priority: 9}, got)

	s = w.session()
	s.stdin = strings.NewReader("hunter2\n")
	require.Equal(t, 0, s.client("-action", "create-server", "-server-name", "n", "-hostname", "h", "-user", "u", "-password", "-"))
	n := w.byName("n")
	require.Equal(t, "hunter2", w.creds[n.ID].Password.Reveal())
	require.Equal(t, domain.HostKeyAcceptNew, n.HostKeyPolicy)
	require.Contains(t, s.stderr.String(), "remora-client: pinned host key "+fingerprint)
}
