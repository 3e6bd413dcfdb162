package httpapi_test

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture/drivingports"
)

// TestGolden_Jobs walks through the life of some jobs. The bodies are read by the dashboard's tests too.
func TestGolden_Jobs(t *testing.T) {
	b := open(t)
	rid := []string{"X-Request-ID", "golden"}
	server := string(b.addServer(t))
	check := func(name string, status int, r reply) reply {
		t.Helper()
		require.Equal(t, status, r.status, r.body)
		golden(t, name, r.body)
		return r
	}
	check("jobs-empty.json", 200, b.do(t, "GET", "jobs", ""))

	made := check("job-created.json", 201, b.do(t, "POST", "jobs",
		`{"command":"make","args":"-j 2 'all targets'","server_id":"`+server+`","timeout":90,"priority":8,"retry":{"mode":"never"}}`,
		"Idempotency-Key", "k-1"))
	id := made.json(t)["id"].(string)
	require.Equal(t, "/api/v1/jobs/"+id, made.header.Get("Location"))
	run := b.Begin(t)
	run.Print(t, domain.Stdout, []byte("building <all> & more\n"))
	run.Print(t, domain.Stderr, []byte("warning: \xff\n"))
	check("job-running.json", 200, b.do(t, "GET", "jobs/"+id, ""))
	check("logs-since.json", 200, b.do(t, "GET", "jobs/"+id+"/logs?since=0&limit=5", ""))
	check("logs-chunks-only.json", 200, b.do(t, "GET", "jobs/"+id+"/logs?since=1&wait=5&tail=false", ""))
	run.Exit(t, domain.Exit{Code: 2})
	check("job-failed.json", 200, b.do(t, "GET", "jobs/"+id, ""))
	check("logs.json", 200, b.do(t, "GET", "jobs/"+id+"/logs", ""))
	check("job-finished-cancel.json", 409, b.do(t, "POST", "jobs/"+id+"/cancel", "", rid...))
	check("stream.txt", 200, b.do(t, "GET", "jobs/"+id+"/stream", ""))

	script := check("job-script-created.json", 201, b.do(t, "POST", "jobs/script",
		`{"script":"#!/bin/sh\necho \"$1\"\n","args":"one","shell":"/bin/sh","server_id":"`+server+`"}`)).json(t)["id"].(string)
	check("job-canceled.json", 200, b.do(t, "POST", "jobs/"+script+"/cancel", ""))

	argv := check("job-argv-created.json", 201, b.do(t, "POST", "jobs", `{"argv":["sleep","300"],"server_id":"`+server+`"}`)).json(t)["id"].(string)
	run = b.Begin(t)
	check("job-canceling.json", 202, b.do(t, "POST", "jobs/"+argv+"/cancel", "{}"))
	run.KilledWith(t, domain.Receipt{
		Way: "session+group+descent+cookie", Ended: 3, Took: 10 * time.Second, Left: []domain.Remaining{{PID: 99, Command: "[nfsd]"}},
	})
	check("job-kill-unconfirmed.json", 200, b.do(t, "GET", "jobs/"+argv, ""))

	killed := b.submit(t, "yes")
	b.Begin(t).Exit(t, domain.Exit{Code: 137, Signal: "KILL"})
	check("job-signal.json", 200, b.do(t, "GET", "jobs/"+string(killed), ""))

	check("job-duplicated.json", 201, b.do(t, "POST", "jobs/"+string(killed)+"/duplicate", `{"command":"no","priority":2,"timeout":1.5}`))
	check("job-rerun.json", 201, b.do(t, "POST", "jobs/"+string(killed)+"/rerun", ""))
	check("job-rerun-active.json", 409, b.do(t, "POST", "jobs/"+string(b.submit(t, "w"))+"/rerun", "", rid...))

	check("jobs-page.json", 200, b.do(t, "GET", "jobs?limit=2&page=2&sort_by=priority&sort_order=asc", ""))
	page := check("jobs-filtered.json", 200, b.do(t, "GET", "jobs?limit=1&status=failed,canceled&server_id="+server, ""))
	next := page.json(t)["pagination"].(map[string]any)["next_cursor"].(string)
	check("jobs-by-reason.json", 200, b.do(t, "GET",
		"jobs?reason=exit_nonzero,user&created_after=2026-05-04T12:00:00Z&created_before=2026-05-05T14:00:00.5%2B02:00", ""))
	check("system-info.json", 200, b.do(t, "GET", "system/info", ""))
	check("system-enhanced.json", 200, b.do(t, "GET", "system/enhanced", ""))
	check("jobs-cursor.json", 200, b.do(t, "GET", "jobs?limit=1&status=failed,canceled&server_id="+server+"&cursor="+next, ""))
}

