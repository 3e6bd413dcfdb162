package contract

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

// OutputStore proves ports.OutputStore.
func OutputStore(t *testing.T, open Open) {
	clauses{
		"UnknownJobHasNone":               outputUnknown,
		"AppendKeepsOrderAndNumbers":      outputOrder,
		"AppendMovesNothingElse":          outputMovesNothingElse,
		"AppendAtOtherOffsetsIsStale":     outputStaleOffsets,
		"AppendWithoutTheLeaseIsRefused":  outputLeaseLost,
		"RefusedAppendStoresNothing":      outputRefusedStoresNothing,
		"AppendOfNothingStoresNothing":    outputNothing,
		"SequenceGrowsOverAttempts":       outputOverAttempts,
		"PiecesAreNotSharedWithTheCaller": outputCopies,
		"DoneContextEndsEveryMethod":      outputDoneContext,
	}.run(t, open)
	t.Run("Reading", func(t *testing.T) { outputReadClauses.run(t, open) })
}

func pieces(stream domain.Stream, data ...[]byte) []ports.Piece {
	var all []ports.Piece
	for _, d := range data {
		all = append(all, ports.Piece{Stream: stream, Data: d})
	}
	return all
}

// appendText appends to the stdout of a job that has no output yet in this attempt.
func appendText(t *testing.T, s Storage, j *domain.Job, text string) {
	t.Helper()
	_, err := s.Output.Append(t.Context(), appendTo(j, domain.Offsets{}, pieces(domain.Stdout, []byte(text))...))
	require.NoError(t, err)
}

func appendTo(j *domain.Job, from domain.Offsets, p ...ports.Piece) ports.Append {
	return ports.Append{Job: j.ID, Attempt: j.Attempt, Epoch: j.Epoch, From: from, Pieces: p, At: fixture.Now()}
}

func chunks(t *testing.T, s Storage, id domain.JobID, after domain.Seq, limit int) []domain.Chunk {
	t.Helper()
	all, err := s.Output.Chunks(t.Context(), id, after, limit)
	require.NoError(t, err)
	return all
}

func runningJob(t *testing.T, s Storage, opts ...fixture.Option) *domain.Job {
	t.Helper()
	return addJob(t, s, fixture.Running, append([]fixture.Option{fixture.On(addServer(t, s).ID)}, opts...)...)
}

// noise returns n bytes that nothing can compress, the same ones every time.
func noise(n int) []byte {
	random := rand.NewChaCha8([32]byte{7})
	data := make([]byte, n)
	_, _ = random.Read(data) // never fails
	return data
}

func outputUnknown(t *testing.T, s Storage) {
	j := fixture.Job(t, fixture.Running)
	_, err := s.Output.Append(t.Context(), appendTo(j, domain.Offsets{}, pieces(domain.Stdout, []byte("x"))...))
	require.ErrorIs(t, err, domain.ErrJobNotFound)
	require.Empty(t, chunks(t, s, j.ID, 0, 10))
	n, err := s.Output.ReadAt(t.Context(), j.AttemptID(), domain.Stdout, make([]byte, 10), 0)
	require.NoError(t, err)
	require.Zero(t, n)
}

func outputOrder(t *testing.T, s Storage) {
	j := runningJob(t, s)
	at := fixture.Now()
	first := appendTo(j, domain.Offsets{}, ports.Piece{Stream: domain.Stdout, Data: []byte("one\n")},
		ports.Piece{Stream: domain.Stderr, Data: []byte("zwei\n")}, ports.Piece{Stream: domain.Stdout, Data: []byte("three\n")})
	first.At = at
	last, err := s.Output.Append(t.Context(), first)
	require.NoError(t, err)
	require.Equal(t, domain.Seq(3), last)
	second := appendTo(j, domain.Offsets{Stdout: 10, Stderr: 5}, pieces(domain.Stderr, []byte("vier\n"))...)
	second.At = at.Add(time.Microsecond)
	last, err = s.Output.Append(t.Context(), second)
	require.NoError(t, err)
	require.Equal(t, domain.Seq(4), last)

	want := []domain.Chunk{
		{Seq: 1, Attempt: 1, Stream: domain.Stdout, Offset: 0, At: at, Data: []byte("one\n")},
		{Seq: 2, Attempt: 1, Stream: domain.Stderr, Offset: 0, At: at, Data: []byte("zwei\n")},
		{Seq: 3, Attempt: 1, Stream: domain.Stdout, Offset: 4, At: at, Data: []byte("three\n")},
		{Seq: 4, Attempt: 1, Stream: domain.Stderr, Offset: 5, At: at.Add(time.Microsecond), Data: []byte("vier\n")},
	}
	for after := range 5 {
		require.Equal(t, want[after:], append([]domain.Chunk{}, chunks(t, s, j.ID, domain.Seq(after), 100)...))
	}
	require.Equal(t, want[1:3], chunks(t, s, j.ID, 1, 2))
	require.Empty(t, chunks(t, s, j.ID, 99, 100))
}

