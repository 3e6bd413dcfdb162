package sqlstore

import (
	"context"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

var _ ports.TokenRepository = (*tokens)(nil)

type tokens struct{ s *Store }

// Put implements ports.TokenRepository.
func (r *tokens) Put(ctx context.Context, p domain.Principal, hash [32]byte) error {
	return r.s.write(ctx, func(c *conn) error {
		if _, err := c.exec("DELETE FROM tokens WHERE hash = ? AND name <> ?", hash[:], p.Name); err != nil {
			return err
		}
		_, err := c.exec(`INSERT INTO tokens (hash, name, role) VALUES (?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET hash = excluded.hash, role = excluded.role`, hash[:], p.Name, string(p.Role))
		return err
	})
}

// Find implements ports.TokenRepository.
func (r *tokens) Find(ctx context.Context, hash [32]byte) (p domain.Principal, err error) {
	err = r.s.read(ctx, func(c *conn) error {
		var row struct{ Name, Role string }
		ok, err := found(c.get(&row, "SELECT name, role FROM tokens WHERE hash = ?", hash[:]))
		if err == nil && !ok {
			return domain.ErrUnauthenticated
		}
		p = domain.Principal{Name: row.Name, Role: domain.Role(row.Role)}
		return err
	})
	return p, err
}
