package sqlstore

import (
	"crypto/sha256"
	"encoding"
	"hash"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// hashRow is a row of job_hashes: for each stream the state of a SHA-256 that has seen all that is stored of the attempt.
// It goes on where the stored bytes end, whoever stores the next ones and however they are cut.
type hashRow struct {
	Attempt int
	Stdout  []byte
	Stderr  []byte
}

// keepHashes takes new output into the hashes of its job. The caller has the job's row.
func keepHashes(c *conn, a ports.Append) error {
	var row hashRow
	ok, err := found(c.get(&row, "SELECT attempt, stdout, stderr FROM job_hashes WHERE job_id = ?", string(a.Job)))
	if err != nil {
		return err
	}
	if !ok || row.Attempt != a.Attempt {
		row = hashRow{}
	}
	for _, s := range []struct {
		stream domain.Stream
		state  *[]byte
	}{{domain.Stdout, &row.Stdout}, {domain.Stderr, &row.Stderr}} {
		if *s.state, err = advance(*s.state, s.stream, a.Pieces); err != nil {
			return err
		}
	}
	_, err = c.exec(`INSERT INTO job_hashes (job_id, attempt, stdout, stderr) VALUES (?, ?, ?, ?)
		ON CONFLICT (job_id) DO UPDATE SET attempt = excluded.attempt, stdout = excluded.stdout, stderr = excluded.stderr`,
		string(a.Job), a.Attempt, row.Stdout, row.Stderr)
	return err
}

// advance returns the state of a stream's hash after the pieces of that stream.
func advance(state []byte, stream domain.Stream, pieces []ports.Piece) ([]byte, error) {
	h, err := resume(state)
	if err != nil {
		return nil, err
	}
	for _, p := range pieces {
		if p.Stream == stream {
			_, _ = h.Write(p.Data) // a hash takes everything
		}
	}
	after, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return nil, domain.Internal("keeping the hash of output", err)
	}
	return after, nil
}

// resume returns the hash that a state was taken of; an empty state is that of nothing.
func resume(state []byte) (hash.Hash, error) {
	h := sha256.New()
	if len(state) == 0 {
		return h, nil
	}
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
		return nil, domain.Internal("reading the hash of output", err)
	}
	return h, nil
}

// digest returns the digest that a state has come to.
func digest(state []byte) (d domain.Digest, err error) {
	h, err := resume(state)
	if err != nil {
		return d, err
	}
	h.Sum(d[:0])
	return d, nil
}
