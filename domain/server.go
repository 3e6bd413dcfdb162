package domain

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits of a server's fields.
const (
	MaxNameBytes     = 128
	MaxHostnameBytes = 253
	MaxUserBytes     = 64
	MaxTags          = 32
	MaxTagBytes      = 64
	DefaultSessions  = 8
	MaxSessions      = 256
)

// AuthType is how Remora logs in to a server.
type AuthType string

// The ways to log in.
const (
	AuthPassword AuthType = "password"
	AuthKey      AuthType = "key"
)

// HostKeyPolicy says what happens at the first sight of a server's host key.
type HostKeyPolicy string

// The policies. A changed key is refused under both.
const (
	HostKeyConfirm   HostKeyPolicy = "confirm"    // nothing is sent until a person confirms the key
	HostKeyAcceptNew HostKeyPolicy = "accept-new" // the first key seen is pinned
)

// HostKey is a pinned host key.
type HostKey struct {
	Fingerprint string // SHA256:…, unpadded base64, as ssh-keygen prints it
	Type        string // ssh-ed25519, …; empty while only the fingerprint is known
	PinnedAt    time.Time
}

// Server is a remote machine that jobs run on. A credential is stored apart from it and never read back.
type Server struct {
	ID            ServerID
	Name          string // unique
	Hostname      string
	Port          int
	User          string
	Auth          AuthType
	Active        bool
	Tags          []string // sorted, unique
	HostKey       *HostKey // nil until pinned
	HostKeyPolicy HostKeyPolicy
	ProxyJump     ServerID // the server it is reached through; empty = directly
	MaxSessions   int      // jobs at once on this server, over all workers

	HasCredential    bool
	CredentialNeeded bool     // the stored credential no longer fits the address
	Key              *KeyInfo // of the login key; nil for a password
	KeyName          string   // of the stored key that the login key is; empty when the key is the server's own

	Mode      Mode   // how commands run there, found by the last test
	ModeCause string // why, in words
	LastCheck *Check // nil until tested

	CreatedAt time.Time
	UpdatedAt time.Time
	Revision  int64
}

// Check is the outcome of the last connection test.
type Check struct {
	Connected bool
	Message   string
	Latency   time.Duration
	At        time.Time
}

// ServerRef is what a job's reader is told about its server; never a credential.
type ServerRef struct {
	ID       ServerID
	Name     string
	Hostname string
	Port     int
	User     string
}

// Ref returns the server's summary.
func (s *Server) Ref() ServerRef {
	return ServerRef{ID: s.ID, Name: s.Name, Hostname: s.Hostname, Port: s.Port, User: s.User}
}

// SameWay reports whether o is reached as s is: the same address, user and jump server.
func (s *Server) SameWay(o *Server) bool {
	return s.Hostname == o.Hostname && s.Port == o.Port && s.User == o.User && s.ProxyJump == o.ProxyJump
}

// Binding is what the server's credential is sealed for. A pinned host key names the machine whatever way leads to it;
// until one is pinned, the way is a part of the address.
func (s *Server) Binding() Binding {
	pin := ""
	switch {
	case s.HostKey != nil:
		pin = s.HostKey.Fingerprint
	case s.ProxyJump != "":
		pin = "via " + string(s.ProxyJump)
	}
	return Binding{Kind: "server", ID: string(s.ID), Use: fmt.Sprintf("%s@%s:%d %s", s.User, s.Hostname, s.Port, pin)}
}

var (
	fingerprintShape = regexp.MustCompile(`^SHA256:[A-Za-z0-9+/]{43}$`)
	idShape          = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

// CheckFingerprint fails with fingerprint_invalid unless f looks as ssh-keygen -l prints it.
func CheckFingerprint(f string) error {
	if !fingerprintShape.MatchString(f) {
		return Invalid("fingerprint", "fingerprint %q is not of the form SHA256:… with 43 base64 characters, as ssh-keygen -l prints it", f)
	}
	return nil
}

// Check fails with <field>_invalid at the first field that is out of range, and puts the tags in order.
func (s *Server) Check() error {
	if err := checkLine("name", s.Name, MaxNameBytes); err != nil {
		return err
	}
	if idShape.MatchString(s.Name) {
		return Invalid("name", "name %q looks like an id, and could not be told from one; give another", s.Name)
	}
	if err := checkHostname(s.Hostname); err != nil {
		return err
	}
	if s.Port < 1 || s.Port > 65535 {
		return Invalid("port", "port %d is out of range; give 1 to 65535", s.Port)
	}
	if err := checkLine("user", s.User, MaxUserBytes); err != nil {
		return err
	}
	if s.Auth != AuthPassword && s.Auth != AuthKey {
		return Invalid("auth_type", "auth_type %q is unknown; use password or key", s.Auth)
	}
	if s.HostKeyPolicy != HostKeyConfirm && s.HostKeyPolicy != HostKeyAcceptNew {
		return Invalid("host_key_policy", "host_key_policy %q is unknown; use confirm or accept-new", s.HostKeyPolicy)
	}
	if s.HostKey != nil {
		if err := CheckFingerprint(s.HostKey.Fingerprint); err != nil {
			return err
		}
	}
	if s.MaxSessions < 1 || s.MaxSessions > MaxSessions {
		return Invalid("max_sessions", "max_sessions %d is out of range; give 1 to %d", s.MaxSessions, MaxSessions)
	}
	if len(s.Tags) > MaxTags {
		return Invalid("tags", "%d tags are too many; at most %d are allowed", len(s.Tags), MaxTags)
	}
	for _, t := range s.Tags {
		if err := checkLine("tags", t, MaxTagBytes); err != nil {
			return err
		}
	}
	slices.Sort(s.Tags)
	s.Tags = slices.Compact(s.Tags)
	return nil
}

// Pin confirms a host key. A credential sealed for another pin no longer fits. Fails with fingerprint_invalid.
func (s *Server) Pin(k HostKey) error {
	if err := CheckFingerprint(k.Fingerprint); err != nil {
		return err
	}
	s.HostKey = &k
	return nil
}

func checkLine(field, v string, limit int) error {
	switch {
	case strings.TrimSpace(v) == "":
		return Invalid(field, "%s is empty", field)
	case v != strings.TrimSpace(v):
		return Invalid(field, "%s begins or ends with white space", field)
	case len(v) > limit:
		return Invalid(field, "%s is %d bytes, at most %d are allowed", field, len(v), limit)
	case !utf8.ValidString(v):
		return Invalid(field, "%s is not valid UTF-8", field)
	case strings.ContainsFunc(v, unseen):
		return Invalid(field, "%s contains a control character or one that cannot be seen", field)
	}
	return nil
}

// unseen are characters that make one text look like another: controls, those that turn the direction of writing, and
// those without any width.
func unseen(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}
