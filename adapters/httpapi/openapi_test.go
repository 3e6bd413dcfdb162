package httpapi_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/httpapi/openapi"
)

// TestOpenAPI_DescribesTheRoutes compares both ways; a GET answers HEAD as well, which the document says once for all.
func TestOpenAPI_DescribesTheRoutes(t *testing.T) {
	b := open(t)
	described, registered := map[string]bool{}, map[string]bool{}
	for _, op := range openapi.Operations(openapi.Document()) {
		described[op.Method+" "+op.Path] = true
		if op.Method == http.MethodGet {
			described["HEAD "+op.Path] = true
		}
	}
	for _, route := range b.server.Routes() {
		registered[route[0]+" "+regexp.MustCompile(`:(\w+)`).ReplaceAllString(route[1], "{$1}")] = true
	}
	require.Equal(t, described, registered)
}

func TestOpenAPI_IsServed(t *testing.T) {
	b := open(t)
	r := b.do(t, "GET", "openapi.json", "", "Authorization", "")
	require.Equal(t, http.StatusOK, r.status)
	require.Equal(t, "application/json; charset=utf-8", r.header.Get("Content-Type"))
	require.JSONEq(t, string(openapi.JSON()), r.body)
	require.Equal(t, http.StatusNotModified, b.do(t, "GET", "openapi.json", "", "If-None-Match", r.header.Get("ETag")).status)

	page := b.do(t, "GET", "/docs", "", "Authorization", "")
	require.Equal(t, http.StatusOK, page.status)
	require.Equal(t, "text/html; charset=utf-8", page.header.Get("Content-Type"))
	require.Regexp(t, `^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]{44}';`, page.header.Get("Content-Security-Policy"))
	require.Equal(t, http.StatusNotModified, b.do(t, "GET", "/docs", "", "If-None-Match", page.header.Get("ETag")).status)
	require.Contains(t, strings.ToLower(page.body), "<!doctype html>")
}
