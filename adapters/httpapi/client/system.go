package client

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/heysubinoy/remora/adapters/httpapi/wire"
	"github.com/heysubinoy/remora/ports"
)

// System is ports.System over HTTP.
type System struct{ *conn }

var _ ports.System = (*System)(nil)

// Info implements ports.System.
func (c *System) Info(ctx context.Context) (ports.SystemInfo, error) {
	var w wire.SystemInfo
	err := c.do(ctx, call{method: http.MethodGet, path: "system/info"}, &w)
	return w.Ports(), err
}

// Overview implements ports.System.
func (c *System) Overview(ctx context.Context) (ports.SystemOverview, error) {
	var w wire.SystemOverview
	err := c.do(ctx, call{method: http.MethodGet, path: "system/enhanced"}, &w)
	return w.Ports(), err
}

// healthTimeout bounds how long an API may take to say how it is.
const healthTimeout = 5 * time.Second

// Health implements ports.System. While the API cannot be reached, database and queue are away for the same reason.
func (c *System) Health(ctx context.Context) ports.Health {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	fail := func(err error) ports.Health {
		return ports.Health{At: time.Now().UTC().Truncate(time.Microsecond), Database: err, Queue: err}
	}
	resp, err := c.send(ctx, call{method: http.MethodGet, path: "/health"})
	if err != nil {
		return fail(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return fail(c.sendError(ctx, err))
	}
	var h wire.Health
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusServiceUnavailable || c.decode(body, &h) != nil || h.Status == "" {
		return fail(c.answerError(resp, body))
	}
	return h.Domain()
}
