package contract

import (
	"bytes"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

var outputReadClauses = clauses{
	"AnyBytesComeBackFromAnyOffset": readAnyOffset,
	"StreamsAndAttemptsAreApart":    readApart,
	"ChunksStopAfterAboutOneMiB":    readPageBytes,
	"ReaderDuringAppendSeesAPrefix": readDuringAppend,
	"OfRacingAppendersOneWins":      readRacingAppenders,
}

// readAll reads a stream to its end through a buffer of an odd size.
func readAll(t *testing.T, s Storage, a domain.AttemptID, stream domain.Stream) []byte {
	t.Helper()
	var all []byte
	p := make([]byte, 4099)
	for {
		n, err := s.Output.ReadAt(t.Context(), a, stream, p, int64(len(all)))
		require.NoError(t, err)
		all = append(all, p[:n]...)
		if n < len(p) {
			return all
		}
	}
}

// awkward is output of every sort that a careless store would change, in pieces of odd sizes.
func awkward() [][]byte {
	return [][]byte{
		[]byte("plain\n"), {0}, []byte("\x00NUL\x00\x00"), {0xff, 0xfe, 0xc3}, {0x28},
		[]byte("\xe6\xbc"), []byte("\xa2 a character in two halves"),
		bytes.Repeat([]byte("the same again and again\n"), 1<<20/25), // compresses well
		noise(1 << 20), // does not compress
		bytes.Repeat([]byte{0}, 4096), noise(4097), []byte("é"), []byte("\r\n\x1b[31mred\x1b[0m"), noise(1), noise(63), noise(65537),
		[]byte("no newline at the end"),
	}
}

func readAnyOffset(t *testing.T, s Storage) {
	j := runningJob(t, s)
	var whole []byte
	offsets := domain.Offsets{}
	for _, piece := range awkward() {
		a := appendTo(j, offsets, ports.Piece{Stream: domain.Stdout, Data: piece}, ports.Piece{Stream: domain.Stderr, Data: []byte("!")})
		_, err := s.Output.Append(t.Context(), a)
		require.NoError(t, err)
		offsets = offsets.Plus(domain.Stdout, len(piece)).Plus(domain.Stderr, 1)
		whole = append(whole, piece...)
	}
	require.Equal(t, offsets, getJob(t, s, j.ID).Output)
	require.True(t, bytes.Equal(whole, readAll(t, s, j.AttemptID(), domain.Stdout)), "read in order it is not the same")
	require.Equal(t, strings.Repeat("!", len(awkward())), string(readAll(t, s, j.AttemptID(), domain.Stderr)))

	var fromChunks []byte
	for after := domain.Seq(0); ; {
		page := chunks(t, s, j.ID, after, 3)
		if len(page) == 0 {
			break
		}
		for _, c := range page {
			require.Equal(t, after+1, c.Seq)
			after = c.Seq
			if c.Stream == domain.Stdout {
				require.Equal(t, int64(len(fromChunks)), c.Offset)
				fromChunks = append(fromChunks, c.Data...)
			}
		}
	}
	require.True(t, bytes.Equal(whole, fromChunks), "by chunks it is not the same")

	size := int64(len(whole))
	for _, offset := range []int64{
		0, 1, 5, 6, 7, 13, 1 << 20, 1<<20 + 50, 2<<20 - 1, 2 << 20, size - 65537, size - 2, size - 1, size, size + 1, size + 1<<20,
	} {
		for _, length := range []int{0, 1, 7, 4096, 65537, 1<<20 + 1, int(size)} {
			p := make([]byte, length)
			n, err := s.Output.ReadAt(t.Context(), j.AttemptID(), domain.Stdout, p, offset)
			require.NoError(t, err, "ReadAt(%d bytes, %d)", length, offset)
			want := whole[min(offset, size):min(offset+int64(length), size)]
			require.True(t, bytes.Equal(want, p[:n]), "ReadAt(%d bytes, %d) of %d gave %d bytes, and not those stored", length, offset, size, n)
		}
	}
}

func readApart(t *testing.T, s Storage) {
	j, other := runningJob(t, s), runningJob(t, s)
	appendText(t, s, j, "stdout of j")
	_, err := s.Output.Append(t.Context(), appendTo(j, domain.Offsets{Stdout: 11}, pieces(domain.Stderr, []byte("stderr of j"))...))
	require.NoError(t, err)
	appendText(t, s, other, "of the other")
	require.Equal(t, "stdout of j", string(readAll(t, s, j.AttemptID(), domain.Stdout)))
	require.Equal(t, "stderr of j", string(readAll(t, s, j.AttemptID(), domain.Stderr)))
	require.Equal(t, "of the other", string(readAll(t, s, other.AttemptID(), domain.Stdout)))
	require.Empty(t, readAll(t, s, other.AttemptID(), domain.Stderr))
	require.Empty(t, readAll(t, s, domain.AttemptID{Job: j.ID, Number: 2}, domain.Stdout))
	require.Len(t, chunks(t, s, other.ID, 0, 10), 1)
}

func readPageBytes(t *testing.T, s Storage) {
	j := runningJob(t, s)
	const size, count = 100 << 10, 30
	offsets := domain.Offsets{}
	for range count {
		_, err := s.Output.Append(t.Context(), appendTo(j, offsets, pieces(domain.Stdout, noise(size))...))
		require.NoError(t, err)
		offsets = offsets.Plus(domain.Stdout, size)
	}
	_, err := s.Output.Append(t.Context(), appendTo(j, offsets, pieces(domain.Stdout, noise(3<<20))...))
	require.NoError(t, err)
	after, pages := domain.Seq(0), 0
	for ; after < count; pages++ {
		page := chunks(t, s, j.ID, after, 1000)
		require.NotEmpty(t, page, "after %d", after)
		after = page[len(page)-1].Seq
		if after < count {
			require.GreaterOrEqual(t, len(page)*size, 1<<20-2*size, "a page stopped early")
			require.LessOrEqual(t, len(page)*size, 1<<20+2*size, "a page did not stop")
		}
	}
	require.GreaterOrEqual(t, pages, 3)
	last, got := domain.Seq(count), 0
	for got < 3<<20 {
		page := chunks(t, s, j.ID, last, 1000)
		require.NotEmpty(t, page, "a piece above the limit, stored as one chunk or several, must not stop its readers")
		for _, c := range page {
			require.Equal(t, last+1, c.Seq)
			last, got = c.Seq, got+len(c.Data)
		}
	}
	require.Equal(t, 3<<20, got)
}

func readDuringAppend(t *testing.T, s Storage) {
	j := runningJob(t, s)
	whole := noise(300 << 10)
	var done atomic.Bool
	appender := func() error {
		defer done.Store(true)
		for from, n := 0, 1; from < len(whole); n = n*3%8191 + 1 {
			to := min(from+n, len(whole))
			half := (from + to) / 2
			a := appendTo(j, domain.Offsets{Stdout: int64(from)}, pieces(domain.Stdout, whole[from:half], whole[half:to])...)
			if from == half {
				a.Pieces = a.Pieces[1:]
			}
			if _, err := s.Output.Append(t.Context(), a); err != nil {
				return err
			}
			from = to
		}
		return nil
	}
	byBytes := func() error {
		p := make([]byte, 7001)
		for at, ended := 0, false; at < len(whole) || !ended; {
			ended = done.Load()
			n, err := s.Output.ReadAt(t.Context(), j.AttemptID(), domain.Stdout, p, int64(at))
			if err != nil {
				return err
			}
			if at+n > len(whole) || !bytes.Equal(p[:n], whole[at:at+n]) {
				return fmt.Errorf("%d bytes at %d are not those appended", n, at)
			}
			if at += n; ended && n == 0 && at < len(whole) {
				return fmt.Errorf("%d of %d bytes, and the appender has ended", at, len(whole))
			}
		}
		return nil
	}
	run := []func() error{appender, byBytes, func() error { return followChunks(t, s, j.ID, whole, &done) }, byBytes}
	for _, err := range race(len(run), func(i int) error { return run[i]() }) {
		require.NoError(t, err)
	}
}

// followChunks reads chunks while they come until it has the whole, and tells what is not as it was appended.
func followChunks(t *testing.T, s Storage, id domain.JobID, whole []byte, done *atomic.Bool) error {
	after, at := domain.Seq(0), 0
	for ended := false; at < len(whole) || !ended; {
		ended = done.Load()
		page, err := s.Output.Chunks(t.Context(), id, after, 5)
		if err != nil {
			return err
		}
		for _, c := range page {
			end := at + len(c.Data)
			if c.Seq != after+1 || c.Offset != int64(at) || end > len(whole) || !bytes.Equal(c.Data, whole[at:end]) {
				return fmt.Errorf("chunk %d at %d after chunk %d, which ended at %d", c.Seq, c.Offset, after, at)
			}
			after, at = c.Seq, end
		}
		if ended && len(page) == 0 && at < len(whole) {
			return fmt.Errorf("%d of %d bytes, and the appender has ended", at, len(whole))
		}
	}
	return nil
}

func readRacingAppenders(t *testing.T, s Storage) {
	j := runningJob(t, s)
	const appenders, rounds = 8, 10
	var want []byte
	for round := range rounds {
		from := domain.Offsets{Stdout: int64(len(want))}
		text := func(i int) []byte { return fmt.Appendf(nil, "round %d appender %d;", round, i) }
		at := fixture.Now()
		errs := race(appenders, func(i int) error {
			p := pieces(domain.Stdout, text(i)[:5], text(i)[5:])
			_, err := s.Output.Append(t.Context(), ports.Append{Job: j.ID, Attempt: 1, Epoch: j.Epoch, From: from, Pieces: p, At: at})
			return err
		})
		want = append(want, text(requireOneWinner(t, errs, domain.ErrStaleOutput))...)
	}
	require.Equal(t, string(want), string(readAll(t, s, j.AttemptID(), domain.Stdout)))
	for i, c := range chunks(t, s, j.ID, 0, 1000) {
		require.Equal(t, domain.Seq(i+1), c.Seq, "a sequence number was left out or given twice")
	}
	require.Equal(t, domain.Seq(2*rounds), getJob(t, s, j.ID).LastSeq)
}
