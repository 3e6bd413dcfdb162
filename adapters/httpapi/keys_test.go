package httpapi_test

import (
	"bytes"
	"mime/multipart"
	"net/textproto"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/httpapi"
)

// part is a part of a form; with a file's name it is a file.
type part struct{ name, file, value string }

// form writes parts as a browser does, but whatever they are called.
func form(t *testing.T, parts ...part) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		disposition := `form-data; name="` + p.name + `"`
		if p.file != "" {
			disposition += `; filename="` + p.file + `"`
		}
		to, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {disposition}})
		require.NoError(t, err)
		_, err = to.Write([]byte(p.value))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.String(), w.FormDataContentType()
}

func (b *bench) upload(t *testing.T, path string, parts ...part) reply {
	t.Helper()
	body, contentType := form(t, parts...)
	return b.do(t, "POST", path, body, "Content-Type", contentType, "X-Request-ID", "golden")
}

const somePEM = "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n"

func TestUpload_BadInput(t *testing.T) {
	b := open(t, func(c *httpapi.Config) { c.MaxUpload = 1024 })
	key := part{"pem_file", "key.pem", somePEM}
	for name, c := range map[string]struct {
		parts  []part
		status int
		code   string
		field  string
	}{
		"NoFile":           {[]part{{"name", "", "x"}}, 400, "pem_file_invalid", "pem_file"},
		"Nothing":          {nil, 400, "pem_file_invalid", "pem_file"},
		"UnknownField":     {[]part{key, {"color", "", "x"}}, 400, "field_unknown", "color"},
		"TwoFiles":         {[]part{key, key}, 400, "field_duplicate", "pem_file"},
		"BothNamesOfFile":  {[]part{key, {"file", "b.pem", somePEM}}, 400, "field_duplicate", "pem_file"},
		"TwoNames":         {[]part{key, {"name", "", "x"}, {"name", "", "y"}}, 400, "field_duplicate", "name"},
		"LongName":         {[]part{key, {"name", "", strings.Repeat("x", 129)}}, 400, "name_invalid", "name"},
		"HugeName":         {[]part{key, {"name", "", strings.Repeat("x", 5000)}}, 400, "name_invalid", "name"},
		"NameUp":           {[]part{key, {"name", "", "../../etc/passwd"}}, 400, "name_invalid", "name"},
		"NameNotText":      {[]part{key, {"name", "", "\xff"}}, 400, "name_invalid", "name"},
		"NameWithNul":      {[]part{key, {"name", "", "a\x00b"}}, 400, "name_invalid", "name"},
		"NoFileName":       {[]part{{"pem_file", "", somePEM}}, 400, "name_invalid", "name"},
		"FileNameOfSpaces": {[]part{{"pem_file", "my key.pem", somePEM}}, 400, "name_invalid", "name"},
		"HiddenFileName":   {[]part{{"pem_file", ".pem", somePEM}}, 400, "name_invalid", "name"},
		"HugePassphrase":   {[]part{key, {"passphrase", "", strings.Repeat("x", 5000)}}, 400, "passphrase_invalid", "passphrase"},
		"TooLargeByOne":    {[]part{{"pem_file", "k", somePEM + strings.Repeat("x", 1025-len(somePEM))}}, 413, "key_too_large", ""},
		"MuchTooLarge":     {[]part{{"pem_file", "k", strings.Repeat("x", 1<<20)}}, 413, "key_too_large", ""},
		"NotAKey":          {[]part{{"pem_file", "k", "hello"}}, 422, "key_unreadable", ""},
		"Empty":            {[]part{{"pem_file", "k", ""}}, 422, "key_unreadable", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := b.upload(t, "upload/pem", c.parts...)
			r.isError(t, c.status, c.code)
			if c.field != "" {
				require.Equal(t, c.field, r.json(t)["details"].(map[string]any)["field"])
			}
		})
	}
	require.JSONEq(t, `{"files":[]}`, b.do(t, "GET", "files/pem", "").body)
	require.Equal(t, 201, b.upload(t, "upload/pem", part{"pem_file", "k", somePEM + strings.Repeat("x", 1024-len(somePEM))}).status)
}

func TestUpload_BrokenForms(t *testing.T) {
	b := open(t)
	whole, contentType := form(t, part{"pem_file", "key.pem", somePEM})
	for name, c := range map[string]struct {
		body, contentType string
		status            int
		code              string
	}{
		"JSON":          {`{"pem_file":"x"}`, "application/json", 415, "content_type_unsupported"},
		"NoBoundary":    {whole, "multipart/form-data", 415, "content_type_unsupported"},
		"Mixed":         {whole, strings.Replace(contentType, "form-data", "mixed", 1), 415, "content_type_unsupported"},
		"CutShort":      {whole[:len(whole)-20], contentType, 400, "body_invalid"},
		"OtherBoundary": {whole, "multipart/form-data; boundary=elsewhere", 400, "pem_file_invalid"},
		"NotAForm":      {"hello", contentType, 400, "pem_file_invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			b.do(t, "POST", "upload/pem", c.body, "Content-Type", c.contentType).isError(t, c.status, c.code)
		})
	}
}

func TestUpload_TakesTheNameOfTheFileAlone(t *testing.T) {
	b := open(t)
	for file, want := range map[string]string{
		`/home/ada/.ssh/id_rsa`: "id_rsa",
		`C:\\\\keys\\\\web.pem`: "web.pem",
		`../../../etc/shadow`:   "shadow",
		`plain`:                 "plain",
	} {
		r := b.upload(t, "upload/pem", part{"file", file, somePEM})
		require.Equal(t, 201, r.status, r.body)
		require.Equal(t, want, r.json(t)["filename"])
	}
}

func TestDeleteKey_BadNames(t *testing.T) {
	b := open(t)
	for _, name := range []string{"..", "%2e%2e%2fx", "a%2fb", ".hidden", "a%00b", "%ff", strings.Repeat("x", 129), "nul", "a%20b"} {
		r := b.do(t, "DELETE", "files/pem/"+name, "")
		require.Contains(t, []int{400, 404}, r.status, "%s: %s", name, r.body)
	}
	b.do(t, "DELETE", "files/pem/a%2fb", "").isError(t, 400, "filename_invalid")
}
