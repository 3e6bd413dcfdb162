package httpapi

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/heysubinoy/remora/adapters/httpapi/wire"
)

// getHealth says what is there. Why something is away is for the log: anybody may ask.
func (s *Server) getHealth(c echo.Context) error {
	h := s.cfg.System.Health(c.Request().Context())
	status := http.StatusOK
	if !h.Healthy() {
		status = http.StatusServiceUnavailable
		s.log.Warn("the API is degraded", "database", h.Database, "queue", h.Queue, "request_id", requestID(c))
	}
	return s.json(c, status, wire.HealthOf(h, s.cfg.Version))
}

// getLive says that the process answers.
func (s *Server) getLive(c echo.Context) error {
	return s.json(c, http.StatusOK, wire.Probe{Status: "alive"})
}

// getReady says whether requests should be sent here: the database is there and the server is not stopping. A queue that
// is away delays jobs, but they are taken.
func (s *Server) getReady(c echo.Context) error {
	h := s.cfg.System.Health(c.Request().Context())
	if h.Database != nil || s.stopping.Err() != nil {
		return s.json(c, http.StatusServiceUnavailable, wire.Probe{Status: "not_ready"})
	}
	return s.json(c, http.StatusOK, wire.Probe{Status: "ready"})
}

// getSystemInfo answers with counts; that time has passed makes no other version of them.
func (s *Server) getSystemInfo(c echo.Context) error {
	if err := params(c).err; err != nil {
		return err
	}
	i, err := s.cfg.System.Info(c.Request().Context())
	if err != nil {
		return err
	}
	info := wire.SystemInfoOf(i)
	timeless := info
	timeless.Timestamp = time.Time{}
	return s.resourceAs(c, info, timeless)
}

func (s *Server) getSystemEnhanced(c echo.Context) error {
	if err := params(c).err; err != nil {
		return err
	}
	o, err := s.cfg.System.Overview(c.Request().Context())
	if err != nil {
		return err
	}
	return s.json(c, http.StatusOK, wire.SystemOverviewOf(o)) // measured now, and never twice the same
}
