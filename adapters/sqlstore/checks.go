package sqlstore

import (
	"context"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

var _ ports.ServerChecks = (*checks)(nil)

type checks struct{ s *Store }

// keepPage is how many checks share a transaction.
const keepPage = 100

// Keep implements ports.ServerChecks.
func (r *checks) Keep(ctx context.Context, all ...ports.ServerCheck) error {
	for len(all) > 0 {
		page := all[:min(len(all), keepPage)]
		all = all[len(page):]
		if err := r.s.write(ctx, func(c *conn) error { return keep(c, page) }); err != nil {
			return err
		}
	}
	return nil
}

func keep(c *conn, page []ports.ServerCheck) error {
	list := make([]domain.ServerID, len(page))
	for i, k := range page {
		list[i] = k.Server.ID
	}
	var rows []serverRow
	// In one order, so that two who keep checks of the same servers wait for each other and do not stand in each other's way;
	// and not against those who submit jobs, who come to the servers in an order of their own.
	err := c.all(&rows, `SELECT s.id, s.hostname, s.port, s.login, s.proxy_jump, s.last_check
		FROM servers s WHERE s.id {in} ORDER BY s.id {lock server}`, ids(c.d, list))
	if err != nil {
		return err
	}
	stored := make(map[domain.ServerID]*domain.Server, len(rows))
	for i := range rows {
		s := rows[i].server()
		stored[s.ID] = s
	}
	for _, k := range page {
		s := stored[k.Server.ID]
		if s == nil || !k.Server.SameWay(s) || s.LastCheck != nil && s.LastCheck.At.After(k.Check.At) {
			continue
		}
		if _, err := c.exec("UPDATE servers SET last_check = ? WHERE id = ?", encoded(checkRow(&k.Check)), string(s.ID)); err != nil {
			return err
		}
		s.LastCheck = &k.Check
	}
	return nil
}

var _ ports.MasterKeyCheck = (*masterKeyCheck)(nil)

type masterKeyCheck struct{ s *Store }

// Keep implements ports.MasterKeyCheck.
func (r *masterKeyCheck) Keep(ctx context.Context, value domain.Sealed) (stored domain.Sealed, err error) {
	err = r.s.write(ctx, func(c *conn) error {
		if _, err := c.exec("INSERT INTO master_key_check (one, sealed) VALUES (1, ?) ON CONFLICT (one) DO NOTHING", []byte(value)); err != nil {
			return err
		}
		return c.get(&stored, "SELECT sealed FROM master_key_check")
	})
	return stored, err
}
