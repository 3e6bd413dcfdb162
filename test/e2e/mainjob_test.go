// Package e2e runs Remora's real programs, as separate processes, against a real OpenSSH server.
package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/harness/house"
	"github.com/heysubinoy/remora/test/harness/pgtest"
	"github.com/heysubinoy/remora/test/harness/proc"
	"github.com/heysubinoy/remora/test/harness/sshd"
)

// story is a house that the stories of a database are told in.
type story struct{ *house.House }

func TestMainJob(t *testing.T) {
	for name, url := range map[string]string{"sqlite": "", "postgres": pgtest.URL(t)} {
		t.Run(name, func(t *testing.T) {
			h := &story{house.New(t, url, sshd.Start(t))}
			h.StartAll(t)
			h.Register(t)
			t.Run("Command", h.command)
			t.Run("ScriptWithArguments", h.script)
			t.Run("ExitCodes", h.exitCodes)
			t.Run("StreamsApartAndByteExact", h.streams)
			t.Run("EightMiBOnBothStreams", h.large)
			t.Run("Timeout", h.timeout)
			t.Run("CancelEndsTheTree", h.cancel)
			t.Run("Refusals", h.refusals)
			t.Run("UnreachablePort", h.unreachable)
			t.Run("BadInputLosesNothing", h.badInput)
		})
	}
}

func (h *story) command(t *testing.T) {
	job, out, errs := h.Run(t, ports.Submission{Command: `echo "a 'quoted' $((6*7))"`, Args: `'two words' "$HOME_IS_NOT_SET"`})
	require.Equal(t, domain.StatusCompleted, job.Status, job.Message)
	require.Equal(t, "a 'quoted' 42 two words \n", out)
	require.Empty(t, errs)
	require.Equal(t, domain.ModeDurable, job.Mode())
	require.False(t, job.StartedAt.IsZero())
	require.False(t, job.FinishedAt.Before(job.StartedAt))

	job, out, _ = h.Run(t, ports.Submission{Argv: []string{"printf", "%s|", "a b", "$HOME", "'", "*", "two\nlines"}})
	require.Equal(t, domain.StatusCompleted, job.Status, job.Message)
	require.Equal(t, "a b|$HOME|'|*|two\nlines|", out)
}

func (h *story) script(t *testing.T) {
	script := "printf '%s\\n' \"$#\" \"$1\" \"$2\"\ncat <<'END'\nit's \"quoted\" \\ `here` $NOT\nEND\n"
	job, out, _ := h.Run(t, ports.Submission{Script: script, Args: `"first word" 'second $x'`, Shell: "/bin/bash"})
	require.Equal(t, domain.StatusCompleted, job.Status, job.Message)
	require.Equal(t, "2\nfirst word\nsecond $x\nit's \"quoted\" \\ `here` $NOT\n", out)

	big := "cat <<'END'\n" + strings.Repeat("0123456789abcdef'\"\\$`\n", 11_000) + "END\n" // 242,000 bytes
	job, out, _ = h.Run(t, ports.Submission{Script: big, Shell: "/bin/sh"})
	require.Equal(t, domain.StatusCompleted, job.Status, job.Message)
	require.Equal(t, sum([]byte(strings.TrimSuffix(strings.TrimPrefix(big, "cat <<'END'\n"), "END\n"))), sum([]byte(out)))
}

func (h *story) exitCodes(t *testing.T) {
	for code, want := range map[int]domain.Status{0: domain.StatusCompleted, 7: domain.StatusFailed, 255: domain.StatusFailed} {
		job, _, _ := h.Run(t, ports.Submission{Command: fmt.Sprintf("exit %d", code)})
		require.Equal(t, want, job.Status)
		require.NotNil(t, job.Exit)
		require.Equal(t, code, job.Exit.Code)
		require.Empty(t, job.Exit.Signal)
		if code != 0 {
			require.Equal(t, domain.ReasonExitNonzero, job.Reason)
		}
	}
	job, _, _ := h.Run(t, ports.Submission{Command: "kill -9 $$"})
	require.Equal(t, domain.StatusFailed, job.Status)
	require.Equal(t, domain.ReasonSignal, job.Reason)
	require.NotNil(t, job.Exit)
	require.Equal(t, "KILL", job.Exit.Signal)
}

