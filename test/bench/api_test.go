package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/httpapi"
	"github.com/heysubinoy/remora/adapters/memory"
	"github.com/heysubinoy/remora/adapters/sqlstore"
	"github.com/heysubinoy/remora/adapters/sshexec"
	"github.com/heysubinoy/remora/adapters/system"
	"github.com/heysubinoy/remora/adapters/vault"
	"github.com/heysubinoy/remora/application"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
	"github.com/heysubinoy/remora/test/harness/pgtest"
)

const apiClients = 64

// apiWorld is the API over a real database, and beside it a bare Echo server that runs the same statements with nothing around them.
type apiWorld struct {
	store     *sqlstore.Store
	signals   *memory.Signals
	server    domain.Server
	token     domain.Secret
	api, bare string // URLs
}

func newAPIWorld(b *testing.B, database string) *apiWorld {
	target := "sqlite:" + filepath.Join(b.TempDir(), "remora.db")
	if database == "postgres" {
		target = pgtest.URL(b)
	}
	ctx := b.Context()
	store, err := sqlstore.Open(ctx, target)
	require.NoError(b, err)
	b.Cleanup(func() { _ = store.Close() })
	require.NoError(b, store.Migrate(ctx))
	v, err := vault.New([]byte("0123456789abcdef0123456789abcdef"))
	require.NoError(b, err)
	w := &apiWorld{store: store, signals: memory.NewSignals(), token: domain.NewSecret("remora_0123456789abcdef0123456789abcdef")}
	clock, entropy := system.Clock{}, system.Entropy{}
	machines, queue := memory.NewExecutor(), memory.NewQueue(time.Now)
	servers := &application.Servers{
		Repository: store.Servers(), Vault: v, Keys: sshexec.KeyReader{}, Stored: store.Keys(), Checks: store.Checks(), Prober: machines,
		Signals: w.signals, Clock: clock, Entropy: entropy,
	}
	jobs := &application.Jobs{
		Repository: store.Jobs(), Servers: store.Servers(), Output: store.Output(), Signals: w.signals, Clock: clock, Entropy: entropy,
		Rules: application.Rules{DefaultTimeout: 5 * time.Minute, AllowedShells: []string{"/bin/bash"}, MaxQueued: 10_000_000},
	}
	tokens := &application.Tokens{Repository: store.Tokens(), Clock: clock, Entropy: entropy}
	_, err = tokens.Grant(ctx, "admin", w.token)
	require.NoError(b, err)
	w.server, err = servers.Create(ctx, ports.NewServer{
		Name: "web-1", Hostname: "web-1.example.org", User: "deploy", Auth: domain.AuthPassword,
		Credential: domain.Credential{Password: domain.NewSecret("correct horse")},
	})
	require.NoError(b, err)
	api, err := httpapi.Open(httpapi.Config{
		Addr: "127.0.0.1:0", Jobs: jobs, Batches: &application.Batches{Jobs: jobs, Repository: store.Batches()},
		Output:  &application.Output{Jobs: store.Jobs(), Store: store.Output(), Signals: w.signals},
		Servers: servers, Access: servers, Keys: &application.Keys{Repository: store.Keys(), Vault: v, Reader: sshexec.KeyReader{}, Clock: clock},
		Auth: tokens, Tokens: tokens, RateLimit: 1_000_000,
		Sessions: &application.Sessions{Tokens: tokens, Repository: store.Passes(), Key: domain.NewSecret("key"), Clock: clock},
		System:   &application.System{Database: store, Queue: queue, Totals: store.Totals(), Workers: store.Workers(), Clock: clock, Kind: store.Kind()},
	})
	require.NoError(b, err)
	running, stop := context.WithCancelCause(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- api.Run(running) }()
	b.Cleanup(func() {
		stop(errors.New("the benchmark is over"))
		require.NoError(b, <-ended)
	})
	w.api, w.bare = api.URL(), w.serveBare(b, tokens)
	return w
}

