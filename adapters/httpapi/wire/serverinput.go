package wire

import (
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// CreateServer is the body of POST /servers.
type CreateServer struct {
	Name          string   `json:"name"`
	Hostname      string   `json:"hostname"`
	Port          *int     `json:"port,omitempty"`
	User          string   `json:"user"`
	AuthType      string   `json:"auth_type"`
	IsActive      *bool    `json:"is_active,omitempty"`
	Tags          []string `json:"tags,omitempty"`
	HostKeyPolicy *string  `json:"host_key_policy,omitempty"`
	HostKey       *string  `json:"host_key,omitempty"`   // a SHA256:… fingerprint or a known_hosts line
	ProxyJump     *string  `json:"proxy_jump,omitempty"` // a server's id
	MaxSessions   *int     `json:"max_sessions,omitempty"`
	Password      *Secret  `json:"password,omitempty"`
	PrivateKey    *Secret  `json:"private_key,omitempty"`
	PEMFile       *string  `json:"pem_file,omitempty"` // the name of a stored key
	Passphrase    *Secret  `json:"passphrase,omitempty"`
}

// UpdateServer is the body of PUT /servers/:id: what it does not name stays as it is.
type UpdateServer struct {
	Name          *string   `json:"name,omitempty"`
	Hostname      *string   `json:"hostname,omitempty"`
	Port          *int      `json:"port,omitempty"`
	User          *string   `json:"user,omitempty"`
	AuthType      *string   `json:"auth_type,omitempty"`
	IsActive      *bool     `json:"is_active,omitempty"`
	Tags          *[]string `json:"tags,omitempty"`
	HostKeyPolicy *string   `json:"host_key_policy,omitempty"`
	ProxyJump     *string   `json:"proxy_jump,omitempty"` // empty = directly
	MaxSessions   *int      `json:"max_sessions,omitempty"`
	Password      *Secret   `json:"password,omitempty"`
	PrivateKey    *Secret   `json:"private_key,omitempty"`
	PEMFile       *string   `json:"pem_file,omitempty"`
	Passphrase    *Secret   `json:"passphrase,omitempty"`
}

// NewServer returns what is asked for. Only what a NewServer cannot say, because its zero values are defaults, is
// refused here: a zero or an empty text that was written down.
func (b CreateServer) NewServer() (ports.NewServer, error) {
	n := ports.NewServer{
		Name: b.Name, Hostname: b.Hostname, User: b.User, Auth: domain.AuthType(b.AuthType), Active: b.IsActive, Tags: b.Tags,
		HostKeyPolicy: orEmpty[domain.HostKeyPolicy](b.HostKeyPolicy), HostKey: orEmpty[string](b.HostKey),
		ProxyJump: orEmpty[domain.ServerID](b.ProxyJump), Key: orEmpty[string](b.PEMFile),
	}
	if c := credential(b.Password, b.PrivateKey, b.Passphrase); c != nil {
		n.Credential = *c
	}
	if b.Port != nil {
		if n.Port = *b.Port; n.Port == 0 {
			return n, domain.Invalid("port", "port 0 is out of range; give 1 to 65535")
		}
	}
	if b.MaxSessions != nil {
		if n.MaxSessions = *b.MaxSessions; n.MaxSessions == 0 {
			return n, domain.Invalid("max_sessions", "max_sessions 0 is out of range; give 1 to %d", domain.MaxSessions)
		}
	}
	if b.HostKeyPolicy != nil && n.HostKeyPolicy == "" {
		return n, domain.Invalid("host_key_policy", "host_key_policy is empty; use confirm or accept-new, or leave it out")
	}
	if b.HostKey != nil && n.HostKey == "" {
		return n, domain.Invalid("host_key", "host_key is empty; give a fingerprint or a known_hosts line, or leave it out")
	}
	if b.PEMFile != nil && n.Key == "" {
		return n, domain.Invalid("pem_file", "pem_file is empty; give the name of a stored key, or leave it out")
	}
	return n, nil
}

// NewServerOf returns the body that asks for n.
func NewServerOf(n ports.NewServer) CreateServer {
	return CreateServer{
		Name: n.Name, Hostname: n.Hostname, Port: unlessZero(n.Port), User: n.User, AuthType: string(n.Auth), IsActive: n.Active,
		Tags: n.Tags, HostKeyPolicy: orNull(n.HostKeyPolicy), HostKey: orNull(n.HostKey), ProxyJump: orNull(n.ProxyJump),
		MaxSessions: unlessZero(n.MaxSessions), PEMFile: orNull(n.Key),
		Password: secretOf(n.Credential.Password), PrivateKey: secretOf(n.Credential.PrivateKey),
		Passphrase: secretOf(n.Credential.Passphrase),
	}
}

// Change returns what is asked for.
func (b UpdateServer) Change() ports.ServerChange {
	c := ports.ServerChange{
		Name: b.Name, Hostname: b.Hostname, Port: b.Port, User: b.User, Auth: (*domain.AuthType)(b.AuthType), Active: b.IsActive,
		Tags: b.Tags, HostKeyPolicy: (*domain.HostKeyPolicy)(b.HostKeyPolicy), MaxSessions: b.MaxSessions,
		ProxyJump: (*domain.ServerID)(b.ProxyJump), Key: b.PEMFile,
	}
	c.Credential = credential(b.Password, b.PrivateKey, b.Passphrase)
	return c
}

// ChangeOf returns the body that asks for c.
func ChangeOf(c ports.ServerChange) UpdateServer {
	b := UpdateServer{
		Name: c.Name, Hostname: c.Hostname, Port: c.Port, User: c.User, AuthType: (*string)(c.Auth), IsActive: c.Active,
		Tags: c.Tags, HostKeyPolicy: (*string)(c.HostKeyPolicy), MaxSessions: c.MaxSessions,
		ProxyJump: (*string)(c.ProxyJump), PEMFile: c.Key,
	}
	if c.Credential != nil {
		b.Password, b.PrivateKey = secretOf(c.Credential.Password), secretOf(c.Credential.PrivateKey)
		b.Passphrase = secretOf(c.Credential.Passphrase)
		if b.Password == nil && b.PrivateKey == nil && b.Passphrase == nil {
			b.Password = new(Secret) // an empty credential is a change too
		}
	}
	return b
}

func credential(password, key, passphrase *Secret) *domain.Credential {
	if password == nil && key == nil && passphrase == nil {
		return nil
	}
	reveal := func(s *Secret) domain.Secret {
		if s == nil {
			return domain.Secret{}
		}
		return domain.NewSecret(string(*s))
	}
	return &domain.Credential{Password: reveal(password), PrivateKey: reveal(key), Passphrase: reveal(passphrase)}
}

func secretOf(s domain.Secret) *Secret {
	if s.Empty() {
		return nil
	}
	w := Secret(s.Reveal())
	return &w
}

func unlessZero(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}