func (h *story) streams(t *testing.T) {
	job, out, errs := h.Run(t, ports.Submission{Command: `printf 'out\000\377\n'; printf 'err\001\376' >&2`})
	require.Equal(t, domain.StatusCompleted, job.Status, job.Message)
	require.Equal(t, "out\x00\xff\n", out)
	require.Equal(t, "err\x01\xfe", errs)
}

func (h *story) large(t *testing.T) {
	const size = 8 << 20
	id := h.Submit(t, ports.Submission{Command: fmt.Sprintf(
		`head -c %d /dev/zero | openssl enc -aes-128-ctr -nosalt -K 00112233445566778899aabbccddeeff -iv 0 2>/dev/null | tee /dev/stderr | sha256sum > sum.$$; cat sum.$$ | cut -c1-64 > last.sum; rm sum.$$`, size)})
	// the stream printed on stderr is the whole; stdout gets the same by cat
	job, _, errs := h.End(t, id)
	require.Equal(t, domain.StatusCompleted, job.Status, job.Message)
	require.Len(t, errs, size)
	_, want, _ := h.Run(t, ports.Submission{Command: "cat last.sum; rm last.sum"})
	require.Equal(t, strings.TrimSpace(want), sum([]byte(errs)))

	job, out, errs := h.Run(t, ports.Submission{Command: fmt.Sprintf(
		`(yes stdout line | head -c %d) & (yes stderr line | head -c %d) >&2; wait`, size, size)})
	require.Equal(t, domain.StatusCompleted, job.Status, job.Message)
	require.Equal(t, sum(bytes.Repeat([]byte("stdout line\n"), size/12+1)[:size]), sum([]byte(out)))
	require.Equal(t, sum(bytes.Repeat([]byte("stderr line\n"), size/12+1)[:size]), sum([]byte(errs)))
	r, n, err := h.Output().Open(t.Context(), job.ID, domain.Stdout, 0, -1)
	require.NoError(t, err)
	defer func() { _ = r.Close() }()
	require.EqualValues(t, size, n)
	stored, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, out, string(stored))
}

func (h *story) timeout(t *testing.T) {
	job, out, _ := h.Run(t, ports.Submission{Command: "echo begun; sleep 300", Timeout: time.Second})
	require.Equal(t, domain.StatusFailed, job.Status)
	require.Equal(t, domain.ReasonTimeout, job.Reason)
	require.Equal(t, "begun\n", out)
	require.NotNil(t, job.Receipt)
	require.True(t, job.Receipt.Confirmed)
	require.Less(t, job.FinishedAt.Sub(job.StartedAt), 20*time.Second)
}

func (h *story) cancel(t *testing.T) {
	mark := "300." + fmt.Sprint(time.Now().UnixNano())
	id := h.Submit(t, ports.Submission{Command: fmt.Sprintf(
		"sh -c 'sleep %[1]s & sleep %[1]s' & setsid sleep %[1]s & (setsid sh -c 'sleep %[1]s & exit 0' &); echo begun; sleep %[1]s", mark)})
	h.Printed(t, id, "begun")
	proc.WaitCount(t, mark, 5)
	d, err := h.Jobs().Cancel(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, domain.StatusRunning, d.Job.Status)
	require.True(t, d.Job.CancelRequested)
	job, _, _ := h.End(t, id)
	require.Equal(t, domain.StatusCanceled, job.Status)
	require.Equal(t, domain.ReasonUser, job.Reason)
	require.NotNil(t, job.KillConfirmed())
	require.True(t, *job.KillConfirmed())
	require.Empty(t, job.Receipt.Left)
	require.Empty(t, proc.Find(t, mark), "processes of a canceled job are alive")
	_, err = h.Jobs().Cancel(t.Context(), id)
	require.ErrorIs(t, err, domain.ErrJobFinal)
}

