package sqlstore

import (
	"context"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

var _ ports.KeyRepository = (*keys)(nil)

type keys struct{ s *Store }

// keyRow is a row of keys.
type keyRow struct {
	Name        string
	Fingerprint string
	Type        string
	Size        int
	CreatedAt   stamp `db:"created_at"`
	Sealed      []byte
}

func (r *keyRow) key() domain.Key {
	return domain.Key{
		Name: r.Name, KeyInfo: domain.KeyInfo{Fingerprint: r.Fingerprint, Type: r.Type}, Size: r.Size, CreatedAt: r.CreatedAt.Time,
	}
}

// Add implements ports.KeyRepository.
func (r *keys) Add(ctx context.Context, k *domain.Key, sealed domain.Sealed) error {
	return r.s.write(ctx, func(c *conn) error {
		_, err := c.exec("INSERT INTO keys (name, fingerprint, type, size, created_at) VALUES (?, ?, ?, ?, ?)",
			k.Name, k.Fingerprint, k.Type, k.Size, c.d.instant(k.CreatedAt))
		if c.d.fault(err) == faultExists {
			return domain.ErrKeyNameTaken.Withf("a stored key named %q exists", k.Name).Because(err)
		}
		if err != nil {
			return err
		}
		_, err = c.exec("INSERT INTO key_texts (key_name, sealed) VALUES (?, ?)", k.Name, []byte(sealed))
		return err
	})
}

// Get implements ports.KeyRepository.
func (r *keys) Get(ctx context.Context, name string) (k *domain.Key, sealed domain.Sealed, err error) {
	err = r.s.read(ctx, func(c *conn) error {
		var row keyRow
		ok, err := found(c.get(&row, `SELECT name, fingerprint, type, size, created_at, sealed FROM keys
			JOIN key_texts ON key_name = name WHERE name = ?`, text(name)))
		if err == nil && !ok {
			return domain.ErrKeyNotFound.Withf("there is no stored key named %q", name)
		}
		key := row.key()
		k, sealed = &key, domain.Sealed(row.Sealed)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return k, sealed, nil
}

// List implements ports.KeyRepository.
func (r *keys) List(ctx context.Context) (list []domain.Key, err error) {
	err = r.s.read(ctx, func(c *conn) error {
		var rows []keyRow
		if err := c.all(&rows, "SELECT name, fingerprint, type, size, created_at FROM keys ORDER BY name"); err != nil {
			return err
		}
		list = make([]domain.Key, len(rows))
		place := make(map[string]int, len(rows))
		for i := range rows {
			list[i] = rows[i].key()
			place[rows[i].Name] = i
		}
		var users []struct {
			KeyName string `db:"key_name"`
			Name    string
		}
		if err := c.all(&users, "SELECT key_name, name FROM servers WHERE key_name IS NOT NULL ORDER BY key_name, name"); err != nil {
			return err
		}
		for _, u := range users {
			if i, ok := place[u.KeyName]; ok {
				list[i].UsedBy = append(list[i].UsedBy, u.Name)
			}
		}
		return nil
	})
	return list, err
}

// Delete implements ports.KeyRepository.
func (r *keys) Delete(ctx context.Context, name string) error {
	return r.s.write(ctx, func(c *conn) error {
		var locked string
		ok, err := found(c.get(&locked, "SELECT name FROM keys WHERE name = ? {lock}", text(name)))
		if err != nil {
			return err
		}
		if !ok {
			return domain.ErrKeyNotFound.Withf("there is no stored key named %q", name)
		}
		var users []string
		if err := c.all(&users, "SELECT name FROM servers WHERE key_name = ? ORDER BY name", locked); err != nil {
			return err
		}
		if len(users) > 0 {
			return domain.KeyInUse(name, users)
		}
		_, err = c.exec("DELETE FROM keys WHERE name = ?", locked)
		return err
	})
}
