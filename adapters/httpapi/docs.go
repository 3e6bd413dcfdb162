package httpapi

import (
	"github.com/labstack/echo/v4"

	"github.com/heysubinoy/remora/adapters/httpapi/openapi"
)

// getOpenAPI answers with the API's own description.
func (s *Server) getOpenAPI(c echo.Context) error {
	return s.tagged(c, "application/json; charset=utf-8", openapi.JSON(), openapi.JSON())
}

// getDocs answers with the description as a page.
func (s *Server) getDocs(c echo.Context) error {
	page := openapi.Page()
	c.Response().Header().Set("Content-Security-Policy", page.Policy)
	return s.tagged(c, "text/html; charset=utf-8", page.Body, page.Body)
}
