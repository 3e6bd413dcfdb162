package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/test/harness/cluster"
)

// printedServer is what is looked at of a server that a program printed.
type printedServer struct {
	ID       domain.ServerID
	Name     string
	Hostname string
	Port     int
	Tags     []string
	HostKey  struct {
		State       string
		Fingerprint string
	} `json:"host_key"`
}

// keyFile returns a file with the key that logs in.
func (d *desk) keyFile(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "id")
	require.NoError(t, os.WriteFile(path, []byte(d.SSHD.PrivateKey), 0o600))
	return path
}

func (d *desk) serversStory(t *testing.T) {
	port := strconv.Itoa(d.SSHD.Port)
	id := strings.TrimSpace(d.ok(t, "servers", "add", "db-1", d.SSHD.User+"@127.0.0.1:"+port, "--key", d.keyFile(t), "--tag", "db",
		"--host-key", d.SSHD.HostKey.Fingerprint))
	got := d.remora(t, "servers", "add", "db-1", "x@127.0.0.1", "--key", d.keyFile(t))
	require.Equal(t, 5, got.Code, "the name is taken: %s", got.Stderr)

	require.Contains(t, d.ok(t, "servers", "ls"), "db-1")
	var list struct{ Servers []printedServer }
	decode(t, d.ok(t, "servers", "ls", "--tag", "db", "-o", "json"), &list)
	require.Len(t, list.Servers, 1)
	require.Equal(t, id, string(list.Servers[0].ID))
	var one printedServer
	shown := d.ok(t, "servers", "get", "db-1", "-o", "json")
	decode(t, shown, &one)
	require.Equal(t, "pinned", one.HostKey.State)
	require.Equal(t, []string{"db"}, one.Tags)
	for _, text := range []string{shown, d.ok(t, "servers", "get", id), d.ok(t, "servers", "get", id, "-o", "yaml")} {
		require.NotContains(t, text, "PRIVATE KEY")
		require.Contains(t, text, "127.0.0.1")
	}
	var report struct{ Status, Mode string }
	decode(t, d.ok(t, "servers", "test", "db-1", "-o", "json"), &report)
	require.Equal(t, "durable", report.Mode)

	// A changed address needs the credential anew; nothing of the old one is sent there.
	require.Zero(t, d.remora(t, "servers", "edit", "db-1", "--hostname", "127.0.0.2").Code)
	got = d.remora(t, "run", "-s", "db-1", "--", "echo must not run")
	require.Equal(t, 1, got.Code)
	require.Empty(t, got.Stdout)
	require.Contains(t, got.Stderr, "servers edit")

	got = d.remora(t, "servers", "rm", "db-1")
	require.Equal(t, 5, got.Code, "it has jobs: %s", got.Stderr)
	require.Contains(t, got.Stderr, "--force")
	d.ok(t, "servers", "rm", "--force", "db-1")
	require.Equal(t, 4, d.remora(t, "servers", "get", "db-1").Code)
}

// trustStory is how a new server comes to be trusted, with no terminal to ask on.
func (d *desk) trustStory(t *testing.T) {
	fingerprint := d.SSHD.HostKey.Fingerprint
	d.ok(t, "servers", "add", "new-1", d.SSHD.User+"@127.0.0.1:"+strconv.Itoa(d.SSHD.Port), "--key", d.keyFile(t))

	got := d.remora(t, "run", "-s", "new-1", "--", "echo must not run")
	require.Equal(t, 1, got.Code)
	require.Empty(t, got.Stdout)
	require.Contains(t, got.Stderr, fingerprint, "the key that the server shows is told")
	require.Contains(t, got.Stderr, "remora servers trust new-1 --fingerprint "+fingerprint)

	got = d.remora(t, "servers", "test", "new-1")
	require.Equal(t, 6, got.Code, got.Stderr)
	require.Contains(t, got.Stdout+got.Stderr, fingerprint)
	got = d.remora(t, "servers", "trust", "new-1")
	require.Equal(t, 2, got.Code, "nobody is there to confirm it: %s", got.Stderr)
	require.Contains(t, got.Stderr, "--fingerprint")
	require.Equal(t, 2, d.remora(t, "servers", "trust", "new-1", "--fingerprint", "MD5:12:34").Code)

	d.ok(t, "servers", "trust", "new-1", "--fingerprint", fingerprint)
	d.ok(t, "servers", "test", "new-1")
	require.Equal(t, "trusted\n", d.ok(t, "run", "-s", "new-1", "--", "echo trusted"))

	// Another key than the trusted one: nothing runs, and the words say so.
	d.ok(t, "servers", "add", "new-2", d.SSHD.User+"@127.0.0.1:"+strconv.Itoa(d.SSHD.Port), "--key", d.keyFile(t), "--host-key", "SHA256:"+strings.Repeat("A", 43))
	got = d.remora(t, "run", "-s", "new-2", "--", "echo must not run")
	require.Equal(t, 1, got.Code)
	require.Empty(t, got.Stdout)
	require.Contains(t, got.Stderr, "somebody may be in between")
}

