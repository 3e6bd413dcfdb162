package sqlstore

import (
	"database/sql"
	"time"

	"github.com/heysubinoy/remora/domain"
)

// serverValueColumns are all but id and revision, in the order of serverValues.
const (
	serverValueColumns = `name, name_folded, hostname, hostname_folded, port, login, auth, active, tags, host_key, host_key_policy,
		max_sessions, has_credential, credential_needed, key, mode, mode_cause, last_check, created_at, updated_at, key_name, proxy_jump`
	serverValueMarks  = "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"
	serverAssignments = `name = ?, name_folded = ?, hostname = ?, hostname_folded = ?, port = ?, login = ?, auth = ?, active = ?, tags = ?,
		host_key = ?, host_key_policy = ?, max_sessions = ?, has_credential = ?, credential_needed = ?, key = ?, mode = ?, mode_cause = ?,
		last_check = ?, created_at = ?, updated_at = ?, key_name = ?, proxy_jump = ?`
	serverColumns = `id, revision, name, hostname, port, login, auth, active, tags, host_key, host_key_policy,
		max_sessions, has_credential, credential_needed, key, mode, mode_cause, last_check, created_at, updated_at, key_name, proxy_jump`
)

// serverRow is a row of servers. Columns that were not asked for stay zero.
type serverRow struct {
	ID               string
	Name             string
	Hostname         string
	Port             int
	Login            string
	Auth             string
	Active           bool
	Tags             nested[[]string]
	HostKey          nested[hostKeyJSON] `db:"host_key"`
	HostKeyPolicy    string              `db:"host_key_policy"`
	MaxSessions      int                 `db:"max_sessions"`
	HasCredential    bool                `db:"has_credential"`
	CredentialNeeded bool                `db:"credential_needed"`
	Key              nested[keyJSON]
	Mode             string
	ModeCause        string            `db:"mode_cause"`
	LastCheck        nested[checkJSON] `db:"last_check"`
	CreatedAt        stamp             `db:"created_at"`
	UpdatedAt        stamp             `db:"updated_at"`
	KeyName          sql.NullString    `db:"key_name"`
	ProxyJump        sql.NullString    `db:"proxy_jump"`
	Revision         int64
}

type hostKeyJSON struct {
	Fingerprint string    `json:"fingerprint"`
	Type        string    `json:"type"`
	PinnedAt    time.Time `json:"pinned_at"`
}

type keyJSON struct {
	Fingerprint string `json:"fingerprint"`
	Type        string `json:"type"`
}

type checkJSON struct {
	Connected bool      `json:"connected"`
	Message   string    `json:"message"`
	LatencyNS int64     `json:"latency_ns"`
	At        time.Time `json:"at"`
}

func checkRow(c *domain.Check) *checkJSON {
	return &checkJSON{Connected: c.Connected, Message: text(c.Message), LatencyNS: int64(c.Latency), At: c.At.UTC()}
}

func serverValues(d *dialect, s *domain.Server) []any {
	tags := s.Tags
	if tags == nil {
		tags = []string{}
	}
	var (
		hostKey *hostKeyJSON
		key     *keyJSON
		check   *checkJSON
	)
	if k := s.HostKey; k != nil {
		hostKey = &hostKeyJSON{Fingerprint: k.Fingerprint, Type: text(k.Type), PinnedAt: k.PinnedAt.UTC()}
	}
	if k := s.Key; k != nil {
		key = &keyJSON{Fingerprint: k.Fingerprint, Type: k.Type}
	}
	if s.LastCheck != nil {
		check = checkRow(s.LastCheck)
	}
	return []any{
		s.Name, folded(s.Name), s.Hostname, folded(s.Hostname), s.Port, s.User, string(s.Auth), s.Active, encoded(&tags),
		encoded(hostKey), string(s.HostKeyPolicy), s.MaxSessions, s.HasCredential, s.CredentialNeeded, encoded(key),
		string(s.Mode), text(s.ModeCause), encoded(check), d.instant(s.CreatedAt), d.instant(s.UpdatedAt),
		orNull(s.KeyName), orNull(string(s.ProxyJump)),
	}
}

// orNull is a reference as an argument: empty is none.
func orNull(s string) sql.NullString { return sql.NullString{String: text(s), Valid: s != ""} }

func (r *serverRow) server() *domain.Server {
	s := &domain.Server{
		ID: domain.ServerID(r.ID), Name: r.Name, Hostname: r.Hostname, Port: r.Port, User: r.Login, Auth: domain.AuthType(r.Auth),
		Active: r.Active, HostKeyPolicy: domain.HostKeyPolicy(r.HostKeyPolicy), MaxSessions: r.MaxSessions,
		HasCredential: r.HasCredential, CredentialNeeded: r.CredentialNeeded,
		Mode: domain.Mode(r.Mode), ModeCause: r.ModeCause, KeyName: r.KeyName.String, ProxyJump: domain.ServerID(r.ProxyJump.String),
		CreatedAt: r.CreatedAt.Time, UpdatedAt: r.UpdatedAt.Time, Revision: r.Revision,
	}
	if r.Tags.value != nil && len(*r.Tags.value) > 0 {
		s.Tags = *r.Tags.value
	}
	if k := r.HostKey.value; k != nil {
		s.HostKey = &domain.HostKey{Fingerprint: k.Fingerprint, Type: k.Type, PinnedAt: k.PinnedAt.UTC()}
	}
	if k := r.Key.value; k != nil {
		s.Key = &domain.KeyInfo{Fingerprint: k.Fingerprint, Type: k.Type}
	}
	if l := r.LastCheck.value; l != nil {
		s.LastCheck = &domain.Check{Connected: l.Connected, Message: l.Message, Latency: time.Duration(l.LatencyNS), At: l.At.UTC()}
	}
	return s
}
