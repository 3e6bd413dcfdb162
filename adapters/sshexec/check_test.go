package sshexec_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/sshexec"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/harness/sshd"
)

func TestCheck_AsksTheConnectionThatStands(t *testing.T) {
	s := sshd.Start(t)
	e := newExecutor(t, sshexec.Config{})
	for range 5 {
		report := e.Check(t.Context(), s.Target())
		require.True(t, report.OK, report.Message)
		require.Equal(t, s.Target().Server.ID, report.Server)
		require.Positive(t, report.Latency)
		require.Equal(t, 1, s.Connections())
	}
}

func TestCheck_NoticesThatAServerIsAway(t *testing.T) {
	s := sshd.Start(t)
	e := newExecutor(t, sshexec.Config{})
	require.True(t, e.Check(t.Context(), s.Target()).OK)
	s.Stop()
	report := e.Check(t.Context(), s.Target())
	require.False(t, report.OK)
	require.Equal(t, ports.StepConnect, report.Step)
	require.Equal(t, domain.ReasonConnect, report.Reason)
	require.NotEmpty(t, report.Message)
	s.Restart()
	report = e.Check(t.Context(), s.Target())
	require.True(t, report.OK, report.Message)
	require.NotContains(t, e.Check(t.Context(), s.Target()).Message, "in 0s", "no answer takes no time, however near the server is")
}

func TestCheck_NeedsTheConfirmedKeyAndTheCredential(t *testing.T) {
	s := sshd.Start(t)
	e := newExecutor(t, sshexec.Config{})
	unknown, other, stranger := s.Target(), s.Target(), s.Target()
	unknown.Server.HostKey = nil
	report := e.Check(t.Context(), unknown)
	require.Equal(t, domain.ReasonHostKeyUnknown, report.Reason)
	require.Equal(t, s.HostKey.Fingerprint, report.Seen.Fingerprint)
	other.Server.HostKey = &domain.HostKey{Fingerprint: "SHA256:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"}
	require.Equal(t, domain.ReasonHostKeyMismatch, e.Check(t.Context(), other).Reason)
	stranger.Credential = sshd.Start(t).Target().Credential
	report = e.Check(t.Context(), stranger)
	require.Equal(t, domain.ReasonAuth, report.Reason)
	require.Equal(t, ports.StepLogin, report.Step)
}

func TestCheck_EndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	report := newExecutor(t, sshexec.Config{}).Check(ctx, silent(t))
	require.False(t, report.OK)
	require.Equal(t, ports.StepConnect, report.Step)
	require.Contains(t, report.Message, "no answer in")
	require.Less(t, report.Latency, 5*time.Second)
}
