package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/httpapi"
	"github.com/heysubinoy/remora/adapters/httpapi/openapi"
	"github.com/heysubinoy/remora/adapters/memory"
	"github.com/heysubinoy/remora/adapters/sqlstore"
	"github.com/heysubinoy/remora/adapters/sshexec"
	"github.com/heysubinoy/remora/adapters/system"
	"github.com/heysubinoy/remora/adapters/vault"
	"github.com/heysubinoy/remora/application"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/test/harness/apicheck"
)

// TestAPI_AnyRequest asks the application with its SQLite store what its description allows, and what it does not: 20,000 requests of
// which about half are as they should be. None may end in a 5xx, and every answer must be one that the description knows.
// REMORA_FUZZ_SEED repeats a run, as far as four callers at once can be repeated.
func TestAPI_AnyRequest(t *testing.T) {
	seed, err := strconv.ParseUint(os.Getenv("REMORA_FUZZ_SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64()
	}
	t.Logf("REMORA_FUZZ_SEED=%d", seed)
	requests := 20_000
	if testing.Short() {
		requests = 1000
	}
	f := &fuzzer{url: realAPI(t), ids: map[string][]string{}, http: &http.Client{Transport: apicheck.Transport(t, &http.Transport{MaxIdleConnsPerHost: 4, DisableCompression: true})}}
	t.Cleanup(f.http.CloseIdleConnections)
	for _, op := range openapi.Operations(openapi.Document()) {
		switch op.Text("operationId") {
		case "getMetrics", "rotateToken", "deleteToken": // another's answer, and what would lock us out
		default:
			f.ops = append(f.ops, op)
		}
	}
	var callers sync.WaitGroup
	const atOnce = 4
	for i := range atOnce {
		callers.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			for range requests / atOnce {
				if !f.ask(t, r) {
					return
				}
			}
		})
	}
	callers.Wait()
	t.Logf("%d answers: %d 2xx, %d 304, %d 4xx, %d given up", f.answers.Load(), f.good.Load(), f.same.Load(), f.bad.Load(), f.gaveUp.Load())
	require.Greater(t, f.good.Load(), int64(requests/10), "hardly anything was asked as it should be")
	require.Greater(t, f.bad.Load(), int64(requests/10), "hardly anything was asked wrongly")
}

// realAPI is the application on an SQLite store, with servers of memory; returns the URL.
func realAPI(t *testing.T) string {
	store, err := sqlstore.Open(t.Context(), filepath.Join(quickDir(t), "remora.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	require.NoError(t, store.Migrate(t.Context()))
	v, err := vault.New([]byte("0123456789abcdef0123456789abcdef"))
	require.NoError(t, err)
	signals, clock, entropy := memory.NewSignals(), system.Clock{}, system.Entropy{}
	queue, machines := memory.NewQueue(time.Now), memory.NewExecutor()
	t.Cleanup(machines.Close)
	servers := &application.Servers{
		Repository: store.Servers(), Vault: v, Keys: sshexec.KeyReader{}, Stored: store.Keys(), Checks: store.Checks(),
		Prober: machines, Signals: signals, Clock: clock, Entropy: entropy,
	}
	jobs := &application.Jobs{
		Repository: store.Jobs(), Servers: store.Servers(), Output: store.Output(), Signals: signals, Clock: clock, Entropy: entropy,
		Rules: application.Rules{DefaultTimeout: 5 * time.Minute, AllowedShells: []string{"/bin/bash", "/bin/sh"}, MaxQueued: 5000},
	}
	tokens := &application.Tokens{Repository: store.Tokens(), Clock: clock, Entropy: entropy}
	_, err = tokens.Grant(t.Context(), "admin", administrator)
	require.NoError(t, err)
	keys := &application.Keys{Repository: store.Keys(), Vault: v, Reader: sshexec.KeyReader{}, Clock: clock}
	sessions := &application.Sessions{Tokens: tokens, Repository: store.Passes(), Key: domain.NewSecret("key"), Clock: clock}
	api, err := httpapi.Open(httpapi.Config{
		Addr: "127.0.0.1:0", Jobs: jobs, Batches: &application.Batches{Jobs: jobs, Repository: store.Batches()},
		Output:  &application.Output{Jobs: store.Jobs(), Store: store.Output(), Signals: signals},
		Servers: servers, Access: servers, Keys: keys, Auth: tokens, Tokens: tokens, Sessions: sessions, Metrics: http.NotFoundHandler(),
		Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError})),
		System: &application.System{
			Database: store, Queue: queue, Totals: store.Totals(), Workers: store.Workers(), Clock: clock, Started: clock.Now(), Kind: store.Kind(),
		},
	})
	require.NoError(t, err)
	(&world{}).start(t, api.Run)
	return api.URL()
}

// quickDir is a directory in memory where the machine has one: what is asked here is not whether disks keep what they are given.
func quickDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "remora-fuzz-") //nolint:usetesting // t.TempDir is on a disk
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

