// Package house is a cluster of Remora's programs with one real server to run jobs on, and the few steps that every story
// about it takes.
package house

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/httpapi/client"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/harness/cluster"
	"github.com/heysubinoy/remora/test/harness/sshd"
)

// patience bounds how long a story waits for a job.
const patience = 2 * time.Minute

// House is the cluster, its server, and a client signed in as administrator.
type House struct {
	*cluster.Cluster
	SSHD   *sshd.Server
	Server domain.Server // once registered

	api *client.Client
}

// New prepares a house on a database; an empty url is SQLite. No program runs yet.
func New(t testing.TB, url string, s *sshd.Server, env ...string) *House {
	t.Helper()
	c := cluster.New(t, url, env...)
	return &House{Cluster: c, SSHD: s, api: c.Client(t)}
}

// Jobs speaks to the API.
func (h *House) Jobs() ports.Jobs { return h.api.Jobs }

// Batches speaks to the API.
func (h *House) Batches() ports.Batches { return h.api.Batches }

// Output speaks to the API.
func (h *House) Output() ports.Output { return h.api.Output }

// Servers speaks to the API.
func (h *House) Servers() ports.Servers { return h.api.Servers }

// Access speaks to the API.
func (h *House) Access() ports.ServerAccess { return h.api.Access }

// Register makes the server known to Remora, its key confirmed, with room for 32 jobs at once.
func (h *House) Register(t testing.TB) {
	t.Helper()
	h.Server = h.Add(t, "web-1", func(*ports.NewServer) {})
}

// Add registers the real server under another name, changed by change.
func (h *House) Add(t testing.TB, name string, change func(*ports.NewServer)) domain.Server {
	t.Helper()
	n := ports.NewServer{
		Name: name, Hostname: "127.0.0.1", Port: h.SSHD.Port, User: h.SSHD.User, Auth: domain.AuthKey,
		HostKey: h.SSHD.HostKey.Fingerprint, Credential: domain.Credential{PrivateKey: domain.NewSecret(h.SSHD.PrivateKey)},
		MaxSessions: 32,
	}
	change(&n)
	s, err := h.Servers().Create(t.Context(), n)
	require.NoError(t, err)
	return s
}

// Submit submits to the registered server, or the one that s names, and returns the job's id.
func (h *House) Submit(t testing.TB, s ports.Submission) domain.JobID {
	t.Helper()
	if s.ServerID == "" {
		s.ServerID = h.Server.ID
	}
	d, err := h.Jobs().Submit(t.Context(), s)
	require.NoError(t, err)
	return d.Job.ID
}

// Job reads a job.
func (h *House) Job(t testing.TB, id domain.JobID) domain.Job {
	t.Helper()
	d, err := h.Jobs().Get(t.Context(), id)
	require.NoError(t, err)
	return d.Job
}

// End waits for a job's end and returns it with its whole output.
func (h *House) End(t testing.TB, id domain.JobID) (job domain.Job, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var out [3]strings.Builder
	err := h.Output().Follow(ctx, id, 0, func(e ports.JobEvent) error {
		if e.Chunk != nil {
			out[e.Chunk.Stream].Write(e.Chunk.Data)
		}
		return nil
	})
	job = h.Job(t, id)
	require.NoError(t, err, "job %s is %s %s %s", id, job.State(), job.Reason, job.Message)
	return job, out[domain.Stdout].String(), out[domain.Stderr].String()
}

// Run submits and waits for the end.
func (h *House) Run(t testing.TB, s ports.Submission) (job domain.Job, stdout, stderr string) {
	t.Helper()
	return h.End(t, h.Submit(t, s))
}

// Printed waits until a job has printed text on stdout.
func (h *House) Printed(t testing.TB, id domain.JobID, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var seen strings.Builder
	found := errors.New("found")
	err := h.Output().Follow(ctx, id, 0, func(e ports.JobEvent) error {
		if e.Chunk != nil && e.Chunk.Stream == domain.Stdout {
			seen.Write(e.Chunk.Data)
		}
		if strings.Contains(seen.String(), text) {
			return found
		}
		return nil
	})
	require.ErrorIs(t, err, found, "printed so far: %q", seen.String())
}
