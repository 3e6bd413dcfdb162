package openapi_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/httpapi/openapi"
)

var update = flag.Bool("update", false, "write docs/API.md anew")

func TestMarkdown_IsDocsAPI(t *testing.T) {
	path := filepath.Join("..", "..", "..", "docs", "API.md")
	if *update {
		require.NoError(t, os.WriteFile(path, openapi.Markdown(), 0o644))
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err, "run make docs")
	require.Equal(t, string(openapi.Markdown()), string(text), "docs/API.md is not what the document says: run make docs")
}

func TestPage_ShowsEverythingAndFetchesNothing(t *testing.T) {
	page := openapi.Page()
	body := string(page.Body)
	for _, op := range openapi.Operations(openapi.Document()) {
		require.Contains(t, body, `id="`+op.Text("operationId")+`"`)
		require.Contains(t, body, op.Path)
	}
	for _, m := range regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(body, -1) {
		require.Contains(t, body, `id="`+m[1]+`"`, "a link leads nowhere")
	}
	require.NotContains(t, body, "<script")
	require.NotContains(t, body, "style=")
	require.NotContains(t, body, "http://")
	require.NotContains(t, body, "https://")
	require.NotContains(t, page.Policy, "unsafe")
	require.Equal(t, 1, strings.Count(body, "<style>"))
}

func TestDocument_EveryOperationSaysEnough(t *testing.T) {
	ids, used := map[string]bool{}, map[string]bool{}
	doc := openapi.Document()
	for _, op := range openapi.Operations(doc) {
		id := op.Text("operationId")
		require.NotEmpty(t, id, op.Path)
		require.False(t, ids[id], "two operations are called %s", id)
		ids[id] = true
		require.NotEmpty(t, op.Text("summary"), id)
		require.Len(t, op.List("tags"), 1, id)
		require.True(t, op.Has("x-role") != op.Has("security"), "%s says neither who may use it nor that anybody may, or both", id)
	}
	text := string(openapi.JSON())
	for _, m := range regexp.MustCompile(`"\$ref":"#/components/(\w+)/(\w+)"`).FindAllStringSubmatch(text, -1) {
		require.NotNil(t, doc.At("components", m[1], m[2]), m[0])
		used[m[1]+"/"+m[2]] = true
	}
	for _, kind := range []string{"schemas", "parameters", "headers"} {
		for name := range doc.At("components", kind).Objects() {
			require.True(t, used[kind+"/"+name], "nothing uses %s %s", kind, name)
		}
	}
	for code := range doc.At("x-error-codes").Objects() {
		require.Contains(t, strings.ReplaceAll(text, `"x-error-codes"`, ""), `"`+code+`"`)
	}
}
