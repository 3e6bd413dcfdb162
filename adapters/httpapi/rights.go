package httpapi

import (
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/heysubinoy/remora/domain"
)

// anybody may ask without signing in.
const anybody domain.Role = ""

const (
	viewer   = domain.RoleViewer
	operator = domain.RoleOperator
	admin    = domain.RoleAdmin
)

// rights says who may use a route: the one table of it. HEAD is as GET. A route that is not in here is an administrator's;
// a test finds it.
var rights = map[string]domain.Role{
	"GET /":                        anybody,
	"GET /login":                   anybody,
	"GET /health":                  anybody,
	"GET /live":                    anybody,
	"GET /ready":                   anybody,
	"GET /metrics":                 anybody,
	"GET /docs":                    anybody,
	"GET " + api + "/openapi.json": anybody,

	"POST " + api + "/session":      anybody,
	"DELETE " + api + "/session":    anybody,
	"GET " + api + "/session":       viewer,
	"POST " + api + "/session/code": viewer,

	"GET " + api + "/system/info":     viewer,
	"GET " + api + "/system/enhanced": viewer,

	"GET " + api + "/jobs":                   viewer,
	"GET " + api + "/jobs/:id":               viewer,
	"GET " + api + "/jobs/:id/logs":          viewer,
	"GET " + api + "/jobs/:id/stdout":        viewer,
	"GET " + api + "/jobs/:id/stderr":        viewer,
	"GET " + api + "/jobs/:id/stream":        viewer,
	"POST " + api + "/jobs":                  operator,
	"POST " + api + "/jobs/script":           operator,
	"POST " + api + "/jobs/:id/duplicate":    operator,
	"POST " + api + "/jobs/:id/rerun":        operator,
	"POST " + api + "/jobs/:id/cancel":       operator,
	"POST " + api + "/jobs/bulk":             operator,
	"GET " + api + "/batches":                viewer,
	"GET " + api + "/batches/:id":            viewer,
	"GET " + api + "/batches/:id/groups":     viewer,
	"POST " + api + "/batches/:id/cancel":    operator,
	"POST " + api + "/batches/:id/rerun":     operator,
	"GET " + api + "/servers":                viewer,
	"GET " + api + "/servers/:id":            viewer,
	"POST " + api + "/servers/:id/test":      operator,
	"POST " + api + "/servers":               admin,
	"PUT " + api + "/servers/:id":            admin,
	"DELETE " + api + "/servers/:id":         admin,
	"POST " + api + "/servers/:id/host-key":  admin,
	"POST " + api + "/servers/:id/status":    operator,
	"GET " + api + "/servers/:id/status":     operator,
	"POST " + api + "/servers/bulk/status":   operator,
	"GET " + api + "/servers/status/all":     operator,
	"GET " + api + "/files/pem":              viewer,
	"POST " + api + "/upload/pem":            admin,
	"POST " + api + "/pem-files/upload":      admin,
	"DELETE " + api + "/files/pem/:filename": admin,

	"GET " + api + "/tokens":             admin,
	"POST " + api + "/tokens":            admin,
	"POST " + api + "/tokens/:id/rotate": admin,
	"DELETE " + api + "/tokens/:id":      admin,
}

// need is what a request needs.
type need struct {
	route string // METHOD path; empty where there is none
	role  domain.Role
}

// needs returns what a request needs. What leads nowhere under the API is told to whoever may read, and to anybody elsewhere.
func (s *Server) needs(c echo.Context) need {
	r := c.Request()
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	key := method + " " + c.Path()
	role, there := s.rights[key]
	switch {
	case there:
		return need{key, role}
	case method == http.MethodOptions || c.Path() == "" && !underAPI(r.URL.Path):
		return need{role: anybody}
	case s.open[c.Path()]:
		return need{role: anybody}
	}
	return need{role: viewer}
}

// collectRights holds the table against the routes there are.
func (s *Server) collectRights(e *echo.Echo) {
	s.rights, s.open = map[string]domain.Role{}, map[string]bool{}
	for _, r := range e.Routes() {
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		key := method + " " + r.Path
		role, declared := rights[key]
		if !declared {
			role = admin
		}
		s.rights[key] = role
		s.open[r.Path] = s.open[r.Path] || declared && role == anybody
	}
}

// check says whether p may.
func (n need) check(p domain.Principal) error {
	if n.role == anybody || p.Role.Includes(n.role) {
		return nil
	}
	return &domain.Error{
		Kind: domain.KindDenied, Code: "role_denied",
		Message: fmt.Sprintf("%s needs the role %s, and %q has the role %s; ask an administrator for a token with that role",
			n.route, n.role, p.Name, p.Role),
		Details: map[string]any{"needs": string(n.role), "has": string(p.Role)},
	}
}
