package openapi

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// methods of a path item, in the order in which they are shown.
var methods = []string{"get", "post", "put", "patch", "delete"}

// Operation is one method of one path.
type Operation struct {
	Method, Path string
	*Object
}

// Operations returns the document's operations in its order.
func Operations(doc *Object) []Operation {
	var all []Operation
	for path, item := range doc.At("paths").Objects() {
		for _, method := range methods {
			if op := item.At(method); op != nil {
				all = append(all, Operation{Method: strings.ToUpper(method), Path: path, Object: op})
			}
		}
	}
	return all
}

// complete adds what follows from rules.
func complete(doc *Object) error {
	schemas := doc.At("components", "schemas")
	for _, s := range schemas.Objects() {
		closeSchema(s)
	}
	if err := copyAliases(doc); err != nil {
		return err
	}
	shared := doc.At("components")
	shared.Set("responses", sharedResponses(doc))
	for _, op := range Operations(doc) {
		if err := completeOperation(doc, op); err != nil {
			return fmt.Errorf("%s %s: %w", op.Method, op.Path, err)
		}
	}
	strip(doc)
	return nil
}

// closeSchema says of an object that it has no other fields than those that are written down. Of an answer's object all are
// there but those with x-optional; in what is sent (x-input), a field that may be left out may also be null.
func closeSchema(s *Object) {
	properties := s.At("properties")
	if properties == nil {
		return
	}
	if !s.Has("additionalProperties") {
		s.Set("additionalProperties", false)
	}
	var required []any
	for name, p := range properties.Objects() {
		switch {
		case !s.Flag("x-input") && !p.Flag("x-optional"):
			required = append(required, name)
		case s.Flag("x-input") && !slices.Contains(s.Texts("required"), name):
			properties.Set(name, orNull(p))
		}
	}
	if len(required) > 0 {
		s.Set("required", required)
	}
}

// orNull returns a schema that null satisfies too.
func orNull(p *Object) *Object {
	switch {
	case p.Text("type") != "" && !p.Has("enum"):
		p.Set("type", []any{p.Text("type"), "null"})
		return p
	case p.Has("enum"):
		p.Set("enum", append(p.List("enum"), nil))
		return p
	}
	wrapped := Of("oneOf", []any{Of("$ref", p.Text("$ref")), Of("type", "null")})
	for key, v := range p.All() {
		if key != "$ref" {
			wrapped.Set(key, v)
		}
	}
	return wrapped
}

// copyAliases makes, of every path with x-alias-of, a deprecated copy of what it stands for.
func copyAliases(doc *Object) error {
	for path, item := range doc.At("paths").Objects() {
		for method, op := range item.Objects() {
			of := op.At("x-alias-of")
			if of == nil {
				continue
			}
			from := doc.At("paths", of.Text("path"))
			target := from.At(of.Text("method"))
			if target == nil {
				return fmt.Errorf("%s is an alias of nothing", path)
			}
			alias := target.Clone()
			alias.Set("operationId", target.Text("operationId")+"Alias")
			alias.Set("deprecated", true)
			alias.Set("description", fmt.Sprintf("An older name of `%s %s`.", strings.ToUpper(of.Text("method")), of.Text("path")))
			item.Set(method, alias)
			if from.Has("parameters") && !item.Has("parameters") {
				item.Set("parameters", clone(from.Get("parameters")))
			}
		}
	}
	return nil
}

// common are the codes that any operation may answer with, and those of operations that need a token.
var (
	common = []string{
		"rate_limited", "internal_error", "database_unavailable", "api_stopping", "request_timeout", "request_canceled",
	}
	signedIn = []string{"token_invalid", "token_expired", "session_over", "role_denied", "host_denied", "origin_denied"}
)

func completeOperation(doc *Object, op Operation) error {
	item := doc.At("paths", op.Path)
	responses := op.At("responses")
	codes := op.Texts("x-errors")
	if op.Flag("x-public") {
		op.Set("security", []any{}) // and whatever a supervisor or a browser adds to the query is passed over
	} else {
		codes = append(codes, "parameter_unknown", "query_invalid")
	}
	if op.Flag("x-etag") {
		op.addParameter("IfNoneMatch")
		responses.At("200").header("ETag", "ETag")
		responses.Set("304", Of("$ref", "#/components/responses/NotModified"))
	}
	if op.Flag("x-idempotent") {
		op.addParameter("IdempotencyKey")
		codes = append(codes, "idempotency_key_reused")
	}
	for _, p := range append(item.List("parameters"), op.List("parameters")...) {
		codes = append(codes, parameterCodes(doc.Ref(p.(*Object)))...)
	}
	if body := op.At("requestBody"); body != nil {
		codes = append(codes, completeBody(doc, body)...)
	}
	for status, r := range responses.Objects() {
		if codes := r.Texts("x-codes"); len(codes) > 0 {
			r.Set("content", errorContent(codes))
		}
		completeResponse(doc, status, r)
	}
	if err := addErrors(doc, responses, codes); err != nil {
		return err
	}
	statuses := []string{"429", "499", "500", "503", "504"}
	if !op.Flag("x-public") {
		statuses = append(statuses, "401", "403")
	}
	for _, status := range statuses {
		if !responses.Has(status) {
			responses.Set(status, Of("$ref", "#/components/responses/Status"+status))
		}
	}
	slices.Sort(responses.keys)
	return nil
}

func (op Operation) addParameter(component string) {
	op.Set("parameters", append(op.List("parameters"), Of("$ref", "#/components/parameters/"+component)))
}

// header adds a header of the components to a response.
func (r *Object) header(name, component string) {
	if !r.Has("headers") {
		r.Set("headers", &Object{})
	}
	r.At("headers").Set(name, Of("$ref", "#/components/headers/"+component))
}

