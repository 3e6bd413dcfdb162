package httpapi_test

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/httpapi"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture/drivingports"
)

// signIn signs in with a token and returns the cookie as a header, "name=value".
func (b *bench) signIn(t *testing.T, token string, headers ...string) (cookie string, set *http.Cookie) {
	t.Helper()
	resp := b.send(t, "POST", "session", `{"token":"`+token+`"}`, append([]string{"Authorization", ""}, headers...)...)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Len(t, resp.Cookies(), 1)
	set = resp.Cookies()[0]
	return set.Name + "=" + set.Value, set
}

// as asks with a session alone.
func (b *bench) as(t *testing.T, cookie, method, path, body string, headers ...string) reply {
	t.Helper()
	return b.do(t, method, path, body, append([]string{"Authorization", "", "Cookie", cookie}, headers...)...)
}

func TestSession_FromSignInToSignOut(t *testing.T) {
	b := open(t)
	own := b.server.URL()
	cookie, set := b.signIn(t, b.token)
	require.Equal(t, "remora_session", set.Name)
	require.True(t, set.HttpOnly)
	require.Equal(t, http.SameSiteStrictMode, set.SameSite)
	require.Equal(t, "/", set.Path)
	require.Empty(t, set.Domain)
	require.False(t, set.Secure, "a browser would not send it over plain HTTP")
	require.Equal(t, drivingports.Now.Add(domain.SessionFor), set.Expires)

	got := b.as(t, cookie, "GET", "session", "")
	require.Equal(t, http.StatusOK, got.status)
	golden(t, "session.json", got.body)
	require.Contains(t, got.header.Values("Vary"), "Cookie")
	require.Equal(t, http.StatusOK, b.as(t, cookie, "GET", "jobs", "").status)
	other, _ := b.signIn(t, b.token)

	gone := b.send(t, "DELETE", "session", "", "Authorization", "", "Cookie", cookie, "Origin", own)
	require.NoError(t, gone.Body.Close())
	require.Equal(t, http.StatusOK, gone.StatusCode)
	require.Len(t, gone.Cookies(), 1)
	require.Negative(t, gone.Cookies()[0].MaxAge)
	require.Empty(t, gone.Cookies()[0].Value)
	b.as(t, cookie, "GET", "session", "").isError(t, http.StatusUnauthorized, "session_over")
	b.as(t, cookie, "GET", "jobs", "").isError(t, http.StatusUnauthorized, "session_over")
	require.Equal(t, http.StatusOK, b.as(t, cookie, "DELETE", "session", "", "Origin", own).status, "signing out twice is signing out")
	require.Equal(t, http.StatusOK, b.as(t, other, "GET", "jobs", "").status, "another browser stays signed in")
	require.Equal(t, http.StatusOK, b.do(t, "GET", "jobs", "").status, "so does the token")
	for _, secret := range []string{b.token, set.Value, strings.TrimPrefix(other, "remora_session=")} {
		require.NotContains(t, b.log.String(), secret)
	}
}

func TestSession_NeedsAProof(t *testing.T) {
	b := open(t)
	for body, code := range map[string]string{
		`{"token":"no-such-token-00000000000000000000"}`: "token_invalid", `{"code":"no-such-code"}`: "code_invalid",
	} {
		resp := b.do(t, "POST", "session", body, "Authorization", "")
		resp.isError(t, http.StatusUnauthorized, code)
		require.Empty(t, resp.header.Get("Set-Cookie"))
	}
	for _, body := range []string{`{}`, `{"token":""}`, `{"token":"a","code":"b"}`} {
		b.do(t, "POST", "session", body, "Authorization", "").isError(t, http.StatusBadRequest, "body_invalid")
	}
	b.do(t, "GET", "session", "", "Authorization", "").isError(t, http.StatusUnauthorized, "token_invalid")
	b.do(t, "GET", "session", "", "Authorization", "", "Cookie", "remora_session=forged").isError(t, http.StatusUnauthorized, "session_over")
	got := b.do(t, "GET", "session", "")
	require.Equal(t, map[string]any{"name": "ada", "role": "admin", "mode": "token", "expires_at": nil}, got.json(t))
}