func TestGolden_Servers(t *testing.T) {
	b := open(t)
	rid := []string{"X-Request-ID", "golden"}
	check := func(name string, status int, r reply) reply {
		t.Helper()
		require.Equal(t, status, r.status, r.body)
		golden(t, name, r.body)
		return r
	}
	check("servers-empty.json", 200, b.do(t, "GET", "servers", ""))
	made := check("server-created.json", 201, b.do(t, "POST", "servers",
		`{"name":"web-1","hostname":"web-1.example.org","user":"deploy","auth_type":"password","password":"hunter2 hunter2","tags":["web","eu"]}`))
	id := made.json(t)["id"].(string)
	require.Equal(t, "/api/v1/servers/"+id, made.header.Get("Location"))
	check("server-with-key.json", 201, b.do(t, "POST", "servers",
		`{"name":"db-1","hostname":"10.0.0.7","port":2222,"user":"root","auth_type":"key","private_key":"-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n",
		"passphrase":"open sesame","is_active":false,"host_key_policy":"accept-new","max_sessions":3,"host_key":"`+drivingports.GoodPin+`"}`))
	check("server-name-taken.json", 409, b.do(t, "POST", "servers",
		`{"name":"web-1","hostname":"h","user":"u","auth_type":"password","password":"x"}`, rid...))
	check("server-test-ok.json", 200, b.do(t, "POST", "servers/"+id+"/test", ""))
	check("server-tested.json", 200, b.do(t, "GET", "servers/"+id, ""))
	b.Reach("web-1.example.org", ports.TestReport{
		Step: ports.StepHostKey, Reason: domain.ReasonHostKeyUnknown, Latency: 1500 * time.Microsecond,
		Message: "nobody has confirmed this server's host key; compare it and trust it",
		Seen:    &domain.HostKey{Fingerprint: drivingports.GoodPin, Type: "ssh-ed25519"},
	})
	check("server-test-failed.json", 503, b.do(t, "POST", "servers/"+id+"/test", "", rid...))
	check("server-trusted.json", 200, b.do(t, "POST", "servers/"+id+"/host-key", `{"fingerprint":"`+drivingports.GoodPin+`"}`))
	check("server-updated.json", 200, b.do(t, "PUT", "servers/"+id, `{"hostname":"web-2.example.org","tags":[]}`))
	check("servers.json", 200, b.do(t, "GET", "servers?limit=2", ""))
	b.submitTo(t, id)
	check("server-active-jobs.json", 409, b.do(t, "DELETE", "servers/"+id+"?force=true", "", rid...))
	b.Begin(t).Exit(t, domain.Exit{})
	check("server-total-jobs.json", 409, b.do(t, "DELETE", "servers/"+id, "", rid...))
	check("server-deleted.json", 200, b.do(t, "DELETE", "servers/"+id+"?force=true", ""))
	check("server-unknown.json", 404, b.do(t, "GET", "servers/"+id, "", rid...))

	jump := check("server-created-jump.json", 201, b.do(t, "POST", "servers",
		`{"name":"bastion","hostname":"bastion.example.org","user":"jump","auth_type":"password","password":"hunter2 hunter2","is_active":false}`)).json(t)["id"].(string)
	behind := check("server-behind.json", 201, b.do(t, "POST", "servers",
		`{"name":"app-1","hostname":"10.0.0.9","user":"deploy","auth_type":"password","password":"hunter2 hunter2","proxy_jump":"`+jump+`"}`)).json(t)["id"].(string)
	check("server-is-jump.json", 409, b.do(t, "DELETE", "servers/"+jump, "", rid...))
	b.Reach("10.0.0.9", ports.TestReport{
		Hop: domain.ServerID(jump), Step: ports.StepLogin, Reason: domain.ReasonAuth, Latency: 2 * time.Millisecond,
		Message: "cannot reach deploy@10.0.0.9:22 through bastion: the password was refused",
	})
	check("server-test-failed-hop.json", 503, b.do(t, "POST", "servers/"+behind+"/test", "", rid...))
	check("server-status.json", 200, b.do(t, "POST", "servers/"+jump+"/status", ""))
	check("server-status-down.json", 200, b.do(t, "GET", "servers/"+behind+"/status", ""))
	check("servers-status.json", 200, b.do(t, "POST", "servers/bulk/status?active=true", ""))
	check("servers-status-none.json", 200, b.do(t, "GET", "servers/status/all?tag=nobody", ""))
	require.NotContains(t, b.log.String(), "hunter2")
	require.NotContains(t, b.log.String(), "sesame")
	require.NotContains(t, b.log.String(), b.token)
}

