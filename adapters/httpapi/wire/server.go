package wire

import (
	"fmt"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Secret is a credential on its way in. It prints as [secret]; only JSON carries it.
type Secret string

// Format hides the text under every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[secret]")) }

// Server is a server as every answer shows it: never with a credential, only with what may be told about it.
type Server struct {
	ID               string   `json:"id"`
	Name             string   `json:"name"`
	Hostname         string   `json:"hostname"`
	Port             int      `json:"port"`
	User             string   `json:"user"`
	AuthType         string   `json:"auth_type"`
	IsActive         bool     `json:"is_active"`
	Tags             []string `json:"tags"`
	HostKey          HostKey  `json:"host_key"`
	HostKeyPolicy    string   `json:"host_key_policy"`
	ProxyJump        *string  `json:"proxy_jump"` // the id of the server it is reached through
	MaxSessions      int      `json:"max_sessions"`
	HasPassword      bool     `json:"has_password"`
	HasCredential    bool     `json:"has_credential"`
	CredentialNeeded bool     `json:"credential_needed"`
	KeyFingerprint   *string  `json:"key_fingerprint"`
	KeyType          *string  `json:"key_type"`
	PEMFile          *string  `json:"pem_file"` // the name of the stored key that it logs in with

	Mode      *string `json:"mode"` // how commands run there; null until tested
	ModeCause *string `json:"mode_cause"`

	Status    string `json:"status"` // connected, disconnected or, until tested, unknown
	LastCheck *Check `json:"last_check"`

	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	Revision  int64     `json:"revision"`
}

// HostKey is what is known of a server's host key. State is pinned, or unknown.
type HostKey struct {
	Fingerprint *string    `json:"fingerprint"`
	Type        *string    `json:"type"`
	PinnedAt    *time.Time `json:"pinned_at"`
	State       string     `json:"state"`
}

// Check is the outcome of the last connection test.
type Check struct {
	Connected bool      `json:"connected"`
	Message   string    `json:"message"`
	LatencyMS Millis    `json:"latency_ms"`
	CheckedAt time.Time `json:"checked_at"`
}

// ServerList is the answer of GET /servers.
type ServerList struct {
	Servers    []Server `json:"servers"`
	NextCursor *string  `json:"next_cursor"`
}

// Deleted is the answer of DELETE /servers/:id.
type Deleted struct {
	Message     string `json:"message"`
	DeletedJobs int64  `json:"deleted_jobs"`
}

// Trust is the body of POST /servers/:id/host-key.
type Trust struct {
	Fingerprint string `json:"fingerprint"`
}

// ServerOf returns a server's shape.
func ServerOf(s *domain.Server) Server {
	w := Server{
		ID: string(s.ID), Name: s.Name, Hostname: s.Hostname, Port: s.Port, User: s.User, AuthType: string(s.Auth),
		IsActive: s.Active, Tags: append([]string{}, s.Tags...), HostKey: hostKeyOf(s.HostKey),
		HostKeyPolicy: string(s.HostKeyPolicy), ProxyJump: orNull(s.ProxyJump), MaxSessions: s.MaxSessions, PEMFile: orNull(s.KeyName),
		HasPassword: s.HasCredential && s.Auth == domain.AuthPassword, HasCredential: s.HasCredential,
		CredentialNeeded: s.CredentialNeeded, Mode: orNull(s.Mode), ModeCause: orNull(s.ModeCause), Status: "unknown",
		CreatedAt: s.CreatedAt.UTC(), UpdatedAt: s.UpdatedAt.UTC(), Revision: s.Revision,
	}
	if s.Key != nil {
		w.KeyFingerprint, w.KeyType = &s.Key.Fingerprint, &s.Key.Type
	}
	if c := s.LastCheck; c != nil {
		w.Status = "disconnected"
		if c.Connected {
			w.Status = "connected"
		}
		w.LastCheck = &Check{Connected: c.Connected, Message: c.Message, LatencyMS: Millis(c.Latency), CheckedAt: c.At.UTC()}
	}
	return w
}

// Domain returns the server that ServerOf was given, its last check's latency to the microsecond.
func (w Server) Domain() domain.Server {
	s := domain.Server{
		ID: domain.ServerID(w.ID), Name: w.Name, Hostname: w.Hostname, Port: w.Port, User: w.User, Auth: domain.AuthType(w.AuthType),
		Active: w.IsActive, HostKey: w.HostKey.domain(), HostKeyPolicy: domain.HostKeyPolicy(w.HostKeyPolicy),
		ProxyJump: orEmpty[domain.ServerID](w.ProxyJump), KeyName: orEmpty[string](w.PEMFile), MaxSessions: w.MaxSessions, HasCredential: w.HasCredential, CredentialNeeded: w.CredentialNeeded,
		Mode: orEmpty[domain.Mode](w.Mode), ModeCause: orEmpty[string](w.ModeCause),
		CreatedAt: w.CreatedAt.UTC(), UpdatedAt: w.UpdatedAt.UTC(), Revision: w.Revision,
	}
	if len(w.Tags) > 0 {
		s.Tags = w.Tags
	}
	if w.KeyFingerprint != nil {
		s.Key = &domain.KeyInfo{Fingerprint: *w.KeyFingerprint, Type: orEmpty[string](w.KeyType)}
	}
	if c := w.LastCheck; c != nil {
		s.LastCheck = &domain.Check{Connected: c.Connected, Message: c.Message, Latency: time.Duration(c.LatencyMS), At: c.CheckedAt.UTC()}
	}
	return s
}

// ServerListOf returns the shape of a page of servers.
func ServerListOf(p ports.ServerPage) ServerList {
	l := ServerList{Servers: make([]Server, 0, len(p.Servers)), NextCursor: orNull(p.Next)}
	for i := range p.Servers {
		l.Servers = append(l.Servers, ServerOf(&p.Servers[i]))
	}
	return l
}

// Page returns the page that ServerListOf was given.
func (l ServerList) Page() ports.ServerPage {
	p := ports.ServerPage{Next: orEmpty[string](l.NextCursor)}
	for _, s := range l.Servers {
		p.Servers = append(p.Servers, s.Domain())
	}
	return p
}

func hostKeyOf(k *domain.HostKey) HostKey {
	if k == nil {
		return HostKey{State: "unknown"}
	}
	return HostKey{Fingerprint: orNull(k.Fingerprint), Type: orNull(k.Type), PinnedAt: timeOrNull(k.PinnedAt), State: "pinned"}
}

func (w HostKey) domain() *domain.HostKey {
	if w.Fingerprint == nil {
		return nil
	}
	return &domain.HostKey{Fingerprint: *w.Fingerprint, Type: orEmpty[string](w.Type), PinnedAt: timeOrZero(w.PinnedAt)}
}
