package httpapi

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/heysubinoy/remora/adapters/httpapi/wire"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

const (
	headerRequestID = "X-Request-ID"
	keyRequestID    = "remora.request_id"
	keyPrincipal    = "remora.principal"
)

// observe gives the request its id, turns its error into an answer and writes its line in the log.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		began := time.Now()
		id := c.Request().Header.Get(headerRequestID)
		if !validRequestID(id) {
			id = strings.ToLower(rand.Text())
		}
		c.Set(keyRequestID, id)
		c.Response().Header().Set(headerRequestID, id)
		c.SetRequest(c.Request().WithContext(ports.WithRequest(c.Request().Context(), id)))
		answered := s.cfg.Count(c.Request().Method, c.Path()) // a template, or nothing where there is no route
		// A deadline that an earlier request on this connection left behind is not this one's.
		_ = http.NewResponseController(c.Response()).SetWriteDeadline(time.Time{})

		err := next(c)
		if err != nil {
			c.Error(err)
		}
		answered(c.Response().Status, c.Response().Size)
		s.logRequest(c, err, time.Since(began))
		return nil
	}
}

func (s *Server) logRequest(c echo.Context, err error, took time.Duration) {
	route := c.Path()
	if route == "" {
		route = short(c.Request().URL.Path)
	}
	attrs := []slog.Attr{
		slog.String("method", c.Request().Method), slog.String("route", route), slog.Int("status", c.Response().Status),
		slog.Duration("duration", took), slog.Int64("bytes", c.Response().Size), slog.String("request_id", requestID(c)),
	}
	if id := c.Param("id"); id != "" {
		attrs = append(attrs, slog.String("id", short(id)))
	}
	if p := principal(c); p.Name != "" {
		attrs = append(attrs, slog.String("principal", p.Name))
	}
	level := slog.LevelInfo
	if err != nil {
		e, status := asError(c, err)
		attrs = append(attrs, slog.String("code", e.Code))
		if status >= http.StatusInternalServerError {
			level = slog.LevelError
			attrs = append(attrs, slog.String("error", fullText(e)))
		}
	}
	s.log.LogAttrs(context.WithoutCancel(c.Request().Context()), level, "request", attrs...)
}

func fullText(e *domain.Error) string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

func (s *Server) recoverPanics(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			if p := recover(); p != nil {
				s.log.Error("a handler panicked", "panic", fmt.Sprint(p), "request_id", requestID(c), "stack", string(debug.Stack()))
				err = domain.Internal("a handler panicked", fmt.Errorf("panic: %v", p))
			}
		}()
		return next(c)
	}
}

// headers sets what every answer says to browsers: nothing here is a page to run, frame or guess about.
func (s *Server) headers(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		return next(c)
	}
}

// cors lets the pages of exactly the configured origins read answers, and answers their preflights.
func (s *Server) cors(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r, h := c.Request(), c.Response().Header()
		if len(s.cfg.CORSOrigins) > 0 {
			h.Add("Vary", "Origin")
		}
		origin := r.Header.Get("Origin")
		allowed := origin != "" && slices.Contains(s.cfg.CORSOrigins, origin)
		if allowed {
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Allow-Credentials", "true")
			h.Set("Access-Control-Expose-Headers", "ETag, Location, Retry-After, Content-Range, Accept-Ranges, X-Request-ID")
		}
		if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
			return next(c)
		}
		if allowed {
			h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, DELETE")
			h.Set("Access-Control-Allow-Headers",
				"Authorization, Content-Type, Idempotency-Key, If-None-Match, If-Range, Last-Event-ID, Range, X-Request-ID")
			h.Set("Access-Control-Max-Age", "600")
		}
		return c.NoContent(http.StatusNoContent)
	}
}

// authenticate lets a request in whose caller has the role that its route needs.
func (s *Server) authenticate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		need := s.needs(c)
		if need.role == anybody {
			return next(c)
		}
		session, mode, err := s.caller(c.Request())
		if err != nil {
			return err
		}
		c.Set(keyPrincipal, session.Principal)
		c.Set(keySession, wire.SessionOf(session, mode))
		if err := need.check(session.Principal); err != nil {
			return err
		}
		return next(c)
	}
}

// sameMachine stands in for sign-in where there is none: a page of another site that runs in a browser on this machine
// must not reach the API, neither by its own name rebound to the loopback address nor by a request that needs no preflight.
func (s *Server) sameMachine(r *http.Request) error {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = strings.Trim(r.Host, "[]")
	}
	ip := net.ParseIP(host)
	if !strings.EqualFold(host, "localhost") && (ip == nil || !ip.IsLoopback()) {
		return &domain.Error{
			Kind: domain.KindDenied, Code: "host_denied",
			Message: "without sign-in the API only answers under localhost or a loopback address",
		}
	}
	origin := r.Header.Get("Origin")
	if origin == "" || slices.Contains(s.cfg.CORSOrigins, origin) {
		return nil
	}
	if u, err := url.Parse(origin); err != nil || !strings.EqualFold(u.Host, r.Host) {
		return &domain.Error{
			Kind: domain.KindDenied, Code: "origin_denied",
			Message: "pages of this origin may not use the API; name it in CORS_ALLOWED_ORIGINS if they should",
		}
	}
	return nil
}

func validRequestID(id string) bool {
	if id == "" || len(id) > 128 {
		return false
	}
	return !strings.ContainsFunc(id, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
	})
}

func requestID(c echo.Context) string {
	id, _ := c.Get(keyRequestID).(string)
	return id
}

func principal(c echo.Context) domain.Principal {
	p, _ := c.Get(keyPrincipal).(domain.Principal)
	return p
}
