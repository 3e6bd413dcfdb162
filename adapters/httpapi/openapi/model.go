package openapi

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// model is the document as people read it; the page and the Markdown text are made of it.
type model struct {
	Title, Summary, Description string
	Groups                      []group
	Shapes                      []shape // objects
	Types                       []field // all other types
	Errors                      []failure
	Codes                       []failure // of any operation
}

type group struct {
	Name, Description string
	Operations        []operation
}

type operation struct {
	ID, Method, Path, Summary, Description, Role string
	Deprecated                                   bool
	Parameters                                   []field
	Body                                         string // its shape
	BodyExample                                  string
	Answers                                      []answer
	Errors                                       []failure // besides those of any operation
}

type answer struct {
	Status, Text, Description, Shape, Example string
}

type field struct {
	Name, In, Type, Description string
	Required                    bool
}

type shape struct {
	Name, Description string
	Fields            []field
}

type failure struct {
	Status, Code, Text string
}

func modelOf(doc *Object) model {
	info := doc.At("info")
	m := model{Title: info.Text("title"), Summary: info.Text("summary"), Description: info.Text("description")}
	for _, t := range doc.List("tags") {
		tag := t.(*Object)
		g := group{Name: tag.Text("name"), Description: tag.Text("description")}
		for _, op := range Operations(doc) {
			if slices.Contains(op.Texts("tags"), g.Name) {
				g.Operations = append(g.Operations, operationOf(doc, op))
			}
		}
		m.Groups = append(m.Groups, g)
	}
	for name, s := range doc.At("components", "schemas").Objects() {
		if !s.Has("properties") && !s.Has("allOf") {
			m.Types = append(m.Types, field{Name: name, Type: typeOf(s), Description: s.Text("description")})
			continue
		}
		m.Shapes = append(m.Shapes, shape{name, s.Text("description"), fieldsOf(doc, s)})
	}
	for code, e := range doc.At("x-error-codes").Objects() {
		f := failure{fmt.Sprint(e.Get("status")), code, e.Text("text")}
		m.Errors = append(m.Errors, f)
		if slices.Contains(common, code) || slices.Contains(signedIn, code) {
			m.Codes = append(m.Codes, f)
		}
	}
	slices.SortStableFunc(m.Errors, func(a, b failure) int { return strings.Compare(a.Status, b.Status) })
	return m
}

func operationOf(doc *Object, op Operation) operation {
	o := operation{
		ID: op.Text("operationId"), Method: op.Method, Path: op.Path, Summary: op.Text("summary"), Description: op.Text("description"),
		Role: op.Text("x-role"), Deprecated: op.Flag("deprecated"),
	}
	for _, p := range append(doc.At("paths", op.Path).List("parameters"), op.List("parameters")...) {
		param := doc.Ref(p.(*Object))
		o.Parameters = append(o.Parameters, field{
			Name: param.Text("name"), In: param.Text("in"), Type: typeOf(param.At("schema")), Description: param.Text("description"), Required: param.Flag("required"),
		})
	}
	for media, m := range op.At("requestBody", "content").Objects() {
		o.Body = typeOf(m.At("schema"))
		if media != "application/json" {
			o.Body += " as `" + media + "`"
		}
		o.BodyExample = exampleText(m)
	}
	for status, r := range op.At("responses").Objects() {
		shared := r.Has("$ref")
		r = doc.Ref(r)
		codes := codesOf(r)
		if len(codes) == 0 {
			o.Answers = append(o.Answers, answerOf(status, r))
			continue
		}
		if shared {
			continue
		}
		for _, code := range codes {
			if !slices.Contains(common, code) && !slices.Contains(signedIn, code) {
				o.Errors = append(o.Errors, failure{status, code, doc.At("x-error-codes", code).Text("text")})
			}
		}
	}
	return o
}

func answerOf(status string, r *Object) answer {
	n, _ := strconv.Atoi(status)
	a := answer{Status: status, Text: StatusText(n), Description: r.Text("description")}
	for media, m := range r.At("content").Objects() {
		a.Shape, a.Example = typeOf(m.At("schema")), exampleText(m)
		if media != "application/json" {
			a.Shape = "`" + media + "`"
		}
	}
	return a
}

// codesOf returns the codes that an error answer may have; none for other answers.
func codesOf(r *Object) []string {
	return r.At("content", "application/json", "schema", "properties", "code").Texts("enum")
}

func exampleText(m *Object) string {
	switch e := m.Get("example").(type) {
	case nil:
		return ""
	case string:
		return strings.TrimRight(e, "\n")
	default:
		text, _ := json.MarshalIndent(e, "", "  ")
		return string(text)
	}
}

func fieldsOf(doc, s *Object) []field {
	var fields []field
	for _, part := range s.List("allOf") {
		p := part.(*Object)
		if ref := p.Text("$ref"); ref != "" {
			fields = append(fields, field{Name: "", Type: typeOf(p), Description: "All of its fields."})
			for _, name := range s.Texts("required") {
				if f := doc.Ref(p).At("properties", name); f != nil {
					fields = append(fields, field{Name: name, Type: typeOf(f), Description: f.Text("description"), Required: true})
				}
			}
		}
	}
	for name, p := range s.At("properties").Objects() {
		fields = append(fields, field{
			Name: name, Type: typeOf(p), Description: p.Text("description"), Required: slices.Contains(s.Texts("required"), name),
		})
	}
	return fields
}

// typeOf says what a schema allows, in a few words; names of other schemas stand as [Name].
func typeOf(s *Object) string {
	if ref := s.Text("$ref"); ref != "" {
		return "[" + ref[strings.LastIndexByte(ref, '/')+1:] + "]"
	}
	if values := s.List("enum"); len(values) > 0 {
		words := make([]string, len(values))
		for i, v := range values {
			text, _ := json.Marshal(v)
			words[i] = "`" + strings.Trim(string(text), `"`) + "`"
		}
		return strings.Join(words, ", ")
	}
	if c := s.Text("const"); c != "" {
		return "`" + c + "`"
	}
	if parts := s.List("oneOf"); len(parts) > 0 {
		return join(parts, func(p any) string { return typeOf(p.(*Object)) })
	}
	name := s.Text("type")
	if types := s.List("type"); len(types) > 0 {
		name = join(types, func(t any) string { return fmt.Sprint(t) })
	}
	if items := s.At("items"); items != nil {
		name = strings.Replace(name, "array", "list of "+typeOf(items), 1)
	}
	return name + limits(s)
}

func join(parts []any, text func(any) string) string {
	words := make([]string, len(parts))
	for i, p := range parts {
		words[i] = text(p)
	}
	return strings.Join(words, " or ")
}

func limits(s *Object) string {
	var words []string
	switch low, high := s.Get("minimum"), s.Get("maximum"); {
	case low != nil && high != nil:
		words = append(words, fmt.Sprintf("%v to %v", low, high))
	case low != nil && low != 0:
		words = append(words, fmt.Sprintf("from %v", low))
	}
	if n := s.Get("maxLength"); n != nil {
		words = append(words, fmt.Sprintf("at most %v bytes", n))
	}
	if n := s.Get("maxItems"); n != nil {
		words = append(words, fmt.Sprintf("at most %v", n))
	}
	if d := s.Get("default"); d != nil {
		text, _ := json.Marshal(d)
		words = append(words, "default "+strings.Trim(string(text), `"`))
	}
	if len(words) == 0 {
		return ""
	}
	return ", " + strings.Join(words, ", ")
}
