package httpapi_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/httpapi"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture/drivingports"
)

func TestOpen_SaysWhatIsWrong(t *testing.T) {
	b := open(t)
	w := drivingports.New()
	whole := httpapi.Config{
		Addr: "127.0.0.1:0", Jobs: w.Jobs(), Batches: w.Batches(), Output: w.Output(), Servers: w.Servers(), Access: w.Access(), Keys: w.Keys(), System: w.System(), Auth: w.Auth(),
		Tokens: w.Tokens(), Sessions: w.Sessions(),
	}
	for name, c := range map[string]struct {
		change func(*httpapi.Config)
		code   string
		names  string
	}{
		"TakenPort":    {func(c *httpapi.Config) { c.Addr = b.server.Addr() }, "address_taken", b.server.Addr()},
		"NoAddress":    {func(c *httpapi.Config) { c.Addr = "nowhere" }, "address_invalid", "nowhere"},
		"OtherMachine": {func(c *httpapi.Config) { c.Addr = "192.0.2.1:0" }, "address_invalid", "192.0.2.1"},
		"Star":         {func(c *httpapi.Config) { c.CORSOrigins = []string{"*"} }, "cors_origin_invalid", "*"},
		"OriginPath":   {func(c *httpapi.Config) { c.CORSOrigins = []string{"https://x.example/"} }, "cors_origin_invalid", "https://x.example/"},
		"NoPort":       {func(c *httpapi.Config) { c.Jobs = nil }, "internal_error", "Jobs"},
		"NoAuth":       {func(c *httpapi.Config) { c.Auth = nil }, "internal_error", "Auth"},
		"NoSessions":   {func(c *httpapi.Config) { c.Sessions = nil }, "internal_error", "Sessions"},
		"NoneOutside":  {func(c *httpapi.Config) { c.AuthNone, c.Addr = true, "0.0.0.0:0" }, "auth_none_not_loopback", "0.0.0.0"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := whole
			c.change(&cfg)
			_, err := httpapi.Open(cfg)
			require.ErrorIs(t, err, &domain.Error{Code: c.code})
			require.ErrorContains(t, err, c.names)
		})
	}
	s, err := httpapi.Open(whole)
	require.NoError(t, err)
	require.NoError(t, s.Close(), "a server that never ran gives its port back")
	whole.Addr = s.Addr()
	s, err = httpapi.Open(whole)
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

func TestAuth(t *testing.T) {
	b := open(t)
	job := string(b.submit(t, "true"))
	for name, value := range map[string]string{
		"None": "", "Basic": "Basic YTpi", "Empty": "Bearer ", "Wrong": "Bearer x" + b.token, "NoScheme": b.token, "Part": "Bearer " + b.token[1:],
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"jobs", "jobs/" + job, "jobs/" + job + "/stdout", "jobs/" + job + "/stream", "servers", "nowhere", "jobs/17"} {
				r := b.do(t, "GET", path, "", "Authorization", value)
				r.isError(t, http.StatusUnauthorized, "token_invalid")
				require.Equal(t, `Bearer realm="remora"`, r.header.Get("WWW-Authenticate"))
			}
			b.do(t, "PATCH", "jobs", "", "Authorization", value).isError(t, http.StatusUnauthorized, "token_invalid")
			b.do(t, "POST", "jobs", "{}", "Authorization", value).isError(t, http.StatusUnauthorized, "token_invalid")
		})
	}
	for _, path := range []string{"/", "/health", "/live", "/ready"} {
		require.Equal(t, 200, b.do(t, "GET", path, "", "Authorization", "").status, path)
	}
	require.Equal(t, 200, b.do(t, "GET", "jobs", "", "Authorization", "bearer "+b.token).status)
	b.Fail(domain.ErrStorageUnavailable)
	r := b.do(t, "GET", "jobs", "")
	r.isError(t, http.StatusServiceUnavailable, "database_unavailable")
	require.NotEmpty(t, r.header.Get("Retry-After"))
	require.NotContains(t, b.log.String(), b.token)
}

