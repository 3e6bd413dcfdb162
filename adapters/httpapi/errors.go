package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/heysubinoy/remora/adapters/httpapi/wire"
	"github.com/heysubinoy/remora/domain"
)

// statusError is an error with a status that no kind has.
type statusError struct {
	cause  *domain.Error
	status int
}

func (e *statusError) Error() string { return e.cause.Error() }

func (e *statusError) Unwrap() error { return e.cause }

// gone is the error of a write: the reader has left, or has taken nothing for too long. Nobody is there to be told.
func gone(err error) error {
	if err == nil {
		return nil
	}
	return domain.ErrCanceled.Because(err)
}

// asError makes a domain error of whatever a handler returned, with its HTTP status.
func asError(c echo.Context, err error) (*domain.Error, int) {
	if s, ok := errors.AsType[*statusError](err); ok {
		return s.cause, s.status
	}
	if e, ok := errors.AsType[*domain.Error](err); ok {
		return e, wire.Status(e.Kind)
	}
	if h, ok := errors.AsType[*echo.HTTPError](err); ok {
		switch h.Code {
		case http.StatusNotFound:
			return noRoute(c.Request()), h.Code
		case http.StatusMethodNotAllowed:
			allow := c.Response().Header().Get(echo.HeaderAllow)
			return &domain.Error{
				Kind: domain.KindUnsupported, Code: "method_not_allowed",
				Message: c.Request().Method + " is not possible here; use " + allow,
				Details: map[string]any{"allow": strings.Split(allow, ", ")},
			}, h.Code
		}
	}
	switch {
	case errors.Is(err, context.Canceled):
		return domain.ErrCanceled.Because(err), wire.StatusClientClosed
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return domain.ErrTimeout.Because(err), wire.Status(domain.KindTimeout)
	}
	return domain.Internal("an unexpected error", err), http.StatusInternalServerError
}

// renderError is Echo's error handler: the one place where an error becomes an answer.
func (s *Server) renderError(err error, c echo.Context) {
	r := c.Response()
	if r.Committed {
		return
	}
	e, status := asError(c, err)
	h := r.Header()
	for _, name := range []string{"ETag", "Last-Modified", "Accept-Ranges", "Content-Length", "Content-Encoding", "Content-Disposition", "Location"} {
		h.Del(name)
	}
	h.Set("Cache-Control", "no-store")
	switch status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="remora"`)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		h.Set("Retry-After", retryAfter(e))
	}
	if err := s.json(c, status, wire.ErrorOf(e, requestID(c))); err != nil {
		s.log.Debug("an error answer could not be written", slog.String("request_id", requestID(c)), slog.Any("error", err))
	}
}

// retryAfter is what the error says, else 5 s: long enough for a restart, short enough for a person.
func retryAfter(e *domain.Error) string {
	switch n := e.Details["retry_after"].(type) {
	case int:
		return strconv.Itoa(max(n, 1))
	case int64:
		return strconv.FormatInt(max(n, 1), 10)
	}
	return "5"
}
