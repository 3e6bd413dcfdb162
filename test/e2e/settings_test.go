package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/harness/cluster"
	"github.com/heysubinoy/remora/test/harness/house"
	"github.com/heysubinoy/remora/test/harness/sshd"
	"github.com/heysubinoy/remora/test/harness/wait"
)

// Each setting does what .env.example says of it. Those that are not here have a story of their own: addresses, database, queue,
// secrets and JetStream in every test of the programs, METRICS_ADDR in TestObserved, POSTGRES_* in test/deploy.
func TestSettings(t *testing.T) {
	t.Parallel()
	server := sshd.Start(t)
	open := func(t *testing.T, env ...string) *desk {
		t.Parallel()
		return &desk{house.New(t, "", server, env...)}
	}
	t.Run("Limits", func(t *testing.T) {
		settingsOfLimits(t, open(t, "MAX_QUEUED_JOBS=2", "MAX_UPLOAD_SIZE=1KiB", "ALLOWED_SHELLS=/bin/sh"))
	})
	t.Run("API_RATE_LIMIT", func(t *testing.T) {
		d := open(t, "API_RATE_LIMIT=1")
		d.StartQueue(t)
		d.StartAPI(t)
		var last answer
		for range 10 {
			if last = d.request(t, "GET", "/api/v1/jobs", ""); last.status != http.StatusOK {
				break
			}
		}
		last.refuses(t, http.StatusTooManyRequests, "rate_limited")
		require.NotEmpty(t, last.header.Get("Retry-After"))
	})
	t.Run("Execution", func(t *testing.T) {
		settingsOfExecution(t, open(t, "MAX_OUTPUT_SIZE=64KiB", "SSH_EXECUTION_TIMEOUT=1s"))
	})
	t.Run("SSH_CONNECTION_TIMEOUT", func(t *testing.T) { settingOfConnecting(t, open(t, "SSH_CONNECTION_TIMEOUT=1s")) })
	for _, name := range []string{"WORKER_CONCURRENCY", "WORKER_POOL_SIZE"} {
		t.Run(name, func(t *testing.T) {
			d := open(t, name+"=1")
			d.StartAll(t)
			d.Register(t)
			first := d.Submit(t, ports.Submission{Command: "echo first; sleep 300"})
			d.Printed(t, first, "first\n")
			second := d.Submit(t, ports.Submission{Command: "echo second"})
			require.Contains(t, d.request(t, "GET", "/api/v1/system/enhanced", "").body, `"total_capacity":1,`)
			require.Equal(t, domain.StatusQueued, d.Job(t, second).Status)
			_, err := d.Jobs().Cancel(t.Context(), first)
			require.NoError(t, err)
			job, _, _ := d.End(t, second)
			require.Equal(t, domain.StatusCompleted, job.Status)
		})
	}
	t.Run("Edges", func(t *testing.T) { settingsOfEdges(t, open) })
	t.Run("NETQUEUE_TLS", func(t *testing.T) { settingsOfTLS(t, open(t)) })
}

func settingsOfLimits(t *testing.T, d *desk) {
	d.StartQueue(t)
	d.StartAPI(t)
	d.Register(t)
	script := `{"script":"echo","server_id":"` + string(d.Server.ID) + `"`
	d.request(t, "POST", "/api/v1/jobs/script", script+`,"shell":"/bin/bash"}`).refuses(t, http.StatusBadRequest, "shell_not_allowed")
	made := d.request(t, "POST", "/api/v1/jobs/script", script+"}")
	require.Equal(t, http.StatusCreated, made.status, made.body)
	require.Contains(t, made.body, `"shell":"/bin/sh"`, "the first that is allowed is the default")

	last := answer{}
	for range 10 { // how many wait is looked at once a second
		if last = d.request(t, "POST", "/api/v1/jobs/script", script+"}"); last.status != http.StatusCreated {
			break
		}
	}
	last.refuses(t, http.StatusTooManyRequests, "queue_full")
	require.NotEmpty(t, last.header.Get("Retry-After"))

	var body strings.Builder
	form := multipart.NewWriter(&body)
	file, err := form.CreateFormFile("pem_file", "large.pem")
	require.NoError(t, err)
	_, err = file.Write(make([]byte, 1025))
	require.NoError(t, err)
	require.NoError(t, form.Close())
	upload := d.request(t, "POST", "/api/v1/upload/pem", body.String(), "Content-Type", form.FormDataContentType())
	require.Equal(t, http.StatusRequestEntityTooLarge, upload.status, upload.body)
}

