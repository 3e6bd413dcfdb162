package httpapi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/httpapi/openapi"
)

// mistake is one way to ask an operation wrongly, and the refusal that it deserves.
type mistake struct {
	name, path, body string
	headers          []string
	status           int
	code             string // ends with this
	names            string // the sentence names this
}

// TestWrong_EveryOperation makes every mistake that its description knows of: each is refused with the right 4xx, a code and a sentence
// that names what is wrong, and leaves everything as it was. What is particular to one operation stands in TestBadInput.
func TestWrong_EveryOperation(t *testing.T) {
	b := open(t)
	w := b.walk(t)
	state := func() string {
		var all strings.Builder
		for _, list := range []string{"jobs?limit=100", "servers?limit=1000", "batches?limit=100"} {
			r := b.do(t, "GET", list, "")
			require.Equal(t, http.StatusOK, r.status)
			all.WriteString(r.body)
		}
		return all.String()
	}
	before, made := state(), 0
	for _, op := range openapi.Operations(openapi.Document()) {
		if op.Has("security") || op.Flag("deprecated") { // anybody's pages take what comes
			continue
		}
		t.Run(op.Text("operationId"), func(t *testing.T) {
			for _, m := range mistakes(op, w) {
				t.Run(m.name, func(t *testing.T) {
					r := b.do(t, op.Method, m.path, m.body, m.headers...)
					require.Equal(t, m.status, r.status, "%s %s: %s", op.Method, short(m.path), r.body)
					v := r.json(t)
					require.Regexp(t, m.code+"$", v["code"], r.body)
					require.Contains(t, v["error"], m.names)
					if m.status == http.StatusBadRequest {
						require.Contains(t, v["details"], "field")
					}
				})
				made++
			}
			require.Equal(t, before, state(), "a refused request has changed something")
		})
	}
	require.Greater(t, made, 500)
	t.Logf("%d mistakes", made)
}

func short(s string) string { return s[:min(len(s), 200)] }

func mistakes(op openapi.Operation, w walked) []mistake {
	path := w.path(op.Path)
	body, media := bodyOf(op, w)
	var all []mistake
	add := func(name, path, body string, status int, code, names string, headers ...string) {
		all = append(all, mistake{name, path, body, headers, status, code, names})
	}
	if strings.Contains(op.Path, "{id}") {
		for _, id := range []string{"17", "..", strings.ToUpper(nobody), nobody + "0", "%00", "%ff", strings.Repeat("a", 300)} {
			add("ID "+short(id), strings.ReplaceAll(op.Path, "{id}", id), body, 400, "_id_invalid", "id")
		}
		add("UnknownID", strings.ReplaceAll(op.Path, "{id}", nobody), body, 404, "_not_found", "no ")
	}
	if strings.Contains(op.Path, "{filename}") {
		for _, name := range []string{"..", "a%2fb", "%00", "%ff", ".hidden", strings.Repeat("a", 129)} {
			add("Filename "+short(name), strings.ReplaceAll(op.Path, "{filename}", name), body, 400, "filename_invalid", "name")
		}
		add("UnknownFilename", path, body, 404, "_not_found", "no ")
	}
	add("UnknownParameter", path+"?colour=red", body, 400, "parameter_unknown", "colour")
	add("Query", path+"?%zz", body, 400, "query_invalid", "query")
	for _, p := range op.List("parameters") {
		param := openapi.Document().Ref(p.(*openapi.Object))
		name := param.Text("name")
		switch param.Text("in") {
		case "query":
			with := path + "?"
			if op.Text("operationId") == "getJobLogs" && name != "since" {
				with += "since=0&" // wait and limit go with it
			}
			for _, v := range wrongTexts(param.At("schema")) {
				add("Parameter "+name+"="+short(v), with+name+"="+v, body, 400, name+"_invalid", name)
			}
			add("Twice "+name, with+name+"=1&"+name+"=1", body, 400, name+"_invalid", name)
		case "header":
			if name == "Idempotency-Key" {
				for _, v := range []string{strings.Repeat("k", 256), "ü", "a\tb"} {
					add("Key "+short(v), path, body, 400, "idempotency_key_invalid", name, name, v)
				}
			}
		}
	}
	if media == "application/json" {
		all = append(all, wrongBodies(op, path, body)...)
	}
	return all
}

// bodyOf returns a body that is as it should be, but that it may be refused for what it asks.
func bodyOf(op openapi.Operation, w walked) (body, media string) {
	for media, m := range op.At("requestBody", "content").Objects() {
		text, _ := json.Marshal(m.Get("example"))
		example := openapi.Document().At("components", "schemas", "ID").Text("example")
		return strings.ReplaceAll(string(text), example, w.server), media
	}
	return "", ""
}

