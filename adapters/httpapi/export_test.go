package httpapi

import "github.com/labstack/echo/v4"

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
