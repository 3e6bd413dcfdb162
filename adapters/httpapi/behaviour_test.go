package httpapi_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/httpapi"
	"github.com/heysubinoy/remora/adapters/httpapi/openapi"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/harness/apicheck"
)

// Every GET of a resource or a list has a tag, under which it is not sent again; HEAD says the same without a body.
func TestETag_OnEveryResource(t *testing.T) {
	b := open(t)
	w := b.walk(t)
	tagged := 0
	for _, op := range openapi.Operations(openapi.Document()) {
		if op.Method != http.MethodGet || !op.At("responses").Has("304") || op.Flag("deprecated") {
			continue
		}
		t.Run(op.Text("operationId"), func(t *testing.T) {
			path := w.path(op.Path)
			r := b.do(t, "GET", path, "")
			require.Equal(t, http.StatusOK, r.status, r.body)
			tag := r.header.Get("ETag")
			require.NotEmpty(t, tag)
			require.Contains(t, r.header.Get("Cache-Control"), "no-cache")
			for _, sent := range []string{tag, "W/" + strings.TrimPrefix(tag, "W/"), `"other", ` + tag, "*"} {
				same := b.do(t, "GET", path, "", "If-None-Match", sent)
				require.Equal(t, http.StatusNotModified, same.status, sent)
				require.Empty(t, same.body)
				require.Equal(t, tag, same.header.Get("ETag"))
			}
			require.Equal(t, http.StatusOK, b.do(t, "GET", path, "", "If-None-Match", `"other"`).status)
			head := b.do(t, "HEAD", path, "")
			require.Equal(t, http.StatusOK, head.status)
			require.Empty(t, head.body)
			require.Equal(t, tag, head.header.Get("ETag"))
			require.Equal(t, r.header.Get("Content-Type"), head.header.Get("Content-Type"))
			require.Equal(t, http.StatusNotModified, b.do(t, "HEAD", path, "", "If-None-Match", tag).status)
		})
		tagged++
	}
	require.Greater(t, tagged, 5)
	before := b.do(t, "GET", "jobs", "").header.Get("ETag")
	b.submit(t, "date")
	require.NotEqual(t, before, b.do(t, "GET", "jobs", "").header.Get("ETag"), "another list has another tag")
}

// OPTIONS and 405 say which methods a path has.
func TestAllow_IsWhatThereIs(t *testing.T) {
	b := open(t)
	w := b.walk(t)
	for path, item := range openapi.Document().At("paths").Objects() {
		want := []string{"OPTIONS"}
		for _, method := range []string{"get", "post", "put", "patch", "delete"} {
			if item.Has(method) {
				want = append(want, strings.ToUpper(method))
			}
		}
		if item.Has("get") {
			want = append(want, "HEAD")
		}
		options := b.do(t, "OPTIONS", w.path(path), "", "Authorization", "")
		require.Equal(t, http.StatusNoContent, options.status)
		require.ElementsMatch(t, want, strings.Split(options.header.Get("Allow"), ", "), path)
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			if item.Has(strings.ToLower(method)) || apicheck.API().Describes(method, w.path(path)) {
				continue // or what is written out is an id to this method
			}
			r := b.do(t, method, w.path(path), "")
			r.isError(t, http.StatusMethodNotAllowed, "method_not_allowed")
			require.ElementsMatch(t, want, strings.Split(r.header.Get("Allow"), ", "), path)
		}
	}
}

