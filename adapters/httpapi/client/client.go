// Package client is the driving ports over HTTP: whoever holds one cannot tell whether the application is in this process
// or behind the REST API. Errors come back with the kind, code, message and details they left with. An API that cannot be
// reached is api_unreachable, domain.KindUnavailable.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/heysubinoy/remora/adapters/httpapi/wire"
	"github.com/heysubinoy/remora/domain"
)

// Config says where the API is and who asks.
type Config struct {
	URL       string        // as http://127.0.0.1:8080; a path before /api/v1 is kept
	Token     domain.Secret // empty asks without one
	HTTP      *http.Client  // nil takes one with time limits on dialing and on the first byte of an answer
	UserAgent string        // empty is "remora-client"

	// Reach is told by whoever follows a job that the API is away, with the error of each try, and that it is back, with
	// nil. It may be called at once from many; nil tells nobody.
	Reach func(error)
}

// Client is the driving ports over HTTP. Every one is safe for concurrent use.
type Client struct {
	Jobs    *Jobs
	Batches *Batches
	Output  *Output
	Servers *Servers
	Access  *Access
	Keys    *Keys
	System  *System
	Tokens  *Tokens
	Account *Account

	conn *conn
}

// conn is what the ports share.
type conn struct {
	base   *url.URL
	token  domain.Secret
	http   *http.Client
	agent  string
	reach  func(error)
	pauses pauses
}

// maxAnswer bounds what is read of one JSON answer; a full page of jobs with the longest scripts fits.
const maxAnswer = 1 << 30

// New returns a client. It asks nothing yet. Fails with url_invalid.
func New(cfg Config) (*Client, error) {
	base, err := url.Parse(strings.TrimRight(cfg.URL, "/"))
	if err != nil || (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" || base.RawQuery != "" || base.User != nil {
		return nil, domain.Invalid("url", "%q is not the address of an API server; give one as http://127.0.0.1:8080", cfg.URL)
	}
	c := &conn{base: base, token: cfg.Token, agent: cfg.UserAgent, reach: cfg.Reach, pauses: defaultPauses()}
	if c.agent == "" {
		c.agent = "remora-client"
	}
	if c.reach == nil {
		c.reach = func(error) {}
	}
	own := http.Client{Transport: transport()}
	if cfg.HTTP != nil {
		own = *cfg.HTTP
	}
	// A redirect would carry the token to an address that nobody named.
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.http = &own
	return &Client{
		Jobs: &Jobs{c}, Batches: &Batches{c}, Output: &Output{c}, Servers: &Servers{c}, Access: &Access{c}, Keys: &Keys{c}, System: &System{c},
		Tokens: &Tokens{c}, Account: &Account{c}, conn: c,
	}, nil
}

func transport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: wire.MaxWait + time.Minute,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConnsPerHost:   16,
		ForceAttemptHTTP2:     true,
	}
}

// URL returns the address of the API.
func (c *Client) URL() string { return c.conn.base.String() }

// Close lets go of idle connections. The client may still be used.
func (c *Client) Close() { c.conn.http.CloseIdleConnections() }

// call is one request.
type call struct {
	method string
	path   string // under /api/v1, or from the root when it begins with /
	query  url.Values
	header http.Header
	body   any    // written as JSON
	raw    []byte // in place of body, of the type media
	media  string
}

// send returns an answer of any status; the caller closes its body.
func (c *conn) send(ctx context.Context, k call) (*http.Response, error) {
	u := *c.base
	if !strings.HasPrefix(k.path, "/") {
		k.path = "/api/v1/" + k.path
	}
	u.Path += k.path
	u.RawQuery = k.query.Encode()
	var body io.Reader
	if k.body != nil {
		b, err := json.Marshal(k.body)
		if err != nil {
			return nil, domain.Internal("a request could not be written", err)
		}
		body, k.media = bytes.NewReader(b), "application/json"
	} else if k.raw != nil {
		body = bytes.NewReader(k.raw)
	}
	r, err := http.NewRequestWithContext(ctx, k.method, u.String(), body)
	if err != nil {
		return nil, domain.Internal("a request could not be made", err)
	}
	for name, values := range k.header {
		r.Header[name] = values
	}
	if body != nil {
		r.Header.Set("Content-Type", k.media)
	}
	r.Header.Set("User-Agent", c.agent)
	if !c.token.Empty() {
		r.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, c.sendError(ctx, err)
	}
	return resp, nil
}

// do sends a request and reads its JSON answer into out.
func (c *conn) do(ctx context.Context, k call, out any) error {
	resp, err := c.send(ctx, k)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return c.sendError(ctx, err)
	}
	if resp.StatusCode/100 != 2 {
		return c.answerError(resp, body)
	}
	return c.decode(body, out)
}

func (c *conn) decode(body []byte, out any) error {
	if err := json.Unmarshal(body, out); err != nil {
		return c.strange("an answer that is not its JSON").Because(err)
	}
	return nil
}

// sendError explains why there is no answer.
func (c *conn) sendError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return contextError(ctx)
	}
	return &domain.Error{
		Kind: domain.KindUnavailable, Code: "api_unreachable", Err: err,
		Message: fmt.Sprintf("the Remora API at %s cannot be reached (%v); start it with remora up, or name another with REMORA_URL", c.base, reason(err)),
		Details: map[string]any{"url": c.base.String()},
	}
}

// reason leaves out the method and URL that net/http puts before every cause.
func reason(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// contextError translates a done context, and gives back the domain error that ended it where one did.
func contextError(ctx context.Context) error {
	cause := context.Cause(ctx)
	if e, ok := errors.AsType[*domain.Error](cause); ok && (e.Kind == domain.KindCanceled || e.Kind == domain.KindTimeout) {
		return cause
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return domain.ErrTimeout.Because(cause)
	}
	return domain.ErrCanceled.Because(cause)
}

// answerError gives back the error as it was on the other side.
func (c *conn) answerError(resp *http.Response, body []byte) error {
	if e, ok := wire.ReadError(body); ok {
		return e.Domain(wire.KindOf(resp.StatusCode))
	}
	if kind := wire.KindOf(resp.StatusCode); kind == domain.KindUnavailable || kind == domain.KindTimeout {
		return &domain.Error{
			Kind: domain.KindUnavailable, Code: "api_unreachable", Details: map[string]any{"url": c.base.String()},
			Message: fmt.Sprintf("something before the Remora API at %s answers %s; is the API running?", c.base, resp.Status),
		}
	}
	return c.strange(resp.Status)
}

func (c *conn) strange(what string) *domain.Error {
	text := fmt.Sprintf("%s answered with %s; is it a Remora API?", c.base, what)
	return &domain.Error{Kind: domain.KindUnavailable, Code: "api_answer_strange", Message: text}
}

func unknownJob(id domain.JobID) error {
	return domain.ErrJobNotFound.Withf("there is no job with the id %q", string(id))
}

func unknownServer(id domain.ServerID) error {
	return domain.ErrServerNotFound.Withf("there is no server with the id %q", string(id))
}