// serveBare answers the two requests with the statements of the API and Echo's own binding and rendering, and nothing else.
func (w *apiWorld) serveBare(b *testing.B, auth ports.Authenticator) string {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	clock, entropy := system.Clock{}, system.Entropy{}
	signedIn := func(c echo.Context) error {
		_, token, _ := strings.Cut(c.Request().Header.Get("Authorization"), " ")
		_, err := auth.Authenticate(c.Request().Context(), domain.NewSecret(token))
		return err
	}
	e.POST("/api/v1/jobs", func(c echo.Context) error {
		var in struct {
			Command  string `json:"command"`
			ServerID string `json:"server_id"`
		}
		ctx := c.Request().Context()
		if err := errors.Join(signedIn(c), c.Bind(&in)); err != nil {
			return err
		}
		if _, _, err := w.store.Servers().Get(ctx, domain.ServerID(in.ServerID)); err != nil {
			return err
		}
		command, err := domain.ShellLine(in.Command, "")
		if err != nil {
			return err
		}
		job, err := domain.NewJob(domain.JobID(entropy.ID()), domain.ServerID(in.ServerID), command, 5, time.Minute, domain.DefaultRetry(), clock.Now())
		if err != nil {
			return err
		}
		if _, err := w.store.Jobs().Add(ctx, ports.Idempotency{}, job); err != nil {
			return err
		}
		return c.JSON(http.StatusCreated, job)
	})
	e.GET("/api/v1/jobs/:id", func(c echo.Context) error {
		ctx := c.Request().Context()
		if err := signedIn(c); err != nil {
			return err
		}
		job, err := w.store.Jobs().Get(ctx, domain.JobID(c.Param("id")))
		if err != nil {
			return err
		}
		if _, err := w.store.Servers().Refs(ctx, []domain.ServerID{job.ServerID}); err != nil {
			return err
		}
		return c.JSON(http.StatusOK, job)
	})
	l, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
	require.NoError(b, err)
	s := &http.Server{Handler: e, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.Serve(l) }()
	b.Cleanup(func() { _ = s.Close() })
	return "http://" + l.Addr().String()
}

// load asks n times, 64 at once, and returns the rate and the 99th percentile.
func (w *apiWorld) load(b *testing.B, n, want int, request func() *http.Request) (rate float64, p99 time.Duration) {
	b.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: apiClients, DisableCompression: true}
	defer transport.CloseIdleConnections()
	took := make([]time.Duration, n)
	work := make(chan int)
	var clients sync.WaitGroup
	for range apiClients {
		clients.Go(func() {
			for i := range work {
				r := request()
				r.Header.Set("Authorization", "Bearer "+w.token.Reveal())
				began := time.Now()
				resp, err := transport.RoundTrip(r)
				if err != nil {
					b.Error(err)
					continue
				}
				body, _ := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				took[i] = time.Since(began)
				if resp.StatusCode != want {
					b.Errorf("%d %s", resp.StatusCode, body)
				}
			}
		})
	}
	began := time.Now()
	for i := range n {
		work <- i
	}
	close(work)
	clients.Wait()
	all := time.Since(began)
	slices.Sort(took)
	return float64(n) / all.Seconds(), took[n*99/100]
}

// BenchmarkAPI compares submitting and reading jobs with a bare Echo handler that runs the same statements, in turns.
func BenchmarkAPI(b *testing.B) {
	for _, database := range []string{"sqlite", "postgres"} {
		b.Run(database, func(b *testing.B) {
			w := newAPIWorld(b, database)
			body := []byte(`{"command":"uptime","server_id":"` + string(w.server.ID) + `"}`)
			submit := func(base string) func() *http.Request {
				return func() *http.Request {
					r, _ := http.NewRequest(http.MethodPost, base+"/api/v1/jobs", bytes.NewReader(body))
					r.Header.Set("Content-Type", "application/json")
					return r
				}
			}
			job := fixture.Job(b, fixture.Pending, fixture.On(w.server.ID))
			_, err := w.store.Jobs().Add(b.Context(), ports.Idempotency{}, job)
			require.NoError(b, err)
			get := func(base string) func() *http.Request {
				return func() *http.Request {
					r, _ := http.NewRequest(http.MethodGet, base+"/api/v1/jobs/"+string(job.ID), nil)
					return r
				}
			}
			for b.Loop() {
				w.compare(b, "POST /jobs", 4000, http.StatusCreated, submit)
				w.compare(b, "GET /jobs/:id", 10000, http.StatusOK, get)
			}
		})
	}
}

