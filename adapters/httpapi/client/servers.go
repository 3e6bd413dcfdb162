package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/heysubinoy/remora/adapters/httpapi/wire"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Servers is ports.Servers over HTTP.
type Servers struct{ *conn }

var _ ports.Servers = (*Servers)(nil)

// Create implements ports.Servers.
func (c *Servers) Create(ctx context.Context, n ports.NewServer) (domain.Server, error) {
	return c.server(ctx, call{method: http.MethodPost, path: "servers", body: wire.NewServerOf(n)})
}

// Get implements ports.Servers.
func (c *Servers) Get(ctx context.Context, id domain.ServerID) (domain.Server, error) {
	if !wire.IsID(string(id)) {
		return domain.Server{}, unknownServer(id)
	}
	return c.server(ctx, call{method: http.MethodGet, path: "servers/" + string(id)})
}

// List implements ports.Servers.
func (c *Servers) List(ctx context.Context, q ports.ServerQuery) (ports.ServerPage, error) {
	v := url.Values{}
	for name, value := range map[string]string{"tag": q.Tag, "search": q.Search, "cursor": q.Cursor} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if q.Active != nil {
		v.Set("active", strconv.FormatBool(*q.Active))
	}
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	var list wire.ServerList
	err := c.do(ctx, call{method: http.MethodGet, path: "servers", query: v}, &list)
	return list.Page(), err
}

// Update implements ports.Servers.
func (c *Servers) Update(ctx context.Context, id domain.ServerID, change ports.ServerChange) (domain.Server, error) {
	if !wire.IsID(string(id)) {
		return domain.Server{}, unknownServer(id)
	}
	return c.server(ctx, call{method: http.MethodPut, path: "servers/" + string(id), body: wire.ChangeOf(change)})
}

// Delete implements ports.Servers.
func (c *Servers) Delete(ctx context.Context, id domain.ServerID, force bool) (int64, error) {
	if !wire.IsID(string(id)) {
		return 0, unknownServer(id)
	}
	v := url.Values{}
	if force {
		v.Set("force", "true")
	}
	var answer wire.Deleted
	err := c.do(ctx, call{method: http.MethodDelete, path: "servers/" + string(id), query: v}, &answer)
	return answer.DeletedJobs, err
}

func (c *conn) server(ctx context.Context, k call) (domain.Server, error) {
	var s wire.Server
	if err := c.do(ctx, k, &s); err != nil {
		return domain.Server{}, err
	}
	return s.Domain(), nil
}

// Access is ports.ServerAccess over HTTP.
type Access struct{ *conn }

var _ ports.ServerAccess = (*Access)(nil)

// Test implements ports.ServerAccess.
func (c *Access) Test(ctx context.Context, id domain.ServerID) (ports.TestReport, error) {
	if !wire.IsID(string(id)) {
		return ports.TestReport{}, unknownServer(id)
	}
	resp, err := c.send(ctx, call{method: http.MethodPost, path: "servers/" + string(id) + "/test"})
	if err != nil {
		return ports.TestReport{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return ports.TestReport{}, c.sendError(ctx, err)
	}
	// A server that cannot be reached comes with 503 as an API in trouble does; its status tells them apart.
	var report wire.TestReport
	err = c.decode(body, &report)
	if resp.StatusCode == http.StatusServiceUnavailable && err == nil && report.Status == wire.TestFailed {
		return report.Domain(), nil
	}
	if resp.StatusCode != http.StatusOK {
		return ports.TestReport{}, c.answerError(resp, body)
	}
	if err != nil {
		return ports.TestReport{}, err
	}
	return report.Domain(), nil
}

// Trust implements ports.ServerAccess.
func (c *Access) Trust(ctx context.Context, id domain.ServerID, fingerprint string) (domain.Server, error) {
	if !wire.IsID(string(id)) {
		return domain.Server{}, unknownServer(id)
	}
	return c.server(ctx, call{
		method: http.MethodPost, path: "servers/" + string(id) + "/host-key", body: wire.Trust{Fingerprint: fingerprint},
	})
}
