package application

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Servers implements ports.Servers and ports.ServerAccess.
type Servers struct {
	Repository ports.ServerRepository
	Vault      ports.Vault
	Keys       ports.KeyReader
	Prober     ports.Prober
	Signals    ports.Signals
	Clock      ports.Clock
	Entropy    ports.Entropy
}

var (
	_ ports.Servers      = (*Servers)(nil)
	_ ports.ServerAccess = (*Servers)(nil)
)

// Create implements ports.Servers.
func (a *Servers) Create(ctx context.Context, n ports.NewServer) (domain.Server, error) {
	at := a.Clock.Now()
	s := &domain.Server{
		ID: domain.ServerID(a.Entropy.ID()), Name: n.Name, Hostname: n.Hostname, Port: n.Port, User: n.User, Auth: n.Auth,
		Active: n.Active == nil || *n.Active, Tags: slices.Clone(n.Tags), HostKeyPolicy: n.HostKeyPolicy,
		MaxSessions: n.MaxSessions, CreatedAt: at, UpdatedAt: at,
	}
	if s.Port == 0 {
		s.Port = 22
	}
	if s.HostKeyPolicy == "" {
		s.HostKeyPolicy = domain.HostKeyConfirm
	}
	if s.MaxSessions == 0 {
		s.MaxSessions = domain.DefaultSessions
	}
	if n.HostKey != "" {
		k, err := a.Keys.ReadHostKey(n.HostKey)
		if err != nil {
			return domain.Server{}, err
		}
		k.PinnedAt = at
		s.HostKey = &k
	}
	if err := s.Check(); err != nil {
		return domain.Server{}, err
	}
	sealed, err := a.seal(s, n.Credential)
	if err != nil {
		return domain.Server{}, err
	}
	if err := a.Repository.Add(ctx, s, sealed); err != nil {
		return domain.Server{}, err
	}
	return *s, nil
}

// seal checks that the credential is what the server's way of logging in needs, and seals it for this server.
func (a *Servers) seal(s *domain.Server, c domain.Credential) (domain.Sealed, error) {
	s.Key = nil
	switch s.Auth {
	case domain.AuthPassword:
		if c.Password.Empty() {
			return nil, domain.Invalid("password", "auth_type is password; give the password")
		}
		if !c.PrivateKey.Empty() {
			return nil, domain.Invalid("private_key", "auth_type is password; a private_key does not go with it")
		}
	case domain.AuthKey:
		if c.PrivateKey.Empty() {
			return nil, domain.Invalid("private_key", "auth_type is key; give the private_key")
		}
		if !c.Password.Empty() {
			return nil, domain.Invalid("password", "auth_type is key; a password does not go with it (a key's passphrase is called passphrase)")
		}
		info, err := a.Keys.ReadKey(c.PrivateKey, c.Passphrase)
		if err != nil {
			return nil, err
		}
		s.Key = &info
	}
	sealed, err := a.Vault.Seal(c, s.Binding())
	if err != nil {
		return nil, err
	}
	s.HasCredential, s.CredentialNeeded = true, false
	return sealed, nil
}

// Get implements ports.Servers.
func (a *Servers) Get(ctx context.Context, id domain.ServerID) (domain.Server, error) {
	s, _, err := a.Repository.Get(ctx, id)
	if err != nil {
		return domain.Server{}, err
	}
	return *s, nil
}

// List implements ports.Servers.
func (a *Servers) List(ctx context.Context, q ports.ServerQuery) (ports.ServerPage, error) {
	if q.Limit == 0 {
		q.Limit = 1000
	}
	if q.Limit < 1 || q.Limit > 1000 {
		return ports.ServerPage{}, domain.Invalid("limit", "limit %d is out of range; give 1 to 1000", q.Limit)
	}
	return a.Repository.List(ctx, q)
}

