package sqlstore

import (
	"context"
	"maps"
	"slices"

	"github.com/heysubinoy/remora/domain"
)

// How much of a history one transaction deletes, so that others get their turn between two.
const (
	deleteJobs   = 200
	deleteBytes  = 16 << 20 // of output, as far as whole jobs go
	deleteChunks = 1000     // of such jobs
	deleteLarge  = deleteBytes / chunkBytes
)

// Delete implements ports.ServerRepository. The history goes first, a piece in each transaction, while the server takes no
// jobs; the server goes with the last piece.
func (r *servers) Delete(ctx context.Context, id domain.ServerID, force bool) (deleted int64, err error) {
	for more := true; more; {
		var n int64
		err := r.s.write(ctx, func(c *conn) (err error) {
			if err := mayDelete(c, id, force); err != nil {
				return err
			}
			if n, more, err = deletePiece(c, id); err != nil {
				return err
			}
			if more {
				_, err = c.exec("UPDATE servers SET active = ?, revision = revision + 1 WHERE id = ? AND active = ?", false, string(id), true)
				return err
			}
			_, err = c.exec("DELETE FROM servers WHERE id = ?", string(id))
			return err
		})
		if err != nil {
			return 0, err
		}
		deleted += n
	}
	return deleted, nil
}

// mayDelete locks a server that may be deleted.
func mayDelete(c *conn, id domain.ServerID, force bool) error {
	var locked string
	ok, err := found(c.get(&locked, "SELECT id FROM servers WHERE id = ? {lock}", text(string(id))))
	if err != nil {
		return err
	}
	if !ok {
		return domain.ErrServerNotFound
	}
	var behind []string
	if err := c.all(&behind, "SELECT name FROM servers WHERE proxy_jump = ? ORDER BY name", string(id)); err != nil {
		return err
	}
	if len(behind) > 0 {
		return domain.ServerIsJump(behind)
	}
	var active int
	if err := c.get(&active, "SELECT COUNT(*) FROM jobs WHERE server_id = ? AND status IN ('queued', 'running')", string(id)); err != nil {
		return err
	}
	if active > 0 {
		return domain.ErrServerHasJobs.WithDetails(map[string]any{"active_jobs": active})
	}
	if force {
		return nil
	}
	var total int
	if err := c.get(&total, "SELECT COUNT(*) FROM jobs WHERE server_id = ?", string(id)); err != nil {
		return err
	}
	if total > 0 {
		return domain.ErrServerHasJobs.WithDetails(map[string]any{"total_jobs": total})
	}
	return nil
}

// deletePiece deletes a piece of a server's history, which holds no active job, and reports how many jobs it was and
// whether there is more. Output goes before its job, because a single job may have more of it than a transaction should hold.
func deletePiece(c *conn, id domain.ServerID) (jobs int64, more bool, err error) {
	var rows []struct {
		ID    string
		Bytes int64
	}
	err = c.all(&rows, "SELECT id, stdout_bytes + stderr_bytes AS bytes FROM jobs WHERE server_id = ? LIMIT ?", string(id), deleteJobs)
	if err != nil || len(rows) == 0 {
		return 0, false, err
	}
	list, bytes := []string{rows[0].ID}, rows[0].Bytes
	for _, r := range rows[1:] {
		if bytes += r.Bytes; bytes > deleteBytes {
			break
		}
		list = append(list, r.ID)
	}
	chunks := int64(deleteChunks)
	if bytes > deleteBytes && len(list) == 1 {
		chunks = deleteLarge
	}
	n, err := c.exec("DELETE FROM job_output WHERE (job_id, seq) IN (SELECT job_id, seq FROM job_output WHERE job_id {in} LIMIT ?)",
		c.d.list(list), chunks)
	if err != nil || n == chunks {
		return 0, true, err
	}
	texts := map[int64]bool{}
	var gone []int64
	if err := c.all(&gone, "DELETE FROM jobs WHERE id {in} RETURNING text_id", c.d.list(list)); err != nil {
		return 0, false, err
	}
	for _, t := range gone {
		texts[t] = true
	}
	// A text goes with the last job that runs it.
	_, err = c.exec("DELETE FROM job_texts WHERE id {in} AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.text_id = job_texts.id)",
		c.d.longs(slices.Sorted(maps.Keys(texts))))
	return int64(len(gone)), len(list) < len(rows) || len(rows) == deleteJobs, err
}