// parameterCodes are the errors of a parameter that is wrong.
func parameterCodes(p *Object) []string {
	name := strings.ReplaceAll(strings.ToLower(p.Text("name")), "-", "_")
	switch {
	case p.Has("x-code"):
		return []string{p.Text("x-code") + "_invalid"}
	case name == "if_none_match" || name == "range" || name == "if_range":
		return nil // what makes no sense in them is passed over
	}
	return []string{name + "_invalid"}
}

// completeBody describes a JSON body and returns the errors of one that is wrong.
func completeBody(doc, body *Object) []string {
	codes := []string{"body_invalid", "field_unknown", "field_duplicate", "content_type_unsupported", "body_too_large"}
	if name := body.Text("x-schema"); name != "" {
		body.Set("required", name != "Nothing" && !body.Flag("x-optional"))
		body.Set("content", Of("application/json", media(doc, name)))
	}
	for _, m := range body.At("content").Objects() {
		for name := range doc.Ref(m.At("schema")).At("properties").All() {
			codes = append(codes, name+"_invalid")
		}
	}
	return codes
}

func media(doc *Object, schema string) *Object {
	ref := Of("$ref", "#/components/schemas/"+schema)
	return Of("schema", ref, "example", Example(doc, ref))
}

func completeResponse(doc *Object, status string, r *Object) {
	if r.Has("$ref") {
		return
	}
	if name := r.Text("x-schema"); name != "" {
		r.Set("content", Of("application/json", media(doc, name)))
	}
	if r.Flag("x-location") {
		r.header("Location", "Location")
	}
	r.header("X-Request-ID", "RequestID")
	for name, h := range r.At("headers").Objects() {
		if h.Flag("x-optional") {
			h = doc.Ref(h).Clone()
			h.Set("required", false)
			r.At("headers").Set(name, h)
		}
	}
	switch status {
	case "401":
		r.header("WWW-Authenticate", "Authenticate")
	case "405":
		r.header("Allow", "Allow")
	case "429", "503":
		if r.At("content", "application/json", "schema") == nil || strings.HasPrefix(r.Text("description"), "`") {
			r.header("Retry-After", "RetryAfter")
		}
	}
}

// addErrors describes the answers with these codes, one for each status that the operation has not described itself.
func addErrors(doc, responses *Object, codes []string) error {
	byStatus := map[string][]string{}
	shared := append(slices.Clone(common), signedIn...)
	for _, code := range codes {
		status, err := statusOf(doc, code)
		if err != nil {
			return err
		}
		if !slices.Contains(byStatus[status], code) {
			byStatus[status] = append(byStatus[status], code)
		}
	}
	for status, own := range byStatus {
		if responses.Has(status) {
			continue
		}
		for _, code := range shared {
			if s, _ := statusOf(doc, code); s == status {
				own = append(own, code)
			}
		}
		responses.Set(status, errorResponse(doc, status, own))
	}
	return nil
}

// statusOf returns the status of a code; <field>_invalid is 400 unless the table says otherwise.
func statusOf(doc *Object, code string) (string, error) {
	switch e := doc.At("x-error-codes", code); {
	case e != nil:
		return fmt.Sprint(e.Get("status")), nil
	case strings.HasSuffix(code, "_invalid"):
		return "400", nil
	}
	return "", fmt.Errorf("errors.yaml does not know %s", code)
}

func errorResponse(doc *Object, status string, codes []string) *Object {
	var lines []string
	var fields []string
	for _, code := range codes {
		if text := doc.At("x-error-codes", code).Text("text"); text != "" {
			lines = append(lines, fmt.Sprintf("`%s`: %s", code, text))
		} else {
			fields = append(fields, "`"+code+"`")
		}
	}
	if len(fields) > 0 {
		lines = append(lines, strings.Join(fields, ", ")+": it is missing, of the wrong type or out of its range.")
	}
	r := Of("description", strings.Join(lines, "\n"), "content", errorContent(codes))
	completeResponse(doc, status, r)
	return r
}

func errorContent(codes []string) *Object {
	var enum []any
	for _, code := range codes {
		enum = append(enum, code)
	}
	schema := Of("$ref", "#/components/schemas/Error", "properties", Of("code", Of("enum", enum)))
	return Of("application/json", Of("schema", schema))
}

// sharedResponses are those that are the same everywhere.
func sharedResponses(doc *Object) *Object {
	notModified := Of("description", "What you have still holds.")
	notModified.header("ETag", "ETag")
	notModified.header("X-Request-ID", "RequestID")
	all := Of("NotModified", notModified)
	byStatus := map[string][]string{}
	for _, code := range append(slices.Clone(common), signedIn...) {
		status, _ := statusOf(doc, code)
		byStatus[status] = append(byStatus[status], code)
	}
	for _, status := range []string{"401", "403", "429", "499", "500", "503", "504"} {
		all.Set("Status"+status, errorResponse(doc, status, byStatus[status]))
	}
	for _, code := range []string{"route_not_found", "method_not_allowed"} {
		status, _ := statusOf(doc, code)
		all.Set("Status"+status, errorResponse(doc, status, []string{code}))
	}
	return all
}

// strip removes the words that only this package understands.
func strip(v any) {
	switch v := v.(type) {
	case *Object:
		for _, word := range []string{"x-schema", "x-etag", "x-location", "x-idempotent", "x-public", "x-optional", "x-input", "x-alternative", "x-errors", "x-codes", "x-code"} {
			v.remove(word)
		}
		for _, value := range v.All() {
			strip(value)
		}
	case []any:
		for _, value := range v {
			strip(value)
		}
	}
}

// StatusText names a status as the document's readers know it.
func StatusText(status int) string {
	if status == 499 {
		return "Request Canceled"
	}
	return http.StatusText(status)
}
