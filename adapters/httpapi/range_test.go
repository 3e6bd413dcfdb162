package httpapi_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
)

func TestDownload_Ranges(t *testing.T) {
	b := open(t)
	id := string(b.submit(t, "make"))
	run := b.Begin(t)
	whole := "0123456789\x00\xff\xfe<script>alert(1)</script>"
	n := len(whole)
	run.Print(t, domain.Stdout, []byte(whole[:5]))
	run.Print(t, domain.Stdout, []byte(whole[5:]))
	run.Exit(t, domain.Exit{})
	path := "jobs/" + id + "/stdout"
	tag := b.do(t, "GET", path, "").header.Get("ETag")
	require.Regexp(t, `^"[^"]+"$`, tag, "a strong tag")

	for name, c := range map[string]struct {
		headers []string
		status  int
		body    string
		span    string
	}{
		"Whole":         {nil, 200, whole, ""},
		"First":         {[]string{"Range", "bytes=0-0"}, 206, "0", fmt.Sprintf("bytes 0-0/%d", n)},
		"Middle":        {[]string{"Range", "bytes=3-6"}, 206, "3456", fmt.Sprintf("bytes 3-6/%d", n)},
		"ToTheEnd":      {[]string{"Range", "bytes=4-"}, 206, whole[4:], fmt.Sprintf("bytes 4-%d/%d", n-1, n)},
		"BeyondTheEnd":  {[]string{"Range", "bytes=4-999999"}, 206, whole[4:], fmt.Sprintf("bytes 4-%d/%d", n-1, n)},
		"ManyDigits":    {[]string{"Range", "bytes=4-" + strings.Repeat("9", 40)}, 206, whole[4:], fmt.Sprintf("bytes 4-%d/%d", n-1, n)},
		"Suffix":        {[]string{"Range", "bytes=-4"}, 206, whole[n-4:], fmt.Sprintf("bytes %d-%d/%d", n-4, n-1, n)},
		"LongSuffix":    {[]string{"Range", "bytes=-9999"}, 206, whole, fmt.Sprintf("bytes 0-%d/%d", n-1, n)},
		"Case":          {[]string{"Range", "Bytes=0-1"}, 206, "01", fmt.Sprintf("bytes 0-1/%d", n)},
		"SameVersion":   {[]string{"Range", "bytes=0-1", "If-Range", tag}, 206, "01", fmt.Sprintf("bytes 0-1/%d", n)},
		"OtherVersion":  {[]string{"Range", "bytes=0-1", "If-Range", `"other"`}, 200, whole, ""},
		"WeakVersion":   {[]string{"Range", "bytes=0-1", "If-Range", "W/" + tag}, 200, whole, ""},
		"VersionDate":   {[]string{"Range", "bytes=0-1", "If-Range", "Mon, 04 May 2026 12:00:00 GMT"}, 200, whole, ""},
		"OtherUnit":     {[]string{"Range", "lines=0-1"}, 200, whole, ""},
		"Several":       {[]string{"Range", "bytes=0-1,3-4"}, 200, whole, ""},
		"Backwards":     {[]string{"Range", "bytes=5-2"}, 200, whole, ""},
		"Signed":        {[]string{"Range", "bytes=+1-2"}, 200, whole, ""},
		"Nonsense":      {[]string{"Range", "bytes=a-b"}, 200, whole, ""},
		"Dash":          {[]string{"Range", "bytes=-"}, 200, whole, ""},
		"NotModified":   {[]string{"If-None-Match", tag}, 304, "", ""},
		"NotModifiedIs": {[]string{"If-None-Match", `"x", ` + tag, "Range", "bytes=0-1"}, 304, "", ""},
		"Modified":      {[]string{"If-None-Match", `"x"`}, 200, whole, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, method := range []string{"GET", "HEAD"} {
				r := b.do(t, method, path, "", c.headers...)
				require.Equal(t, c.status, r.status)
				require.Equal(t, c.span, r.header.Get("Content-Range"))
				require.Equal(t, tag, r.header.Get("ETag"))
				if method == "GET" {
					require.Equal(t, c.body, r.body)
				}
				if c.status != http.StatusNotModified {
					require.Equal(t, fmt.Sprint(len(c.body)), r.header.Get("Content-Length"))
					require.Equal(t, "text/plain; charset=utf-8", r.header.Get("Content-Type"))
					require.Equal(t, "bytes", r.header.Get("Accept-Ranges"))
				}
				require.Equal(t, "nosniff", r.header.Get("X-Content-Type-Options"))
			}
		})
	}
	for _, span := range []string{fmt.Sprintf("bytes=%d-", n), "bytes=99999-100000", "bytes=-0", "bytes=" + strings.Repeat("9", 40) + "-"} {
		r := b.do(t, "GET", path, "", "Range", span)
		r.isError(t, http.StatusRequestedRangeNotSatisfiable, "range_invalid")
		require.Equal(t, fmt.Sprintf("bytes */%d", n), r.header.Get("Content-Range"))
	}
	empty := b.do(t, "GET", "jobs/"+id+"/stderr", "")
	require.Equal(t, 200, empty.status)
	require.Empty(t, empty.body)
	require.Equal(t, "0", empty.header.Get("Content-Length"))
}