type fuzzer struct {
	url  string
	http *http.Client
	ops  []openapi.Operation

	mu  sync.Mutex
	ids map[string][]string // that answers have told, by what they are of

	answers, good, same, bad, gaveUp atomic.Int64
}

// ask makes one request; false ends the caller.
func (f *fuzzer) ask(t *testing.T, r *rand.Rand) bool {
	g := &generator{Rand: r, known: f.known}
	op := f.ops[r.IntN(len(f.ops))]
	method := op.Method
	if g.rarely() {
		method = g.pick("HEAD", "OPTIONS", "GET", "POST", "PUT", "DELETE", "PATCH")
	}
	body, media := g.body(op)
	target := f.url + g.path(op) + g.query(op)
	ctx, cancel := context.WithTimeout(t.Context(), f.patience(op))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return true // no URL that a client would send
	}
	if body == nil {
		req.Body, req.GetBody, req.ContentLength = nil, nil, 0
	}
	req.Header.Set("Authorization", "Bearer "+administrator.Reveal())
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	g.headers(op, req.Header)
	what := fmt.Sprintf("%s %s %v %.500s", method, target, req.Header, body)
	resp, err := f.http.Do(req)
	if err != nil {
		if ctx.Err() != nil || strings.Contains(err.Error(), "invalid header") {
			f.gaveUp.Add(1)
			return true
		}
		t.Errorf("%s: %v", what, err)
		return false
	}
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	_ = resp.Body.Close()
	f.count(resp.StatusCode)
	if resp.StatusCode >= 500 && !expected(op, answer) {
		t.Errorf("%s: %d %s", what, resp.StatusCode, answer)
		return false
	}
	f.learn(kindOf(op.Path), answer)
	return !t.Failed()
}

// expected are the answers of 5xx that say how a server of the user's is, or that a body never came.
func expected(op openapi.Operation, answer []byte) bool {
	return op.Text("operationId") == "testServer" && bytes.Contains(answer, []byte(`"connection_failed"`))
}

// patience bounds those answers that come for ever.
func (f *fuzzer) patience(op openapi.Operation) time.Duration {
	if op.Text("operationId") == "followJob" {
		return 20 * time.Millisecond
	}
	return time.Minute
}

func (f *fuzzer) count(status int) {
	f.answers.Add(1)
	switch {
	case status == http.StatusNotModified:
		f.same.Add(1)
	case status < 300:
		f.good.Add(1)
	case status < 500:
		f.bad.Add(1)
	}
}

// kindOf is what a path under the API is of: jobs, servers, batches and so on.
func kindOf(path string) string {
	kind, _, _ := strings.Cut(strings.TrimPrefix(path, "/api/v1/"), "/")
	return kind
}

// learn keeps some of the ids in an answer.
func (f *fuzzer) learn(kind string, answer []byte) {
	_, rest, ok := bytes.Cut(answer, []byte(`"id":"`))
	if !ok || len(rest) < 36 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.ids[kind]) < 20 {
		f.ids[kind] = append(f.ids[kind], string(rest[:36]))
		return
	}
	f.ids[kind][rand.IntN(20)] = string(rest[:36])
}

func (f *fuzzer) known(r *rand.Rand, kind string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.ids[kind]) == 0 {
		return "018f0000-0000-7000-8000-ffffffffffff"
	}
	return f.ids[kind][r.IntN(len(f.ids[kind]))]
}

// generator makes requests out of descriptions.
type generator struct {
	*rand.Rand
	known func(r *rand.Rand, kind string) string
}

func (g *generator) rarely() bool { return g.IntN(20) == 0 }

func (g *generator) pick(words ...string) string { return words[g.IntN(len(words))] }

func (g *generator) path(op openapi.Operation) string {
	id := g.known(g.Rand, kindOf(op.Path))
	if g.rarely() {
		id = url.PathEscape(g.nonsense())
	}
	for strings.Contains(op.Path, "{") {
		before, rest, _ := strings.Cut(op.Path, "{")
		_, after, _ := strings.Cut(rest, "}")
		op.Path = before + id + after
	}
	return op.Path
}

func (g *generator) query(op openapi.Operation) string {
	var parts []string
	for _, p := range op.List("parameters") {
		param := openapi.Document().Ref(p.(*openapi.Object))
		if param.Text("in") != "query" || g.IntN(3) > 0 {
			continue
		}
		name := param.Text("name")
		var text string
		switch v := g.value(param.At("schema"), 0).(type) {
		case []any:
			words := make([]string, len(v))
			for i := range v {
				words[i] = fmt.Sprint(v[i])
			}
			text = strings.Join(words, ",")
		default:
			text = fmt.Sprint(v)
		}
		if name == "wait" && !strings.HasPrefix(text, "-") {
			text = "0.01"
		}
		if g.rarely() {
			text = g.nonsense()
		}
		parts = append(parts, name+"="+url.QueryEscape(text))
	}
	if g.rarely() {
		parts = append(parts, g.nonsense())
	}
	if len(parts) == 0 {
		return ""
	}
	return "?" + strings.NewReplacer(" ", "%20", "#", "", "\x00", "%00", "\n", "%0a", "\x7f", "").Replace(strings.Join(parts, "&"))
}

