package httpapi

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/heysubinoy/remora/adapters/httpapi/wire"
	"github.com/heysubinoy/remora/domain"
)

// bind reads a JSON body of at most limit bytes into v.
func bind(c echo.Context, v any, limit int64) error {
	r := c.Request()
	if err := checkContentType(r); err != nil {
		return err
	}
	body, err := readBody(c, limit)
	if err != nil {
		return err
	}
	return wire.Decode(body, v)
}

// bindNothing accepts no body, or an empty object from callers that always send one.
func bindNothing(c echo.Context) error {
	if m := c.Request().Method; m == http.MethodGet || m == http.MethodHead {
		return nil // what comes with one has no meaning (RFC 9110, section 9.3.1), and is not looked at
	}
	return bindOptional(c, &struct{}{})
}

// bindOptional is bind for a body that may be left out.
func bindOptional(c echo.Context, v any) error {
	if c.Request().ContentLength == 0 {
		return nil
	}
	body, err := readBody(c, maxBody)
	if err != nil || len(body) == 0 {
		return err
	}
	if err := checkContentType(c.Request()); err != nil {
		return err
	}
	return wire.Decode(body, v)
}

// timeBodies gives every body its time, from the first byte that is asked for to the last. What is left of one that nobody
// read is read by net/http before it sends the answer: for that there is a moment.
func (s *Server) timeBodies(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if r.Body == nil || r.Body == http.NoBody {
			return next(c)
		}
		b := &timedBody{ReadCloser: r.Body, control: http.NewResponseController(c.Response()), timeout: s.cfg.BodyTimeout}
		r.Body = b
		err := next(c)
		if !b.whole && !b.late {
			_ = b.control.SetReadDeadline(time.Now().Add(leftoverTimeout))
		}
		return err
	}
}

const leftoverTimeout = time.Second

type timedBody struct {
	io.ReadCloser
	control            *http.ResponseController
	timeout            time.Duration
	begun, whole, late bool
}

// Read implements io.Reader. The end of the body takes the deadline back: what the connection reads later is not the body.
func (b *timedBody) Read(p []byte) (int, error) {
	if !b.begun {
		b.begun = true
		_ = b.control.SetReadDeadline(time.Now().Add(b.timeout))
	}
	n, err := b.ReadCloser.Read(p)
	b.late = errors.Is(err, os.ErrDeadlineExceeded)
	if errors.Is(err, io.EOF) {
		b.whole = true
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

func unsupportedType(header, value, want string) error {
	return &domain.Error{
		Kind: domain.KindUnsupported, Code: "content_type_unsupported",
		Message: fmt.Sprintf("%s %q is not understood here; send %s", header, short(value), want),
	}
}

func checkContentType(r *http.Request) error {
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return unsupportedType("Content-Encoding", e, "the body as it is")
	}
	value := r.Header.Get("Content-Type")
	media, params, err := mime.ParseMediaType(value)
	charset := params["charset"]
	if err != nil || media != "application/json" || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return unsupportedType("Content-Type", value, "application/json")
	}
	return nil
}

func readBody(c echo.Context, limit int64) ([]byte, error) {
	tooLarge := func() error {
		return &domain.Error{
			Kind: domain.KindTooLarge, Code: "body_too_large",
			Message: fmt.Sprintf("the body is larger than the %d bytes that are allowed here", limit), Details: map[string]any{"limit": limit},
		}
	}
	if c.Request().ContentLength > limit {
		return nil, tooLarge()
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Response(), c.Request().Body, limit))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, tooLarge()
	}
	switch {
	case err == nil:
		return body, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, domain.ErrTimeout.Withf("the body did not come in time").Because(err)
	case errors.Is(err, io.ErrUnexpectedEOF), c.Request().Context().Err() != nil:
		return nil, domain.ErrCanceled.Because(err)
	}
	return nil, domain.Invalid("body", "the body cannot be read: its transfer encoding is broken").Because(err)
}

func jobID(c echo.Context) (domain.JobID, error) {
	id := c.Param("id")
	if !wire.IsID(id) {
		return "", domain.Invalid("job_id", "%q is not a job's id; ids look like 018f3c1e-7a52-7c3e-9b1d-2f4a5c6d7e8f", short(id))
	}
	return domain.JobID(id), nil
}

func serverID(c echo.Context) (domain.ServerID, error) {
	id := c.Param("id")
	if !wire.IsID(id) {
		return "", domain.Invalid("server_id", "%q is not a server's id; ids look like 018f3c1e-7a52-7c3e-9b1d-2f4a5c6d7e8f", short(id))
	}
	return domain.ServerID(id), nil
}

