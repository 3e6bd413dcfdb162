package sqlstore

import (
	"cmp"
	"context"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// maxServers is how many servers a page holds when nobody says.
const maxServers = 1000

var _ ports.ServerRepository = (*servers)(nil)

type servers struct{ s *Store }

// Add implements ports.ServerRepository.
func (r *servers) Add(ctx context.Context, s *domain.Server, credential domain.Sealed) error {
	return r.s.write(ctx, func(c *conn) error {
		if err := mayRefer(c, s, ""); err != nil {
			return err
		}
		_, err := c.exec("INSERT INTO servers (id, revision, "+serverValueColumns+") VALUES (?, ?, "+serverValueMarks+")",
			append([]any{string(s.ID), s.Revision}, serverValues(c.d, s)...)...)
		if c.d.fault(err) == faultTaken {
			return domain.ErrServerNameTaken.Because(err)
		}
		if err != nil || len(credential) == 0 {
			return err
		}
		return putCredential(c, s.ID, credential)
	})
}

func putCredential(c *conn, id domain.ServerID, credential domain.Sealed) error {
	_, err := c.exec(`INSERT INTO server_credentials (server_id, sealed) VALUES (?, ?)
		ON CONFLICT (server_id) DO UPDATE SET sealed = excluded.sealed`, string(id), []byte(credential))
	return err
}

// Get implements ports.ServerRepository.
func (r *servers) Get(ctx context.Context, id domain.ServerID) (s *domain.Server, credential domain.Sealed, err error) {
	err = r.s.read(ctx, func(c *conn) error {
		var row struct {
			serverRow
			Sealed []byte
		}
		ok, err := found(c.get(&row, "SELECT "+serverColumns+`, sealed FROM servers
			LEFT JOIN server_credentials ON server_id = id WHERE id = ?`, text(string(id))))
		if err == nil && !ok {
			return domain.ErrServerNotFound
		}
		s, credential = row.server(), domain.Sealed(row.Sealed)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return s, credential, nil
}

// Save implements ports.ServerRepository.
func (r *servers) Save(ctx context.Context, s *domain.Server, credential *domain.Sealed) error {
	err := r.s.write(ctx, func(c *conn) error {
		if err := mayRefer(c, s, s.ID); err != nil {
			return err
		}
		n, err := c.exec("UPDATE servers SET "+serverAssignments+", revision = revision + 1 WHERE id = ? AND revision = ?",
			append(serverValues(c.d, s), text(string(s.ID)), s.Revision)...)
		switch {
		case c.d.fault(err) == faultTaken:
			return domain.ErrServerNameTaken.Because(err)
		case err != nil:
			return err
		case n == 0:
			return whyNotSaved(c, s.ID)
		case credential == nil:
			return nil
		case len(*credential) == 0:
			_, err := c.exec("DELETE FROM server_credentials WHERE server_id = ?", string(s.ID))
			return err
		}
		return putCredential(c, s.ID, *credential)
	})
	if err == nil {
		s.Revision++
	}
	return err
}

func whyNotSaved(c *conn, id domain.ServerID) error {
	var known int
	if err := c.get(&known, "SELECT COUNT(*) FROM servers WHERE id = ?", text(string(id))); err != nil {
		return err
	}
	if known == 0 {
		return domain.ErrServerNotFound
	}
	return domain.ErrServerChanged
}

// List implements ports.ServerRepository.
func (r *servers) List(ctx context.Context, q ports.ServerQuery) (page ports.ServerPage, err error) {
	limit := cmp.Or(q.Limit, maxServers)
	query := fingerprint([]any{q.Active, q.Tag, q.IDs, q.Tags, q.Search})
	f := &filter{}
	if q.Active != nil {
		f.and("active = ?", *q.Active)
	}
	if q.Tag != "" {
		f.and("EXISTS (SELECT 1 FROM {elements}(tags) tag WHERE tag.value = ?)", text(q.Tag))
	}
	if len(q.IDs) > 0 {
		f.and("id {in}", ids(r.s.d, q.IDs))
	}
	for _, tag := range q.Tags {
		f.and("EXISTS (SELECT 1 FROM {elements}(tags) tag WHERE tag.value = ?)", text(tag))
	}
	if q.Search != "" {
		part := folded(text(q.Search))
		f.and("({position}(name_folded, ?) > 0 OR {position}(hostname_folded, ?) > 0)", part, part)
	}
	if q.Cursor != "" {
		last, err := decodeCursor(q.Cursor, query)
		if err != nil {
			return page, cmp.Or(done(ctx), err)
		}
		f.and("name > ?", last.Text)
	}
	var rows []serverRow
	err = r.s.read(ctx, func(c *conn) error {
		rows = nil
		return c.all(&rows, "SELECT "+serverColumns+" FROM servers"+f.where()+" ORDER BY name LIMIT ?", append(f.args, limit+1)...)
	})
	if len(rows) > limit {
		rows = rows[:limit]
		page.Next = cursor{Query: query, Text: rows[limit-1].Name}.encode()
	}
	for i := range rows {
		page.Servers = append(page.Servers, *rows[i].server())
	}
	return page, err
}

// Refs implements ports.ServerRepository.
func (r *servers) Refs(ctx context.Context, list []domain.ServerID) (refs map[domain.ServerID]domain.ServerRef, err error) {
	wanted := make([]domain.ServerID, len(list))
	for i, id := range list {
		wanted[i] = domain.ServerID(text(string(id)))
	}
	err = r.s.read(ctx, func(c *conn) error {
		var rows []serverRow
		if err := c.all(&rows, "SELECT id, name, hostname, port, login FROM servers WHERE id {in}", ids(c.d, wanted)); err != nil {
			return err
		}
		refs = make(map[domain.ServerID]domain.ServerRef, len(rows))
		for i := range rows {
			ref := rows[i].server().Ref()
			refs[ref.ID] = ref
		}
		return nil
	})
	return refs, err
}