// Update implements ports.Servers.
func (a *Servers) Update(ctx context.Context, id domain.ServerID, c ports.ServerChange) (domain.Server, error) {
	s, _, err := a.Repository.Get(ctx, id)
	if err != nil {
		return domain.Server{}, err
	}
	was := *s
	apply(s, c)
	if s.Hostname != was.Hostname || s.Port != was.Port {
		s.HostKey, s.LastCheck, s.Mode, s.ModeCause = nil, nil, domain.ModeUnknown, ""
	}
	s.UpdatedAt = a.Clock.Now()
	if err := s.Check(); err != nil {
		return domain.Server{}, err
	}
	credential, err := a.changedCredential(&was, s, c.Credential)
	if err != nil {
		return domain.Server{}, err
	}
	if err := a.Repository.Save(ctx, s, credential); err != nil {
		return domain.Server{}, err
	}
	a.Signals.Publish(ports.TopicDispatch) // more sessions may have made room
	return *s, nil
}

func apply(s *domain.Server, c ports.ServerChange) {
	set(&s.Name, c.Name)
	set(&s.Hostname, c.Hostname)
	set(&s.Port, c.Port)
	set(&s.User, c.User)
	set(&s.Auth, c.Auth)
	set(&s.Active, c.Active)
	set(&s.HostKeyPolicy, c.HostKeyPolicy)
	set(&s.MaxSessions, c.MaxSessions)
	if c.Tags != nil {
		s.Tags = slices.Clone(*c.Tags)
	}
}

func set[T any](field *T, value *T) {
	if value != nil {
		*field = *value
	}
}

// changedCredential returns what to store: a new credential sealed, nothing (nil), or the removal of one that was sealed
// for another address, user, host key or way of logging in.
func (a *Servers) changedCredential(was, s *domain.Server, c *domain.Credential) (*domain.Sealed, error) {
	if c != nil {
		sealed, err := a.seal(s, *c)
		return &sealed, err
	}
	if s.Binding() == was.Binding() && s.Auth == was.Auth {
		return nil, nil
	}
	s.HasCredential, s.CredentialNeeded, s.Key = false, true, nil
	return &domain.Sealed{}, nil
}

// Delete implements ports.Servers.
func (a *Servers) Delete(ctx context.Context, id domain.ServerID, force bool) (int64, error) {
	return a.Repository.Delete(ctx, id, force)
}

// Trust implements ports.ServerAccess.
func (a *Servers) Trust(ctx context.Context, id domain.ServerID, fingerprint string) (domain.Server, error) {
	s, sealed, err := a.Repository.Get(ctx, id)
	if err != nil {
		return domain.Server{}, err
	}
	if err := a.pin(s, sealed, domain.HostKey{Fingerprint: fingerprint, PinnedAt: a.Clock.Now()}, func(c *domain.Sealed) error {
		return a.Repository.Save(ctx, s, c)
	}); err != nil {
		return domain.Server{}, err
	}
	return *s, nil
}

// pin pins a key and saves. The first pin keeps the credential, sealed anew for it; another pin needs it anew.
func (a *Servers) pin(s *domain.Server, sealed domain.Sealed, k domain.HostKey, save func(*domain.Sealed) error) error {
	was := *s
	if was.HostKey != nil && was.HostKey.Fingerprint == k.Fingerprint {
		return nil
	}
	if err := s.Pin(k); err != nil {
		return err
	}
	s.UpdatedAt = a.Clock.Now()
	if was.HostKey != nil || sealed == nil {
		c, err := a.changedCredential(&was, s, nil)
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
	target, sealed, err := a.target(ctx, id)
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
		err := a.pin(s, sealed, *report.Seen, func(c *domain.Sealed) error { return a.Repository.Save(ctx, s, c) })
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
		if s.Hostname != tested.Hostname || s.Port != tested.Port || s.User != tested.User {
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

// target opens what it takes to log in. Fails with ErrServerNotFound, ErrCredentialNeeded (the server is returned all the
// same) and ErrVaultSealed.
func (a *Servers) target(ctx context.Context, id domain.ServerID) (ports.Target, domain.Sealed, error) {
	s, sealed, err := a.Repository.Get(ctx, id)
	if err != nil {
		return ports.Target{}, nil, err
	}
	t := ports.Target{Server: *s}
	if len(sealed) == 0 {
		return t, nil, domain.ErrCredentialNeeded.Withf("server %q needs its password or key anew, because its address, user or host key was changed", s.Name)
	}
	t.Credential, err = a.Vault.Open(sealed, s.Binding())
	return t, sealed, err
}
