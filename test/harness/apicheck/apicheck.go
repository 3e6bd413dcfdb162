// Package apicheck holds what the REST API says of itself against what it does: every answer that passes through its
// transport must be one that the OpenAPI document describes (status, headers, body, events), and every request that was
// accepted one that it allows.
package apicheck

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/heysubinoy/remora/adapters/httpapi/openapi"
)

// location is the name under which the compiler knows the document.
const location = "openapi.json"

// Checker compares with one document. It is safe for concurrent use.
type Checker struct {
	doc      *openapi.Object
	paths    []template
	compiler *jsonschema.Compiler

	mu      sync.Mutex
	schemas map[string]*jsonschema.Schema
	seen    map[string]bool
}

type template struct {
	path  string
	parts []string
	item  *openapi.Object
}

// API returns the checker of Remora's own document.
var API = sync.OnceValue(func() *Checker {
	c, err := newChecker(openapi.Document(), openapi.JSON())
	if err != nil {
		panic(fmt.Sprintf("the document cannot be checked against: %v", err))
	}
	return c
})

func newChecker(doc *openapi.Object, text []byte) (*Checker, error) {
	c := &Checker{doc: doc, compiler: jsonschema.NewCompiler(), schemas: map[string]*jsonschema.Schema{}, seen: map[string]bool{}}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	c.compiler.DefaultDraft(jsonschema.Draft2020)
	c.compiler.AssertFormat()
	if err := c.compiler.AddResource(location, v); err != nil {
		return nil, err
	}
	for path, item := range doc.At("paths").Objects() {
		c.paths = append(c.paths, template{path, strings.Split(path, "/"), item})
	}
	return c, nil
}

// Exchange is a request and its answer. Body is nil where it was not read.
type Exchange struct {
	Method  string
	URL     *url.URL
	Header  http.Header // of the answer
	Sent    []byte      // nil where it is not known
	Status  int
	Body    []byte
	NoToken bool // the request carried none
}

// Check returns what is wrong with an exchange.
func (c *Checker) Check(x Exchange) error {
	if err := c.check(x); err != nil {
		return fmt.Errorf("%s %s answered %d, which is not what the OpenAPI document says: %w\n%s", x.Method, x.URL, x.Status, err, short(x.Body))
	}
	return nil
}

func (c *Checker) check(x Exchange) error {
	method := strings.ToLower(x.Method)
	if method == "options" {
		return options(x)
	}
	if method == "head" {
		method = "get"
	}
	t, known := c.match(method, x.URL.EscapedPath())
	switch {
	case !known:
		return c.elsewhere(x, "404")
	case t == nil:
		return c.elsewhere(x, "405")
	}
	op := t.item.At(method)
	at := []string{"paths", t.path, method}
	status := strconv.Itoa(x.Status)
	response := op.At("responses", status)
	if response == nil {
		return errors.New("there is no such status")
	}
	c.note(method, t.path, status)
	at = append(at, "responses", status)
	if ref := response.Text("$ref"); ref != "" {
		at, response = strings.Split(strings.TrimPrefix(ref, "#/"), "/"), c.doc.Ref(response)
	}
	if err := c.response(x, response, at); err != nil {
		return err
	}
	if x.Status >= 400 {
		return nil
	}
	return c.request(x, t, op, method)
}

// elsewhere checks an answer about a path or a method that is not there; signing in comes first.
func (c *Checker) elsewhere(x Exchange, status string) error {
	got := strconv.Itoa(x.Status)
	switch got {
	case status, "401", "403", "429", "503":
	default:
		return fmt.Errorf("there is no such operation, so this should be %s", status)
	}
	name := "Status" + got
	r := c.doc.At("components", "responses", name)
	return c.response(x, r, []string{"components", "responses", name})
}

func options(x Exchange) error {
	switch {
	case x.Status != http.StatusNoContent && x.Status != http.StatusNotFound:
		return errors.New("OPTIONS is 204")
	case x.Header.Get("X-Request-ID") == "":
		return errors.New("there is no X-Request-ID")
	}
	return nil
}

// Describes reports whether the document has an operation for a path.
func (c *Checker) Describes(method, path string) bool {
	t, _ := c.match(strings.ToLower(method), path)
	return t != nil
}

// match returns the path of the document that has the method, and whether there is any.
func (c *Checker) match(method, path string) (found *template, known bool) {
	parts := strings.Split(path, "/")
	for i, t := range c.paths {
		if len(t.parts) != len(parts) {
			continue
		}
		fits := true
		for j, p := range t.parts {
			variable := strings.HasPrefix(p, "{")
			empty := parts[j] == "" && j == len(parts)-1 // then the path ends before it
			fits = fits && (variable && !empty || p == parts[j])
		}
		known = known || fits
		// What is written out goes before a variable.
		if fits && t.item.Has(method) && (found == nil || strings.Count(t.path, "{") < strings.Count(found.path, "{")) {
			found = &c.paths[i]
		}
	}
	return found, known
}

// guarded are headers that mean something: one that is answered must be described.
var guarded = []string{
	"ETag", "Location", "Retry-After", "WWW-Authenticate", "Content-Range", "Accept-Ranges", "Allow", "Last-Modified", "Set-Cookie", "X-Request-ID",
}