func (g *generator) headers(op openapi.Operation, h http.Header) {
	for _, p := range op.List("parameters") {
		param := openapi.Document().Ref(p.(*openapi.Object))
		if param.Text("in") == "header" && g.IntN(4) == 0 {
			h.Set(param.Text("name"), g.pick("a", "17", "bytes=0-3", "bytes=-1", `"x"`, "*", "ü", strings.Repeat("k", 256), `W/"x", "y"`))
		}
	}
	if g.rarely() {
		h.Set(g.pick("Authorization", "Content-Type", "X-Request-ID", "Accept-Encoding", "Origin", "Content-Encoding", "Accept"), g.nonsense())
	}
}

// body returns a body that is as described, or nearly.
func (g *generator) body(op openapi.Operation) (body []byte, media string) {
	for m, content := range op.At("requestBody", "content").Objects() {
		media = m
		if m != "application/json" {
			return []byte(g.nonsense()), m + "; boundary=x"
		}
		body, _ = json.Marshal(g.value(content.At("schema"), 0))
	}
	switch {
	case media == "" && !g.rarely():
		return nil, ""
	case !g.rarely():
		return body, media
	}
	switch g.IntN(4) {
	case 0:
		return []byte(g.nonsense()), "application/json"
	case 1:
		return body[:len(body)/2], "application/json"
	case 2:
		return append(body, body...), "application/json"
	}
	for i := range body {
		if g.rarely() {
			body[i] = byte(g.IntN(256))
		}
	}
	return body, "application/json"
}

// value returns what a schema allows, most of the time.
func (g *generator) value(s *openapi.Object, depth int) any {
	s = openapi.Document().Ref(s)
	if g.IntN(60) == 0 || depth > 6 {
		return g.odd()
	}
	if l := s.List("enum"); len(l) > 0 {
		return l[g.IntN(len(l))]
	}
	if l := s.List("oneOf"); len(l) > 0 {
		return g.value(l[g.IntN(len(l))].(*openapi.Object), depth)
	}
	kind := s.Text("type")
	if types := s.Texts("type"); len(types) > 0 {
		kind = types[g.IntN(len(types))]
	}
	switch kind {
	case "object":
		return g.object(s, depth)
	case "array":
		var l = []any{}
		for range g.IntN(4) {
			l = append(l, g.value(s.At("items"), depth+1))
		}
		return l
	case "integer", "number":
		return g.number(s)
	case "boolean":
		return g.IntN(2) == 0
	case "null":
		return nil
	}
	return g.text(s)
}

func (g *generator) object(s *openapi.Object, depth int) any {
	o := map[string]any{}
	required := s.Texts("required")
	for name, p := range s.At("properties").Objects() {
		needed := false
		for _, r := range required {
			needed = needed || r == name
		}
		if needed && !g.rarely() || !needed && g.IntN(4) == 0 {
			o[name] = g.value(p, depth+1)
		}
	}
	for name := range s.At("properties").All() { // one of these is what an object is about
		if len(o) == len(required) && (name == "command" || name == "password" || name == "server_ids") {
			o[name] = g.value(s.At("properties", name), depth+1)
		}
	}
	return o
}

func (g *generator) number(s *openapi.Object) any {
	low, _ := s.Get("minimum").(int)
	high, ok := s.Get("maximum").(int)
	if !ok {
		high = low + 1000
	}
	switch g.IntN(8) {
	case 0:
		return low
	case 1:
		return high
	case 2:
		return low - 1
	}
	return low + g.IntN(min(high-low, 1<<40)+1)
}

func (g *generator) text(s *openapi.Object) string {
	if e := s.Text("example"); e != "" && g.IntN(3) > 0 && !strings.HasPrefix(s.Text("pattern"), "^[0-9a-f]{8}") {
		return e
	}
	if strings.HasPrefix(s.Text("pattern"), "^[0-9a-f]{8}") {
		return g.known(g.Rand, "servers")
	}
	if g.rarely() {
		return g.nonsense()
	}
	return g.pick("web", "db", "a", "echo hello", "x-"+strconv.Itoa(g.IntN(500)), "🦈", "/bin/sh", "10.0.0."+strconv.Itoa(g.IntN(255)))
}

// odd is a value that hardly anything allows.
func (g *generator) odd() any {
	return []any{nil, -1, 1.5, 1e300, "", "\x00", g.nonsense(), []any{nil}, map[string]any{"colour": "red"}, true}[g.IntN(10)]
}

func (g *generator) nonsense() string {
	return g.pick("", "null", "\x00", "%", "%zz", "..", "../..", "a=b=c", "\u202e", "ü", "-1", "1e999", "NaN", "'; DROP TABLE jobs; --", "%s%n",
		strings.Repeat("A", 5000), strings.Repeat("[", 2000), `{"$ref":"#"}`, "true", "2026-05-04T12:00:00Z", "\xff\xfe", "?", "&", "application/json", "gzip")
}