// clientStory takes every action of remora-client.
func (d *desk) clientStory(t *testing.T) {
	call := func(args ...string) cluster.Result { return cluster.Run(t, d.Command("remora-client", args...)) }
	ok := func(v any, args ...string) {
		t.Helper()
		got := call(args...)
		require.Zero(t, got.Code, "%v: %s", args, got.Stderr)
		decode(t, got.Stdout, v)
	}
	var server printedServer
	ok(&server, "-action", "create-server", "-server-name", "flag-1", "-hostname", "127.0.0.1", "-port", strconv.Itoa(d.SSHD.Port),
		"-user", d.SSHD.User, "-auth-type", "key", "-pem-file", d.keyFile(t))
	require.Equal(t, "flag-1", server.Name)
	require.Equal(t, d.SSHD.HostKey.Fingerprint, server.HostKey.Fingerprint, "the first key seen is pinned")
	var servers struct{ Servers []printedServer }
	ok(&servers, "-action", "list-servers")
	require.Greater(t, len(servers.Servers), 3)

	var job printedJob
	ok(&job, "-action", "submit-job", "-command", "echo", "-args", "'a  b' $((6*7))", "-server-id", string(server.ID), "-timeout", "60", "-priority", "8")
	done, stdout, _ := d.End(t, job.ID)
	require.Equal(t, domain.StatusCompleted, done.Status)
	require.Equal(t, "a  b 42\n", stdout)
	ok(&job, "-action", "get-job", "-job-id", string(job.ID))
	require.Equal(t, "a  b 42\n", job.Stdout)

	script := filepath.Join(t.TempDir(), "s.sh")
	require.NoError(t, os.WriteFile(script, []byte("echo \"$1\"; exec sleep 300\n"), 0o600))
	ok(&job, "-action", "submit-script", "-script-file", script, "-args", "'it is'", "-server-id", "flag-1")
	d.Printed(t, job.ID, "it is\n")
	var canceled struct {
		Message string
		Job     printedJob
	}
	ok(&canceled, "-action", "cancel-job", "-job-id", string(job.ID))
	require.Equal(t, job.ID, canceled.Job.ID)
	done, _, _ = d.End(t, job.ID)
	require.Equal(t, domain.StatusCanceled, done.Status)
	var jobs printedJobs
	ok(&jobs, "-action", "list-jobs", "-server-id", "flag-1")
	require.Len(t, jobs.Jobs, 2)

	for code, args := range map[int][]string{
		2: {"-action", "submit-job", "-command", "x"},
		3: {"-action", "list-jobs", "-token", "remora_of_somebody_else_0123456789abcdef"},
		4: {"-action", "get-job", "-job-id", nobody},
		5: {"-action", "cancel-job", "-job-id", string(job.ID)},
		6: {"-action", "list-jobs", "-url", "http://" + cluster.FreeAddr(t)},
	} {
		got := call(args...)
		require.Equal(t, code, got.Code, "%v: %s", args, got.Stderr)
		require.Empty(t, got.Stdout)
		require.Contains(t, got.Stderr, "remora-client: ")
	}
}

const nobody = "018f0000-0000-7000-8000-ffffffffffff"

// errorCodes are the exit codes for what went wrong, with words on stderr that say what to do.
func (d *desk) errorCodes(t *testing.T) {
	script := filepath.Join(t.TempDir(), "s.sh")
	require.NoError(t, os.WriteFile(script, []byte("true\n"), 0o600))
	for _, c := range []struct {
		code int
		says string
		args []string
	}{
		{2, "did you mean", []string{"jbos"}},
		{2, "no command", []string{"run", "-s", "web-1"}},
		{2, "JOB is missing", []string{"jobs", "get"}},
		{2, "--priority", []string{"run", "-s", "web-1", "--priority", "11", "--", "true"}},
		{2, "--output", []string{"jobs", "ls", "-o", "xml"}},
		{2, "missing or empty", []string{"run", "-s", "web-1", "--script", "/dev/null"}},
		{2, "/bin/fish", []string{"run", "-s", "web-1", "--script", script, "--shell", "/bin/fish"}},
		{4, "jobs ls", []string{"jobs", "get", nobody}},
		{4, "jobs ls", []string{"jobs", "logs", "-f", nobody}},
		{4, "jobs ls", []string{"jobs", "cancel", "not-an-id"}},
		{4, "servers ls", []string{"run", "-s", "nobody", "--", "true"}},
		{6, "start it with remora up", []string{"jobs", "ls", "--url", "http://" + cluster.FreeAddr(t)}},
	} {
		got := d.remora(t, c.args...)
		require.Equal(t, c.code, got.Code, "%v: %s", c.args, got.Stderr)
		require.Empty(t, got.Stdout, "%v", c.args)
		require.Contains(t, got.Stderr, c.says, "%v", c.args)
	}
	for name, token := range map[string]string{"none": "", "wrong": "remora_of_somebody_else_0123456789abcdef"} {
		c := d.Command("remora", "jobs", "ls")
		c.Dir = t.TempDir() // without a data directory there
		c.Env = append(c.Env, "REMORA_TOKEN="+token)
		got := cluster.Run(t, c)
		require.Equal(t, 3, got.Code, "%s: %s", name, got.Stderr)
		require.Contains(t, got.Stderr, "REMORA_TOKEN")
	}
}