// A page of another site cannot use the session of the browser it is in, whatever the browser sends along.
func TestSession_OnlyItsOwnPagesMayWrite(t *testing.T) {
	b := open(t, func(c *httpapi.Config) { c.CORSOrigins = []string{"http://localhost:3000"} })
	own := b.server.URL()
	cookie, _ := b.signIn(t, b.token)
	body := `{"command":"true","server_id":"` + string(b.addServer(t)) + `"}`
	jobs := func() int64 {
		page, err := b.Jobs().List(t.Context(), ports.JobQuery{Limit: 1})
		require.NoError(t, err)
		return page.Total
	}
	for name, headers := range map[string][]string{
		"Nothing":     nil,
		"Origin":      {"Origin", "https://evil.example"},
		"NullOrigin":  {"Origin", "null"},
		"SiteAlone":   {"Sec-Fetch-Site", "cross-site"},
		"SameSite":    {"Sec-Fetch-Site", "same-site"},
		"BothForeign": {"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
		"OtherPort":   {"Origin", "http://127.0.0.1:1"},
		"Lookalike":   {"Origin", own + ".evil.example"},
	} {
		t.Run(name, func(t *testing.T) {
			b.as(t, cookie, "POST", "jobs", body, headers...).isError(t, http.StatusForbidden, "origin_denied")
			b.as(t, cookie, "DELETE", "session", "", headers...).isError(t, http.StatusForbidden, "origin_denied")
			require.Zero(t, jobs(), "it was done all the same")
		})
	}
	done := int64(0)
	for name, headers := range map[string][]string{
		"OwnOrigin":   {"Origin", own},
		"OwnSite":     {"Sec-Fetch-Site", "same-origin"},
		"OwnBoth":     {"Sec-Fetch-Site", "same-origin", "Origin", own},
		"NamedOrigin": {"Sec-Fetch-Site", "same-site", "Origin", "http://localhost:3000"},
	} {
		require.Equal(t, http.StatusCreated, b.as(t, cookie, "POST", "jobs", body, headers...).status, name)
		done++
		require.Equal(t, done, jobs())
	}
	got := b.do(t, "POST", "jobs", body, "Cookie", cookie, "Origin", "https://evil.example")
	require.Equal(t, http.StatusCreated, got.status, "a token is no cookie: no browser sends it by itself")
	require.Equal(t, "true", b.as(t, cookie, "GET", "jobs", "", "Origin", "http://localhost:3000").header.Get("Access-Control-Allow-Credentials"))
	require.Empty(t, b.as(t, cookie, "GET", "jobs", "", "Origin", "https://evil.example").header.Get("Access-Control-Allow-Credentials"))
	b.do(t, "POST", "session", `{"token":"`+b.token+`"}`, "Authorization", "", "Origin", "https://evil.example").
		isError(t, http.StatusForbidden, "origin_denied")
}

// Behind TLS the cookie travels over TLS alone, under a name that other hosts of the site cannot set.
func TestSession_SecureBehindTLS(t *testing.T) {
	b := open(t)
	https := []string{"X-Forwarded-Proto", "https"}
	cookie, set := b.signIn(t, b.token, https...)
	require.Equal(t, "__Host-remora_session", set.Name)
	require.True(t, set.Secure)
	require.Equal(t, http.StatusOK, b.as(t, cookie, "GET", "jobs", "", https...).status)
	b.as(t, cookie, "GET", "jobs", "").isError(t, http.StatusUnauthorized, "token_invalid")
	plain := strings.TrimPrefix(cookie, "__Host-")
	b.as(t, plain, "GET", "jobs", "", https...).isError(t, http.StatusUnauthorized, "token_invalid")
}

func TestSession_CodeSignsInOnce(t *testing.T) {
	b := open(t)
	b.AddToken("a-viewers-token-0000000000000000", "eve", domain.RoleViewer)
	made := b.do(t, "POST", "session/code", "", "Authorization", "Bearer a-viewers-token-0000000000000000")
	require.Equal(t, http.StatusCreated, made.status, made.body)
	golden(t, "session-code.json", made.body)
	code := made.json(t)["code"].(string)
	require.Equal(t, "/login#code="+code, made.json(t)["path"])
	body, err := json.Marshal(map[string]string{"code": code})
	require.NoError(t, err)
	got := b.do(t, "POST", "session", string(body), "Authorization", "")
	require.Equal(t, http.StatusOK, got.status, got.body)
	require.Equal(t, "eve", got.json(t)["name"])
	require.Equal(t, "viewer", got.json(t)["role"])
	b.do(t, "POST", "session", string(body), "Authorization", "").isError(t, http.StatusUnauthorized, "code_invalid")
	b.as(t, "remora_session="+code, "GET", "jobs", "").isError(t, http.StatusUnauthorized, "session_over")
	require.NotContains(t, b.log.String(), code)
}

func TestSession_EndsWithItsToken(t *testing.T) {
	b := open(t)
	for name, end := range map[string]func(id domain.TokenID) error{
		"Deleted": func(id domain.TokenID) error { return b.Tokens().Delete(t.Context(), id) },
		"Rotated": func(id domain.TokenID) error { _, err := b.Tokens().Rotate(t.Context(), id); return err },
	} {
		made, err := b.Tokens().Create(t.Context(), ports.NewToken{Name: name, Role: domain.RoleOperator})
		require.NoError(t, err)
		cookie, _ := b.signIn(t, made.Text.Reveal())
		require.Equal(t, http.StatusOK, b.as(t, cookie, "GET", "jobs", "").status)
		require.NoError(t, end(made.Token.ID))
		b.as(t, cookie, "GET", "jobs", "").isError(t, http.StatusUnauthorized, "session_over")
	}
}

func TestSession_WithoutSignIn(t *testing.T) {
	b := open(t, func(c *httpapi.Config) { c.AuthNone, c.Auth, c.Sessions = true, nil, nil })
	b.token = ""
	require.Equal(t, map[string]any{"name": "anonymous", "role": "admin", "mode": "none", "expires_at": nil}, b.do(t, "GET", "session", "").json(t))
	b.do(t, "POST", "session", `{"token":"x"}`).isError(t, http.StatusConflict, "sign_in_off")
	b.do(t, "POST", "session/code", "").isError(t, http.StatusConflict, "sign_in_off")
	require.Equal(t, http.StatusOK, b.do(t, "DELETE", "session", "").status)
}

// The text of a token is in the answer that makes it, and in no other, nor in the log.
func TestTokens_TextIsShownOnce(t *testing.T) {
	b := open(t)
	made := b.do(t, "POST", "tokens", `{"name":"ci","role":"operator","expires_at":"2026-05-05T12:00:00Z"}`)
	require.Equal(t, http.StatusCreated, made.status, made.body)
	golden(t, "token-created.json", made.body)
	id, text := made.json(t)["id"].(string), made.json(t)["token"].(string)
	require.Equal(t, "no-store", made.header.Get("Cache-Control"))
	rotated := b.do(t, "POST", "tokens/"+id+"/rotate", "")
	require.Equal(t, http.StatusOK, rotated.status)
	other := rotated.json(t)["token"].(string)
	require.NotEqual(t, text, other)
	list := b.do(t, "GET", "tokens", "")
	golden(t, "tokens.json", list.body)
	taken := b.do(t, "POST", "tokens", `{"name":"ci","role":"viewer"}`)
	taken.isError(t, http.StatusConflict, "token_name_taken")
	deleted := b.do(t, "DELETE", "tokens/"+id, "")
	require.Equal(t, http.StatusOK, deleted.status)
	for _, secret := range []string{text, other, b.token} {
		require.NotContains(t, list.body+taken.body+deleted.body, secret)
		require.NotContains(t, b.log.String(), secret)
	}
	b.do(t, "DELETE", "tokens/018f0000-0000-7000-a000-000000000001", "").isError(t, http.StatusConflict, "token_last_admin")
	b.do(t, "DELETE", "tokens/"+id, "").isError(t, http.StatusNotFound, "token_not_found")
	b.do(t, "DELETE", "tokens/17", "").isError(t, http.StatusBadRequest, "token_id_invalid")
	b.do(t, "POST", "tokens", `{"name":"x","role":"viewer","expires_at":"tomorrow"}`).isError(t, http.StatusBadRequest, "expires_at_invalid")
	b.do(t, "POST", "tokens", `{"name":"x","role":"viewer","expires_at":"2020-01-01T00:00:00Z"}`).isError(t, http.StatusBadRequest, "expires_at_invalid")
	b.do(t, "POST", "tokens", `{"name":"x","role":"owner"}`).isError(t, http.StatusBadRequest, "role_invalid")
	b.do(t, "POST", "tokens", `{"name":" x","role":"viewer"}`).isError(t, http.StatusBadRequest, "name_invalid")
}

func TestLoginPage(t *testing.T) {
	b := open(t)
	r := b.do(t, "GET", "/login", "", "Authorization", "")
	require.Equal(t, 200, r.status)
	policy := r.header.Get("Content-Security-Policy")
	require.Regexp(t, `script-src 'sha256-[A-Za-z0-9+/=]{44}'; connect-src 'self'`, policy)
	require.NotContains(t, policy, "unsafe")
	require.NotContains(t, r.body, "style=")
	require.NotContains(t, r.body, "onclick")
}

// A browser at the printed address is signed in by the page's own script, under the page's own policy.
func TestLoginPage_InABrowser(t *testing.T) {
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not here")
	}
	b := open(t)
	pass, err := b.Sessions().Code(t.Context(), domain.Principal{Token: "018f0000-0000-7000-a000-000000000001"})
	require.NoError(t, err)
	look := func(address string) string {
		out, err := exec.CommandContext(t.Context(), browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
			"--user-data-dir="+t.TempDir(), "--virtual-time-budget=10000", "--dump-dom", b.server.URL()+address).Output()
		require.NoError(t, err)
		return string(out)
	}
	page := look("/login#code=" + pass.Text.Reveal())
	require.Contains(t, page, "Signed in as ada (admin).")
	require.NotContains(t, page, pass.Text.Reveal())
	page = look("/login#code=" + pass.Text.Reveal())
	require.Contains(t, page, "was used before or is too old")
	require.Contains(t, look("/login"), "Sign in with a token.")
}