func outputMovesNothingElse(t *testing.T, s Storage) {
	j := runningJob(t, s)
	before := getJob(t, s, j.ID)
	both := append(pieces(domain.Stdout, []byte("12345")), pieces(domain.Stderr, []byte("123"))...)
	a := appendTo(j, domain.Offsets{}, both...)
	a.At = fixture.Now().Add(time.Hour)
	last, err := s.Output.Append(t.Context(), a)
	require.NoError(t, err)
	after := getJob(t, s, j.ID)
	requireSameJob(t, before, after, "Output", "LastSeq")
	require.Equal(t, domain.Offsets{Stdout: 5, Stderr: 3}, after.Output)
	require.Equal(t, last, after.LastSeq)
}

func outputStaleOffsets(t *testing.T, s Storage) {
	j := runningJob(t, s)
	appendText(t, s, j, "0123456789")
	for _, from := range []domain.Offsets{{}, {Stdout: 9}, {Stdout: 11}, {Stdout: 10, Stderr: 1}, {Stderr: 10}} {
		_, err := s.Output.Append(t.Context(), appendTo(j, from, pieces(domain.Stderr, []byte("x"))...))
		require.ErrorIs(t, err, domain.ErrStaleOutput, "%+v", from)
	}
	require.Len(t, chunks(t, s, j.ID, 0, 10), 1)
	_, err := s.Output.Append(t.Context(), appendTo(j, domain.Offsets{Stdout: 10}, pieces(domain.Stderr, []byte("x"))...))
	require.NoError(t, err)
}

func outputLeaseLost(t *testing.T, s Storage) {
	j := runningJob(t, s)
	appendText(t, s, j, "mine")
	from := domain.Offsets{Stdout: 4}
	for name, change := range map[string]func(*ports.Append){
		"an older epoch":          func(a *ports.Append) { a.Epoch-- },
		"a later epoch":           func(a *ports.Append) { a.Epoch++ },
		"an older attempt":        func(a *ports.Append) { a.Attempt-- },
		"a later attempt":         func(a *ports.Append) { a.Attempt++ },
		"all of it and an offset": func(a *ports.Append) { a.Epoch--; a.Attempt--; a.From = domain.Offsets{} },
	} {
		a := appendTo(j, from, pieces(domain.Stdout, []byte("x"))...)
		change(&a)
		_, err := s.Output.Append(t.Context(), a)
		require.ErrorIs(t, err, domain.ErrLeaseLost, name)
	}
	old := appendTo(j, from, pieces(domain.Stdout, []byte("x"))...)
	require.NoError(t, j.Detach(fixture.Now()))
	require.NoError(t, s.Jobs.Save(t.Context(), j))
	_, err := s.Output.Append(t.Context(), old)
	require.ErrorIs(t, err, domain.ErrLeaseLost, "a detached job has another epoch")

	for _, state := range fixture.States() {
		k := addJob(t, s, state, fixture.On(j.ServerID))
		if k.Status == domain.StatusRunning {
			continue
		}
		_, err := s.Output.Append(t.Context(), appendTo(k, domain.Offsets{}, pieces(domain.Stdout, []byte("x"))...))
		require.ErrorIs(t, err, domain.ErrLeaseLost, "%s is not running", state)
		require.Empty(t, chunks(t, s, k.ID, 0, 10))
	}
	require.Len(t, chunks(t, s, j.ID, 0, 10), 1)
}

