package memory

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// access is who may sign in: tokens, the hashes that never let anybody in again, and passes.
type access struct {
	tokens  map[[32]byte]domain.Token
	revoked map[[32]byte]bool
	passes  map[[32]byte]domain.Pass
}

func newAccess() access {
	return access{tokens: map[[32]byte]domain.Token{}, revoked: map[[32]byte]bool{}, passes: map[[32]byte]domain.Pass{}}
}

// find returns a token with its hash.
func (a *access) find(id domain.TokenID) (domain.Token, [32]byte, bool) {
	for hash, t := range a.tokens {
		if t.ID == id {
			return t, hash, true
		}
	}
	return domain.Token{}, [32]byte{}, false
}

// fresh says whether a hash may become a token's.
func (a *access) fresh(hash [32]byte) error {
	if a.revoked[hash] {
		return domain.ErrTokenRevoked
	}
	if _, used := a.tokens[hash]; used {
		return domain.ErrTokenInUse
	}
	return nil
}

// revoke takes a token's hash away for good.
func (a *access) revoke(id domain.TokenID, hash [32]byte) {
	delete(a.tokens, hash)
	a.revoked[hash] = true
	maps.DeleteFunc(a.passes, func(_ [32]byte, p domain.Pass) bool { return p.Token == id })
}

var _ ports.TokenRepository = (*Tokens)(nil)

// Tokens keeps who may sign in.
type Tokens struct{ s *Store }

// Add implements ports.TokenRepository.
func (r *Tokens) Add(ctx context.Context, t domain.Token, hash [32]byte) error {
	end, err := r.s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	if err := r.s.access.fresh(hash); err != nil {
		return err
	}
	for _, known := range r.s.access.tokens {
		if known.Name == t.Name {
			return domain.ErrTokenNameTaken
		}
	}
	r.s.access.tokens[hash] = t
	return nil
}

// Find implements ports.TokenRepository.
func (r *Tokens) Find(ctx context.Context, hash [32]byte) (domain.Token, error) {
	end, err := r.s.begin(ctx)
	if err != nil {
		return domain.Token{}, err
	}
	defer end()
	t, ok := r.s.access.tokens[hash]
	if !ok {
		return domain.Token{}, domain.ErrUnauthenticated
	}
	return t, nil
}

// List implements ports.TokenRepository.
func (r *Tokens) List(ctx context.Context) ([]domain.Token, error) {
	end, err := r.s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	byName := func(a, b domain.Token) int { return cmp.Compare(a.Name, b.Name) }
	return slices.SortedFunc(maps.Values(r.s.access.tokens), byName), nil
}

// Replace implements ports.TokenRepository.
func (r *Tokens) Replace(ctx context.Context, id domain.TokenID, hash [32]byte) (domain.Token, error) {
	end, err := r.s.begin(ctx)
	if err != nil {
		return domain.Token{}, err
	}
	defer end()
	t, old, ok := r.s.access.find(id)
	if !ok {
		return domain.Token{}, domain.ErrTokenNotFound
	}
	if err := r.s.access.fresh(hash); err != nil {
		return domain.Token{}, err
	}
	r.s.access.revoke(id, old)
	t.LastUsedAt = time.Time{}
	r.s.access.tokens[hash] = t
	return t, nil
}

// Delete implements ports.TokenRepository.
func (r *Tokens) Delete(ctx context.Context, id domain.TokenID, now time.Time) error {
	end, err := r.s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	t, hash, ok := r.s.access.find(id)
	if !ok {
		return domain.ErrTokenNotFound
	}
	other := false
	for _, known := range r.s.access.tokens {
		other = other || known.ID != id && known.Role == domain.RoleAdmin && !known.Expired(now)
	}
	if t.Role == domain.RoleAdmin && !other {
		return domain.ErrLastAdmin
	}
	r.s.access.revoke(id, hash)
	return nil
}

// Touch implements ports.TokenRepository.
func (r *Tokens) Touch(ctx context.Context, id domain.TokenID, at time.Time) error {
	end, err := r.s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	if t, hash, ok := r.s.access.find(id); ok && t.LastUsedAt.Before(at) {
		t.LastUsedAt = at
		r.s.access.tokens[hash] = t
	}
	return nil
}

var _ ports.PassRepository = (*Passes)(nil)

// Passes keeps sessions and sign-in codes.
type Passes struct{ s *Store }

// Add implements ports.PassRepository.
func (r *Passes) Add(ctx context.Context, p domain.Pass, hash [32]byte) error {
	end, err := r.s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	if _, _, ok := r.s.access.find(p.Token); !ok {
		return domain.ErrTokenNotFound
	}
	maps.DeleteFunc(r.s.access.passes, func(_ [32]byte, old domain.Pass) bool { return !old.ExpiresAt.After(p.CreatedAt) })
	r.s.access.passes[hash] = p
	return nil
}

// Find implements ports.PassRepository.
func (r *Passes) Find(ctx context.Context, kind domain.PassKind, hash [32]byte) (domain.Pass, domain.Token, error) {
	return r.find(ctx, kind, hash, func() {})
}

// Take implements ports.PassRepository.
func (r *Passes) Take(ctx context.Context, kind domain.PassKind, hash [32]byte) (domain.Pass, domain.Token, error) {
	return r.find(ctx, kind, hash, func() { delete(r.s.access.passes, hash) })
}

func (r *Passes) find(ctx context.Context, kind domain.PassKind, hash [32]byte, then func()) (domain.Pass, domain.Token, error) {
	end, err := r.s.begin(ctx)
	if err != nil {
		return domain.Pass{}, domain.Token{}, err
	}
	defer end()
	p, ok := r.s.access.passes[hash]
	if !ok || p.Kind != kind {
		return domain.Pass{}, domain.Token{}, domain.ErrUnauthenticated
	}
	then()
	t, _, _ := r.s.access.find(p.Token)
	return p, t, nil
}
