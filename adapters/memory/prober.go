package memory

import (
	"context"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

var _ ports.Prober = (*Executor)(nil)

// Probe implements ports.Prober.
func (e *Executor) Probe(_ context.Context, t ports.Target, pin bool) ports.TestReport {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := ports.TestReport{Server: t.Server.ID, Seen: &domain.HostKey{Fingerprint: MemoryHostKey, Type: "ssh-ed25519"}}
	m := e.machine(t.Server.ID)
	f := m.failure(t)
	if f == nil && t.Server.HostKey == nil && !pin {
		f = &domain.Failure{Reason: domain.ReasonHostKeyUnknown, Message: "the host key is not confirmed"}
	}
	if f == nil {
		r.OK, r.Mode, r.Cause, r.Latency = true, domain.ModeDurable, "servers in memory keep their runs", time.Millisecond
		return r
	}
	r.Reason, r.Message = f.Reason, f.Message
	switch f.Reason {
	case domain.ReasonConnect:
		r.Step, r.Seen = ports.StepConnect, nil
	case domain.ReasonHostKeyUnknown, domain.ReasonHostKeyMismatch:
		r.Step = ports.StepHostKey
	case domain.ReasonAuth:
		r.Step = ports.StepLogin
	default:
		r.Step = ports.StepSession
	}
	return r
}

// Check implements ports.Prober.
func (e *Executor) Check(ctx context.Context, t ports.Target) ports.TestReport {
	r := e.Probe(ctx, t, false)
	if r.OK {
		r.Mode, r.Cause, r.Message = domain.ModeUnknown, "", "logged in"
	}
	return r
}

// MemoryHostKey is the fingerprint that every server in memory shows.
const MemoryHostKey = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
