package httpapi

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // for page.html
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

//go:embed page.html
var pageText string

// page is what stands at / : the finished text and the policy that lets its one style sheet, and nothing else, in.
type page struct {
	body   []byte
	policy string
}

func newPage(version string) page {
	_, rest, _ := strings.Cut(pageText, "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(style))
	var b bytes.Buffer
	t := template.Must(template.New("page").Parse(pageText))
	if err := t.Execute(&b, map[string]string{"Version": version, "API": api}); err != nil {
		// The text is part of the program; TestPage renders it.
		b.WriteString("Remora " + template.HTMLEscapeString(version))
	}
	return page{
		body: b.Bytes(),
		policy: fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
			base64.StdEncoding.EncodeToString(sum[:])),
	}
}

func (s *Server) getPage(c echo.Context) error {
	c.Response().Header().Set("Content-Security-Policy", s.page.policy)
	return s.blob(c, http.StatusOK, "text/html; charset=utf-8", s.page.body)
}