func outputRefusedStoresNothing(t *testing.T, s Storage) {
	j := runningJob(t, s)
	appendText(t, s, j, "good")
	before := getJob(t, s, j.ID)
	many := pieces(domain.Stdout, []byte("a"), []byte("b"), noise(100<<10))
	_, err := s.Output.Append(t.Context(), appendTo(j, domain.Offsets{Stdout: 3}, many...))
	require.ErrorIs(t, err, domain.ErrStaleOutput)
	requireSameJob(t, before, getJob(t, s, j.ID))
	require.Len(t, chunks(t, s, j.ID, 0, 10), 1)
	require.Equal(t, []byte("good"), readAll(t, s, j.AttemptID(), domain.Stdout))
}

func outputNothing(t *testing.T, s Storage) {
	j := runningJob(t, s)
	appendText(t, s, j, "x")
	last, err := s.Output.Append(t.Context(), appendTo(j, domain.Offsets{Stdout: 1}))
	require.NoError(t, err)
	require.Equal(t, domain.Seq(1), last)
	require.Len(t, chunks(t, s, j.ID, 0, 10), 1)
	_, err = s.Output.Append(t.Context(), appendTo(j, domain.Offsets{}))
	require.ErrorIs(t, err, domain.ErrStaleOutput, "the offsets are looked at all the same")
}

func outputOverAttempts(t *testing.T, s Storage) {
	j := runningJob(t, s, fixture.Retrying(domain.RetryOnFailure, 3))
	appendText(t, s, j, "of the first attempt")
	first := j.AttemptID()
	at := fixture.Now().Add(time.Minute)
	for _, err := range []error{
		j.Exited(j.Epoch, domain.Exit{Code: 1}, time.Second, at), s.Jobs.Save(t.Context(), j), j.Release(at),
		j.Claim(fixture.ID[domain.WorkerID](t), at), s.Jobs.Save(t.Context(), j), j.Starting(j.Epoch, at), s.Jobs.Save(t.Context(), j),
	} {
		require.NoError(t, err)
	}
	last, err := s.Output.Append(t.Context(), appendTo(j, domain.Offsets{}, pieces(domain.Stdout, []byte("of the"), []byte(" second"))...))
	require.NoError(t, err)
	require.Equal(t, domain.Seq(3), last)
	all := chunks(t, s, j.ID, 0, 10)
	require.Len(t, all, 3)
	for i, c := range all {
		require.Equal(t, domain.Seq(i+1), c.Seq)
		require.Equal(t, min(i+1, 2), c.Attempt)
	}
	require.Zero(t, all[1].Offset, "offsets begin anew with the attempt")
	require.Equal(t, "of the first attempt", string(readAll(t, s, first, domain.Stdout)), "what the first printed is kept")
	require.Equal(t, "of the second", string(readAll(t, s, j.AttemptID(), domain.Stdout)))
}

func outputCopies(t *testing.T, s Storage) {
	j := runningJob(t, s)
	buffer := []byte("as it was")
	_, err := s.Output.Append(t.Context(), appendTo(j, domain.Offsets{}, pieces(domain.Stdout, buffer)...))
	require.NoError(t, err)
	copy(buffer, "spoiled!!")
	copy(chunks(t, s, j.ID, 0, 1)[0].Data, "spoiled!!")
	require.Equal(t, "as it was", string(chunks(t, s, j.ID, 0, 1)[0].Data))
	require.Equal(t, "as it was", string(readAll(t, s, j.AttemptID(), domain.Stdout)))
}

func outputDoneContext(t *testing.T, s Storage) {
	j := runningJob(t, s)
	requireDone(t, map[string]func(context.Context) error{
		"Append": func(ctx context.Context) error {
			_, err := s.Output.Append(ctx, appendTo(j, domain.Offsets{}, pieces(domain.Stdout, bytes.Repeat([]byte("x"), 1000))...))
			return err
		},
		"Chunks": func(ctx context.Context) error { _, err := s.Output.Chunks(ctx, j.ID, 0, 1); return err },
		"ReadAt": func(ctx context.Context) error {
			_, err := s.Output.ReadAt(ctx, j.AttemptID(), domain.Stdout, make([]byte, 1), 0)
			return err
		},
	})
	require.Empty(t, chunks(t, s, j.ID, 0, 1))
	requireSameJob(t, j, getJob(t, s, j.ID))
}
