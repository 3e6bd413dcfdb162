package application

import (
	"context"
	"errors"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Trust implements ports.ServerAccess.
func (a *Servers) Trust(ctx context.Context, id domain.ServerID, fingerprint string) (domain.Server, error) {
	s, sealed, err := a.Repository.Get(ctx, id)
	if err != nil {
		return domain.Server{}, err
	}
	if err := a.pin(ctx, s, sealed, domain.HostKey{Fingerprint: fingerprint, PinnedAt: a.Clock.Now()}, func(c *domain.Sealed) error {
		return a.Repository.Save(ctx, s, c)
	}); err != nil {
		return domain.Server{}, err
	}
	return *s, nil
}

// pin pins a key and saves. The first pin keeps the credential, sealed anew for it; another pin needs it anew.
func (a *Servers) pin(ctx context.Context, s *domain.Server, sealed domain.Sealed, k domain.HostKey, save func(*domain.Sealed) error) error {
	was := *s
	if was.HostKey != nil && was.HostKey.Fingerprint == k.Fingerprint {
		return nil
	}
	if err := s.Pin(k); err != nil {
		return err
	}
	s.UpdatedAt = a.Clock.Now()
	if was.HostKey != nil || sealed == nil {
		c, err := a.changedCredential(ctx, &was, s, nil, nil)
		if err != nil {
			return err
		}
		return save(c)
	}
	c, err := a.Vault.Open(sealed, was.Binding())
	if err != nil {
		return err
	}
	again, err := a.Vault.Seal(c, s.Binding())
	if err != nil {
		return err
	}
	return save(&again)
}

// Test implements ports.ServerAccess.
func (a *Servers) Test(ctx context.Context, id domain.ServerID) (ports.TestReport, error) {
	target, sealed, err := a.seen(ctx, id)
	if err != nil && !errors.Is(err, domain.ErrCredentialNeeded) {
		return ports.TestReport{}, err
	}
	s := &target.Server
	first := s.HostKey == nil && s.HostKeyPolicy == domain.HostKeyAcceptNew
	report := a.Prober.Probe(ctx, target, first)
	report.Server = id
	if ctx.Err() != nil {
		return ports.TestReport{}, contextError(ctx)
	}
	if first && report.Seen != nil {
		report.Seen.PinnedAt = a.Clock.Now()
		err := a.pin(ctx, s, sealed, *report.Seen, func(c *domain.Sealed) error { return a.Repository.Save(ctx, s, c) })
		if err != nil && !errors.Is(err, domain.ErrServerChanged) {
			return ports.TestReport{}, err
		}
	}
	return report, a.keepCheck(ctx, s, report)
}

// keepCheck stores the outcome of a test, whatever else changed the server meanwhile; but of another address it tells nothing.
func (a *Servers) keepCheck(ctx context.Context, tested *domain.Server, r ports.TestReport) error {
	for {
		s, _, err := a.Repository.Get(ctx, tested.ID)
		if err != nil {
			return err
		}
		if !s.SameWay(tested) {
			return nil
		}
		s.LastCheck = &domain.Check{Connected: r.OK, Message: r.Message, Latency: r.Latency.Truncate(time.Microsecond), At: a.Clock.Now()}
		if r.OK {
			s.Mode, s.ModeCause = r.Mode, r.Cause
		}
		if s.HostKey != nil && s.HostKey.Type == "" && r.Seen != nil && r.Seen.Fingerprint == s.HostKey.Fingerprint {
			s.HostKey.Type = r.Seen.Type
		}
		if err := a.Repository.Save(ctx, s, nil); !errors.Is(err, domain.ErrServerChanged) {
			return err
		}
	}
}

// seen is target, once the first key of every jump server on the way is pinned that is to be.
func (a *Servers) seen(ctx context.Context, id domain.ServerID) (ports.Target, domain.Sealed, error) {
	var tested domain.ServerID
	for {
		t, sealed, err := a.target(ctx, id)
		if t.Via == nil {
			return t, sealed, err
		}
		hop, first := unseen(*t.Via)
		if !first || hop == tested {
			return t, sealed, err
		}
		if _, err := a.Test(ctx, hop); err != nil {
			return ports.Target{}, nil, err
		}
		tested = hop
	}
}

// unseen returns the first server on the way to a target, the target last, whose first host key is still to be pinned.
func unseen(t ports.Target) (domain.ServerID, bool) {
	if t.Via != nil {
		if id, first := unseen(*t.Via); first {
			return id, true
		}
	}
	return t.Server.ID, t.Server.HostKey == nil && t.Server.HostKeyPolicy == domain.HostKeyAcceptNew
}

// target opens what it takes to log in, on the whole way. Fails with ErrServerNotFound, ErrCredentialNeeded (the target is
// returned all the same, without that credential) and ErrVaultSealed.
func (a *Servers) target(ctx context.Context, id domain.ServerID) (ports.Target, domain.Sealed, error) {
	s, sealed, err := a.Repository.Get(ctx, id)
	if err != nil {
		return ports.Target{}, nil, err
	}
	t := ports.Target{Server: *s}
	var missing error
	if s.ProxyJump != "" {
		via, _, err := a.target(ctx, s.ProxyJump)
		if err != nil && !errors.Is(err, domain.ErrCredentialNeeded) {
			return ports.Target{}, nil, err
		}
		t.Via, missing = &via, err
	}
	if len(sealed) == 0 {
		return t, nil, domain.ErrCredentialNeeded.Withf("server %q needs its password or key anew, because its address, user or host key was changed", s.Name)
	}
	if t.Credential, err = a.Vault.Open(sealed, s.Binding()); err != nil {
		return t, sealed, err
	}
	return t, sealed, missing
}
