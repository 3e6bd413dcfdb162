// Package httpapi is the REST edge: Echo routes over the driving ports. A handler binds a request, calls one port and
// renders the answer; what jobs and servers may do is decided behind the ports. Its JSON stands in wire, the driving
// ports over HTTP in client. It knows no other adapter, and Echo is known to nobody else.
package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Config is what a Server is made of. Every port is needed, but Auth and Sessions not with AuthNone.
type Config struct {
	Addr        string   // host:port to listen on; port 0 takes any
	CORSOrigins []string // exact origins, as https://remora.example.org, whose pages may call the API
	AuthNone    bool     // ask nobody for a token; only on the loopback interface

	Jobs     ports.Jobs
	Batches  ports.Batches
	Output   ports.Output
	Servers  ports.Servers
	Access   ports.ServerAccess
	Keys     ports.Keys
	System   ports.System
	Auth     ports.Authenticator
	Tokens   ports.Tokens
	Sessions ports.Sessions

	Logger  *slog.Logger // nil logs nothing
	Version string       // shown on / and /health

	MaxUpload int64                                                               // bytes of a key that is uploaded; 0 = 64 KiB
	Metrics   http.Handler                                                        // answers /metrics; nil: there is no such path
	Count     func(method, route string) (answered func(status int, bytes int64)) // is told of every request; nil tells nobody

	Heartbeat    time.Duration // silence on a stream after which a comment is sent; 0 = 15 s
	WriteTimeout time.Duration // how long a reader may take nothing before it is cut off; 0 = 30 s
	StopTimeout  time.Duration // how long Run waits for open requests at its end; 0 = 10 s
}

// Server serves the REST API. It listens from Open on; Run answers.
type Server struct {
	cfg      Config
	log      *slog.Logger
	listener net.Listener
	http     *http.Server
	page     page
	login    page
	origins  *http.CrossOriginProtection // tells the dashboard's own pages from others
	rights   map[string]domain.Role      // what each route needs
	open     map[string]bool             // paths that anybody may ask for in one way or another
	stop     context.CancelCauseFunc
	stopping context.Context // ends when the server is asked to stop: streams and long polls end with it
	closing  sync.Once
	closed   chan struct{}
}

var errStopping = &domain.Error{Kind: domain.KindUnavailable, Code: "api_stopping", Message: "the API server is stopping; try again soon"}

// Open listens on cfg.Addr. An address that cannot be listened on is an error that says what to do: address_taken,
// address_denied or address_invalid.
func Open(cfg Config) (*Server, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	origins, err := ownOrigins(cfg.CORSOrigins)
	if err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", cfg.Addr)
	if err != nil {
		return nil, listenError(cfg.Addr, err)
	}
	if a, ok := l.Addr().(*net.TCPAddr); cfg.AuthNone && (!ok || !a.IP.IsLoopback()) {
		_ = l.Close()
		return nil, &domain.Error{
			Kind: domain.KindInvalid, Code: "auth_none_not_loopback",
			Message: fmt.Sprintf("without sign-in the API only listens on the loopback interface, and %s is another; use 127.0.0.1 or switch sign-in on", cfg.Addr),
		}
	}
	s := &Server{
		cfg: cfg, log: cfg.Logger, listener: l, origins: origins, closed: make(chan struct{}),
		page: newPage(pageText, cfg.Version), login: newPage(loginText, cfg.Version),
	}
	s.stopping, s.stop = context.WithCancelCause(context.Background())
	s.http = &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelWarn),
	}
	return s, nil
}

// Addr returns the address it listens on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// URL returns the base URL for somebody on this machine.
func (s *Server) URL() string {
	a, ok := s.listener.Addr().(*net.TCPAddr)
	if ok && a.IP.IsUnspecified() {
		return fmt.Sprintf("http://127.0.0.1:%d", a.Port)
	}
	return "http://" + s.Addr()
}

// Run answers until ctx is done, then stops: streams and long polls end at once, other requests may take up to
// StopTimeout. It returns nil after such a stop. A stopped server stays stopped: Run then returns nil.
func (s *Server) Run(ctx context.Context) error {
	unhook := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer unhook()
	err := s.http.Serve(s.listener)
	if errors.Is(err, http.ErrServerClosed) {
		<-s.closed
		return nil
	}
	_ = s.Close()
	return domain.Internal("the API server could not go on listening on "+s.Addr(), err)
}

// Close stops the server as the end of Run's context does, and returns when it has stopped. Closing twice is closing once.
func (s *Server) Close() error {
	s.closing.Do(func() {
		defer close(s.closed)
		s.stop(errStopping)
		ctx, cancel := context.WithTimeout(context.Background(), s.cfg.StopTimeout)
		defer cancel()
		if err := s.http.Shutdown(ctx); err != nil {
			s.log.Warn("requests were cut off by the stop", "error", err)
			_ = s.http.Close()
		}
		// Shutdown only closes listeners that Serve has seen.
		_ = s.listener.Close()
	})
	<-s.closed
	return nil
}

func (s *Server) handler() http.Handler {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.Logger.SetOutput(discard{})
	e.HTTPErrorHandler = s.renderError
	e.Use(s.observe, s.recoverPanics, s.headers, s.cors, s.authenticate)
	s.route(e)
	s.collectRights(e)
	return e
}

func (c *Config) check() error {
	for name, missing := range map[string]bool{
		"Jobs": c.Jobs == nil, "Batches": c.Batches == nil, "Output": c.Output == nil, "Servers": c.Servers == nil, "Access": c.Access == nil,
		"Keys": c.Keys == nil, "System": c.System == nil, "Auth": c.Auth == nil && !c.AuthNone, "Tokens": c.Tokens == nil,
		"Sessions": c.Sessions == nil && !c.AuthNone,
	} {
		if missing {
			return domain.Internal("the API server was not given "+name, errors.ErrUnsupported)
		}
	}
	for _, o := range c.CORSOrigins {
		u, err := url.Parse(o)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || o != u.Scheme+"://"+strings.ToLower(u.Host) {
			return domain.Invalid("cors_origin", "%q is not an exact origin; write it as https://remora.example.org, without a path", o)
		}
	}
	c.Heartbeat = orDefault(c.Heartbeat, 15*time.Second)
	c.WriteTimeout = orDefault(c.WriteTimeout, 30*time.Second)
	c.StopTimeout = orDefault(c.StopTimeout, 10*time.Second)
	if c.MaxUpload <= 0 {
		c.MaxUpload = defaultUpload
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Count == nil {
		c.Count = func(string, string) func(int, int64) { return func(int, int64) {} }
	}
	return nil
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

func listenError(addr string, err error) error {
	e := &domain.Error{Kind: domain.KindInvalid, Code: "address_invalid", Err: err}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		e.Kind, e.Code = domain.KindConflict, "address_taken"
		e.Message = fmt.Sprintf("another program listens on %s; stop it, or give the API another address with SERVER_ADDR", addr)
	case errors.Is(err, syscall.EACCES):
		e.Kind, e.Code = domain.KindDenied, "address_denied"
		e.Message = fmt.Sprintf("this user may not listen on %s; give the API a port above 1023 with SERVER_ADDR", addr)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		e.Message = fmt.Sprintf("%s is no address of this machine; give the API another one with SERVER_ADDR", addr)
	default:
		e.Message = fmt.Sprintf("cannot listen on %q: %v; give the API an address as 127.0.0.1:8080 with SERVER_ADDR", addr, err)
	}
	return e
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