func wrongBodies(op openapi.Operation, path, good string) []mistake {
	var all []mistake
	add := func(name, body string, status int, code, names string, headers ...string) {
		all = append(all, mistake{name, path, body, headers, status, code, names})
	}
	schema := openapi.Document().Ref(op.At("requestBody", "content", "application/json", "schema"))
	jsonType := []string{"Content-Type", "application/json"}
	if op.At("requestBody").Flag("required") {
		add("Empty", "", 400, "body_invalid", "empty", jsonType...)
		add("NoType", good, 415, "content_type_unsupported", "Content-Type", "Content-Type", "")
	}
	for name, body := range map[string]string{
		"Cut": `{"`, "Garbage": `{x}`, "List": `[]`, "Null": `null`, "Number": `5`, "Text": `"x"`, "Trailing": good + `{}`, "UTF8": "{\"\xff\":1}",
		"Deep": strings.Repeat(`[`, 100_000), "Comma": `{,}`, "Colon": `{"a"}`,
	} {
		add("Body"+name, body, 400, "body_invalid|field_unknown", "")
	}
	add("Large", `{"x":"`+strings.Repeat("x", 10<<20)+`"}`, 413, "body_too_large", "bytes")
	add("OtherType", good, 415, "content_type_unsupported", "text/plain", "Content-Type", "text/plain")
	add("Form", "a=b", 415, "content_type_unsupported", "form", "Content-Type", "application/x-www-form-urlencoded")
	add("Charset", good, 415, "content_type_unsupported", "latin1", "Content-Type", "application/json; charset=latin1")
	add("Packed", good, 415, "content_type_unsupported", "gzip", "Content-Encoding", "gzip")
	add("UnknownField", change(good, "colour", `"red"`), 400, "field_unknown", "colour")
	add("DeepField", change(good, "colour", strings.Repeat(`{"a":`, 5000)+"1"+strings.Repeat("}", 5000)), 400, "field_unknown", "colour")
	for name, p := range schema.At("properties").Objects() {
		for _, v := range wrongValues(p) {
			add("Field "+name+"="+short(v), change(good, name, v), 400, name+"_invalid|argv_invalid|command_invalid|shell_invalid|field_unknown", name)
		}
		add("Twice "+name, strings.TrimSuffix(change(good, name, "null"), "}")+`,"`+name+`":null}`, 400, "field_duplicate", name)
		if slices.Contains(schema.Texts("required"), name) {
			add("Without "+name, change(good, name, ""), 400, name+"_invalid", name)
			add("Null "+name, change(good, name, "null"), 400, name+"_invalid", name)
		}
	}
	return all
}

// change returns a JSON object with a field set, or without it where value is empty.
func change(object, name, value string) string {
	fields := map[string]json.RawMessage{}
	_ = json.Unmarshal([]byte(object), &fields)
	delete(fields, name)
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		parts = append(parts, fmt.Sprintf("%q:%s", k, fields[k]))
	}
	if value != "" {
		parts = append(parts, fmt.Sprintf("%q:%s", name, value))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// given returns what a schema allows besides null.
func given(s *openapi.Object) (*openapi.Object, string) {
	for _, part := range s.List("oneOf") {
		if p := part.(*openapi.Object); p.Text("type") != "null" {
			return given(p)
		}
	}
	s = openapi.Document().Ref(s)
	if s.Has("enum") {
		return s, "enum"
	}
	if types := s.Texts("type"); len(types) > 0 {
		return s, types[0]
	}
	return s, s.Text("type")
}

// wrongTexts are values of a parameter that its schema does not allow.
func wrongTexts(s *openapi.Object) []string {
	s, kind := given(s)
	switch kind {
	case "integer", "number":
		wrong := []string{"x", "", "1e999", "NaN", "Inf", "0x10", "1%20", "%ef%bc%91"}
		return append(append(wrong, beyond(s)...), map[string][]string{"integer": {"1.5", "99999999999999999999"}}[kind]...)
	case "boolean":
		return []string{"yes", "1", "TRUE", ""}
	case "enum":
		return []string{"colour", "%00", "%ff"}
	case "array":
		return []string{"colour", "queued,,failed", "", ","}
	}
	wrong := []string{"%00", "%ff"}
	if s.Has("pattern") || s.Has("format") {
		wrong = append(wrong, "x", "")
	}
	return append(wrong, url.QueryEscape(strings.Repeat("x", 5000)))
}

// beyond are the numbers just outside.
func beyond(s *openapi.Object) []string {
	var out []string
	if n, ok := s.Get("minimum").(int); ok {
		out = append(out, fmt.Sprint(n-1))
	}
	if n, ok := s.Get("maximum").(int); ok {
		out = append(out, fmt.Sprint(n+1))
	}
	return out
}

// wrongValues are values of a field that its schema does not allow.
func wrongValues(s *openapi.Object) []string {
	s, kind := given(s)
	switch kind {
	case "integer":
		return append([]string{`"5"`, `1.5`, `true`, `[]`, `{}`, `1e99`}, beyond(s)...)
	case "number":
		return append([]string{`"5"`, `true`, `[]`, `{}`, `1e300`, `-1e300`}, beyond(s)...)
	case "boolean":
		return []string{`"true"`, `1`, `[]`, `{}`}
	case "enum":
		return []string{`"colour"`, `""`, `5`, `[]`, `{}`}
	case "array":
		wrong := []string{`"x"`, `5`, `{}`, `[null]`, `[[]]`, `[{}]`, `[5]`, `["\u0000"]`}
		if n, ok := s.Get("minItems").(int); ok && n > 0 {
			wrong = append(wrong, `[]`)
		}
		if n, ok := s.Get("maxItems").(int); ok && n < 100 {
			wrong = append(wrong, "["+strings.TrimSuffix(strings.Repeat(`"x",`, n+1), ",")+"]")
		}
		return wrong
	case "object":
		return []string{`"x"`, `5`, `[]`, `true`, `{"colour":{}}`}
	}
	wrong := []string{`5`, `true`, `[]`, `{}`, `["x"]`, `"a\u0000b"`, `"\ud83e"`}
	if n, ok := s.Get("minLength").(int); ok && n > 0 || s.Has("pattern") && !strings.HasSuffix(s.Text("pattern"), ")?$") {
		wrong = append(wrong, `""`)
	}
	if s.Has("pattern") {
		wrong = append(wrong, `"x"`)
	}
	if n, ok := s.Get("maxLength").(int); ok && n <= 1<<17 {
		wrong = append(wrong, `"`+strings.Repeat("x", n+1)+`"`)
	}
	return wrong
}
