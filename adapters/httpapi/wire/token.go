package wire

import (
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Token is what may be told of a token: everything but its text.
type Token struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Role       string     `json:"role"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at"`   // null: never
	LastUsedAt *time.Time `json:"last_used_at"` // to the minute; null: never
}

// IssuedToken is the answer of POST /tokens and POST /tokens/:id/rotate, the one time that a token's text is shown.
type IssuedToken struct {
	Token
	Text Secret `json:"token"`
}

// TokenList is the answer of GET /tokens.
type TokenList struct {
	Tokens []Token `json:"tokens"`
}

// CreateToken is the body of POST /tokens.
type CreateToken struct {
	Name      string  `json:"name"`
	Role      string  `json:"role"`
	ExpiresAt *string `json:"expires_at,omitempty"` // RFC 3339; never without
}

// SignIn is the body of POST /session: one of the two.
type SignIn struct {
	Token *Secret `json:"token,omitempty"`
	Code  *Secret `json:"code,omitempty"`
}

// The modes of a Session: what the caller is known by.
const (
	ByToken   = "token"
	BySession = "session"
	ByNothing = "none" // nobody signs in here
)

// Session is the answer of GET and POST /session.
type Session struct {
	Name      string     `json:"name"`
	Role      string     `json:"role"`
	Mode      string     `json:"mode"`
	ExpiresAt *time.Time `json:"expires_at"` // null: not by itself
}

// SignInCode is the answer of POST /session/code. Path is to be put after the address at which a browser reaches the API.
type SignInCode struct {
	Code      Secret    `json:"code"`
	Path      string    `json:"path"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Message is the answer of what has nothing more to say.
type Message struct {
	Message string `json:"message"`
}

// TokenOf returns a token's shape.
func TokenOf(t domain.Token) Token {
	return Token{
		ID: string(t.ID), Name: t.Name, Role: string(t.Role), CreatedAt: t.CreatedAt.UTC(),
		ExpiresAt: timeOrNull(t.ExpiresAt), LastUsedAt: timeOrNull(t.LastUsedAt),
	}
}

// Domain returns the token that TokenOf was given.
func (w Token) Domain() domain.Token {
	return domain.Token{
		ID: domain.TokenID(w.ID), Name: w.Name, Role: domain.Role(w.Role), CreatedAt: w.CreatedAt.UTC(),
		ExpiresAt: timeOrZero(w.ExpiresAt), LastUsedAt: timeOrZero(w.LastUsedAt),
	}
}

// IssuedTokenOf returns an issued token's shape.
func IssuedTokenOf(t ports.IssuedToken) IssuedToken {
	return IssuedToken{Token: TokenOf(t.Token), Text: Secret(t.Text.Reveal())}
}

// Domain returns what IssuedTokenOf was given.
func (w IssuedToken) Domain() ports.IssuedToken {
	return ports.IssuedToken{Token: w.Token.Domain(), Text: domain.NewSecret(string(w.Text))}
}

// TokenListOf returns the shape of a list of tokens.
func TokenListOf(tokens []domain.Token) TokenList {
	list := TokenList{Tokens: []Token{}}
	for _, t := range tokens {
		list.Tokens = append(list.Tokens, TokenOf(t))
	}
	return list
}

// NewTokenOf returns the body that asks for n.
func NewTokenOf(n ports.NewToken) CreateToken {
	b := CreateToken{Name: n.Name, Role: string(n.Role)}
	if !n.ExpiresAt.IsZero() {
		at := n.ExpiresAt.UTC().Format(time.RFC3339Nano)
		b.ExpiresAt = &at
	}
	return b
}

// NewToken returns what is asked for.
func (b CreateToken) NewToken() (ports.NewToken, error) {
	n := ports.NewToken{Name: b.Name, Role: domain.Role(b.Role)}
	if b.ExpiresAt == nil {
		return n, nil
	}
	at, err := time.Parse(time.RFC3339Nano, *b.ExpiresAt)
	if err != nil || at.Year() > 9999 {
		return n, domain.Invalid("expires_at", "expires_at is not a time; give one as 2030-01-31T12:00:00Z, or leave it out")
	}
	n.ExpiresAt = at.UTC()
	return n, nil
}

// Proof returns what is signed in with.
func (b SignIn) Proof() (ports.Proof, error) {
	var p ports.Proof
	if b.Token != nil {
		p.Token = domain.NewSecret(string(*b.Token))
	}
	if b.Code != nil {
		p.Code = domain.NewSecret(string(*b.Code))
	}
	if p.Token.Empty() == p.Code.Empty() {
		return p, domain.Invalid("body", "send a token, or the code of a sign-in address")
	}
	return p, nil
}

// SessionOf returns a session's shape.
func SessionOf(s ports.Session, mode string) Session {
	return Session{Name: s.Principal.Name, Role: string(s.Principal.Role), Mode: mode, ExpiresAt: timeOrNull(s.ExpiresAt)}
}

// Domain returns the session that SessionOf was given, without the id of its token.
func (w Session) Domain() ports.Session {
	return ports.Session{Principal: domain.Principal{Name: w.Name, Role: domain.Role(w.Role)}, ExpiresAt: timeOrZero(w.ExpiresAt)}
}

// SignInPath is where a browser signs in with a code. After #, so that it is in no log and in no Referer.
const SignInPath = "/login"

// SignInCodeOf returns a code's shape.
func SignInCodeOf(p ports.IssuedPass) SignInCode {
	return SignInCode{Code: Secret(p.Text.Reveal()), Path: SignInPath + "#code=" + p.Text.Reveal(), ExpiresAt: p.ExpiresAt.UTC()}
}
