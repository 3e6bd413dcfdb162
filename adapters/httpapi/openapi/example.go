package openapi

import "slices"

// Example returns a value that a schema allows: the example that is written down, else one made of its parts. Of an object
// it has the fields that are always there or, in what is sent, those that are no alternative to another.
func Example(doc, schema *Object) any {
	for _, key := range []string{"example", "const", "default"} {
		if schema.Has(key) {
			return schema.Get(key)
		}
	}
	if l := schema.List("enum"); len(l) > 0 {
		return l[0]
	}
	if schema.Has("$ref") {
		return Example(doc, doc.Ref(schema))
	}
	for _, key := range []string{"oneOf", "anyOf"} {
		if l := schema.List(key); len(l) > 0 {
			return Example(doc, l[0].(*Object))
		}
	}
	if schema.Has("allOf") || schema.Has("properties") {
		o := &Object{}
		fill(doc, schema, schema.Texts("required"), o)
		return o
	}
	if items := schema.At("items"); items != nil {
		return []any{Example(doc, items)}
	}
	switch schema.Text("type") {
	case "string":
		return "text"
	case "integer", "number":
		return 1
	case "boolean":
		return true
	case "object":
		return &Object{}
	}
	return nil
}

func fill(doc, schema *Object, required []string, o *Object) {
	for _, part := range schema.List("allOf") {
		s := doc.Ref(part.(*Object))
		fill(doc, s, append(slices.Clone(required), s.Texts("required")...), o)
	}
	for name, p := range schema.At("properties").Objects() {
		if slices.Contains(required, name) || schema.Flag("x-input") && !p.Flag("x-alternative") {
			o.Set(name, Example(doc, p))
		}
	}
}
