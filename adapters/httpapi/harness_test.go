package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heysubinoy/remora/adapters/httpapi"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture/drivingports"
	"github.com/heysubinoy/remora/test/harness/apicheck"
)

var update = flag.Bool("update", false, "rewrite test/golden")

const (
	nobody = "018f0000-0000-7000-8000-ffffffffffff"
	late   = 10 * time.Second
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if unseen := apicheck.API().Unseen(); os.Getenv("REMORA_CONTRACT") != "" && code == 0 && !narrowed() && len(unseen) > 0 {
			fmt.Fprintln(os.Stderr, "the OpenAPI document describes answers that no test had:\n  "+strings.Join(unseen, "\n  "))
			code = 1
		}
		os.Exit(code)
	}))
}

// narrowed reports whether only some tests were asked for.
func narrowed() bool {
	for _, name := range []string{"test.run", "test.skip", "test.bench", "test.fuzz", "test.list"} {
		if flag.Lookup(name).Value.String() != "" {
			return true
		}
	}
	return false
}

// bench is a running API server over a world, and a log that can be read.
type bench struct {
	*drivingports.World
	server *httpapi.Server
	log    *logBook
	http   *http.Client
	plain  http.RoundTripper // checks nothing
	token  string
	stop   func() // asks the server to stop; the test's end does it too
	ended  chan error
}

type logBook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func open(t *testing.T, changes ...func(*httpapi.Config)) *bench {
	t.Helper()
	w := drivingports.New()
	b := &bench{World: w, log: &logBook{}, token: drivingports.Token, ended: make(chan error, 1)}
	cfg := httpapi.Config{
		Addr: "127.0.0.1:0", Jobs: w.Jobs(), Batches: w.Batches(), Output: w.Output(), Servers: w.Servers(), Access: w.Access(), Keys: w.Keys(), System: w.System(),
		Auth: w.Auth(), Tokens: w.Tokens(), Sessions: w.Sessions(), Version: "1.2.3", Logger: slog.New(slog.NewJSONHandler(b.log, nil)),
	}
	for _, change := range changes {
		change(&cfg)
	}
	s, err := httpapi.Open(cfg)
	require.NoError(t, err)
	ctx, stop := context.WithCancelCause(context.Background())
	b.server, b.stop = s, func() { stop(nil) }
	transport := &http.Transport{}
	b.plain = transport
	b.http = &http.Client{Transport: apicheck.Transport(t, transport), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	finished := make(chan struct{})
	go func() { b.ended <- s.Run(ctx); close(finished) }()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		b.stop()
		select {
		case <-finished:
		case <-time.After(late):
			t.Error("the server did not stop")
		}
	})
	return b
}

// reply is an answer read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

func (b *bench) do(t *testing.T, method, path, body string, headers ...string) reply {
	t.Helper()
	resp := b.send(t, method, path, body, headers...)
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return reply{resp.StatusCode, resp.Header, string(got)}
}

// send makes a request: a path without / is under the API, and headers are name, value, …; an empty value leaves one out.
func (b *bench) send(t *testing.T, method, path, body string, headers ...string) *http.Response {
	t.Helper()
	if !strings.HasPrefix(path, "/") {
		path = "/api/v1/" + path
	}
	r, err := http.NewRequestWithContext(t.Context(), method, b.server.URL()+path, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+b.token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
		}
	}
	resp, err := b.http.Do(r)
	require.NoError(t, err)
	return resp
}

func (r reply) json(t *testing.T) map[string]any {
	t.Helper()
	var v map[string]any
	require.NoError(t, json.Unmarshal([]byte(r.body), &v), r.body)
	return v
}

// isError checks an error answer in all its parts.
func (r reply) isError(t *testing.T, status int, code string) {
	t.Helper()
	require.Equal(t, status, r.status, r.body)
	v := r.json(t)
	require.Equal(t, code, v["code"], r.body)
	require.NotEmpty(t, v["error"])
	require.Equal(t, r.header.Get("X-Request-ID"), v["request_id"])
	require.Equal(t, "application/json; charset=utf-8", r.header.Get("Content-Type"))
	require.Empty(t, r.header.Get("ETag"))
}

// addServer stores the world's good server.
func (b *bench) addServer(t *testing.T) domain.ServerID {
	t.Helper()
	good, _ := b.Ends()
	s, err := b.Servers().Create(t.Context(), good)
	require.NoError(t, err)
	return s.ID
}

func (b *bench) submit(t *testing.T, line string) domain.JobID {
	t.Helper()
	page, err := b.Servers().List(t.Context(), ports.ServerQuery{})
	require.NoError(t, err)
	var server domain.ServerID
	if len(page.Servers) == 0 {
		server = b.addServer(t)
	} else {
		server = page.Servers[0].ID
	}
	d, err := b.Jobs().Submit(t.Context(), ports.Submission{ServerID: server, Command: line})
	require.NoError(t, err)
	return d.Job.ID
}

// golden compares a body with test/golden/http/NAME.
func golden(t *testing.T, name, body string) {
	t.Helper()
	path := filepath.Join("..", "..", "test", "golden", "http", name)
	if strings.HasSuffix(name, ".json") {
		var b bytes.Buffer
		require.NoError(t, json.Indent(&b, []byte(body), "", "  "), body)
		body = b.String()
	}
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(body), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run go test with -update")
	require.Equal(t, string(want), body)
}
