package httpapi

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // for page.html
	"encoding/base64"
	"html/template"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

//go:embed page.html
var pageText string

//go:embed login.html
var loginText string

// page is what stands at / or /login: the finished text, and the policy that lets in its one style sheet, its one script if it
// has one, and nothing else.
type page struct {
	body   []byte
	policy string
}

func newPage(text, version string) page {
	var b bytes.Buffer
	t := template.Must(template.New("page").Parse(text))
	if err := t.Execute(&b, map[string]string{"Version": version, "API": api}); err != nil {
		// The text is part of the program; TestPage renders it.
		b.WriteString("Remora " + template.HTMLEscapeString(version))
	}
	policy := "default-src 'none'; style-src " + hashOf(b.String(), "style") + "; img-src data:"
	if script := hashOf(b.String(), "script"); script != "" {
		policy += "; script-src " + script + "; connect-src 'self'"
	}
	return page{body: b.Bytes(), policy: policy + "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}
}

// hashOf names what stands between the tags of an element to a browser; empty where there is no such element.
func hashOf(text, element string) string {
	_, rest, ok := strings.Cut(text, "<"+element+">")
	if !ok {
		return ""
	}
	inside, _, _ := strings.Cut(rest, "</"+element+">")
	sum := sha256.Sum256([]byte(inside))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func (s *Server) getPage(c echo.Context) error { return s.show(c, s.page) }

// getLogin is the page that a sign-in address leads to.
func (s *Server) getLogin(c echo.Context) error { return s.show(c, s.login) }

func (s *Server) show(c echo.Context, p page) error {
	c.Response().Header().Set("Content-Security-Policy", p.policy)
	return s.blob(c, http.StatusOK, "text/html; charset=utf-8", p.body)
}
