package memory

import (
	"context"
	"maps"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

var _ ports.TokenRepository = (*Tokens)(nil)

// Tokens keeps who may sign in.
type Tokens struct{ s *Store }

// Put implements ports.TokenRepository.
func (r *Tokens) Put(ctx context.Context, p domain.Principal, hash [32]byte) error {
	end, err := r.s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	maps.DeleteFunc(r.s.tokens, func(_ [32]byte, known domain.Principal) bool { return known.Name == p.Name })
	r.s.tokens[hash] = p
	return nil
}

// Find implements ports.TokenRepository.
func (r *Tokens) Find(ctx context.Context, hash [32]byte) (domain.Principal, error) {
	end, err := r.s.begin(ctx)
	if err != nil {
		return domain.Principal{}, err
	}
	defer end()
	p, ok := r.s.tokens[hash]
	if !ok {
		return domain.Principal{}, domain.ErrUnauthenticated
	}
	return p, nil
}
