package client

import (
	"context"
	"net/http"

	"github.com/heysubinoy/remora/adapters/httpapi/wire"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Tokens is ports.Tokens over HTTP.
type Tokens struct{ *conn }

var _ ports.Tokens = (*Tokens)(nil)

// Create implements ports.Tokens.
func (c *Tokens) Create(ctx context.Context, n ports.NewToken) (ports.IssuedToken, error) {
	return c.issued(ctx, call{method: http.MethodPost, path: "tokens", body: wire.NewTokenOf(n)})
}

// List implements ports.Tokens.
func (c *Tokens) List(ctx context.Context) ([]domain.Token, error) {
	var list wire.TokenList
	if err := c.do(ctx, call{method: http.MethodGet, path: "tokens"}, &list); err != nil {
		return nil, err
	}
	var tokens []domain.Token
	for _, t := range list.Tokens {
		tokens = append(tokens, t.Domain())
	}
	return tokens, nil
}

// Rotate implements ports.Tokens.
func (c *Tokens) Rotate(ctx context.Context, id domain.TokenID) (ports.IssuedToken, error) {
	if !wire.IsID(string(id)) {
		return ports.IssuedToken{}, unknownToken(id)
	}
	return c.issued(ctx, call{method: http.MethodPost, path: "tokens/" + string(id) + "/rotate"})
}

// Delete implements ports.Tokens.
func (c *Tokens) Delete(ctx context.Context, id domain.TokenID) error {
	if !wire.IsID(string(id)) {
		return unknownToken(id)
	}
	return c.do(ctx, call{method: http.MethodDelete, path: "tokens/" + string(id)}, &wire.Message{})
}

func (c *Tokens) issued(ctx context.Context, k call) (ports.IssuedToken, error) {
	var t wire.IssuedToken
	if err := c.do(ctx, k, &t); err != nil {
		return ports.IssuedToken{}, err
	}
	return t.Domain(), nil
}

func unknownToken(id domain.TokenID) error {
	return domain.ErrTokenNotFound.Withf("there is no token with the id %q", string(id))
}

// Account is ports.Account over HTTP.
type Account struct{ *conn }

var _ ports.Account = (*Account)(nil)

// Who implements ports.Account.
func (c *Account) Who(ctx context.Context) (ports.Session, error) {
	var s wire.Session
	if err := c.do(ctx, call{method: http.MethodGet, path: "session"}, &s); err != nil {
		return ports.Session{}, err
	}
	return s.Domain(), nil
}

// Code implements ports.Account.
func (c *Account) Code(ctx context.Context) (ports.SignInCode, error) {
	var code wire.SignInCode
	if err := c.do(ctx, call{method: http.MethodPost, path: "session/code"}, &code); err != nil {
		return ports.SignInCode{}, err
	}
	return ports.SignInCode{URL: SignInURL(c.base.String(), domain.NewSecret(string(code.Code))), ExpiresAt: code.ExpiresAt.UTC()}, nil
}

// SignInURL is the address at which the API at base signs its visitor in with a code.
func SignInURL(base string, code domain.Secret) domain.Secret {
	return domain.NewSecret(base + wire.SignInPath + "#code=" + code.Reveal())
}