func (c *Checker) response(x Exchange, r *openapi.Object, at []string) error {
	headers := r.At("headers")
	for _, name := range guarded {
		h := c.doc.Ref(headers.At(name))
		value := x.Header.Get(name)
		switch {
		case value == "" && h.Flag("required"):
			return fmt.Errorf("the header %s is missing", name)
		case value != "" && h == nil:
			return fmt.Errorf("the header %s is not described", name)
		case value != "":
			place := append(append([]string(nil), at...), "headers", name)
			if ref := headers.At(name).Text("$ref"); ref != "" {
				place = strings.Split(strings.TrimPrefix(ref, "#/"), "/")
			}
			if err := c.text(value, h.At("schema"), append(place, "schema")); err != nil {
				return fmt.Errorf("the header %s: %w", name, err)
			}
		}
	}
	if x.Method == http.MethodHead || x.Body == nil {
		return nil
	}
	content := r.At("content")
	if content == nil {
		if len(x.Body) > 0 {
			return errors.New("there should be no body")
		}
		return nil
	}
	media, _, _ := strings.Cut(x.Header.Get("Content-Type"), ";")
	if !content.Has(media) {
		return fmt.Errorf("a body of type %q is not described", media)
	}
	if media != "application/json" {
		return nil
	}
	return c.json(x.Body, append(append([]string(nil), at...), "content", media, "schema"))
}

// request checks what was accepted.
func (c *Checker) request(x Exchange, t *template, op *openapi.Object, method string) error {
	query := x.URL.Query()
	described := map[string]bool{}
	for _, owner := range []struct {
		o  *openapi.Object
		at []string
	}{{t.item, []string{"paths", t.path}}, {op, []string{"paths", t.path, method}}} {
		for i, p := range owner.o.List("parameters") {
			place := append(append([]string(nil), owner.at...), "parameters", strconv.Itoa(i))
			param := p.(*openapi.Object)
			if ref := param.Text("$ref"); ref != "" {
				param, place = c.doc.Ref(param), strings.Split(strings.TrimPrefix(ref, "#/"), "/")
			}
			name := param.Text("name")
			if param.Text("in") != "query" || !query.Has(name) {
				continue
			}
			described[name] = true
			if err := c.text(query.Get(name), param.At("schema"), append(place, "schema")); err != nil {
				return fmt.Errorf("the parameter %s was accepted: %w", name, err)
			}
		}
	}
	for name := range query {
		if !described[name] && !op.Has("security") { // what anybody may ask takes any query
			return fmt.Errorf("the parameter %s was accepted and is not described", name)
		}
	}
	content := op.At("requestBody", "content")
	if len(x.Sent) == 0 || method == "get" { // a GET has no body, whatever comes with it
		return nil
	}
	if content == nil {
		return errors.New("a body was accepted, and none is described")
	}
	if !content.Has("application/json") {
		return nil
	}
	if err := c.json(x.Sent, []string{"paths", t.path, method, "requestBody", "content", "application/json", "schema"}); err != nil {
		return fmt.Errorf("the body was accepted: %w: %s", err, short(x.Sent))
	}
	return nil
}

// Event checks an event of a stream.
func (c *Checker) Event(path, name string, data []byte) error {
	t, _ := c.match("get", path)
	if t == nil {
		return fmt.Errorf("%s is not described", path)
	}
	at := []string{"paths", t.path, "get", "responses", "200", "content", "text/event-stream", "x-events", name}
	if c.doc.At(at...) == nil {
		return fmt.Errorf("an event %q of %s is not described", name, path)
	}
	if err := c.json(data, at); err != nil {
		return fmt.Errorf("the event %s of %s is not what the OpenAPI document says: %w\n%s", name, path, err, short(data))
	}
	return nil
}

// text checks a text as a value of the schema's type.
func (c *Checker) text(value string, schema *openapi.Object, at []string) error {
	var v any = value
	switch c.doc.Ref(schema).Text("type") {
	case "integer", "number":
		v = json.Number(value)
		if _, err := strconv.ParseFloat(value, 64); err != nil {
			return fmt.Errorf("%q is not a number", value)
		}
	case "boolean":
		b, err := strconv.ParseBool(value)
		if err != nil {
			return err
		}
		v = b
	case "array":
		var list []any
		for part := range strings.SplitSeq(value, ",") {
			list = append(list, strings.TrimSpace(part))
		}
		v = list
	}
	return c.validate(v, at)
}

func (c *Checker) json(body []byte, at []string) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return c.validate(v, at)
}

func (c *Checker) validate(v any, at []string) error {
	var pointer strings.Builder
	for _, part := range at {
		pointer.WriteString("/" + url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(part)))
	}
	c.mu.Lock()
	s, ok := c.schemas[pointer.String()]
	if !ok {
		compiled, err := c.compiler.Compile(location + "#" + pointer.String())
		if err != nil {
			c.mu.Unlock()
			return err
		}
		s = compiled
		c.schemas[pointer.String()] = s
	}
	c.mu.Unlock()
	return s.Validate(v)
}

func (c *Checker) note(method, path, status string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[strings.ToUpper(method)+" "+path+" "+status] = true
}

// Unseen returns the answers that the document describes for an operation of its own and that nobody has had.
func (c *Checker) Unseen() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var unseen []string
	for _, op := range openapi.Operations(c.doc) {
		if op.Flag("deprecated") { // the same handler under an older name
			continue
		}
		for status, r := range op.At("responses").Objects() {
			if name := op.Method + " " + op.Path + " " + status; !c.seen[name] && !r.Has("$ref") {
				unseen = append(unseen, name)
			}
		}
	}
	return unseen
}

func short(body []byte) string {
	if len(body) > 2000 {
		return string(body[:2000]) + "…"
	}
	return string(body)
}
