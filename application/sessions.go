package application

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Sessions implements ports.Sessions. What is stored of a session or code is a hash under Key: whoever can write to the
// database but does not know the key cannot put a session there, and another key ends all sessions at once.
type Sessions struct {
	Tokens     *Tokens
	Repository ports.PassRepository
	Key        domain.Secret
	Clock      ports.Clock
}

var _ ports.Sessions = (*Sessions)(nil)

// SignIn implements ports.Sessions.
func (s *Sessions) SignIn(ctx context.Context, p ports.Proof) (ports.IssuedPass, ports.Session, error) {
	token, err := s.prove(ctx, p)
	if err != nil {
		return ports.IssuedPass{}, ports.Session{}, err
	}
	issued, err := s.issue(ctx, domain.PassSession, token)
	if err == nil && p.Code.Empty() {
		// A token that was rotated since it was proved has ended the sessions it had by then, and must not keep this one.
		if _, err = s.prove(ctx, p); err != nil {
			err = errors.Join(err, s.SignOut(ctx, issued.Text))
		}
	}
	if err != nil {
		return ports.IssuedPass{}, ports.Session{}, err
	}
	return issued, ports.Session{Principal: token.Principal(), ExpiresAt: issued.ExpiresAt}, nil
}

func (s *Sessions) prove(ctx context.Context, p ports.Proof) (domain.Token, error) {
	if p.Code.Empty() {
		return s.Tokens.holder(ctx, p.Token)
	}
	pass, token, err := s.Repository.Take(ctx, domain.PassCode, s.hash(domain.PassCode, p.Code))
	if errors.Is(err, domain.ErrUnauthenticated) || err == nil && s.over(pass) {
		return domain.Token{}, domain.ErrCodeUsed
	}
	if err == nil {
		err = s.Tokens.admit(ctx, token)
	}
	return token, err
}

// Resume implements ports.Sessions.
func (s *Sessions) Resume(ctx context.Context, text domain.Secret) (ports.Session, error) {
	pass, token, err := s.Repository.Find(ctx, domain.PassSession, s.hash(domain.PassSession, text))
	if errors.Is(err, domain.ErrUnauthenticated) || err == nil && s.over(pass) {
		return ports.Session{}, domain.ErrSessionOver
	}
	if err == nil {
		err = s.Tokens.admit(ctx, token)
	}
	if err != nil {
		return ports.Session{}, err
	}
	return ports.Session{Principal: token.Principal(), ExpiresAt: pass.ExpiresAt}, nil
}

// SignOut implements ports.Sessions.
func (s *Sessions) SignOut(ctx context.Context, text domain.Secret) error {
	_, _, err := s.Repository.Take(ctx, domain.PassSession, s.hash(domain.PassSession, text))
	if errors.Is(err, domain.ErrUnauthenticated) {
		return nil
	}
	return err
}

// Code implements ports.Sessions.
func (s *Sessions) Code(ctx context.Context, p domain.Principal) (ports.IssuedPass, error) {
	issued, err := s.issue(ctx, domain.PassCode, domain.Token{ID: p.Token})
	if errors.Is(err, domain.ErrTokenNotFound) {
		return ports.IssuedPass{}, domain.ErrUnauthenticated
	}
	return issued, err
}

func (s *Sessions) issue(ctx context.Context, kind domain.PassKind, t domain.Token) (ports.IssuedPass, error) {
	text := domain.NewSecret(rand.Text() + rand.Text())
	pass := domain.NewPass(kind, t, s.Clock.Now())
	if err := s.Repository.Add(ctx, pass, s.hash(kind, text)); err != nil {
		return ports.IssuedPass{}, err
	}
	return ports.IssuedPass{Text: text, ExpiresAt: pass.ExpiresAt}, nil
}

func (s *Sessions) over(p domain.Pass) bool { return !s.Clock.Now().Before(p.ExpiresAt) }

func (s *Sessions) hash(kind domain.PassKind, text domain.Secret) (h [32]byte) {
	mac := hmac.New(sha256.New, []byte(s.Key.Reveal()))
	_, _ = mac.Write([]byte(string(kind) + "\x00" + text.Reveal()))
	mac.Sum(h[:0])
	return h
}
