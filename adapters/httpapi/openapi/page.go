package openapi

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // for the two templates
	"encoding/base64"
	"fmt"
	"html/template"
	"regexp"
	"strings"
	"sync"
	text "text/template"
)

var (
	//go:embed page.html
	pageText string
	//go:embed api.md.tmpl
	markdownText string
)

// HTML is a page and the policy that lets its one style sheet, and nothing else, in.
type HTML struct {
	Body   []byte
	Policy string
}

// Page returns the document as a page of plain HTML: no script, nothing fetched.
var Page = sync.OnceValue(func() HTML {
	_, rest, _ := strings.Cut(pageText, "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(style))
	t := template.Must(template.New("page").Funcs(template.FuncMap{"prose": prose, "inline": inline, "anchor": anchor}).Parse(pageText))
	var b bytes.Buffer
	if err := t.Execute(&b, modelOf(Document())); err != nil {
		panic("openapi: the page that is part of this program cannot be written: " + err.Error()) // TestPage writes it
	}
	return HTML{
		Body: b.Bytes(),
		Policy: fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox",
			base64.StdEncoding.EncodeToString(sum[:])),
	}
})

// Markdown returns the document as the text of docs/API.md.
var Markdown = sync.OnceValue(func() []byte {
	t := text.Must(text.New("markdown").Funcs(text.FuncMap{"cell": cell, "anchor": anchor}).Parse(markdownText))
	var b bytes.Buffer
	if err := t.Execute(&b, modelOf(Document())); err != nil {
		panic("openapi: the text that is part of this program cannot be written: " + err.Error())
	}
	return b.Bytes()
})

var (
	code   = regexp.MustCompile("`([^`]+)`")
	strong = regexp.MustCompile(`\*\*([^*]+)\*\*`)
	name   = regexp.MustCompile(`\[([A-Z][A-Za-z]+)\]`)
)

// inline marks code, emphasis and names of schemas in one line of text.
func inline(s string) template.HTML {
	s = template.HTMLEscapeString(s)
	s = code.ReplaceAllString(s, "<code>$1</code>")
	s = strong.ReplaceAllString(s, "<strong>$1</strong>")
	s = name.ReplaceAllString(s, `<a href="#$1">$1</a>`)
	return template.HTML(s) //nolint:gosec // escaped above, and part of the program
}

// prose makes paragraphs.
func prose(s string) template.HTML {
	var b strings.Builder
	for paragraph := range strings.SplitSeq(strings.TrimSpace(s), "\n\n") {
		if paragraph != "" {
			b.WriteString("<p>" + string(inline(paragraph)) + "</p>\n")
		}
	}
	return template.HTML(b.String()) //nolint:gosec // of escaped parts
}

// cell makes a text fit into a cell of a Markdown table.
func cell(s string) string {
	s = name.ReplaceAllStringFunc(s, func(m string) string {
		n := strings.Trim(m, "[]")
		return "[" + n + "](#" + strings.ToLower(n) + ")"
	})
	return strings.ReplaceAll(strings.ReplaceAll(strings.TrimSpace(s), "|", `\|`), "\n", " ")
}

// anchor returns the name of a place in the page.
func anchor(s string) string { return strings.ToLower(strings.ReplaceAll(s, " ", "-")) }
