package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/heysubinoy/remora/domain"
)

// maxDepth bounds how deep a request may nest; the deepest shape there is needs 3.
const maxDepth = 16

// Decode reads one JSON object into the struct that v points to. Names count to the letter. Text that is not UTF-8 or
// holds NUL, unknown and repeated fields, wrong types, numbers out of range, deep nesting and anything after the object
// are errors of domain.KindInvalid that name the field: <field>_invalid, field_unknown, field_duplicate, and body_invalid
// where there is no field. null leaves a field as if it were not there.
func Decode(body []byte, v any) error {
	if !utf8.Valid(body) {
		return domain.Invalid("body", "the body is not valid UTF-8")
	}
	w := walker{body: body, dec: json.NewDecoder(bytes.NewReader(body))}
	w.dec.UseNumber()
	if err := w.value("", reflect.TypeOf(v).Elem(), 0); err != nil {
		return w.explain(err)
	}
	if _, err := w.dec.Token(); !errors.Is(err, io.EOF) {
		return domain.Invalid("body", "the body goes on after its JSON object; send one object")
	}
	err := json.Unmarshal(body, v)
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return wrong(t.Field, "%s cannot be %s; give %s", t.Field, t.Value, named(t.Type))
	}
	if err != nil {
		return domain.Invalid("body", "the body is not the JSON that is expected here")
	}
	return nil
}

// walker checks a body token by token against a type before encoding/json, which forgives too much, reads it.
type walker struct {
	body []byte
	dec  *json.Decoder
}

func (w *walker) explain(err error) error {
	if _, ok := errors.AsType[*domain.Error](err); ok {
		return err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		if len(bytes.TrimSpace(w.body)) == 0 {
			return domain.Invalid("body", "the body is empty; send a JSON object")
		}
		return domain.Invalid("body", "the body ends in the middle of its JSON")
	}
	return domain.Invalid("body", "the body is not valid JSON near byte %d", w.dec.InputOffset())
}

func (w *walker) value(path string, t reflect.Type, depth int) error {
	if depth > maxDepth {
		return domain.Invalid("body", "the body nests deeper than %d levels", maxDepth)
	}
	from := w.dec.InputOffset()
	token, err := w.dec.Token()
	if err != nil {
		return err
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if token == nil && path != "" {
		return nil
	}
	if want := named(t); want != kindOf(token) {
		if path == "" {
			return domain.Invalid("body", "the body is %s; send a JSON object", kindOf(token))
		}
		return wrong(path, "%s is %s; give %s", path, kindOf(token), want)
	}
	switch token {
	case json.Delim('{'):
		return w.object(path, t, depth)
	case json.Delim('['):
		return w.array(path, t, depth)
	}
	if s, ok := token.(string); ok {
		return checkString(path, s, w.body[from:w.dec.InputOffset()])
	}
	return nil
}

func (w *walker) object(path string, t reflect.Type, depth int) error {
	fields := fieldsOf(t)
	seen := map[string]bool{}
	for w.dec.More() {
		token, err := w.dec.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		full := strings.TrimPrefix(path+"."+name, ".")
		field, known := fields[name]
		switch {
		case !known:
			return fieldError("field_unknown", short(full), "there is no field %q here; the fields are %s", short(full), list(t))
		case seen[name]:
			return fieldError("field_duplicate", full, "%s is given twice", full)
		}
		seen[name] = true
		if err := w.value(full, field, depth+1); err != nil {
			return err
		}
	}
	_, err := w.dec.Token()
	return err
}

func (w *walker) array(path string, t reflect.Type, depth int) error {
	for i := 0; w.dec.More(); i++ {
		at := w.dec.InputOffset()
		if err := w.value(fmt.Sprintf("%s[%d]", path, i), t.Elem(), depth+1); err != nil {
			return err
		}
		// null leaves a field alone, but in a list it would quietly become an empty element.
		if bytes.HasSuffix(bytes.TrimSpace(w.body[at:w.dec.InputOffset()]), []byte("null")) {
			return wrong(path, "%s[%d] is null; give %s", path, i, named(t.Elem()))
		}
	}
	_, err := w.dec.Token()
	return err
}

func checkString(path, s string, raw []byte) error {
	if strings.IndexByte(s, 0) >= 0 {
		return wrong(path, "%s contains a NUL character, which is not allowed in text", path)
	}
	if strings.ContainsRune(s, utf8.RuneError) && halfSurrogate(raw) {
		return wrong(path, "%s contains half of a surrogate pair, which is no character", path)
	}
	return nil
}

// halfSurrogate finds a \ud800 to \udfff escape without its other half, which encoding/json turns into U+FFFD unseen.
func halfSurrogate(raw []byte) bool {
	unit := func(i int) uint64 {
		if i+6 > len(raw) || raw[i] != '\\' || raw[i+1] != 'u' {
			return 0
		}
		n, _ := strconv.ParseUint(string(raw[i+2:i+6]), 16, 32)
		return n
	}
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		switch n := unit(i); {
		case n >= 0xd800 && n < 0xdc00:
			if low := unit(i + 6); low < 0xdc00 || low > 0xdfff {
				return true
			}
			i += 11
		case n >= 0xdc00 && n <= 0xdfff:
			return true
		default:
			i++
		}
	}
	return false
}

func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := make(map[string]reflect.Type, t.NumField())
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		fields[name] = f.Type
	}
	return fields
}

// short keeps a name that came from outside from filling the answer.
func short(name string) string {
	if len(name) > 80 {
		return strings.ToValidUTF8(name[:80], "") + "…"
	}
	return name
}

func list(t reflect.Type) string {
	var names []string
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// named says what a Go type is called in JSON.
func named(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[json.Number]():
		return "a number"
	case t.Kind() == reflect.String:
		return "a string"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Slice:
		return "a list"
	case t.Kind() == reflect.Struct:
		return "an object"
	}
	return "a number"
}

func kindOf(token json.Token) string {
	switch v := token.(type) {
	case string:
		return "a string"
	case bool:
		return "true or false"
	case json.Number:
		return "a number"
	case json.Delim:
		if v == '[' {
			return "a list"
		}
		return "an object"
	}
	return "null"
}

// wrong is domain.Invalid with the code of the outermost field and the whole path in the details.
func wrong(path, format string, args ...any) *domain.Error {
	top := path
	if i := strings.IndexAny(path, ".["); i > 0 {
		top = path[:i]
	}
	return fieldError(top+"_invalid", path, format, args...)
}

func fieldError(code, path, format string, args ...any) *domain.Error {
	return &domain.Error{
		Kind: domain.KindInvalid, Code: code, Message: fmt.Sprintf(format, args...), Details: map[string]any{"field": path},
	}
}
