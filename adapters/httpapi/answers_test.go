package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// TestAnswers_OfEveryStatus has the answers that the document describes and that no other story meets.
func TestAnswers_OfEveryStatus(t *testing.T) {
	b := open(t)
	w := b.walk(t)
	other := string(b.addOther(t))
	off := false
	resting, err := b.Servers().Create(t.Context(), ports.NewServer{
		Name: "resting", Hostname: "h", User: "u", Auth: domain.AuthPassword, Active: &off,
		Credential: domain.Credential{Password: domain.NewSecret("p")},
	})
	require.NoError(t, err)
	idle := string(resting.ID)
	ask := func(method, path, body string, status int, code string, headers ...string) {
		t.Helper()
		r := b.do(t, method, path, body, headers...)
		require.Equal(t, status, r.status, r.body)
		if code != "" {
			r.isError(t, status, code)
		}
	}
	ask("POST", "jobs/script", `{"script":"w","server_id":"`+nobody+`"}`, 404, "server_not_found")
	ask("POST", "jobs/script", `{"script":"w","server_id":"`+idle+`"}`, 409, "server_inactive")
	ask("POST", "jobs/"+w.job+"/duplicate", `{"server_id":"`+idle+`"}`, 409, "server_inactive")
	ask("POST", "jobs/bulk", `{"command":"w","server_ids":["`+nobody+`"]}`, 404, "server_not_found")
	ask("POST", "jobs/bulk", `{"command":"w","server_ids":["`+idle+`"]}`, 409, "server_inactive")
	ask("POST", "jobs/bulk", `{"command":"w","tags":["none"]}`, 422, "batch_empty")

	ask("POST", "batches/"+w.batch+"/cancel", "", 409, "batch_finished")
	ask("POST", "batches/"+w.batch+"/rerun?only=failed", "", 422, "batch_empty")
	bulk := `{"command":"w","server_ids":["` + w.server + `","` + other + `"]}`
	b.Refuse(domain.ErrQueueFull)
	ask("POST", "jobs/bulk", bulk, 429, "queue_full")
	ask("POST", "batches/"+w.batch+"/rerun", "", 429, "queue_full")
	b.Refuse(nil)
	again := b.do(t, "POST", "batches/"+w.batch+"/rerun", "{}")
	require.Equal(t, http.StatusCreated, again.status, again.body)
	second := again.json(t)["batch"].(map[string]any)["id"].(string)
	ask("POST", "batches/"+second+"/rerun", "", 409, "batch_active")
	ask("POST", "batches/"+second+"/cancel", "", 200, "")
	third := b.do(t, "POST", "jobs/bulk", bulk).json(t)["batch"].(map[string]any)["id"].(string)
	run := b.Begin(t)
	ask("POST", "batches/"+third+"/cancel", "", 202, "")
	run.Killed(t)

	id := string(b.submit(t, "make"))
	run = b.Begin(t)
	run.Print(t, domain.Stderr, []byte("0123456789"))
	run.Exit(t, domain.Exit{})
	ask("GET", "jobs/"+id+"/stderr", "", 206, "", "Range", "bytes=2-3")
	ask("GET", "jobs/"+id+"/stderr", "", 416, "range_invalid", "Range", "bytes=10-")

	ask("PUT", "servers/"+w.server, `{"name":"other"}`, 409, "server_name_taken")
	ask("PUT", "servers/"+w.server, `{"auth_type":"key","private_key":"x"}`, 422, "key_unreadable")
	ask("POST", "servers", `{"name":"n","hostname":"h","user":"u","auth_type":"key","pem_file":"none.pem"}`, 404, "key_not_found")
	large := `{"x":"` + strings.Repeat("x", 2<<20) + `"}`
	ask("POST", "session", large, 413, "body_too_large")
	ask("DELETE", "session", large, 413, "body_too_large")
	ask("DELETE", "session", "x", 415, "content_type_unsupported", "Content-Type", "text/plain")
	ask("DELETE", "session", `{"colour":"red"}`, 400, "field_unknown")
	b.Fail(domain.ErrVaultSealed)
	ask("POST", "servers/"+w.server+"/status", "", 503, "vault_sealed")
	ask("POST", "servers/bulk/status", "", 503, "vault_sealed")
	ask("POST", "upload/pem", "", 503, "vault_sealed")
	ask("PUT", "servers/"+w.server, `{"password":"x"}`, 503, "vault_sealed")
	ask("POST", "servers", `{"name":"n","hostname":"h","user":"u","auth_type":"password","password":"x"}`, 503, "vault_sealed")
	b.Fail(domain.ErrServerChanged)
	ask("POST", "servers/"+w.server+"/host-key", `{"fingerprint":"x"}`, 409, "server_changed")
	b.Fail(nil)
	ask("GET", "/metrics", "", 200, "")
}
