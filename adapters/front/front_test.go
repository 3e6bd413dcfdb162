package front_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heysubinoy/remora/adapters/front"
	"github.com/heysubinoy/remora/domain"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// before puts a web server before an API and returns its address.
func before(t *testing.T, api string) string {
	t.Helper()
	s, err := front.Open(front.Config{Addr: "127.0.0.1:0", API: api, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	ctx, stop := context.WithCancelCause(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop(nil)
		require.NoError(t, <-done)
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	return s.URL()
}

func get(t *testing.T, address string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp, string(body)
}

// What the API sees is what the browser sent, its own origin included.
func TestFront_PassesRequestsOn(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "remora_session=x; HttpOnly")
		w.WriteHeader(http.StatusTeapot)
		_, _ = fmt.Fprintln(w, r.Host, r.URL.RequestURI(), r.Header.Get("Cookie"), r.Header.Get("X-Forwarded-Proto"), r.Header.Get("X-Forwarded-For"))
	}))
	defer api.Close()
	web := before(t, api.URL)
	host := strings.TrimPrefix(web, "http://")
	resp, body := get(t, web+"/api/v1/jobs?search=a%20b", "Cookie", "remora_session=y")
	require.Equal(t, http.StatusTeapot, resp.StatusCode)
	require.Equal(t, "remora_session=x; HttpOnly", resp.Header.Get("Set-Cookie"))
	require.Equal(t, host+" /api/v1/jobs?search=a%20b remora_session=y http 127.0.0.1\n", body)
	_, body = get(t, web+"/", "X-Forwarded-Proto", "https", "X-Forwarded-For", "192.0.2.7")
	require.Equal(t, host+" /  https 192.0.2.7, 127.0.0.1\n", body)
}

// A line of live output is with the browser before the next one is printed, and the end of the server ends the stream.
func TestFront_StreamsAreLive(t *testing.T) {
	next, gone := make(chan struct{}), make(chan struct{})
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(gone)
		w.Header().Set("Content-Type", "text/event-stream")
		for i := 0; ; i++ {
			_, _ = fmt.Fprintf(w, "line %d\n", i)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-next:
			case <-r.Context().Done():
				return
			}
		}
	}))
	defer api.Close()
	ctx, leave := context.WithCancelCause(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, before(t, api.URL)+"/stream", nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewReader(resp.Body)
	for i := range 3 {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("line %d\n", i), line)
		next <- struct{}{}
	}
	leave(nil)
	<-gone
}

func TestFront_SaysThatTheAPIIsAway(t *testing.T) {
	api := httptest.NewServer(http.NotFoundHandler())
	api.Close()
	resp, body := get(t, before(t, api.URL)+"/api/v1/jobs")
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	require.NotEmpty(t, resp.Header.Get("Retry-After"))
	require.Contains(t, body, `"code":"api_unreachable"`)
	require.NotContains(t, body, api.URL, "where the API is does not concern browsers")
}

func TestOpen_SaysWhatIsWrong(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for _, api := range []string{"", "api:8080", "ftp://api", "http://me:secret@api", "http://"} {
		_, err := front.Open(front.Config{Addr: "127.0.0.1:0", API: api, Logger: log})
		require.ErrorIs(t, err, &domain.Error{Code: "url_invalid"}, api)
	}
	_, err := front.Open(front.Config{Addr: "192.0.2.1:0", API: "http://127.0.0.1:1", Logger: log})
	require.ErrorIs(t, err, &domain.Error{Code: "address_invalid"})
	require.ErrorContains(t, err, "192.0.2.1:0")
}
