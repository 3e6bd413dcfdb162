package application

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// usedEvery is how exactly a token's last use is noted: a write a minute, not one a request.
const usedEvery = time.Minute

// NewTokenText returns the text of a token that nobody can guess.
func NewTokenText() domain.Secret { return domain.NewSecret("remora_" + rand.Text() + rand.Text()) }

// Tokens implements ports.Tokens and ports.Authenticator.
type Tokens struct {
	Repository ports.TokenRepository
	Clock      ports.Clock
	Entropy    ports.Entropy
}

var (
	_ ports.Tokens        = (*Tokens)(nil)
	_ ports.Authenticator = (*Tokens)(nil)
)

// Authenticate implements ports.Authenticator.
func (t *Tokens) Authenticate(ctx context.Context, token domain.Secret) (domain.Principal, error) {
	found, err := t.holder(ctx, token)
	return found.Principal(), err
}

// holder returns the token with this text, and notes that it was used.
func (t *Tokens) holder(ctx context.Context, text domain.Secret) (domain.Token, error) {
	if text.Empty() {
		return domain.Token{}, domain.ErrUnauthenticated
	}
	token, err := t.Repository.Find(ctx, hashOf(text))
	if err == nil {
		err = t.admit(ctx, token)
	}
	if err != nil {
		return domain.Token{}, err
	}
	return token, nil
}

// admit lets the holder of a token in, and notes when.
func (t *Tokens) admit(ctx context.Context, token domain.Token) error {
	now := t.Clock.Now()
	if token.Expired(now) {
		return domain.ErrTokenExpired.Withf("the token %q expired at %s; ask an administrator for another", token.Name, token.ExpiresAt.Format(time.RFC3339))
	}
	if minute := now.Truncate(usedEvery); token.LastUsedAt.Before(minute) {
		// Whoever may come in does, even where the note of it cannot be written.
		_ = t.Repository.Touch(ctx, token.ID, minute)
	}
	return nil
}

func hashOf(text domain.Secret) [32]byte { return sha256.Sum256([]byte(text.Reveal())) }

// Create implements ports.Tokens.
func (t *Tokens) Create(ctx context.Context, n ports.NewToken) (ports.IssuedToken, error) {
	return t.add(ctx, n, NewTokenText())
}

func (t *Tokens) add(ctx context.Context, n ports.NewToken, text domain.Secret) (ports.IssuedToken, error) {
	token := domain.Token{
		ID: domain.TokenID(t.Entropy.ID()), Name: n.Name, Role: n.Role, CreatedAt: t.Clock.Now(),
		ExpiresAt: n.ExpiresAt.UTC().Truncate(time.Microsecond),
	}
	err := token.Check()
	if err == nil {
		err = t.Repository.Add(ctx, token, hashOf(text))
	}
	if err != nil {
		return ports.IssuedToken{}, err
	}
	return ports.IssuedToken{Token: token, Text: text}, nil
}

// List implements ports.Tokens.
func (t *Tokens) List(ctx context.Context) ([]domain.Token, error) { return t.Repository.List(ctx) }

// Rotate implements ports.Tokens.
func (t *Tokens) Rotate(ctx context.Context, id domain.TokenID) (ports.IssuedToken, error) {
	text := NewTokenText()
	token, err := t.Repository.Replace(ctx, id, hashOf(text))
	if err != nil {
		return ports.IssuedToken{}, err
	}
	return ports.IssuedToken{Token: token, Text: text}, nil
}

// Delete implements ports.Tokens.
func (t *Tokens) Delete(ctx context.Context, id domain.TokenID) error {
	return t.Repository.Delete(ctx, id, t.Clock.Now())
}

// Grant lets the holder of text in as an administrator of this name. A text that is somebody's already stays theirs; one
// under a name that is taken replaces that token's. Fails with domain.ErrTokenRevoked when an administrator has removed it.
func (t *Tokens) Grant(ctx context.Context, name string, text domain.Secret) (domain.Token, error) {
	hash := hashOf(text)
	token, err := t.Repository.Find(ctx, hash)
	if !errors.Is(err, domain.ErrUnauthenticated) {
		return token, err
	}
	made, err := t.add(ctx, ports.NewToken{Name: name, Role: domain.RoleAdmin}, text)
	switch {
	case errors.Is(err, domain.ErrTokenNameTaken):
		token, err = t.replace(ctx, name, hash)
	case err == nil:
		token = made.Token
	}
	if errors.Is(err, domain.ErrTokenInUse) { // another process was quicker
		return t.Repository.Find(ctx, hash)
	}
	return token, err
}

func (t *Tokens) replace(ctx context.Context, name string, hash [32]byte) (domain.Token, error) {
	all, err := t.Repository.List(ctx)
	if err != nil {
		return domain.Token{}, err
	}
	i := slices.IndexFunc(all, func(known domain.Token) bool { return known.Name == name })
	if i < 0 {
		return domain.Token{}, domain.ErrTokenNotFound // removed this moment; the next start makes it
	}
	return t.Repository.Replace(ctx, all[i].ID, hash)
}
