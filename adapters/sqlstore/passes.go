package sqlstore

import (
	"context"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

var _ ports.PassRepository = (*passes)(nil)

type passes struct{ s *Store }

// passRow is a row of passes with its token.
type passRow struct {
	Kind      string
	PassFrom  stamp `db:"pass_from"`
	PassUntil stamp `db:"pass_until"`
	tokenRow
}

// Add implements ports.PassRepository.
func (r *passes) Add(ctx context.Context, p domain.Pass, hash [32]byte) error {
	return r.s.write(ctx, func(c *conn) error {
		if _, err := c.exec("DELETE FROM passes WHERE expires_at <= ?", c.d.instant(p.CreatedAt)); err != nil {
			return err
		}
		_, err := c.exec("INSERT INTO passes (hash, kind, token_id, created_at, expires_at) VALUES (?, ?, ?, ?, ?)",
			hash[:], string(p.Kind), text(string(p.Token)), c.d.instant(p.CreatedAt), c.d.instant(p.ExpiresAt))
		if c.d.fault(err) == faultReference {
			return domain.ErrTokenNotFound
		}
		return err
	})
}

// Find implements ports.PassRepository.
func (r *passes) Find(ctx context.Context, kind domain.PassKind, hash [32]byte) (p domain.Pass, t domain.Token, err error) {
	err = r.s.read(ctx, func(c *conn) (err error) {
		p, t, err = findPass(c, kind, hash)
		return err
	})
	return p, t, err
}

// Take implements ports.PassRepository.
func (r *passes) Take(ctx context.Context, kind domain.PassKind, hash [32]byte) (p domain.Pass, t domain.Token, err error) {
	err = r.s.write(ctx, func(c *conn) (err error) {
		if p, t, err = findPass(c, kind, hash); err != nil {
			return err
		}
		n, err := c.exec("DELETE FROM passes WHERE hash = ? AND kind = ?", hash[:], string(kind))
		if err == nil && n == 0 { // somebody else took it meanwhile
			return domain.ErrUnauthenticated
		}
		return err
	})
	if err != nil {
		return domain.Pass{}, domain.Token{}, err
	}
	return p, t, nil
}

func findPass(c *conn, kind domain.PassKind, hash [32]byte) (domain.Pass, domain.Token, error) {
	var row passRow
	ok, err := found(c.get(&row, "SELECT p.kind, p.created_at AS pass_from, p.expires_at AS pass_until, "+tokenColumns+
		" FROM passes p JOIN tokens t ON t.id = p.token_id WHERE p.hash = ? AND p.kind = ?", hash[:], string(kind)))
	if err == nil && !ok {
		err = domain.ErrUnauthenticated
	}
	if err != nil {
		return domain.Pass{}, domain.Token{}, err
	}
	t := row.token()
	return domain.Pass{
		Kind: domain.PassKind(row.Kind), Token: t.ID, CreatedAt: row.PassFrom.Time, ExpiresAt: row.PassUntil.Time,
	}, t, nil
}