func (h *story) refusals(t *testing.T) {
	fails := func(name string, reason domain.Reason, change func(*ports.NewServer)) {
		t.Helper()
		s := h.Add(t, name, change)
		job, out, _ := h.Run(t, ports.Submission{ServerID: s.ID, Command: "echo must not run"})
		require.Equal(t, domain.StatusFailed, job.Status, name)
		require.Equal(t, reason, job.Reason, "%s: %s", name, job.Message)
		require.NotEmpty(t, job.Message)
		require.Empty(t, out)
		require.True(t, job.StartedAt.IsZero())
	}
	fails("wrong-password", domain.ReasonAuth, func(n *ports.NewServer) {
		n.Auth, n.Credential = domain.AuthPassword, domain.Credential{Password: domain.NewSecret("not the password")}
	})
	fails("unknown-key", domain.ReasonHostKeyUnknown, func(n *ports.NewServer) { n.HostKey = "" })
	fails("changed-key", domain.ReasonHostKeyMismatch, func(n *ports.NewServer) { n.HostKey = "SHA256:" + strings.Repeat("A", 43) })

	s := h.Add(t, "accept-new", func(n *ports.NewServer) { n.HostKey, n.HostKeyPolicy = "", domain.HostKeyAcceptNew })
	job, out, _ := h.Run(t, ports.Submission{ServerID: s.ID, Command: "echo first sight"})
	require.Equal(t, domain.StatusCompleted, job.Status, job.Message)
	require.Equal(t, "first sight\n", out)
	s, err := h.Servers().Get(t.Context(), s.ID)
	require.NoError(t, err)
	require.NotNil(t, s.HostKey)
	require.Equal(t, h.SSHD.HostKey.Fingerprint, s.HostKey.Fingerprint)
}

func (h *story) unreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	require.NoError(t, l.Close())
	s := h.Add(t, "unreachable", func(n *ports.NewServer) { n.Port = port })
	job, _, _ := h.Run(t, ports.Submission{ServerID: s.ID, Command: "true"})
	require.Equal(t, domain.StatusFailed, job.Status)
	require.Equal(t, domain.ReasonConnect, job.Reason)
	require.Equal(t, 3, job.Attempt, "a refused connection is proven not started, and tried again")
}

func (h *story) badInput(t *testing.T) {
	before, err := h.Jobs().List(t.Context(), ports.JobQuery{Limit: 1})
	require.NoError(t, err)
	for field, s := range map[string]ports.Submission{
		"command_invalid":   {Command: " "},
		"priority_invalid":  {Command: "true", Priority: 11},
		"timeout_invalid":   {Command: "true", Timeout: domain.MaxTimeout + time.Second},
		"retry_invalid":     {Command: "true", Retry: &domain.Retry{Mode: "sometimes", MaxAttempts: 1}},
		"shell_not_allowed": {Script: "true", Shell: "/bin/fish"},
	} {
		s.ServerID = h.Server.ID
		_, err := h.Jobs().Submit(t.Context(), s)
		require.Equal(t, domain.KindInvalid, domain.KindOf(err), field)
		require.ErrorIs(t, err, &domain.Error{Code: field}, field)
	}
	_, err = h.Jobs().Submit(t.Context(), ports.Submission{ServerID: "0193a5d0-0000-7000-8000-000000000000", Command: "true"})
	require.ErrorIs(t, err, domain.ErrServerNotFound)
	inactive := false
	s := h.Add(t, "inactive", func(n *ports.NewServer) { n.Active = &inactive })
	_, err = h.Jobs().Submit(t.Context(), ports.Submission{ServerID: s.ID, Command: "true"})
	require.ErrorIs(t, err, domain.ErrServerInactive)
	after, err := h.Jobs().List(t.Context(), ports.JobQuery{Limit: 1})
	require.NoError(t, err)
	require.Equal(t, before.Total, after.Total)
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}
