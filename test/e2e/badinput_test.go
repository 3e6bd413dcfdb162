package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/harness/house"
	"github.com/heysubinoy/remora/test/harness/sshd"
)

// counting is a job that is at work while others do what they must not.
const counting = `i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo "line $i"; sleep 0.01; done`

func TestBadInput(t *testing.T) {
	d := &desk{house.New(t, "", sshd.Start(t))}
	d.StartAll(t)
	d.Register(t)
	id := d.Submit(t, ports.Submission{Command: counting})
	d.Printed(t, id, "line 1\n")
	before, err := d.Jobs().List(t.Context(), ports.JobQuery{Limit: 1})
	require.NoError(t, err)
	t.Run("Tokens", d.tokens)
	t.Run("Requests", d.requests)
	after, err := d.Jobs().List(t.Context(), ports.JobQuery{Limit: 1})
	require.NoError(t, err)
	require.Equal(t, before.Total, after.Total, "a refused request made a job")
	t.Run("QueuePort", d.queuePort)
	job, out, _ := d.End(t, id)
	require.Equal(t, domain.StatusCompleted, job.Status, job.Message)
	require.Equal(t, 300, strings.Count(out, "\n"))
	require.Equal(t, 1, job.Attempt)
}

// answer is what the API says, read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

func (d *desk) request(t *testing.T, method, path, body string, headers ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, d.URL()+path, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+d.Token.Reveal())
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return answer{resp.StatusCode, resp.Header, string(text)}
}

// refuses checks an error's whole shape.
func (a answer) refuses(t *testing.T, status int, code string) {
	t.Helper()
	require.Equal(t, status, a.status, a.body)
	require.Equal(t, "application/json; charset=utf-8", a.header.Get("Content-Type"))
	var v map[string]any
	require.NoError(t, json.Unmarshal([]byte(a.body), &v), a.body)
	require.Equal(t, code, v["code"], a.body)
	require.NotEmpty(t, v["error"])
	require.NotEmpty(t, v["request_id"])
	require.Equal(t, a.header.Get("X-Request-ID"), v["request_id"])
	for key := range v {
		require.Contains(t, []string{"code", "error", "request_id", "details"}, key)
	}
}

func (d *desk) tokens(t *testing.T) {
	for name, header := range map[string]string{
		"None": "", "Wrong": "Bearer remora_0123456789abcdef0123456789abcdef", "Empty": "Bearer ", "Basic": "Basic YWRtaW46YWRtaW4=",
		"Bare": d.Token.Reveal(), "Cut": "Bearer " + d.Token.Reveal()[:20], "More": "Bearer " + d.Token.Reveal() + "x",
		"Long": "Bearer " + strings.Repeat("x", 20_000),
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"/api/v1/jobs", "/api/v1/servers", "/api/v1/jobs/" + nobody + "/stream", "/api/v1/nothing"} {
				a := d.request(t, "GET", path, "", "Authorization", header)
				a.refuses(t, http.StatusUnauthorized, "token_invalid")
				require.Contains(t, a.header.Get("WWW-Authenticate"), "Bearer")
				require.NotContains(t, a.body, d.Token.Reveal()[:20])
			}
			d.request(t, "POST", "/api/v1/jobs", `{"command":"true","server_id":"`+string(d.Server.ID)+`"}`, "Authorization", header).
				refuses(t, http.StatusUnauthorized, "token_invalid")
		})
	}
	for _, path := range []string{"/health", "/live", "/ready"} {
		require.Equal(t, http.StatusOK, d.request(t, "GET", path, "", "Authorization", "").status, path)
	}
}

// requests are one of each kind; adapters/httpapi has every field of every route.
func (d *desk) requests(t *testing.T) {
	inactive := false
	off := d.Add(t, "off-1", func(n *ports.NewServer) { n.Active = &inactive })
	to := `"server_id":"` + string(d.Server.ID) + `"`
	for name, c := range map[string]struct {
		method, path, body string
		status             int
		code               string
	}{
		"NotJSON":         {"POST", "/jobs", `{"command":`, 400, "body_invalid"},
		"UnknownField":    {"POST", "/jobs", `{"comand":"true",` + to + `}`, 400, "field_unknown"},
		"WrongType":       {"POST", "/jobs", `{"command":["true"],` + to + `}`, 400, "command_invalid"},
		"OutOfRange":      {"POST", "/jobs", `{"command":"true","priority":11,` + to + `}`, 400, "priority_invalid"},
		"Timeout":         {"POST", "/jobs", `{"command":"true","timeout":"300",` + to + `}`, 400, "timeout_invalid"},
		"NUL":             {"POST", "/jobs", `{"command":"a\u0000",` + to + `}`, 400, "command_invalid"},
		"BodyTooLarge":    {"POST", "/jobs", `{"command":"` + strings.Repeat("x", 1<<20) + `",` + to + `}`, 413, "body_too_large"},
		"ScriptTooLarge":  {"POST", "/jobs/script", `{"script":"` + strings.Repeat("x", 8<<20) + `",` + to + `}`, 413, "body_too_large"},
		"ShellNotAllowed": {"POST", "/jobs/script", `{"script":"true","shell":"/usr/bin/fish",` + to + `}`, 400, "shell_not_allowed"},
		"UnknownServer":   {"POST", "/jobs", `{"command":"true","server_id":"` + nobody + `"}`, 404, "server_not_found"},
		"InactiveServer":  {"POST", "/jobs", `{"command":"true","server_id":"` + string(off.ID) + `"}`, 409, "server_inactive"},
		"UnknownJob":      {"GET", "/jobs/" + nobody, "", 404, "job_not_found"},
		"OddJob":          {"GET", "/jobs/..%2f..%2fetc", "", 400, "job_id_invalid"},
		"CancelUnknown":   {"POST", "/jobs/" + nobody + "/cancel", "", 404, "job_not_found"},
		"StreamUnknown":   {"GET", "/jobs/" + nobody + "/stream", "", 404, "job_not_found"},
		"StdoutUnknown":   {"GET", "/jobs/" + nobody + "/stdout", "", 404, "job_not_found"},
		"ServerUnknown":   {"GET", "/servers/" + nobody, "", 404, "server_not_found"},
		"TestUnknown":     {"POST", "/servers/" + nobody + "/test", "", 404, "server_not_found"},
		"ServerName":      {"POST", "/servers", `{"name":"web-1","hostname":"h","user":"u","auth_type":"password","password":"p"}`, 409, "server_name_taken"},
		"ServerKey":       {"POST", "/servers", `{"name":"k","hostname":"h","user":"u","auth_type":"key","private_key":"no key"}`, 422, "key_unreadable"},
		"ListLimit":       {"GET", "/jobs?limit=101", "", 400, "limit_invalid"},
		"ListStatus":      {"GET", "/jobs?status=paused", "", 400, "status_invalid"},
		"Cursor":          {"GET", "/jobs?cursor=nonsense", "", 400, "cursor_invalid"},
		"NoRoute":         {"GET", "/nothing", "", 404, "route_not_found"},
	} {
		t.Run(name, func(t *testing.T) {
			d.request(t, c.method, "/api/v1"+c.path, c.body).refuses(t, c.status, c.code)
		})
	}
}

// answersWithin fails a test that would wait for ever for an answer that does not come.
const answersWithin = 10 * time.Second
