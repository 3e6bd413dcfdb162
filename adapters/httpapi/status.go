package httpapi

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/heysubinoy/remora/adapters/httpapi/wire"
	"github.com/heysubinoy/remora/ports"
)

// checkServer answers 200 whatever the check finds: it is the answer.
func (s *Server) checkServer(c echo.Context) error {
	id, err := s.actOnServer(c)
	if err != nil {
		return err
	}
	status, err := s.cfg.Access.Check(c.Request().Context(), id)
	if err != nil {
		return err
	}
	return s.json(c, http.StatusOK, wire.ServerStatusOf(status))
}

func (s *Server) checkServers(c echo.Context) error {
	p := params(c, "active", "tag")
	q := ports.ServerQuery{Tag: p.text("tag")}
	if active := p.flag("active", false); p.has("active") {
		q.Active = &active
	}
	if p.err != nil {
		return p.err
	}
	if err := bindNothing(c); err != nil {
		return err
	}
	list, err := s.cfg.Access.CheckAll(c.Request().Context(), q)
	if err != nil {
		return err
	}
	return s.json(c, http.StatusOK, wire.ServerStatusesOf(list))
}
