package httpapi

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/heysubinoy/remora/domain"
)

// api is the base of everything that needs a token.
const api = "/api/v1"

// Body limits. A script fits however its characters are escaped in JSON.
const (
	maxBody       = 1 << 20
	maxScriptBody = 6*domain.MaxScriptBytes + maxBody
)

// route lists every route there is. GET answers HEAD too.
func (s *Server) route(e *echo.Echo) {
	get := func(path string, h echo.HandlerFunc) {
		e.GET(path, h)
		e.HEAD(path, h)
	}
	get("/", s.getPage)
	get("/health", s.getHealth)
	get("/live", s.getLive)
	get("/ready", s.getReady)
	if s.cfg.Metrics != nil {
		get("/metrics", echo.WrapHandler(s.cfg.Metrics))
	}
	get("/docs", s.getDocs)
	get(api+"/openapi.json", s.getOpenAPI)

	e.POST(api+"/jobs", s.submitJob)
	e.POST(api+"/jobs/script", s.submitScript)
	get(api+"/jobs", s.listJobs)
	get(api+"/jobs/:id", s.getJob)
	e.POST(api+"/jobs/:id/cancel", s.cancelJob)
	e.POST(api+"/jobs/:id/duplicate", s.duplicateJob)
	e.POST(api+"/jobs/:id/rerun", s.rerunJob)
	get(api+"/jobs/:id/logs", s.getLogs)
	get(api+"/jobs/:id/stdout", s.getStream(domain.Stdout))
	get(api+"/jobs/:id/stderr", s.getStream(domain.Stderr))
	get(api+"/jobs/:id/stream", s.follow)

	s.routeBatches(e, get)
	get(api+"/system/info", s.getSystemInfo)
	get(api+"/system/enhanced", s.getSystemEnhanced)

	e.POST(api+"/servers", s.createServer)
	get(api+"/servers", s.listServers)
	get(api+"/servers/:id", s.getServer)
	e.PUT(api+"/servers/:id", s.updateServer)
	e.DELETE(api+"/servers/:id", s.deleteServer)
	e.POST(api+"/servers/:id/test", s.testServer)
	e.POST(api+"/servers/:id/host-key", s.trustHostKey)

	get("/login", s.getLogin)
	e.POST(api+"/session", s.signIn)
	get(api+"/session", s.getSession)
	e.DELETE(api+"/session", s.signOut)
	e.POST(api+"/session/code", s.makeCode)
	e.POST(api+"/tokens", s.createToken)
	get(api+"/tokens", s.listTokens)
	e.POST(api+"/tokens/:id/rotate", s.rotateToken)
	e.DELETE(api+"/tokens/:id", s.deleteToken)
	e.POST(api+"/servers/:id/status", s.checkServer)
	e.POST(api+"/servers/bulk/status", s.checkServers)

	e.POST(api+"/upload/pem", s.uploadKey)
	get(api+"/files/pem", s.listKeys)
	e.DELETE(api+"/files/pem/:filename", s.deleteKey)

	// What older clients call these.
	get(api+"/servers/:id/status", s.checkServer)
	get(api+"/servers/status/all", s.checkServers)
	e.POST(api+"/pem-files/upload", s.uploadKey)
}

func (s *Server) routeBatches(e *echo.Echo, get func(path string, h echo.HandlerFunc)) {
	e.POST(api+"/jobs/bulk", s.submitBatch)
	get(api+"/batches", s.listBatches)
	get(api+"/batches/:id", s.getBatch)
	get(api+"/batches/:id/groups", s.getGroups)
	e.POST(api+"/batches/:id/cancel", s.cancelBatch)
	e.POST(api+"/batches/:id/rerun", s.rerunBatch)
}

// underAPI reports whether a path is the API's, whether or not something is there.
func underAPI(path string) bool { return strings.HasPrefix(path, api) }

func noRoute(r *http.Request) *domain.Error {
	return &domain.Error{
		Kind: domain.KindNotFound, Code: "route_not_found",
		Message: "there is nothing at this path; the API is under " + api, Details: map[string]any{"path": short(r.URL.Path)},
	}
}

// short keeps what a caller sent from filling an answer or a log line.
func short(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}
