package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heysubinoy/remora/adapters/httpapi"
	"github.com/heysubinoy/remora/adapters/httpapi/client"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/contract"
	"github.com/heysubinoy/remora/test/fixture/drivingports"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs a real API server over a world.
func serve(t *testing.T, w *drivingports.World) *httpapi.Server {
	t.Helper()
	return serveAt(t, w, "127.0.0.1:0")
}

func serveAt(t *testing.T, w *drivingports.World, addr string) *httpapi.Server {
	t.Helper()
	s, err := httpapi.Open(httpapi.Config{
		Addr: addr, Jobs: w.Jobs(), Batches: w.Batches(), Output: w.Output(), Servers: w.Servers(), Access: w.Access(), Keys: w.Keys(), System: w.System(), Auth: w.Auth(),
		Tokens: w.Tokens(), Sessions: w.Sessions(),
	})
	require.NoError(t, err)
	ctx, stop := context.WithCancelCause(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop(nil)
		require.NoError(t, <-ended)
	})
	return s
}

func dial(t *testing.T, url string) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{URL: url, Token: domain.NewSecret(drivingports.Token)})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func services(t *testing.T) contract.Services {
	w := drivingports.New()
	c := dial(t, serve(t, w).URL())
	good, dead := w.Ends()
	return contract.Services{
		Jobs: c.Jobs, Batches: c.Batches, Output: c.Output, Servers: c.Servers, Access: c.Access, Keys: c.Keys, Good: good, Dead: dead,
		Begin: func(t *testing.T) contract.Running { return w.Begin(t) },
	}
}

func TestJobService(t *testing.T) { contract.JobService(t, services) }

func TestKeyService(t *testing.T)   { contract.KeyService(t, services) }
func TestBatchService(t *testing.T) { contract.BatchService(t, services) }

func TestServerService(t *testing.T) { contract.ServerService(t, services) }

func TestClient_ErrorsKeepKindAndCode(t *testing.T) {
	w := drivingports.New()
	c := dial(t, serve(t, w).URL())
	for _, kind := range domain.Kinds() {
		sent := &domain.Error{
			Kind: kind, Code: "thing_" + string(kind), Message: "what happened, and what to do", Details: map[string]any{"limit": int64(7), "field": "x"},
			Err: errors.New("the cause, which stays inside"),
		}
		w.Fail(fmt.Errorf("wrapped: %w", sent))
		for name, call := range map[string]func() error{
			"Get":    func() error { _, err := c.Jobs.Get(t.Context(), "018f0000-0000-7000-8000-000000000001"); return err },
			"List":   func() error { _, err := c.Servers.List(t.Context(), ports.ServerQuery{}); return err },
			"Test":   func() error { _, err := c.Access.Test(t.Context(), "018f0000-0000-7000-8000-000000000001"); return err },
			"Follow": func() error { return c.Output.Follow(t.Context(), "018f0000-0000-7000-8000-000000000001", 0, nil) },
			"Open": func() error {
				_, _, err := c.Output.Open(t.Context(), "018f0000-0000-7000-8000-000000000001", domain.Stdout, 0, 0)
				return err
			},
		} {
			got, ok := errors.AsType[*domain.Error](call())
			require.True(t, ok, name)
			require.Equal(t, kind, got.Kind, name)
			require.Equal(t, sent.Code, got.Code, name)
			require.NotContains(t, got.Message, "the cause")
			if kind == domain.KindInternal {
				require.NotEqual(t, sent.Message, got.Message)
				require.Empty(t, got.Details)
				continue
			}
			require.Equal(t, sent.Message, got.Message, name)
			require.Equal(t, sent.Details, got.Details, name)
		}
	}
}

func TestClient_UnreachableSaysWhatToDo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	url := "http://" + l.Addr().String()
	require.NoError(t, l.Close())
	c := dial(t, url)
	_, err = c.Jobs.Get(t.Context(), "018f0000-0000-7000-8000-000000000001")
	require.ErrorIs(t, err, &domain.Error{Code: "api_unreachable"})
	require.Equal(t, domain.KindUnavailable, domain.KindOf(err))
	require.ErrorContains(t, err, url)
	require.ErrorContains(t, err, "remora up")
	err = c.Output.Follow(t.Context(), "018f0000-0000-7000-8000-000000000001", 0, nil)
	require.ErrorIs(t, err, &domain.Error{Code: "api_unreachable"})
	h := c.System.Health(t.Context())
	require.False(t, h.Healthy())
	require.ErrorIs(t, h.Database, &domain.Error{Code: "api_unreachable"})
}

func TestClient_StrangersAreNamed(t *testing.T) {
	for name, h := range map[string]struct {
		handler http.HandlerFunc
		code    string
	}{
		"Page":    {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, "api_answer_strange"},
		"Gateway": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "bad", http.StatusBadGateway) }, "api_unreachable"},
		"Teapot":  {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "tea", http.StatusTeapot) }, "api_answer_strange"},
		"Redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		}, "api_answer_strange"},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(h.handler)
			defer s.Close()
			c := dial(t, s.URL)
			_, err := c.Jobs.Get(t.Context(), "018f0000-0000-7000-8000-000000000001")
			require.ErrorIs(t, err, &domain.Error{Code: h.code})
		})
	}
}

func TestClient_HealthTravels(t *testing.T) {
	w := drivingports.New()
	c := dial(t, serve(t, w).URL())
	h := c.System.Health(t.Context())
	require.True(t, h.Healthy())
	require.True(t, drivingports.Began.Before(h.At))
	w.SetHealth(nil, errors.New("connection refused"))
	h = c.System.Health(t.Context())
	require.NoError(t, h.Database)
	require.ErrorIs(t, h.Queue, domain.ErrQueueUnavailable)
}

func TestClient_WrongToken(t *testing.T) {
	s := serve(t, drivingports.New())
	for _, token := range []string{"", "guess"} {
		c, err := client.New(client.Config{URL: s.URL() + "/", Token: domain.NewSecret(token)})
		require.NoError(t, err)
		_, err = c.Jobs.List(t.Context(), ports.JobQuery{Limit: 1})
		require.ErrorIs(t, err, domain.ErrUnauthenticated)
		require.Equal(t, domain.KindUnauthenticated, domain.KindOf(err))
		c.Close()
	}
}

func TestNew_RefusesWhatIsNoAddress(t *testing.T) {
	for _, url := range []string{"", "127.0.0.1:8080", "ftp://x", "http://", "http://user:pw@x", "http://x/?a=b", "http://x\x00"} {
		_, err := client.New(client.Config{URL: url})
		require.ErrorIs(t, err, &domain.Error{Code: "url_invalid"}, url)
	}
}

func TestOutput_OpenCutShortIsAnError(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write(bytes.Repeat([]byte("x"), 10))
	}))
	defer s.Close()
	c := dial(t, s.URL)
	r, size, err := c.Output.Open(t.Context(), "018f0000-0000-7000-8000-000000000001", domain.Stdout, 0, -1)
	require.NoError(t, err)
	require.EqualValues(t, 100, size)
	_, err = io.ReadAll(r)
	require.ErrorIs(t, err, &domain.Error{Code: "api_unreachable"})
	require.NoError(t, r.Close())
}
