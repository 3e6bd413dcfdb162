package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"strings"

	"gopkg.in/yaml.v3"
)

// Object is a JSON object that keeps the order in which it was written. Its values are *Object, []any, string, bool, int,
// float64 and nil. The zero value is empty; a nil *Object reads as an empty one.
type Object struct {
	keys   []string
	values map[string]any
}

// Of returns an object of these pairs of key and value.
func Of(pairs ...any) *Object {
	o := &Object{}
	for i := 0; i < len(pairs); i += 2 {
		o.Set(pairs[i].(string), pairs[i+1])
	}
	return o
}

// Set adds a value at the end, or replaces it in its place.
func (o *Object) Set(key string, value any) {
	if o.values == nil {
		o.values = map[string]any{}
	}
	if _, there := o.values[key]; !there {
		o.keys = append(o.keys, key)
	}
	o.values[key] = value
}

// Has reports whether there is a value.
func (o *Object) Has(key string) bool {
	if o == nil {
		return false
	}
	_, there := o.values[key]
	return there
}

// Get returns a value; nil where there is none.
func (o *Object) Get(key string) any {
	if o == nil {
		return nil
	}
	return o.values[key]
}

// Text returns a value that is a text, else "".
func (o *Object) Text(key string) string {
	s, _ := o.Get(key).(string)
	return s
}

// Flag returns a value that is true or false, else false.
func (o *Object) Flag(key string) bool {
	b, _ := o.Get(key).(bool)
	return b
}

// List returns a value that is a list, else nil.
func (o *Object) List(key string) []any {
	l, _ := o.Get(key).([]any)
	return l
}

// Texts returns the texts of a value that is a list of them.
func (o *Object) Texts(key string) []string {
	var texts []string
	for _, v := range o.List(key) {
		if s, ok := v.(string); ok {
			texts = append(texts, s)
		}
	}
	return texts
}

// At returns the object at the end of a path of keys; nil where there is none.
func (o *Object) At(path ...string) *Object {
	for _, key := range path {
		o, _ = o.Get(key).(*Object)
	}
	return o
}

// All yields keys and values in order.
func (o *Object) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		if o == nil {
			return
		}
		for _, key := range o.keys {
			if !yield(key, o.values[key]) {
				return
			}
		}
	}
}

// Objects yields the keys whose values are objects.
func (o *Object) Objects() iter.Seq2[string, *Object] {
	return func(yield func(string, *Object) bool) {
		for key, value := range o.All() {
			if v, ok := value.(*Object); ok && !yield(key, v) {
				return
			}
		}
	}
}

func (o *Object) remove(key string) {
	delete(o.values, key)
	for i, k := range o.keys {
		if k == key {
			o.keys = append(o.keys[:i], o.keys[i+1:]...)
			return
		}
	}
}

// Clone returns a deep copy.
func (o *Object) Clone() *Object { return clone(o).(*Object) }

func clone(v any) any {
	switch v := v.(type) {
	case *Object:
		c := &Object{}
		for key, value := range v.All() {
			c.Set(key, clone(value))
		}
		return c
	case []any:
		c := make([]any, len(v))
		for i := range v {
			c[i] = clone(v[i])
		}
		return c
	}
	return v
}

// merge adds another object's values; where both have an object these are merged, and a value given twice is an error.
func (o *Object) merge(other *Object) error {
	for key, value := range other.All() {
		mine, theirs := o.At(key), other.At(key)
		switch {
		case !o.Has(key):
			o.Set(key, value)
		case mine == nil || theirs == nil:
			return fmt.Errorf("%s is given twice", key)
		default:
			if err := mine.merge(theirs); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
		}
	}
	return nil
}

// Ref returns what a value of the form {$ref: '#/…'} stands for in the document; other objects stand for themselves.
func (o *Object) Ref(v *Object) *Object {
	for v.Has("$ref") {
		v = o.At(strings.Split(strings.TrimPrefix(v.Text("$ref"), "#/"), "/")...)
	}
	return v
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (o *Object) UnmarshalYAML(n *yaml.Node) error {
	v, err := valueOf(n)
	if err != nil {
		return err
	}
	given, ok := v.(*Object)
	if !ok {
		return fmt.Errorf("line %d is not an object", n.Line)
	}
	*o = *given
	return nil
}

func valueOf(n *yaml.Node) (any, error) {
	switch n.Kind {
	case yaml.AliasNode:
		return valueOf(n.Alias)
	case yaml.MappingNode:
		o := &Object{}
		for i := 0; i < len(n.Content); i += 2 {
			key := n.Content[i].Value
			v, err := valueOf(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			if o.Has(key) {
				return nil, fmt.Errorf("line %d: %s is given twice", n.Content[i].Line, key)
			}
			o.Set(key, v)
		}
		return o, nil
	case yaml.SequenceNode:
		l := make([]any, len(n.Content))
		for i, c := range n.Content {
			v, err := valueOf(c)
			if err != nil {
				return nil, err
			}
			l[i] = v
		}
		return l, nil
	case yaml.DocumentNode, yaml.ScalarNode:
	}
	if n.Tag == "!!timestamp" { // JSON has no such thing
		return n.Value, nil
	}
	var v any
	err := n.Decode(&v)
	return v, err
}

// MarshalJSON implements json.Marshaler.
func (o *Object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, key := range o.keys {
		if i > 0 {
			b.WriteByte(',')
		}
		for j, part := range []any{key, o.values[key]} {
			text, err := json.Marshal(part)
			if err != nil {
				return nil, err
			}
			if j == 1 {
				b.WriteByte(':')
			}
			b.Write(text)
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