func TestPacked_WhereItPays(t *testing.T) {
	b := open(t)
	for range 20 {
		b.submit(t, "make")
	}
	plain := b.do(t, "GET", "jobs", "", "Accept-Encoding", "identity")
	require.Empty(t, plain.header.Get("Content-Encoding"))
	for accept, packed := range map[string]bool{"gzip": true, "br, GZIP;q=0.5": true, "gzip;q=0": false, "br": false, "gzip;q=0.0, *": false} {
		r := b.do(t, "GET", "jobs", "", "Accept-Encoding", accept)
		require.Equal(t, packed, r.header.Get("Content-Encoding") == "gzip", accept)
		require.Contains(t, r.header.Values("Vary"), "Accept-Encoding")
		require.Equal(t, plain.header.Get("ETag"), r.header.Get("ETag"))
		require.Equal(t, strconv.Itoa(len(r.body)), r.header.Get("Content-Length"))
		if packed {
			require.Less(t, len(r.body), len(plain.body)/4)
			z, err := gzip.NewReader(strings.NewReader(r.body))
			require.NoError(t, err)
			text, err := io.ReadAll(z)
			require.NoError(t, err)
			require.Equal(t, plain.body, string(text))
		}
	}
	run := b.Begin(t)
	id := string(run.Job())
	require.Empty(t, b.do(t, "GET", "jobs/"+id, "", "Accept-Encoding", "gzip").header.Get("Content-Encoding"), "a job is small")
	run.Print(t, domain.Stdout, []byte(strings.Repeat("a line\n", 10_000)))
	run.Exit(t, domain.Exit{})
	for _, path := range []string{"jobs/" + id + "/stdout", "jobs/" + id + "/stream"} {
		require.Empty(t, b.do(t, "GET", path, "", "Accept-Encoding", "gzip").header.Get("Content-Encoding"), path)
	}
}

func TestRateLimit_OneCallerDoesNotStarveAnother(t *testing.T) {
	b := open(t, func(c *httpapi.Config) { c.RateLimit = 1 })
	b.AddToken(b.token+"-of-bob", "bob", domain.RoleOperator)
	for range 2 {
		require.Equal(t, http.StatusOK, b.do(t, "GET", "jobs", "").status)
	}
	r := b.do(t, "GET", "jobs", "")
	r.isError(t, http.StatusTooManyRequests, "rate_limited")
	require.Equal(t, "1", r.header.Get("Retry-After"))
	b.do(t, "POST", "jobs", "{}").isError(t, http.StatusTooManyRequests, "rate_limited")
	require.Equal(t, http.StatusOK, b.do(t, "GET", "jobs", "", "Authorization", "Bearer "+b.token+"-of-bob").status)

	for range 2 {
		b.do(t, "GET", "jobs", "", "Authorization", "Bearer wrong").isError(t, http.StatusUnauthorized, "token_invalid")
	}
	b.Fail(domain.ErrStorageUnavailable) // nobody looks for a token any more
	b.do(t, "GET", "jobs", "", "Authorization", "Bearer wrong").isError(t, http.StatusTooManyRequests, "rate_limited")
	b.do(t, "GET", "/live", "").isError(t, http.StatusTooManyRequests, "rate_limited")
}

func TestQueueFull_IsSaidWithWhenToComeBack(t *testing.T) {
	b := open(t)
	server := string(b.addServer(t))
	job := string(b.submit(t, "true"))
	b.Begin(t).Exit(t, domain.Exit{})
	for path, body := range map[string]string{
		"jobs": `{"command":"w","server_id":"` + server + `"}`, "jobs/script": `{"script":"w","server_id":"` + server + `"}`,
		"jobs/" + job + "/duplicate": `{}`, "jobs/" + job + "/rerun": ``,
	} {
		b.Refuse(domain.ErrQueueFull)
		r := b.do(t, "POST", path, body)
		r.isError(t, http.StatusTooManyRequests, "queue_full")
		require.Equal(t, "5", r.header.Get("Retry-After"))
	}
}

