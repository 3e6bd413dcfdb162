package e2e

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/harness/cluster"
	"github.com/heysubinoy/remora/test/harness/house"
	"github.com/heysubinoy/remora/test/harness/sshd"
)

// TestLogsHoldNoSecret sends a secret in through every door there is, with all programs logging at debug, and looks for
// each in what they wrote.
func TestLogsHoldNoSecret(t *testing.T) {
	t.Parallel()
	h := house.New(t, "", sshd.Start(t))
	queue, api, worker := h.StartAll(t)
	h.Register(t)
	secrets := map[string]string{"the admin's token": h.Token.Reveal(), "the server's private key": keyBody(h.SSHD.PrivateKey)}
	secret := func(what string) string {
		s := "s3cr3t" + rand.Text()
		secrets[what] = s
		return s
	}

	// Jobs: what they run and print may hold secrets.
	job, out, _ := h.Run(t, ports.Submission{Command: "echo " + secret("a command"), Args: secret("arguments"), IdempotencyKey: secret("an idempotency key")})
	require.Equal(t, domain.StatusCompleted, job.Status)
	require.Contains(t, out, secrets["a command"])
	_, _, _ = h.Run(t, ports.Submission{Script: "echo " + secret("a script") + " >&2; exit 4"})
	_, _, _ = h.Run(t, ports.Submission{Argv: []string{"/no/such/" + secret("a program"), secret("its argument")}})

	// Servers: one whose password is wrong is logged in to by a job and by a test.
	wrong := h.Add(t, "wrong-password", func(n *ports.NewServer) {
		n.Auth, n.Credential = domain.AuthPassword, domain.Credential{Password: domain.NewSecret(secret("a password"))}
	})
	job, _, _ = h.Run(t, ports.Submission{ServerID: wrong.ID, Command: "true"})
	require.Equal(t, domain.ReasonAuth, job.Reason)
	_, err := h.Access().Test(t.Context(), wrong.ID)
	require.NoError(t, err)

	send := func(method, path, body string, headers map[string]string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, h.URL()+path, strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+h.Token.Reveal())
		r.Header.Set("Content-Type", "application/json")
		for name, value := range headers {
			r.Header.Set(name, value)
		}
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
	}
	key := func(what string) string {
		return fmt.Sprintf(`{"name":"k","hostname":"127.0.0.1","user":"u","auth_type":"key","private_key":"-----BEGIN OPENSSH PRIVATE KEY-----\n%s\n-----END OPENSSH PRIVATE KEY-----","passphrase":"%s"}`,
			secret(what), secret(what+"'s passphrase"))
	}
	send("POST", "/api/v1/servers", key("an unreadable key"), nil)
	send("POST", "/api/v1/servers", `{"password":"`+secret("a password in broken JSON")+`",`, nil)
	send("POST", "/api/v1/servers", `{"passwort":"`+secret("a misspelled field's value")+`"}`, nil)
	send("POST", "/api/v1/servers", `{"port":"`+secret("a value of the wrong type")+`"}`, nil)
	send("PUT", "/api/v1/servers/"+string(h.Server.ID), `{"password":"`+secret("a changed password")+`","auth_type":"password"}`, nil)
	send("GET", "/api/v1/jobs?token="+secret("a query value")+"&search="+secret("a search"), "", nil)
	send("GET", "/api/v1/jobs?search="+url.QueryEscape(secret("a good search")), "", nil)
	send("GET", "/api/v1/jobs", "", map[string]string{"Authorization": "Bearer " + secret("an unknown token")})
	send("GET", "/api/v1/jobs", "", map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte("admin:"+secret("a basic password")))})
	send("GET", "/api/v1/jobs", "", map[string]string{"Cookie": "session=" + secret("a cookie") + "; remora_session=" + secret("a session")})
	send("POST", "/api/v1/jobs", `{"command":"true","server_id":"x"}`, map[string]string{"Idempotency-Key": secret("a key of a refused request")})
	send("POST", "/api/v1/upload/pem", secret("an upload that is no form"), map[string]string{"Content-Type": "text/plain"})
	send("GET", "/api/v1/jobs", "", map[string]string{"Referer": "https://x.example/?token=" + secret("a referer"), "X-Api-Key": secret("an unknown header")})

	for who, p := range map[string]*cluster.Process{"queue": queue, "api": api, "worker": worker} {
		log := []byte(p.Log() + p.Out())
		require.Contains(t, string(log), `"level":"info"`, who)
		for what, s := range secrets {
			require.False(t, bytes.Contains(log, []byte(s)), "%s of the %s holds %s", "the log", who, what)
			require.False(t, bytes.Contains(log, []byte(base64.StdEncoding.EncodeToString([]byte(s)))), "the log of the %s holds %s in base64", who, what)
		}
	}
	require.Contains(t, api.Log()+worker.Log(), `"level":"debug"`)
}

// keyBody is a line from the middle of a private key, which nothing else holds.
func keyBody(pem string) string {
	all := strings.Split(strings.TrimSpace(pem), "\n")
	return all[len(all)/2]
}
