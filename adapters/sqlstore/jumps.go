package sqlstore

import (
	"database/sql"

	"github.com/heysubinoy/remora/domain"
)

// jumpLock is the advisory lock under which PostgreSQL changes ways, so that no two changes make a loop together: "jump" in ASCII.
const jumpLock = 0x6a756d70

// mayRefer fails unless the key and the jump server that s refers to are there and its way is one that may be. They stay
// until the transaction ends. before is the id under which s is stored; empty when it is new.
func mayRefer(c *conn, s *domain.Server, before domain.ServerID) error {
	if s.KeyName != "" {
		var name string
		ok, err := found(c.get(&name, "SELECT name FROM keys WHERE name = ? {share}", text(s.KeyName)))
		if err != nil {
			return err
		}
		if !ok {
			return domain.ErrKeyNotFound.Withf("there is no stored key named %q", s.KeyName)
		}
	}
	if s.ProxyJump == "" {
		return nil
	}
	if c.d.kind == postgres.kind { // SQLite writes one transaction at a time anyway
		if _, err := c.exec("SELECT pg_advisory_xact_lock(?)", jumpLock); err != nil {
			return err
		}
	}
	below := 0
	if before != "" {
		if err := c.get(&below, belowSQL, string(before)); err != nil {
			return err
		}
	}
	return s.CheckJump(func(id domain.ServerID) (domain.ServerID, bool, error) {
		var jump sql.NullString
		ok, err := found(c.get(&jump, "SELECT proxy_jump FROM servers WHERE id = ? {share}", text(string(id))))
		return domain.ServerID(jump.String), ok, err
	}, below)
}

// belowSQL is how many servers deep others are reached through one.
const belowSQL = `SELECT COALESCE(MAX(CASE WHEN far.id IS NULL THEN 1 ELSE 2 END), 0)
	FROM servers near LEFT JOIN servers far ON far.proxy_jump = near.id WHERE near.proxy_jump = ?`
