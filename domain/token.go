package domain

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Role is what somebody may do. Each role may do all that the one before it may.
type Role string

// The roles.
const (
	RoleViewer   Role = "viewer"   // read
	RoleOperator Role = "operator" // also run, cancel and test
	RoleAdmin    Role = "admin"    // also servers, keys and tokens
)

// Roles lists the roles, from the one that may least.
func Roles() []Role { return []Role{RoleViewer, RoleOperator, RoleAdmin} }

// Valid reports whether r is one of the roles.
func (r Role) Valid() bool { return r.rank() > 0 }

// Includes reports whether r may do what other may. What is no role includes nothing and is included by nothing.
func (r Role) Includes(other Role) bool { return other.Valid() && r.rank() >= other.rank() }

func (r Role) rank() int {
	for i, known := range Roles() {
		if r == known {
			return i + 1
		}
	}
	return 0
}

// Principal is who asks.
type Principal struct {
	Name  string
	Role  Role
	Token TokenID // the token that is asked with; empty where nobody signs in
}

// MaxTokenName is how many characters the name of a token may have.
const MaxTokenName = 200

// Token lets its holder in, under a name and with a role. Its text is known to the holder alone.
type Token struct {
	ID         TokenID
	Name       string
	Role       Role
	CreatedAt  time.Time
	ExpiresAt  time.Time // zero = never
	LastUsedAt time.Time // to the minute; zero = never
}

// Check reports the first thing that a token cannot be: name_invalid, role_invalid or expires_at_invalid.
func (t *Token) Check() error {
	switch {
	case !goodTokenName(t.Name):
		return Invalid("name", "a token's name is 1 to %d printable characters without spaces around them", MaxTokenName)
	case !t.Role.Valid():
		return Invalid("role", "the role %q is unknown; use viewer, operator or admin", string(t.Role))
	case !t.ExpiresAt.IsZero() && !t.ExpiresAt.After(t.CreatedAt):
		return Invalid("expires_at", "a token cannot expire before it is made; give a time to come, or none")
	}
	return nil
}

func goodTokenName(name string) bool {
	n := utf8.RuneCountInString(name)
	return n >= 1 && n <= MaxTokenName && utf8.ValidString(name) && strings.TrimSpace(name) == name &&
		!strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
}

// Expired reports whether the token lets nobody in any more.
func (t *Token) Expired(at time.Time) bool { return !t.ExpiresAt.IsZero() && !at.Before(t.ExpiresAt) }

// Principal returns the token's holder.
func (t *Token) Principal() Principal { return Principal{Name: t.Name, Role: t.Role, Token: t.ID} }

// PassKind says what a pass is for.
type PassKind string

// The kinds of passes.
const (
	PassSession PassKind = "session" // a browser that is signed in
	PassCode    PassKind = "code"    // the code of a sign-in address, to be used once
)

// How long a pass lets its holder in, unless its token ends before.
const (
	SessionFor = 24 * time.Hour
	CodeFor    = 15 * time.Minute
)

// Pass lets its holder in as the holder of a token, for a while. It ends with its token.
type Pass struct {
	Kind      PassKind
	Token     TokenID
	CreatedAt time.Time
	ExpiresAt time.Time
}

// NewPass returns a pass of a token, made now.
func NewPass(kind PassKind, t Token, now time.Time) Pass {
	p := Pass{Kind: kind, Token: t.ID, CreatedAt: now, ExpiresAt: now.Add(SessionFor)}
	if kind == PassCode {
		p.ExpiresAt = now.Add(CodeFor)
	}
	if !t.ExpiresAt.IsZero() && t.ExpiresAt.Before(p.ExpiresAt) {
		p.ExpiresAt = t.ExpiresAt
	}
	return p
}