func TestAuthNone_OnlyForThisMachine(t *testing.T) {
	b := open(t, func(c *httpapi.Config) {
		c.AuthNone, c.Auth, c.CORSOrigins = true, nil, []string{"http://dash.example:3000"}
	})
	b.token = ""
	own := b.server.URL()
	require.Equal(t, 200, b.do(t, "GET", "jobs", "").status)
	require.Equal(t, 200, b.do(t, "GET", "jobs", "", "Origin", own).status)
	require.Equal(t, 200, b.do(t, "GET", "jobs", "", "Origin", "http://dash.example:3000").status)
	b.do(t, "POST", "jobs/"+nobody+"/cancel", "", "Origin", "https://evil.example").isError(t, 403, "origin_denied")
	b.do(t, "GET", "jobs", "", "Origin", "null").isError(t, 403, "origin_denied")

	r, err := http.NewRequestWithContext(t.Context(), "GET", own+"/api/v1/jobs", nil)
	require.NoError(t, err)
	r.Host = "rebound.example:8080"
	resp, err := b.http.Do(r)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	reply{resp.StatusCode, resp.Header, string(body)}.isError(t, 403, "host_denied")
}

func TestCORS_ExactlyTheConfiguredOrigins(t *testing.T) {
	b := open(t, func(c *httpapi.Config) { c.CORSOrigins = []string{"https://dash.example", "http://127.0.0.1:3000"} })
	for _, origin := range []string{"https://dash.example", "http://127.0.0.1:3000"} {
		r := b.do(t, "GET", "jobs", "", "Origin", origin)
		require.Equal(t, origin, r.header.Get("Access-Control-Allow-Origin"))
		require.Contains(t, r.header.Values("Vary"), "Origin")
		require.Contains(t, r.header.Get("Access-Control-Expose-Headers"), "X-Request-ID")
		pre := b.do(t, "OPTIONS", "jobs", "", "Authorization", "", "Origin", origin, "Access-Control-Request-Method", "POST")
		require.Equal(t, http.StatusNoContent, pre.status)
		require.Contains(t, pre.header.Get("Access-Control-Allow-Methods"), "DELETE")
		require.Contains(t, pre.header.Get("Access-Control-Allow-Headers"), "Authorization")
		require.Equal(t, origin, b.do(t, "GET", "jobs", "", "Origin", origin, "Authorization", "").header.Get("Access-Control-Allow-Origin"),
			"a page must be able to read that it is signed out")
	}
	for _, origin := range []string{"https://dash.example.evil", "http://dash.example", "https://dash.example:444", "null", "https://DASH.example"} {
		r := b.do(t, "GET", "jobs", "", "Origin", origin)
		require.Empty(t, r.header.Get("Access-Control-Allow-Origin"), origin)
		pre := b.do(t, "OPTIONS", "jobs", "", "Origin", origin, "Access-Control-Request-Method", "POST")
		require.Empty(t, pre.header.Get("Access-Control-Allow-Methods"), origin)
	}
}

func TestHeaders_AndMethods(t *testing.T) {
	b := open(t)
	job := string(b.submit(t, "true"))
	r := b.do(t, "GET", "jobs/"+job, "")
	require.Equal(t, "nosniff", r.header.Get("X-Content-Type-Options"))
	require.Equal(t, "no-referrer", r.header.Get("Referrer-Policy"))
	require.Contains(t, r.header.Get("Content-Security-Policy"), "default-src 'none'")
	options := b.do(t, "OPTIONS", "jobs", "", "Authorization", "")
	require.Equal(t, http.StatusNoContent, options.status)
	require.Contains(t, options.header.Get("Allow"), "POST")
	require.Contains(t, b.do(t, "DELETE", "jobs", "").header.Get("Allow"), "GET")
	for id, kept := range map[string]bool{
		"abc-123_X.y": true, strings.Repeat("a", 128): true, strings.Repeat("a", 129): false, "a b": false, `"><script>`: false,
	} {
		got := b.do(t, "GET", "jobs/17", "", "X-Request-ID", id)
		require.Equal(t, kept, got.header.Get("X-Request-ID") == id, id)
		got.isError(t, 400, "job_id_invalid")
	}
	first, second := b.do(t, "GET", "/live", ""), b.do(t, "GET", "/live", "")
	require.NotEqual(t, first.header.Get("X-Request-ID"), second.header.Get("X-Request-ID"))
}

func TestIdempotencyKey_BelongsToItsSender(t *testing.T) {
	b := open(t)
	body := `{"command":"deploy","server_id":"` + string(b.addServer(t)) + `"}`
	id := func(body, key, token string) any {
		r := b.do(t, "POST", "jobs", body, "Idempotency-Key", key, "Authorization", "Bearer "+token)
		require.Equal(t, http.StatusCreated, r.status, r.body)
		return r.json(t)["id"]
	}
	b.AddToken(b.token+"-of-bob", "bob", domain.RoleOperator)
	first := id(body, "k", b.token)
	require.Equal(t, first, id(body, "k", b.token))
	require.NotEqual(t, first, id(body, "k2", b.token))
	require.NotEqual(t, first, id(body, "k", b.token+"-of-bob"), "another sender's key is another key")
	b.do(t, "POST", "jobs", strings.Replace(body, "deploy", "destroy", 1), "Idempotency-Key", "k").isError(t, 409, "idempotency_key_reused")
}

