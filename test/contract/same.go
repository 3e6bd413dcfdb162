package contract

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
)

// requireSameJob compares everything a reader can see, but for the fields named. An empty list is as good as none.
func requireSameJob(t *testing.T, want, got *domain.Job, except ...string) {
	t.Helper()
	require.Equal(t, jobFields(want, except), jobFields(got, except))
}

func jobFields(j *domain.Job, except []string) map[string]any {
	c := *j
	c.Command.Argv = orNone(c.Command.Argv)
	if c.Receipt != nil {
		r := *c.Receipt
		r.Left = orNone(r.Left)
		c.Receipt = &r
	}
	return fields(c, except)
}

func requireSameServer(t *testing.T, want, got *domain.Server, except ...string) {
	t.Helper()
	w, g := *want, *got
	w.Tags, g.Tags = orNone(w.Tags), orNone(g.Tags)
	require.Equal(t, fields(w, except), fields(g, except))
}

// snapshot is a text of everything in v: it cannot change with v, as a copy that shares with it would.
func snapshot(t *testing.T, v any) string {
	t.Helper()
	text, err := json.MarshalIndent(v, "", "\t")
	require.NoError(t, err)
	return string(text)
}

func orNone[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}

// fields returns the exported fields by name, so that a difference is reported by the field's.
func fields(v any, except []string) map[string]any {
	all := map[string]any{}
	value := reflect.ValueOf(v)
	for i := range value.NumField() {
		if f := value.Type().Field(i); f.IsExported() && !slices.Contains(except, f.Name) {
			all[f.Name] = value.Field(i).Interface()
		}
	}
	return all
}

// coverage notes which fields had a value in anything it was shown: a round trip of zeros proves nothing.
type coverage map[string]bool

// see notes the fields of v, those of the structs in it too.
func (c coverage) see(v reflect.Value, name string) {
	switch {
	case v.Kind() == reflect.Pointer:
		c[name] = c[name] || !v.IsNil()
		if !v.IsNil() {
			c.see(v.Elem(), name)
		}
	case v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]():
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				c.see(v.Field(i), name+"."+f.Name)
			}
		}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		c[name] = c[name] || v.Len() > 0
		for i := range v.Len() {
			c.see(v.Index(i), name)
		}
	default:
		c[name] = c[name] || !v.IsZero()
	}
}

func (c coverage) requireAll(t *testing.T) {
	t.Helper()
	for name, seen := range c {
		require.True(t, seen, "%s was zero in everything that went round; give the fixtures a value for it", name)
	}
}
