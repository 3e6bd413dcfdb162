package sqlstore

import (
	"context"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

const (
	chunkBytes    = 256 << 10 // a chunk holds at most so much, so that a read decodes little that it does not want
	compressFrom  = 4 << 10   // smaller chunks are not worth it
	pageBytes     = 1 << 20   // after so much a page of chunks stops
	chunksPerStep = 16        // chunks inserted by one statement
)

// The codecs of a chunk.
const (
	codecNone = 0
	codecZstd = 1
)

var _ ports.OutputStore = (*output)(nil)

type output struct{ s *Store }

// chunkRow is a row of job_output.
type chunkRow struct {
	Seq     int64
	Attempt int
	Stream  int
	Offset  int64
	At      stamp
	Size    int
	Codec   int
	Data    []byte
}

// Append implements ports.OutputStore.
func (o *output) Append(ctx context.Context, a ports.Append) (last domain.Seq, err error) {
	rows, to := o.s.chunks(a)
	err = o.s.write(ctx, func(c *conn) error {
		// This one statement decides whose output it is. A chunk can only come after it.
		var job struct {
			LastSeq int64  `db:"last_seq"`
			BatchID string `db:"batch_id"`
		}
		err := c.get(&job, `UPDATE jobs SET stdout_bytes = ?, stderr_bytes = ?, last_seq = last_seq + ?
			WHERE id = ? AND epoch = ? AND attempt = ? AND status = 'running' AND stdout_bytes = ? AND stderr_bytes = ?
			RETURNING last_seq, batch_id`,
			to.Stdout, to.Stderr, len(rows), text(string(a.Job)), a.Epoch, a.Attempt, a.From.Stdout, a.From.Stderr)
		switch ok, err := found(err); {
		case err != nil:
			return err
		case !ok:
			return refusal(c, a)
		}
		last = domain.Seq(job.LastSeq)
		if job.BatchID != "" {
			if err := keepHashes(c, a); err != nil {
				return err
			}
		}
		return insertChunks(c, a, job.LastSeq-int64(len(rows)), rows)
	})
	if err != nil {
		return 0, err
	}
	return last, nil
}

// refusal says why an append was not taken.
func refusal(c *conn, a ports.Append) error {
	j, err := getState(c, a.Job)
	switch {
	case err != nil:
		return err
	case j.Status != domain.StatusRunning || j.Epoch != a.Epoch || j.Attempt != a.Attempt:
		return domain.ErrLeaseLost
	default:
		return domain.ErrStaleOutput
	}
}

// chunks makes rows of pieces, cut to size and compressed, and returns what is stored after them.
func (s *Store) chunks(a ports.Append) ([]chunkRow, domain.Offsets) {
	var rows []chunkRow
	at := a.From
	for _, p := range a.Pieces {
		for data := p.Data; len(data) > 0; {
			n := cut(data, chunkBytes)
			row := chunkRow{Stream: int(p.Stream), Offset: at.Of(p.Stream), Size: n, Codec: codecNone, Data: data[:n]}
			if n > compressFrom {
				if small := s.encoder.EncodeAll(row.Data, nil); len(small) < n {
					row.Codec, row.Data = codecZstd, small
				}
			}
			rows = append(rows, row)
			at = at.Plus(p.Stream, n)
			data = data[n:]
		}
	}
	return rows, at
}

// cut returns where to cut data to at most limit bytes: between characters where it is UTF-8.
func cut(data []byte, limit int) int {
	if len(data) <= limit {
		return len(data)
	}
	for n := limit; n > limit-utf8.UTFMax; n-- {
		if utf8.RuneStart(data[n]) {
			return n
		}
	}
	return limit
}

const chunkValues = "(?, ?, ?, ?, ?, ?, ?, ?, ?)"

// insertChunks inserts rows, which get the sequence numbers after seq, many in one statement.
func insertChunks(c *conn, a ports.Append, seq int64, rows []chunkRow) error {
	for len(rows) > 0 {
		step := rows[:min(len(rows), chunksPerStep)]
		rows = rows[len(step):]
		query := `INSERT INTO job_output (job_id, seq, attempt, stream, "offset", at, size, codec, data) VALUES ` + chunkValues
		var args []any
		for i, r := range step {
			if i > 0 {
				query += ", " + chunkValues
			}
			seq++
			args = append(args, string(a.Job), seq, a.Attempt, r.Stream, r.Offset, c.d.instant(a.At), r.Size, r.Codec, r.Data)
		}
		if _, err := c.exec(query, args...); err != nil {
			return err
		}
	}
	return nil
}

// chunksSQL adds sizes up before it reads data, so that nothing is read that the page has no room for. Sequence numbers
// have no gaps; bounding them on both sides keeps the planner from reading all of a long output. Where the page ends is one
// value: of two tables to join SQLite looks through the page anew for every chunk.
const chunksSQL = `SELECT seq, attempt, stream, "offset", at, size, codec, data FROM job_output
	WHERE job_id = ? AND seq > ? AND seq <= (
		SELECT COALESCE(MAX(page.seq), 0) FROM (SELECT seq, SUM(size) OVER (ORDER BY seq) - size AS before
			FROM job_output WHERE job_id = ? AND seq > ? AND seq <= ?) page
		WHERE page.before < ?)
	ORDER BY seq`

func chunksArgs(id domain.JobID, after domain.Seq, limit int) []any {
	job, from := text(string(id)), max(int64(after), 0)
	to := from + min(int64(limit), math.MaxInt64-from)
	return []any{job, from, job, from, to, pageBytes}
}

// Chunks implements ports.OutputStore.
func (o *output) Chunks(ctx context.Context, id domain.JobID, after domain.Seq, limit int) (chunks []domain.Chunk, err error) {
	err = o.s.read(ctx, func(c *conn) error {
		chunks = nil
		return c.each(func(scan func(any) error) (bool, error) {
			var row chunkRow
			if err := scan(&row); err != nil {
				return false, err
			}
			data, err := o.s.data(&row)
			chunks = append(chunks, domain.Chunk{
				Seq: domain.Seq(row.Seq), Attempt: row.Attempt, Stream: domain.Stream(row.Stream), Offset: row.Offset, At: row.At.Time, Data: data,
			})
			return true, err
		}, chunksSQL, chunksArgs(id, after, limit)...)
	})
	return chunks, err
}

// data returns the bytes of a chunk as they were printed.
func (s *Store) data(row *chunkRow) ([]byte, error) {
	switch row.Codec {
	case codecNone:
		return row.Data, nil
	case codecZstd:
		data, err := s.decoder.DecodeAll(row.Data, make([]byte, 0, row.Size))
		if err == nil && len(data) != row.Size {
			err = fmt.Errorf("it holds %d bytes", len(data))
		}
		if err != nil {
			return nil, domain.Internal(fmt.Sprintf("chunk %d of %d bytes is damaged", row.Seq, row.Size), err)
		}
		return data, nil
	default:
		return nil, domain.Internal("reading a chunk", fmt.Errorf("codec %d is unknown to this program", row.Codec))
	}
}

// readAtSQL starts at the chunk that holds the offset: the last that begins at or before it.
const readAtSQL = `SELECT seq, attempt, stream, "offset", at, size, codec, data FROM job_output
	WHERE job_id = ? AND attempt = ? AND stream = ? AND "offset" < ? AND "offset" >= (
		SELECT COALESCE(MAX("offset"), 0) FROM job_output WHERE job_id = ? AND attempt = ? AND stream = ? AND "offset" <= ?)
	ORDER BY "offset"`

// ReadAt implements ports.OutputStore.
func (o *output) ReadAt(ctx context.Context, a domain.AttemptID, stream domain.Stream, p []byte, offset int64) (n int, err error) {
	if len(p) == 0 || offset < 0 {
		return 0, done(ctx)
	}
	job := text(string(a.Job))
	err = o.s.read(ctx, func(c *conn) error {
		n = 0
		return c.each(func(scan func(any) error) (bool, error) {
			var row chunkRow
			if err := scan(&row); err != nil {
				return false, err
			}
			data, err := o.s.data(&row)
			if err != nil {
				return false, err
			}
			if skip := offset + int64(n) - row.Offset; skip < int64(len(data)) {
				n += copy(p[n:], data[skip:])
			}
			return n < len(p), nil
		}, readAtSQL, job, a.Number, int(stream), offset+int64(len(p)), job, a.Number, int(stream), offset)
	})
	return n, err
}
