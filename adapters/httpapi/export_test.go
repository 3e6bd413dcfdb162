package httpapi

import (
	"maps"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/heysubinoy/remora/domain"
)

// Routes returns every route as method and path.
func (s *Server) Routes() [][2]string {
	e := echo.New()
	s.route(e)
	var all [][2]string
	for _, r := range e.Routes() {
		all = append(all, [2]string{r.Method, r.Path})
	}
	return all
}

// Declared lists the routes whose rights are declared, METHOD path.
func Declared() []string { return slices.Sorted(maps.Keys(rights)) }

// Right says what a route needs, METHOD path.
func Right(route string) domain.Role { return rights[route] }
