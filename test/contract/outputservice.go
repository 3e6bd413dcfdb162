package contract

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// printed are what the commands of the output clauses print: broken UTF-8, NUL and line ends among them.
var printed = []ports.Piece{
	{Stream: domain.Stdout, Data: []byte("first line\n")},
	{Stream: domain.Stderr, Data: []byte("warning: \xc3\x28 \x00\n")},
	{Stream: domain.Stdout, Data: []byte("zweite Zeile: äöü 🦈\r\n")},
	{Stream: domain.Stdout, Data: bytes.Repeat([]byte{0xff, 'a', 0}, 20_000)},
	{Stream: domain.Stderr, Data: []byte("data: id: event: \n\n: not a frame\n\n")},
}

func printAll(t *testing.T, run Running) (stdout, stderr []byte) {
	t.Helper()
	for _, p := range printed {
		run.Print(t, p.Stream, p.Data)
		if p.Stream == domain.Stdout {
			stdout = append(stdout, p.Data...)
		} else {
			stderr = append(stderr, p.Data...)
		}
	}
	return stdout, stderr
}

func joined(chunks []domain.Chunk, s domain.Stream) []byte {
	var all []byte
	for _, c := range chunks {
		if c.Stream == s {
			all = append(all, c.Data...)
		}
	}
	return all
}

func outputClauses(t *testing.T, open func(t *testing.T) Services) {
	t.Run("ChunksGoOnFromACursor", func(t *testing.T) {
		s := open(t)
		id := s.submit(t, "make")
		run := s.Begin(t)
		stdout, stderr := printAll(t, run)
		var all []domain.Chunk
		for after := domain.Seq(0); ; {
			page, err := s.Output.Chunks(t.Context(), id, after, 2, 0)
			require.NoError(t, err)
			require.LessOrEqual(t, len(page.Chunks), 2)
			require.False(t, page.Final, "the job is running")
			if len(page.Chunks) == 0 {
				require.Equal(t, after, page.Next)
				break
			}
			require.Equal(t, page.Chunks[len(page.Chunks)-1].Seq, page.Next)
			all, after = append(all, page.Chunks...), page.Next
		}
		require.Equal(t, stdout, joined(all, domain.Stdout))
		require.Equal(t, stderr, joined(all, domain.Stderr))
		var at domain.Offsets
		for i, c := range all {
			require.Equal(t, domain.Seq(i+1), c.Seq)
			require.Equal(t, 1, c.Attempt)
			require.Equal(t, at.Of(c.Stream), c.Offset)
			require.False(t, c.At.IsZero())
			at = at.Plus(c.Stream, len(c.Data))
		}
		run.Exit(t, domain.Exit{})
		page, err := s.Output.Chunks(t.Context(), id, all[len(all)-1].Seq, 2, time.Hour)
		require.NoError(t, err)
		require.True(t, page.Final)
		require.Empty(t, page.Chunks)
	})
	t.Run("WaitEndsWithTheFirstChunk", func(t *testing.T) {
		s := open(t)
		id := s.submit(t, "slow")
		run := s.Begin(t)
		page, err := s.Output.Chunks(t.Context(), id, 0, 10, time.Millisecond)
		require.NoError(t, err)
		require.Empty(t, page.Chunks)
		got := make(chan ports.OutputPage, 1)
		go func() {
			page, _ := s.Output.Chunks(t.Context(), id, 0, 10, patience)
			got <- page
		}()
		run.Print(t, domain.Stdout, []byte("at last\n"))
		page = <-got
		require.Equal(t, []byte("at last\n"), joined(page.Chunks, domain.Stdout))
	})
	t.Run("OpenReadsAnyPart", func(t *testing.T) {
		s := open(t)
		id := s.submit(t, "make")
		run := s.Begin(t)
		stdout, stderr := printAll(t, run)
		for _, finished := range []bool{false, true} {
			if finished {
				run.Exit(t, domain.Exit{})
			}
			n := int64(len(stdout))
			for _, c := range []struct{ offset, length int64 }{
				{0, -1}, {0, n}, {0, 1}, {5, -1}, {7, 11}, {n - 1, -1}, {n - 3, 100}, {3, math.MaxInt64}, {n, -1}, {n + 9, 4}, {2, 0}, {0, 0},
			} {
				r, size, err := s.Output.Open(t.Context(), id, domain.Stdout, c.offset, c.length)
				require.NoError(t, err, c)
				got, err := io.ReadAll(r)
				require.NoError(t, err, c)
				require.NoError(t, r.Close())
				require.Equal(t, n, size, c)
				from, to := min(c.offset, n), n
				if c.length >= 0 && c.length < n-from {
					to = from + c.length
				}
				require.True(t, bytes.Equal(stdout[from:to], got), "%v: %d bytes", c, len(got))
			}
		}
		r, size, err := s.Output.Open(t.Context(), id, domain.Stderr, 0, -1)
		require.NoError(t, err)
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, r.Close())
		require.Equal(t, stderr, got)
		require.EqualValues(t, len(stderr), size)
	})
	t.Run("UnknownID", func(t *testing.T) {
		s := open(t)
		_, err := s.Output.Chunks(t.Context(), nobody, 0, 10, 0)
		wantError(t, err, domain.ErrJobNotFound)
		_, _, err = s.Output.Open(t.Context(), nobody, domain.Stdout, 0, -1)
		wantError(t, err, domain.ErrJobNotFound)
		_, _, err = s.Output.Open(t.Context(), nobody, domain.Stdout, 0, 0)
		wantError(t, err, domain.ErrJobNotFound)
		err = s.Output.Follow(t.Context(), nobody, 0, func(ports.JobEvent) error { return nil })
		wantError(t, err, domain.ErrJobNotFound)
	})
}