func TestGolden_Keys(t *testing.T) {
	b := open(t)
	rid := []string{"X-Request-ID", "golden"}
	check := func(name string, status int, r reply) reply {
		t.Helper()
		require.Equal(t, status, r.status, r.body)
		golden(t, name, r.body)
		return r
	}
	const text = "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n"
	check("keys-empty.json", 200, b.do(t, "GET", "files/pem", ""))
	check("key-uploaded.json", 201, b.upload(t, "upload/pem", part{"pem_file", "deploy.pem", text}))
	check("key-name-taken.json", 409, b.upload(t, "upload/pem", part{"pem_file", "x", text}, part{"name", "", "deploy.pem"}))
	check("key-bad.json", 422, b.upload(t, "upload/pem", part{"file", "notes.txt", "hello"}))
	check("key-encrypted.json", 422, b.upload(t, "pem-files/upload", part{"file", "id", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"}))
	check("key-too-large.json", 413, b.upload(t, "upload/pem", part{"pem_file", "big.pem", strings.Repeat("x", 64<<10+1)}))
	check("server-with-stored-key.json", 201, b.do(t, "POST", "servers",
		`{"name":"web-1","hostname":"web-1.example.org","user":"deploy","auth_type":"key","pem_file":"deploy.pem"}`))
	check("key-in-use.json", 409, b.do(t, "DELETE", "files/pem/deploy.pem", "", rid...))
	check("key-uploaded-alias.json", 201, b.upload(t, "pem-files/upload", part{"name", "", "spare"}, part{"passphrase", "", "open sesame"},
		part{"pem_file", "x", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"}))
	check("keys.json", 200, b.do(t, "GET", "files/pem", ""))
	check("key-deleted.json", 200, b.do(t, "DELETE", "files/pem/spare", ""))
	check("key-unknown.json", 404, b.do(t, "DELETE", "files/pem/spare", "", rid...))
	require.NotContains(t, b.log.String(), "secret")
	require.NotContains(t, b.log.String(), "sesame")
}

func (b *bench) submitTo(t *testing.T, server string) {
	t.Helper()
	_, err := b.Jobs().Submit(t.Context(), ports.Submission{ServerID: domain.ServerID(server), Command: "true"})
	require.NoError(t, err)
}

func TestGolden_System(t *testing.T) {
	b := open(t)
	b.token = "nobody's"
	r := b.do(t, "GET", "/health", "")
	require.Equal(t, http.StatusOK, r.status)
	golden(t, "health.json", r.body)
	require.Equal(t, http.StatusOK, b.do(t, "GET", "/ready", "").status)

	b.SetHealth(nil, errors.New("dial tcp 10.1.2.3:9000: connection refused"))
	r = b.do(t, "GET", "/health", "")
	require.Equal(t, http.StatusServiceUnavailable, r.status)
	golden(t, "health-degraded.json", r.body)
	require.Equal(t, http.StatusOK, b.do(t, "GET", "/ready", "").status, "jobs are taken while the queue is away")
	require.NotContains(t, r.body, "10.1.2.3")
	require.Contains(t, b.log.String(), "10.1.2.3")

	b.SetHealth(errors.New("gone"), nil)
	require.Equal(t, http.StatusServiceUnavailable, b.do(t, "GET", "/ready", "").status)
	require.Equal(t, http.StatusOK, b.do(t, "GET", "/live", "").status)
	golden(t, "unauthenticated.json", b.do(t, "GET", "jobs", "", "X-Request-ID", "golden").body)
}

// TestGolden_LiveStream reads a stream while the job lives: each event is there before the next thing happens.
func TestGolden_LiveStream(t *testing.T) {
	b := open(t)
	id := b.submit(t, "make")
	resp := b.send(t, "GET", "jobs/"+string(id)+"/stream", "")
	defer func() { _ = resp.Body.Close() }()
	require.Equal(t, "text/event-stream; charset=utf-8", resp.Header.Get("Content-Type"))
	lines := bufio.NewReader(resp.Body)
	var all strings.Builder
	read := func(event string) {
		t.Helper()
		for {
			line, err := lines.ReadString('\n')
			require.NoError(t, err, all.String())
			all.WriteString(line)
			if line == "event: "+event+"\n" {
				for line != "\n" {
					line, err = lines.ReadString('\n')
					require.NoError(t, err)
					all.WriteString(line)
				}
				return
			}
		}
	}
	read("status")
	run := b.Begin(t)
	read("status")
	run.Print(t, domain.Stdout, []byte("one\ntwo\n"))
	read("output")
	run.Print(t, domain.Stderr, []byte{0xff, '\n'})
	read("output")
	run.Exit(t, domain.Exit{})
	read("complete")
	rest, err := io.ReadAll(lines)
	require.NoError(t, err)
	require.Empty(t, rest)
	golden(t, "stream-live.txt", all.String())
}