func settingsOfExecution(t *testing.T, d *desk) {
	d.StartAll(t)
	d.Register(t)
	job, _, _ := d.Run(t, ports.Submission{Command: "sleep 300"})
	require.Equal(t, domain.ReasonTimeout, job.Reason, job.Message)
	require.Equal(t, time.Second, job.Timeout)
	job, out, _ := d.Run(t, ports.Submission{Command: "head -c 1000000 /dev/zero; sleep 300", Timeout: time.Minute})
	require.Equal(t, domain.ReasonOutputLimit, job.Reason, job.Message)
	require.GreaterOrEqual(t, len(out), 64<<10, "what came before the limit is kept")
	require.Less(t, len(out), 1_000_000)
}

// A server that takes connections and says nothing is given up after the time that is set.
func settingOfConnecting(t *testing.T, d *desk) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, silent.Close()) })
	d.StartQueue(t)
	d.StartAPI(t)
	s := d.Add(t, "silent", func(n *ports.NewServer) { n.Port = silent.Addr().(*net.TCPAddr).Port })
	report, err := d.Access().Test(t.Context(), s.ID)
	require.NoError(t, err)
	require.False(t, report.OK)
	require.Equal(t, domain.ReasonConnect, report.Reason, report.Message)
	require.GreaterOrEqual(t, report.Latency, 900*time.Millisecond)
	require.Less(t, report.Latency, 20*time.Second, "the default is 30 s")
}

func settingsOfEdges(t *testing.T, open func(*testing.T, ...string) *desk) {
	const origin = "https://pages.example.org"
	profiles := cluster.FreeAddr(t)
	d := open(t, "CORS_ALLOWED_ORIGINS="+origin, "AUTH_MODE=none", "LOG_LEVEL=warn")
	d.StartQueue(t)
	api := d.StartWith(t, []string{"PPROF_ADDR=" + profiles}, "remora-api")
	d.healthy(t)
	require.NotContains(t, api.Log(), `"level":"info"`)
	for _, from := range []string{origin, "https://others.example.org"} {
		allowed := ""
		if from == origin {
			allowed = origin
		}
		r := d.request(t, "OPTIONS", "/api/v1/jobs", "", "Origin", from, "Access-Control-Request-Method", "POST", "Authorization", "")
		require.Equal(t, allowed, r.header.Get("Access-Control-Allow-Origin"))
	}
	require.Equal(t, http.StatusOK, d.request(t, "GET", "/api/v1/jobs", "", "Authorization", "").status)
	r, err := http.Get("http://" + profiles + "/debug/pprof/cmdline")
	require.NoError(t, err)
	require.NoError(t, r.Body.Close())
	require.Equal(t, http.StatusOK, r.StatusCode)

	text := d.StartWith(t, []string{"LOG_FORMAT=text", "LOG_LEVEL=info", "SERVER_ADDR=" + cluster.FreeAddr(t)}, "remora-worker")
	wait.Within(t, time.Minute, func() error {
		if !strings.Contains(text.Log(), "worker is ready") {
			return errors.New(text.Log())
		}
		return nil
	})
	require.NotContains(t, text.Log(), `{"level"`)
}

// The queue speaks TLS with those who know its authority, and with nobody else.
func settingsOfTLS(t *testing.T, d *desk) {
	host, _, err := net.SplitHostPort(d.QueueAddr)
	require.NoError(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP(host)}, IsCA: true, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	certFile, keyFile := filepath.Join(d.Dir, "queue.crt"), filepath.Join(d.Dir, "queue.key")
	require.NoError(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))

	d.StartWith(t, []string{"NETQUEUE_TLS_CERT=" + certFile, "NETQUEUE_TLS_KEY=" + keyFile}, "remora-queue")
	plain := d.StartWith(t, nil, "remora-worker")
	d.StartWith(t, []string{"NETQUEUE_TLS_CA=" + certFile}, "remora-api")
	d.healthy(t)
	require.NotContains(t, plain.Log(), "queue connected", "a worker without the authority is not connected")
}

// healthy waits until the API answers and reaches database and queue.
func (d *desk) healthy(t *testing.T) {
	t.Helper()
	wait.Within(t, time.Minute, func() error {
		r, err := http.Get(d.URL() + "/health")
		if err != nil {
			return err
		}
		if err := r.Body.Close(); err != nil || r.StatusCode == http.StatusOK {
			return err
		}
		return fmt.Errorf("the API answers %s", r.Status)
	})
}
