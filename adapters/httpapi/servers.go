package httpapi

import (
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/heysubinoy/remora/adapters/httpapi/wire"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

func (s *Server) createServer(c echo.Context) error {
	var b wire.CreateServer
	if err := bind(c, &b, maxBody); err != nil {
		return err
	}
	n, err := b.NewServer()
	if err != nil {
		return err
	}
	if err := params(c).err; err != nil {
		return err
	}
	server, err := s.cfg.Servers.Create(c.Request().Context(), n)
	if err != nil {
		return err
	}
	c.Response().Header().Set("Location", api+"/servers/"+string(server.ID))
	return s.json(c, http.StatusCreated, wire.ServerOf(&server))
}

func (s *Server) getServer(c echo.Context) error {
	id, err := serverID(c)
	if err != nil {
		return err
	}
	if err := params(c).err; err != nil {
		return err
	}
	server, err := s.cfg.Servers.Get(c.Request().Context(), id)
	if err != nil {
		return err
	}
	return s.resource(c, wire.ServerOf(&server))
}

func (s *Server) listServers(c echo.Context) error {
	p := params(c, "active", "tag", "search", "limit", "cursor")
	q := ports.ServerQuery{
		Tag: p.text("tag"), Search: p.text("search"), Cursor: p.text("cursor"), Limit: int(p.number("limit", 1, 1000, 0)),
	}
	if active := p.flag("active", false); p.has("active") {
		q.Active = &active
	}
	if p.err != nil {
		return p.err
	}
	page, err := s.cfg.Servers.List(c.Request().Context(), q)
	if err != nil {
		return err
	}
	return s.resource(c, wire.ServerListOf(page))
}

func (s *Server) updateServer(c echo.Context) error {
	id, err := serverID(c)
	if err != nil {
		return err
	}
	var b wire.UpdateServer
	if err := bind(c, &b, maxBody); err != nil {
		return err
	}
	if err := params(c).err; err != nil {
		return err
	}
	server, err := s.cfg.Servers.Update(c.Request().Context(), id, b.Change())
	if err != nil {
		return err
	}
	return s.json(c, http.StatusOK, wire.ServerOf(&server))
}

func (s *Server) deleteServer(c echo.Context) error {
	id, err := serverID(c)
	if err != nil {
		return err
	}
	p := params(c, "force")
	force := p.flag("force", false)
	if p.err != nil {
		return p.err
	}
	if err := bindNothing(c); err != nil {
		return err
	}
	deleted, err := s.cfg.Servers.Delete(c.Request().Context(), id, force)
	if err != nil {
		return err
	}
	message := "the server is deleted"
	if deleted > 0 {
		message = fmt.Sprintf("the server is deleted, and %d of its jobs", deleted)
	}
	return s.json(c, http.StatusOK, wire.Deleted{Message: message, DeletedJobs: deleted})
}

// testServer answers 200 when the server can be used, and 503 with the step that failed when it cannot.
func (s *Server) testServer(c echo.Context) error {
	id, err := s.actOnServer(c)
	if err != nil {
		return err
	}
	report, err := s.cfg.Access.Test(c.Request().Context(), id)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if !report.OK {
		status = http.StatusServiceUnavailable
	}
	return s.json(c, status, wire.TestReportOf(report, requestID(c)))
}

func (s *Server) trustHostKey(c echo.Context) error {
	id, err := serverID(c)
	if err != nil {
		return err
	}
	var b wire.Trust
	if err := bind(c, &b, maxBody); err != nil {
		return err
	}
	if err := params(c).err; err != nil {
		return err
	}
	server, err := s.cfg.Access.Trust(c.Request().Context(), id, b.Fingerprint)
	if err != nil {
		return err
	}
	return s.json(c, http.StatusOK, wire.ServerOf(&server))
}

// actOnServer binds a POST that has nothing but an id.
func (s *Server) actOnServer(c echo.Context) (domain.ServerID, error) {
	id, err := serverID(c)
	if err != nil {
		return "", err
	}
	if err := params(c).err; err != nil {
		return "", err
	}
	return id, bindNothing(c)
}