func TestLog_OneLineARequest(t *testing.T) {
	b := open(t)
	job := string(b.submit(t, "true"))
	require.Equal(t, 200, b.do(t, "GET", "jobs/"+job, "", "X-Request-ID", "good-one").status)
	line := b.log.waitFor(t, `"request_id":"good-one"`)
	for _, part := range []string{`"level":"INFO"`, `"method":"GET"`, `"route":"/api/v1/jobs/:id"`, `"status":200`, `"duration":`, `"principal":"ada"`, `"id":"` + job} {
		require.Contains(t, line, part)
	}
	require.Equal(t, 1, strings.Count(b.log.String(), "good-one"))
}

// failing panics or fails in Get.
type failing struct {
	ports.Jobs
	err error
}

func (f failing) Get(context.Context, domain.JobID) (ports.JobDetail, error) {
	if f.err == nil {
		panic("a nil map, say")
	}
	return ports.JobDetail{}, f.err
}

func TestInternalErrors_TellNothing(t *testing.T) {
	for name, err := range map[string]error{
		"Internal": domain.Internal("reading a job", errors.New("password=hunter2 at 10.0.0.1")),
		"Foreign":  fmt.Errorf("password=hunter2 at 10.0.0.1"),
		"Panic":    nil,
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, func(c *httpapi.Config) { c.Jobs = failing{c.Jobs, err} })
			r := b.do(t, "GET", "jobs/"+nobody, "", "X-Request-ID", "bad-one")
			r.isError(t, http.StatusInternalServerError, "internal_error")
			require.NotContains(t, r.body, "hunter2")
			require.NotContains(t, r.body, "nil map")
			cause := "10.0.0.1"
			if err == nil {
				cause = "nil map"
			}
			b.log.waitFor(t, `"level":"ERROR"`, `"request_id":"bad-one"`, cause)
			require.Equal(t, 200, b.do(t, "GET", "/live", "").status, "the server goes on")
		})
	}
	t.Run("EveryKindHasItsStatus", func(t *testing.T) {
		b := open(t)
		b.http.Transport = b.plain // no document describes codes that were made up
		for _, kind := range domain.Kinds() {
			b.Fail(&domain.Error{Kind: kind, Code: "some_problem", Message: "m", Details: map[string]any{"retry_after": 17}})
			r := b.do(t, "GET", "servers", "")
			require.Equal(t, "some_problem", r.json(t)["code"])
			require.Equal(t, kind == domain.KindExhausted || kind == domain.KindUnavailable, r.header.Get("Retry-After") == "17")
			require.Equal(t, kind == domain.KindUnauthenticated, r.header.Get("WWW-Authenticate") != "")
		}
	})
}

func TestPage(t *testing.T) {
	b := open(t)
	r := b.do(t, "GET", "/", "", "Authorization", "")
	require.Equal(t, 200, r.status)
	require.Equal(t, "text/html; charset=utf-8", r.header.Get("Content-Type"))
	for _, part := range []string{"Remora", "1.2.3", "/api/v1", "admin.token", "prefers-color-scheme: dark", "viewport"} {
		require.Contains(t, r.body, part)
	}
	policy := r.header.Get("Content-Security-Policy")
	require.Regexp(t, `default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]{44}'`, policy)
	require.NotContains(t, policy, "unsafe")
	require.NotContains(t, r.body, "<script")
	require.NotContains(t, r.body, "style=")
	golden(t, "page.html", r.body)
}

// Whatever is sent as HTTP, the server answers or hangs up, and goes on.
func TestRawNonsense(t *testing.T) {
	b := open(t)
	for _, text := range []string{
		"NONSENSE\r\n\r\n", "GET /\r\n\r\n", "GET /api/v1/jobs HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + b.token + "\r\nContent-Type: application/json\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"GET /api/v1/jobs HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("y", 200<<10) + "\r\n\r\n",
	} {
		conn, err := net.Dial("tcp", b.server.Addr())
		require.NoError(t, err)
		_, _ = io.WriteString(conn, text)
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err == nil {
			require.Regexp(t, `^HTTP/1\.[01] 4\d\d `, line)
		}
		require.NoError(t, conn.Close())
	}
	require.Equal(t, 200, b.do(t, "GET", "/live", "").status)
}
