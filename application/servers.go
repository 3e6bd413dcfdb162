package application

import (
	"context"
	"slices"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Servers implements ports.Servers and ports.ServerAccess.
type Servers struct {
	Repository ports.ServerRepository
	Vault      ports.Vault
	Keys       ports.KeyReader
	Stored     ports.KeyRepository // the keys that servers may refer to
	Checks     ports.ServerChecks
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
		ProxyJump: n.ProxyJump, MaxSessions: n.MaxSessions, CreatedAt: at, UpdatedAt: at,
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
	sealed, err := a.seal(ctx, s, n.Credential, n.Key)
	if err != nil {
		return domain.Server{}, err
	}
	if err := a.Repository.Add(ctx, s, sealed); err != nil {
		return domain.Server{}, err
	}
	return *s, nil
}

// seal checks that the credential, or the stored key of that name, is what the server's way of logging in needs, and seals
// it for this server. A stored key is sealed anew, so that it is as bound to the server's address as any other.
func (a *Servers) seal(ctx context.Context, s *domain.Server, c domain.Credential, key string) (domain.Sealed, error) {
	if err := fits(s.Auth, c, key); err != nil {
		return nil, err
	}
	s.Key, s.KeyName = nil, key
	if key != "" {
		k, text, err := a.Stored.Get(ctx, key)
		if err != nil {
			return nil, err
		}
		if c, err = a.Vault.Open(text, k.Binding()); err != nil {
			return nil, err
		}
		s.Key = &k.KeyInfo
	} else if s.Auth == domain.AuthKey {
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

// fits fails unless what is given is what a way of logging in needs.
func fits(auth domain.AuthType, c domain.Credential, key string) error {
	switch {
	case auth == domain.AuthPassword && key != "":
		return domain.Invalid("pem_file", "auth_type is password; a pem_file does not go with it")
	case auth == domain.AuthPassword && c.Password.Empty():
		return domain.Invalid("password", "auth_type is password; give the password")
	case auth == domain.AuthPassword && !c.PrivateKey.Empty():
		return domain.Invalid("private_key", "auth_type is password; a private_key does not go with it")
	case auth == domain.AuthKey && !c.Password.Empty():
		return domain.Invalid("password", "auth_type is key; a password does not go with it (a key's passphrase is called passphrase)")
	case auth == domain.AuthKey && key != "" && !c.PrivateKey.Empty():
		return domain.Invalid("pem_file", "pem_file and private_key are both given; give one of them")
	case auth == domain.AuthKey && key == "" && c.PrivateKey.Empty():
		return domain.Invalid("private_key", "auth_type is key; give the private_key, or pem_file with the name of a stored key")
	case key != "":
		return domain.CheckKeyName("pem_file", key)
	}
	return nil
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
		s.HostKey, s.Mode, s.ModeCause = nil, domain.ModeUnknown, ""
	}
	if !s.SameWay(&was) {
		s.LastCheck = nil
	}
	s.UpdatedAt = a.Clock.Now()
	if err := s.Check(); err != nil {
		return domain.Server{}, err
	}
	credential, err := a.changedCredential(ctx, &was, s, c.Credential, c.Key)
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
	set(&s.ProxyJump, c.ProxyJump)
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
func (a *Servers) changedCredential(ctx context.Context, was, s *domain.Server, c *domain.Credential, key *string) (*domain.Sealed, error) {
	if key != nil && *key == "" {
		return nil, domain.Invalid("pem_file", "pem_file is empty; give the name of a stored key, or leave it out")
	}
	if c != nil || key != nil {
		var given domain.Credential
		var name string
		set(&given, c)
		set(&name, key)
		sealed, err := a.seal(ctx, s, given, name)
		return &sealed, err
	}
	if s.Binding() == was.Binding() && s.Auth == was.Auth {
		return nil, nil
	}
	s.HasCredential, s.CredentialNeeded, s.Key, s.KeyName = false, true, nil, ""
	return &domain.Sealed{}, nil
}

// Delete implements ports.Servers.
func (a *Servers) Delete(ctx context.Context, id domain.ServerID, force bool) (int64, error) {
	return a.Repository.Delete(ctx, id, force)
}
