package apicheck

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// Transport sends requests with next and checks every exchange; what is wrong fails the test. Streams of events are checked
// as they are read.
func Transport(t testing.TB, next http.RoundTripper) http.RoundTripper {
	return &transport{t, next, API()}
}

type transport struct {
	t    testing.TB
	next http.RoundTripper
	c    *Checker
}

// RoundTrip implements http.RoundTripper.
func (tr *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	x := Exchange{Method: r.Method, URL: r.URL}
	if r.GetBody != nil {
		if body, err := r.GetBody(); err == nil {
			x.Sent, _ = io.ReadAll(body)
		}
	}
	resp, err := tr.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	x.Header, x.Status = resp.Header, resp.StatusCode
	switch media, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";"); {
	case media == "text/event-stream":
		resp.Body = &events{ReadCloser: resp.Body, tr: tr, path: r.URL.EscapedPath()}
	case media == "application/json" || resp.ContentLength == 0:
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		resp.Body = io.NopCloser(bytes.NewReader(body))
		if err != nil {
			resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), failing{err}))
			return resp, nil //nolint:nilerr // cut off: nothing can be said of it, and its reader is told
		}
		if x.Body, err = plain(resp, body); err != nil {
			tr.t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
	}
	if err := tr.c.Check(x); err != nil {
		tr.t.Error(err)
	}
	return resp, nil
}

// plain undoes the encoding that a test asked for itself; the transport undoes its own.
func plain(resp *http.Response, body []byte) ([]byte, error) {
	if body == nil {
		body = []byte{}
	}
	if resp.Header.Get("Content-Encoding") != "gzip" || len(body) == 0 {
		return body, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// events checks the events of a stream on their way through.
type events struct {
	io.ReadCloser
	tr   *transport
	path string
	rest bytes.Buffer
}

// Read implements io.Reader.
func (e *events) Read(p []byte) (int, error) {
	n, err := e.ReadCloser.Read(p)
	e.rest.Write(p[:n])
	for {
		text, rest, whole := strings.Cut(e.rest.String(), "\n\n")
		if !whole {
			break
		}
		e.rest.Reset()
		e.rest.WriteString(rest)
		if err := e.tr.c.block(e.path, text); err != nil {
			e.tr.t.Error(err)
		}
	}
	return n, err
}

// block checks what stands between two empty lines.
func (c *Checker) block(path, text string) error {
	var name, data string
	id := false
	for line := range strings.SplitSeq(text, "\n") {
		field, value, _ := strings.Cut(line, ": ")
		switch field {
		case "": // a comment
		case "id":
			id = value != ""
		case "event":
			name = value
		case "data":
			data += value
		default:
			return errors.New("a stream of events has a line that is none of theirs: " + line)
		}
	}
	if name == "" && data == "" {
		return nil
	}
	if !id {
		return errors.New("an event " + name + " has no id to go on from")
	}
	return c.Event(path, name, []byte(data))
}
