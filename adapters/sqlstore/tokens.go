package sqlstore

import (
	"context"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

var _ ports.TokenRepository = (*tokens)(nil)

type tokens struct{ s *Store }

const tokenColumns = "t.id, t.name, t.role, t.created_at, t.expires_at, t.last_used_at"

// tokenRow is a row of tokens.
type tokenRow struct {
	ID         string
	Name       string
	Role       string
	CreatedAt  stamp `db:"created_at"`
	ExpiresAt  stamp `db:"expires_at"`
	LastUsedAt stamp `db:"last_used_at"`
}

func (r *tokenRow) token() domain.Token {
	return domain.Token{
		ID: domain.TokenID(r.ID), Name: r.Name, Role: domain.Role(r.Role),
		CreatedAt: r.CreatedAt.Time, ExpiresAt: r.ExpiresAt.Time, LastUsedAt: r.LastUsedAt.Time,
	}
}

// Add implements ports.TokenRepository.
func (r *tokens) Add(ctx context.Context, t domain.Token, hash [32]byte) error {
	return r.s.write(ctx, func(c *conn) error {
		_, err := c.exec("INSERT INTO tokens (id, hash, name, role, created_at, expires_at, last_used_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
			string(t.ID), hash[:], t.Name, string(t.Role), c.d.instant(t.CreatedAt), c.d.at(t.ExpiresAt), c.d.at(t.LastUsedAt))
		if c.d.fault(err) == faultTaken {
			return domain.ErrTokenNameTaken
		}
		return fresh(c, err, hash)
	})
}

// fresh says whether a hash that was just written to tokens, with err, may stand there. It looks after the write: who
// removed the token with this hash at the same moment has committed by then.
func fresh(c *conn, err error, hash [32]byte) error {
	if c.d.fault(err) == faultExists {
		return domain.ErrTokenInUse
	}
	if err != nil {
		return err
	}
	var one int
	revoked, err := found(c.get(&one, "SELECT 1 FROM revoked_tokens WHERE hash = ?", hash[:]))
	if err == nil && revoked {
		return domain.ErrTokenRevoked
	}
	return err
}

// Find implements ports.TokenRepository.
func (r *tokens) Find(ctx context.Context, hash [32]byte) (t domain.Token, err error) {
	err = r.s.read(ctx, func(c *conn) error {
		var row tokenRow
		ok, err := found(c.get(&row, "SELECT "+tokenColumns+" FROM tokens t WHERE t.hash = ?", hash[:]))
		if err == nil && !ok {
			return domain.ErrUnauthenticated
		}
		t = row.token()
		return err
	})
	return t, err
}

// List implements ports.TokenRepository.
func (r *tokens) List(ctx context.Context) (list []domain.Token, err error) {
	var rows []tokenRow
	err = r.s.read(ctx, func(c *conn) error {
		rows = nil
		return c.all(&rows, "SELECT "+tokenColumns+" FROM tokens t ORDER BY t.name")
	})
	for i := range rows {
		list = append(list, rows[i].token())
	}
	return list, err
}

// Replace implements ports.TokenRepository.
func (r *tokens) Replace(ctx context.Context, id domain.TokenID, hash [32]byte) (t domain.Token, err error) {
	err = r.s.write(ctx, func(c *conn) error {
		var row tokenRow
		ok, err := found(c.get(&row, "SELECT "+tokenColumns+" FROM tokens t WHERE t.id = ? {lock}", text(string(id))))
		if err != nil {
			return err
		}
		if !ok {
			return domain.ErrTokenNotFound
		}
		if err := revoke(c, id); err != nil {
			return err
		}
		_, err = c.exec("UPDATE tokens SET hash = ?, last_used_at = NULL WHERE id = ?", hash[:], string(id))
		row.LastUsedAt = stamp{}
		t = row.token()
		if err := fresh(c, err, hash); err != nil {
			return err
		}
		_, err = c.exec("DELETE FROM passes WHERE token_id = ?", string(id))
		return err
	})
	if err != nil {
		return domain.Token{}, err
	}
	return t, nil
}

// revoke keeps a token's hash from ever letting anybody in again.
func revoke(c *conn, id domain.TokenID) error {
	_, err := c.exec("INSERT INTO revoked_tokens (hash, revoked_at) SELECT hash, {now} FROM tokens WHERE id = ?", string(id))
	return err
}

// Delete implements ports.TokenRepository.
func (r *tokens) Delete(ctx context.Context, id domain.TokenID, now time.Time) error {
	return r.s.write(ctx, func(c *conn) error {
		// All administrators' tokens are locked, so that of two who remove each other's the second sees the first's work.
		var rows []tokenRow
		err := c.all(&rows, "SELECT "+tokenColumns+" FROM tokens t WHERE t.role = 'admin' OR t.id = ? ORDER BY t.id {lock}", text(string(id)))
		if err != nil {
			return err
		}
		there, admin, other := false, false, false
		for i := range rows {
			t := rows[i].token()
			if t.ID == id {
				there, admin = true, t.Role == domain.RoleAdmin
			} else {
				other = other || !t.Expired(now)
			}
		}
		switch {
		case !there:
			return domain.ErrTokenNotFound
		case admin && !other:
			return domain.ErrLastAdmin
		}
		if err := revoke(c, id); err != nil {
			return err
		}
		_, err = c.exec("DELETE FROM tokens WHERE id = ?", string(id))
		return err
	})
}

// Touch implements ports.TokenRepository.
func (r *tokens) Touch(ctx context.Context, id domain.TokenID, at time.Time) error {
	return r.s.write(ctx, func(c *conn) error {
		used := c.d.instant(at)
		_, err := c.exec("UPDATE tokens SET last_used_at = ? WHERE id = ? AND (last_used_at IS NULL OR last_used_at < ?)",
			used, text(string(id)), used)
		return err
	})
}