func (w *apiWorld) compare(b *testing.B, what string, n, want int, of func(base string) func() *http.Request) {
	b.Helper()
	w.load(b, n/10, want, of(w.api)) // both warm
	w.load(b, n/10, want, of(w.bare))
	var api, bare []float64
	var worst time.Duration
	for range 3 { // in turns, so that what else the machine does meets both
		r, _ := w.load(b, n, want, of(w.bare))
		bare = append(bare, r)
		r, p99 := w.load(b, n, want, of(w.api))
		api, worst = append(api, r), max(worst, p99)
	}
	slices.Sort(api)
	slices.Sort(bare)
	b.ReportMetric(api[1]/bare[1], strings.Fields(what)[0]+"-ratio")
	b.Logf("%s with %d clients: %.0f/s, bare Echo with the same statements %.0f/s: ratio %.2f; p99 %s", what, apiClients, api[1], bare[1], api[1]/bare[1],
		worst.Round(100*time.Microsecond))
}

// BenchmarkAPIReaders has a thousand readers follow one job that prints 100 lines a second.
func BenchmarkAPIReaders(b *testing.B) {
	const readers, lines = 1000, 500
	for _, database := range []string{"sqlite", "postgres"} {
		b.Run(database, func(b *testing.B) {
			w := newAPIWorld(b, database)
			for b.Loop() {
				w.readers(b, database, readers, lines)
			}
		})
	}
}

func (w *apiWorld) readers(b *testing.B, database string, readers, lines int) {
	ctx := b.Context()
	job := fixture.Job(b, fixture.Running, fixture.On(w.server.ID))
	_, err := w.store.Jobs().Add(ctx, ports.Idempotency{}, job)
	require.NoError(b, err)
	before := memoryInUse()
	took := make([][]time.Duration, readers)
	var connected, all sync.WaitGroup
	connected.Add(readers)
	for i := range readers {
		all.Go(func() { took[i] = w.follow(b, job.ID, lines, connected.Done) })
	}
	connected.Wait()
	perReader := (memoryInUse() - before) / int64(readers)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var from domain.Offsets
	for range lines {
		<-tick.C
		line := []byte(strconv.FormatInt(time.Now().UnixMicro(), 10) + "\n")
		_, err := w.store.Output().Append(ctx, ports.Append{
			Job: job.ID, Attempt: job.Attempt, Epoch: job.Epoch, From: from, Pieces: []ports.Piece{{Stream: domain.Stdout, Data: line}}, At: time.Now(),
		})
		require.NoError(b, err)
		from = from.Plus(domain.Stdout, len(line))
		w.signals.Publish(ports.TopicJob(job.ID))
	}
	during := (memoryInUse() - before) / int64(readers)
	all.Wait()
	latencies := slices.Concat(took...)
	slices.Sort(latencies)
	require.Len(b, latencies, readers*lines)
	p50, p95 := latencies[len(latencies)/2], latencies[len(latencies)*95/100]
	b.ReportMetric(p95.Seconds()*1e3, "p95-ms")
	b.ReportMetric(float64(max(perReader, during))/1024, "KiB/reader")
	b.Logf("%s: %d readers of %d lines at 100 a second: p50 %s, p95 %s; memory per reader, its client's side included, %d KiB at rest, %d KiB at work",
		database, readers, lines, p50, p95, perReader>>10, during>>10)
}

// follow reads a job's stream as plainly as can be, and returns how old each line was.
func (w *apiWorld) follow(b *testing.B, id domain.JobID, lines int, connected func()) []time.Duration {
	took := make([]time.Duration, 0, lines)
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.api, "http://"))
	if err != nil {
		b.Error(err)
		connected()
		return nil
	}
	defer func() { _ = conn.Close() }()
	_, _ = fmt.Fprintf(conn, "GET /api/v1/jobs/%s/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", id, w.token.Reveal())
	first := true
	for text := bufio.NewScanner(conn); len(took) < lines && text.Scan(); {
		if first && strings.HasPrefix(text.Text(), "event: status") {
			first = false
			connected()
		}
		_, rest, ok := strings.Cut(text.Text(), `"text":"`)
		if !ok || !strings.HasPrefix(text.Text(), "data: ") {
			continue
		}
		at := time.Now()
		// A chunk may hold several lines.
		line, _, _ := strings.Cut(rest, `"`)
		for stamp := range strings.SplitSeq(strings.TrimSuffix(line, `\n`), `\n`) {
			us, err := strconv.ParseInt(stamp, 10, 64)
			if err != nil {
				b.Error(err)
			}
			took = append(took, at.Sub(time.UnixMicro(us)))
		}
	}
	if first {
		connected()
	}
	return took
}

func memoryInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