func TestStreams_AreBounded(t *testing.T) {
	b := open(t, func(c *httpapi.Config) { c.MaxOpen = 1 })
	id := string(b.submit(t, "make"))
	first := b.send(t, "GET", "jobs/"+id+"/stream", "")
	_, err := bufio.NewReader(first.Body).ReadString('\n')
	require.NoError(t, err)
	r := b.do(t, "GET", "jobs/"+id+"/stream", "")
	r.isError(t, http.StatusTooManyRequests, "streams_exhausted")
	require.NotEmpty(t, r.header.Get("Retry-After"))
	b.do(t, "GET", "jobs/"+id+"/logs?since=0&wait=1", "").isError(t, http.StatusTooManyRequests, "streams_exhausted")
	require.Equal(t, http.StatusOK, b.do(t, "GET", "jobs/"+id+"/logs?since=0", "").status, "who does not wait takes no place")
	run := b.Begin(t)
	run.Exit(t, domain.Exit{})
	_, err = io.ReadAll(first.Body)
	require.NoError(t, err)
	require.NoError(t, first.Body.Close())
	require.Eventually(t, func() bool { return b.do(t, "GET", "jobs/"+id+"/stream", "").status == http.StatusOK }, late, time.Millisecond)
}

// A caller who sends a byte now and then is not waited for.
func TestSlowCallers_AreCutOff(t *testing.T) {
	b := open(t, func(c *httpapi.Config) { c.BodyTimeout, c.HeadTimeout = 50*time.Millisecond, 50*time.Millisecond })
	dial := func(text string) *bufio.Reader {
		conn, err := net.Dial("tcp", b.server.Addr())
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(late)))
		_, err = io.WriteString(conn, text)
		require.NoError(t, err)
		return bufio.NewReader(conn)
	}
	body := dial(fmt.Sprintf("POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", b.token))
	resp, err := http.ReadResponse(body, nil)
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	reply{resp.StatusCode, resp.Header, string(text)}.isError(t, http.StatusGatewayTimeout, "request_timeout")

	head, err := io.ReadAll(dial("GET /live HTTP/1.1\r\nHost: x\r\nX-Slow: "))
	require.NoError(t, err, "the connection is closed")
	require.NotContains(t, string(head), "200")
}

// A body that came whole leaves no deadline behind for a handler that takes its time.
func TestBodyTimeout_EndsWithTheBody(t *testing.T) {
	b := open(t, func(c *httpapi.Config) {
		c.BodyTimeout = 20 * time.Millisecond
		c.Access = patient{c.Access}
	})
	server := string(b.addServer(t))
	require.Equal(t, http.StatusOK, b.do(t, "POST", "servers/"+server+"/test", "{}").status)
}

// patient takes longer than a body may, and says whether its caller was thought to be gone.
type patient struct{ ports.ServerAccess }

func (p patient) Test(ctx context.Context, id domain.ServerID) (ports.TestReport, error) {
	select {
	case <-ctx.Done():
		return ports.TestReport{}, domain.ErrCanceled
	case <-time.After(100 * time.Millisecond):
		return p.ServerAccess.Test(ctx, id)
	}
}

// walked are the ids that paths are filled with.
type walked struct{ job, server, batch string }

// walk makes one of each thing.
func (b *bench) walk(t *testing.T) walked {
	t.Helper()
	job := b.submit(t, "make")
	b.Begin(t).Exit(t, domain.Exit{})
	page, err := b.Servers().List(t.Context(), ports.ServerQuery{})
	require.NoError(t, err)
	server := page.Servers[0].ID
	batch := b.do(t, "POST", "jobs/bulk", `{"command":"make","server_ids":["`+string(server)+`"]}`)
	require.Equal(t, http.StatusCreated, batch.status, batch.body)
	b.Begin(t).Exit(t, domain.Exit{})
	return walked{job: string(job), server: string(server), batch: batch.json(t)["batch"].(map[string]any)["id"].(string)}
}

// path fills a path of the document.
func (w walked) path(path string) string {
	id := w.job
	switch {
	case strings.Contains(path, "/servers/{id}"):
		id = w.server
	case strings.Contains(path, "/batches/{id}"):
		id = w.batch
	}
	return strings.NewReplacer("{id}", id, "{filename}", "none.pem").Replace(path)
}