// idempotencyKey reads the header and binds it to who asks: the same key of two callers is two keys.
func idempotencyKey(c echo.Context) (string, error) {
	values := c.Request().Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	printable := !strings.ContainsFunc(key, func(r rune) bool { return r < 0x20 || r > 0x7e })
	if len(values) > 1 || key == "" || len(key) > 255 || !printable {
		return "", domain.Invalid("idempotency_key", "Idempotency-Key must be given once, as 1 to 255 printable ASCII characters")
	}
	return boundKey(principal(c).Name, key), nil
}

// query reads the parameters of a request and keeps the first thing that is wrong with them.
type query struct {
	values url.Values
	err    error
}

// params reads the query of a request, in which only the named parameters may appear, once each.
func params(c echo.Context, names ...string) *query {
	q := &query{}
	values, err := url.ParseQuery(c.Request().URL.RawQuery)
	if err != nil {
		q.err = domain.Invalid("query", "the query after ? is not well formed")
		return q
	}
	q.values = values
	for name, v := range values {
		switch {
		case !slices.Contains(names, name):
			allowed := "none is"
			if len(names) > 0 {
				allowed = strings.Join(names, ", ") + " are"
			}
			q.err = &domain.Error{
				Kind: domain.KindInvalid, Code: "parameter_unknown", Details: map[string]any{"field": short(name)},
				Message: fmt.Sprintf("there is no parameter %q here; %s allowed", short(name), allowed),
			}
		case len(v) > 1:
			q.fail(domain.Invalid(name, "%s is given %d times", name, len(v)))
		case !utf8.ValidString(v[0]) || strings.IndexByte(v[0], 0) >= 0 || len(v[0]) > maxParam:
			q.fail(domain.Invalid(name, "%s must be at most %d bytes of UTF-8 text without NUL", name, maxParam))
		}
	}
	return q
}

const maxParam = 4096

func (q *query) fail(err error) {
	if q.err == nil {
		q.err = err
	}
}

func (q *query) has(name string) bool { return q.values.Has(name) }

func (q *query) text(name string) string { return q.values.Get(name) }

// number reads a whole number from low to high; otherwise is taken where there is none.
func (q *query) number(name string, low, high, otherwise int64) int64 {
	if !q.has(name) {
		return otherwise
	}
	n, err := strconv.ParseInt(q.text(name), 10, 64)
	if err != nil || n < low || n > high {
		q.fail(domain.Invalid(name, "%s must be a whole number from %d to %d", name, low, high))
	}
	return n
}

func (q *query) flag(name string, otherwise bool) bool {
	switch q.text(name) {
	case "true":
		return true
	case "false":
		return false
	}
	if q.has(name) {
		q.fail(domain.Invalid(name, "%s must be true or false", name))
	}
	return otherwise
}

// seconds reads a duration from 0 to high.
func (q *query) seconds(name string, high time.Duration) time.Duration {
	if !q.has(name) {
		return 0
	}
	f, err := strconv.ParseFloat(q.text(name), 64)
	if err != nil || !(f >= 0 && f <= high.Seconds()) {
		q.fail(domain.Invalid(name, "%s must be a number of seconds from 0 to %.0f", name, high.Seconds()))
		return 0
	}
	return time.Duration(f * float64(time.Second))
}

// oneOf reads one of the words; the first is taken where there is none.
func (q *query) oneOf(name string, words ...string) string {
	v := q.text(name)
	if !q.has(name) {
		return words[0]
	}
	if !slices.Contains(words, v) {
		q.fail(domain.Invalid(name, "%s must be one of %s", name, strings.Join(words, ", ")))
	}
	return v
}

// words reads a list with commas.
func words[T ~string](q *query, name, what string) []T {
	if !q.has(name) {
		return nil
	}
	var list []T
	for word := range strings.SplitSeq(q.text(name), ",") {
		if word = strings.TrimSpace(word); word == "" {
			q.fail(domain.Invalid(name, "%s is empty; give %s", name, what))
			continue
		}
		list = append(list, T(word))
	}
	return list
}

// id reads an id; an empty one is none.
func (q *query) id(name string) string {
	v := q.text(name)
	if q.has(name) && !wire.IsID(v) {
		q.fail(domain.Invalid(name, "%s is not an id", name))
	}
	return v
}

// moment reads a time as RFC 3339 writes it, to the microsecond.
func (q *query) moment(name string) time.Time {
	if !q.has(name) {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, q.text(name))
	if t = t.UTC(); err != nil || t.Year() < 1 || t.Year() > 9999 {
		q.fail(domain.Invalid(name, "%s must be a time such as 2026-05-04T12:00:00Z", name))
		return time.Time{}
	}
	return t.Truncate(time.Microsecond)
}