// watched is what a follower saw.
type watched struct {
	chunks   []domain.Chunk
	complete *domain.Job
}

func (w *watched) see(e ports.JobEvent) {
	switch {
	case e.Chunk != nil:
		c := *e.Chunk
		c.Data = bytes.Clone(c.Data)
		w.chunks = append(w.chunks, c)
	case e.Complete:
		w.complete = e.Job
	}
}

func followClauses(t *testing.T, open func(t *testing.T) Services) {
	t.Run("SeesALifeToItsEnd", func(t *testing.T) {
		s := open(t)
		id := s.submit(t, "make")
		var w watched
		statuses := make(chan domain.Status, 100)
		ended := make(chan error, 1)
		go func() {
			ended <- s.Output.Follow(t.Context(), id, 0, func(e ports.JobEvent) error {
				if w.see(e); e.Job != nil {
					statuses <- e.Job.Status
				}
				return nil
			})
		}()
		sees(t, statuses, domain.StatusQueued)
		run := s.Begin(t)
		sees(t, statuses, domain.StatusRunning)
		stdout, stderr := printAll(t, run)
		run.Exit(t, domain.Exit{Code: 3})
		require.NoError(t, <-ended)
		require.Equal(t, stdout, joined(w.chunks, domain.Stdout))
		require.Equal(t, stderr, joined(w.chunks, domain.Stderr))
		require.NotNil(t, w.complete)
		require.Equal(t, domain.StatusFailed, w.complete.Status)
		require.Equal(t, &domain.Exit{Code: 3}, w.complete.Exit)

		// Whoever comes later and knows a part sees the rest, once.
		for after := range w.chunks {
			var rest watched
			err := s.Output.Follow(t.Context(), id, domain.Seq(after), func(e ports.JobEvent) error { rest.see(e); return nil })
			require.NoError(t, err)
			require.Equal(t, w.chunks[after:], rest.chunks)
			require.NotNil(t, rest.complete)
		}
	})
	t.Run("EndsWithEmitsError", func(t *testing.T) {
		s := open(t)
		id := s.submit(t, "make")
		enough := errors.New("enough")
		err := s.Output.Follow(t.Context(), id, 0, func(ports.JobEvent) error { return enough })
		require.ErrorIs(t, err, enough)
	})
	t.Run("EndsWithTheContext", func(t *testing.T) {
		s := open(t)
		id := s.submit(t, "make")
		ctx, cancel := context.WithCancelCause(t.Context())
		err := s.Output.Follow(ctx, id, 0, func(ports.JobEvent) error { cancel(nil); return nil })
		wantError(t, err, domain.ErrCanceled)
	})
}

func sees(t *testing.T, statuses <-chan domain.Status, want domain.Status) {
	t.Helper()
	late := time.After(patience)
	for {
		select {
		case got := <-statuses:
			if got == want {
				return
			}
		case <-late:
			t.Fatalf("the follower was not told that the job is %s", want)
		}
	}
}