func TestDownload_OfARunningJobIsNotKept(t *testing.T) {
	b := open(t)
	id := string(b.submit(t, "make"))
	b.Begin(t).Print(t, domain.Stdout, bytes.Repeat([]byte("x"), 100))
	r := b.do(t, "GET", "jobs/"+id+"/stdout", "", "Range", "bytes=90-")
	require.Equal(t, http.StatusPartialContent, r.status)
	require.Len(t, r.body, 10)
	require.Empty(t, r.header.Get("ETag"))
	require.Equal(t, "no-store", r.header.Get("Cache-Control"))
	r = b.do(t, "GET", "jobs/"+id+"/stdout", "", "Range", "bytes=90-", "If-Range", `"any"`)
	require.Equal(t, http.StatusOK, r.status, "there is no version to be the same as")
}

func TestConditionalGet(t *testing.T) {
	b := open(t)
	job := string(b.submit(t, "make"))
	server := b.do(t, "GET", "servers", "").json(t)["servers"].([]any)[0].(map[string]any)["id"].(string)
	for _, path := range []string{"jobs", "jobs/" + job, "jobs/" + job + "/logs", "jobs/" + job + "/logs?since=0", "servers", "servers/" + server} {
		t.Run(path, func(t *testing.T) {
			first := b.do(t, "GET", path, "")
			tag := first.header.Get("ETag")
			require.Equal(t, 200, first.status)
			require.NotEmpty(t, tag)
			require.Equal(t, "private, no-cache", first.header.Get("Cache-Control"))
			require.Contains(t, first.header.Values("Vary"), "Authorization")
			for _, match := range []string{tag, strings.TrimPrefix(tag, "W/"), `"a", ` + tag, "*"} {
				r := b.do(t, "GET", path, "", "If-None-Match", match)
				require.Equal(t, http.StatusNotModified, r.status, match)
				require.Empty(t, r.body)
				require.Equal(t, tag, r.header.Get("ETag"))
			}
			require.Equal(t, 200, b.do(t, "GET", path, "", "If-None-Match", `"other"`).status)
			head := b.do(t, "HEAD", path, "")
			require.Equal(t, 200, head.status)
			require.Equal(t, tag, head.header.Get("ETag"))
			require.Empty(t, head.body)
		})
	}
	tag := b.do(t, "GET", "jobs/"+job, "").header.Get("ETag")
	b.Begin(t)
	r := b.do(t, "GET", "jobs/"+job, "", "If-None-Match", tag)
	require.Equal(t, 200, r.status, "it has changed")
	require.NotEqual(t, tag, r.header.Get("ETag"))
}
