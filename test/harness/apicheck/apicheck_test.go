package apicheck

import (
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/httpapi/openapi"
)

// TestDocument_IsOpenAPI compares with the schema that the OpenAPI Initiative publishes.
func TestDocument_IsOpenAPI(t *testing.T) {
	raw, err := os.ReadFile("testdata/openapi-3.1.json")
	require.NoError(t, err)
	meta, err := jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("openapi-3.1.json", meta))
	schema, err := c.Compile("openapi-3.1.json")
	require.NoError(t, err)
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(openapi.JSON())))
	require.NoError(t, err)
	require.NoError(t, schema.Validate(doc))
}

func TestDocument_ItsExamplesAreAllowed(t *testing.T) {
	c := API()
	for name, s := range openapi.Document().At("components", "schemas").Objects() {
		v := openapi.Example(openapi.Document(), s)
		text, err := openapi.Of("v", v).MarshalJSON()
		require.NoError(t, err)
		example := strings.TrimSuffix(strings.TrimPrefix(string(text), `{"v":`), "}")
		require.NoError(t, c.json([]byte(example), []string{"components", "schemas", name}), "%s: %s", name, example)
	}
	for _, op := range openapi.Operations(openapi.Document()) {
		for status, r := range op.At("responses").Objects() {
			if r.Has("$ref") {
				continue
			}
			for media := range r.At("content").All() {
				at := []string{"paths", op.Path, strings.ToLower(op.Method), "responses", status, "content", media, "schema"}
				require.NotNil(t, openapi.Document().At(at...), "%s %s %s has no schema", op.Method, op.Path, status)
			}
		}
	}
}

// TestCheck_Bites changes one thing at a time in an exchange that is as it should be.
func TestCheck_Bites(t *testing.T) {
	const id = "018f3c1e-7a52-7c3e-9b1d-2f4a5c6d7e8f"
	good := func() Exchange {
		u, err := url.Parse("http://x/api/v1/servers?limit=5")
		require.NoError(t, err)
		return Exchange{
			Method: "GET", URL: u, Status: 200, Body: []byte(`{"servers":[],"next_cursor":null}`),
			Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}, "Etag": {`W/"x"`}, "X-Request-Id": {"r"}},
		}
	}
	require.NoError(t, API().Check(good()))
	for name, c := range map[string]struct {
		change func(*Exchange)
		says   string
	}{
		"Status":           {func(x *Exchange) { x.Status = 202 }, "no such status"},
		"FieldMissing":     {func(x *Exchange) { x.Body = []byte(`{"servers":[]}`) }, "next_cursor"},
		"FieldUnknown":     {func(x *Exchange) { x.Body = []byte(`{"servers":[],"next_cursor":null,"more":1}`) }, "more"},
		"FieldType":        {func(x *Exchange) { x.Body = []byte(`{"servers":null,"next_cursor":null}`) }, "array"},
		"HeaderMissing":    {func(x *Exchange) { x.Header.Del("ETag") }, "ETag is missing"},
		"HeaderForm":       {func(x *Exchange) { x.Header.Set("ETag", "x") }, "ETag"},
		"HeaderUnknown":    {func(x *Exchange) { x.Header.Set("Retry-After", "1") }, "Retry-After is not described"},
		"MediaType":        {func(x *Exchange) { x.Header.Set("Content-Type", "text/html") }, "text/html"},
		"ParameterUnknown": {func(x *Exchange) { x.URL.RawQuery = "colour=red" }, "colour"},
		"ParameterRange":   {func(x *Exchange) { x.URL.RawQuery = "limit=1001" }, "limit"},
		"ParameterType":    {func(x *Exchange) { x.URL.RawQuery = "active=1.5" }, "active"},
		"Path":             {func(x *Exchange) { x.URL.Path = "/api/v1/sewers" }, "no such operation"},
		"Method":           {func(x *Exchange) { x.Method = "PATCH" }, "no such operation"},
		"ErrorCode": {func(x *Exchange) {
			x.Status, x.Body = 400, []byte(`{"error":"e","code":"colour_invalid","request_id":"r"}`)
			x.Header.Del("ETag")
		}, "code"},
		"RequestField": {func(x *Exchange) {
			x.Method, x.URL.Path, x.URL.RawQuery, x.Status = "PUT", "/api/v1/servers/"+id, "", 200
			x.Header.Del("ETag")
			x.Sent = []byte(`{"colour":"red"}`)
			x.Body = nil
		}, "colour"},
	} {
		t.Run(name, func(t *testing.T) {
			x := good()
			c.change(&x)
			require.ErrorContains(t, API().Check(x), c.says)
		})
	}
	require.NoError(t, API().block("/api/v1/jobs/"+id+"/stream", ": a comment"))
	require.ErrorContains(t, API().block("/api/v1/jobs/"+id+"/stream", "event: output\ndata: {}"), "no id")
	require.ErrorContains(t, API().block("/api/v1/jobs/"+id+"/stream", "id: 1\nevent: colour\ndata: {}"), "colour")
	require.ErrorContains(t, API().block("/api/v1/jobs/"+id+"/stream", "id: 1\nevent: output\ndata: {}"), "seq")
	require.ErrorContains(t, API().block("/api/v1/jobs/"+id+"/stream", "nonsense"), "none of theirs")
}
