package httpapi

import (
	"net/http"

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

	e.POST(api+"/jobs/bulk", s.submitBatch)
	get(api+"/batches", s.listBatches)
	get(api+"/batches/:id", s.getBatch)
	get(api+"/batches/:id/groups", s.getGroups)
	e.POST(api+"/batches/:id/cancel", s.cancelBatch)
	e.POST(api+"/batches/:id/rerun", s.rerunBatch)
	get(api+"/system/info", s.getSystemInfo)
	get(api+"/system/enhanced", s.getSystemEnhanced)

	e.POST(api+"/servers", s.createServer)
	get(api+"/servers", s.listServers)
	get(api+"/servers/:id", s.getServer)
	e.PUT(api+"/servers/:id", s.updateServer)
	e.DELETE(api+"/servers/:id", s.deleteServer)
	e.POST(api+"/servers/:id/test", s.testServer)
	e.POST(api+"/servers/:id/host-key", s.trustHostKey)
}

// public are the routes that ask for no token; whatever is not in here does.
var public = map[string]bool{
	"/": true, "/health": true, "/live": true, "/ready": true, "/metrics": true, "/docs": true, api + "/openapi.json": true,
}

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
