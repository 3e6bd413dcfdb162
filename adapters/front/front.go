// Package front is the web server of an installation whose browsers do not reach the API itself: it passes what they ask on
// to the API, under its own origin, so that cookies and the same-origin rule hold as they do there. It knows nothing of what
// it passes on, and keeps nothing of it.
package front

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"

	"github.com/heysubinoy/remora/domain"
)

// Config is what a Server is made of.
type Config struct {
	Addr   string // host:port to listen on; port 0 takes any
	API    string // the API's address, as http://127.0.0.1:8080
	Logger *slog.Logger
}

// Server passes requests on. It listens from Open on; Run answers.
type Server struct {
	log      *slog.Logger
	listener net.Listener
	http     *http.Server
	ended    context.CancelCauseFunc // of every request under way
	closing  sync.Once
	closed   chan struct{}
}

// stopWithin is how long requests may take at the end; streams end at once.
const stopWithin = 5 * time.Second

// Open listens. Fails with url_invalid, and address_invalid when it cannot listen.
func Open(cfg Config) (*Server, error) {
	api, err := url.Parse(cfg.API)
	if err != nil || api.Scheme != "http" && api.Scheme != "https" || api.Host == "" || api.User != nil || api.RawQuery != "" {
		return nil, domain.Invalid("url", "%q is not the address of an API; give it as http://host:port (REMORA_URL)", cfg.API)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", cfg.Addr)
	if err != nil {
		return nil, &domain.Error{
			Kind: domain.KindInvalid, Code: "address_invalid", Err: err,
			Message: fmt.Sprintf("the web server cannot listen on %s (%v); give it another address with SERVER_ADDR", cfg.Addr, err),
		}
	}
	base, ended := context.WithCancelCause(context.Background())
	s := &Server{log: cfg.Logger, listener: l, ended: ended, closed: make(chan struct{})}
	s.http = &http.Server{
		Handler:           s.handler(api),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return base },
		ErrorLog:          slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug),
	}
	return s, nil
}

// URL returns the address for somebody on this machine.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Run answers until ctx is done. A clean stop returns nil.
func (s *Server) Run(ctx context.Context) error {
	unhook := context.AfterFunc(ctx, s.close)
	defer unhook()
	err := s.http.Serve(s.listener)
	if errors.Is(err, http.ErrServerClosed) {
		<-s.closed
		return nil
	}
	s.close()
	return domain.Internal("the web server could not go on listening", err)
}

func (s *Server) close() {
	s.closing.Do(func() {
		defer close(s.closed)
		s.ended(errors.New("the web server is stopping"))
		ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
		defer cancel()
		if s.http.Shutdown(ctx) != nil {
			_ = s.http.Close()
		}
	})
}

func (s *Server) handler(api *url.URL) http.Handler {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil // the API is named; a proxy of the environment is for elsewhere
	transport.MaxIdleConnsPerHost = 100
	transport.DisableCompression = true // what the API packed for the browser stays packed
	return &httputil.ReverseProxy{
		Transport:     transport,
		FlushInterval: -1, // live output is live
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(api)
			r.Out.Host = r.In.Host // the API compares it with the origin of pages
			// What a proxy before us said of the browser still holds.
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
			r.SetXForwarded()
			if proto := r.In.Header.Get("X-Forwarded-Proto"); proto != "" {
				r.Out.Header.Set("X-Forwarded-Proto", proto)
			}
		},
		ErrorHandler: s.unreachable,
		ErrorLog:     slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// unreachable answers in the API's place, in its form.
func (s *Server) unreachable(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		panic(http.ErrAbortHandler) // the browser has gone, or we stop: there is nobody to tell
	}
	s.log.Warn("the API cannot be reached", "error", err)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Retry-After", "5")
	w.WriteHeader(http.StatusServiceUnavailable)
	_ = json.NewEncoder(w).Encode(map[string]string{
		"error": "the web server cannot reach the API; try again soon", "code": "api_unreachable", "request_id": "",
	})
}
