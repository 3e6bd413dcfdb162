package application_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/memory"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

// print stores output of a running job as its worker does, and sends the signal if told.
func (w *world) print(j *domain.Job, s domain.Stream, text string, signal bool) {
	w.t.Helper()
	_, err := w.store.Output().Append(context.Background(), ports.Append{
		Job: j.ID, Attempt: j.Attempt, Epoch: j.Epoch, From: w.job(j.ID).Output,
		Pieces: []ports.Piece{{Stream: s, Data: []byte(text)}}, At: time.Now(),
	})
	require.NoError(w.t, err)
	if signal {
		w.signals.Publish(ports.TopicJob(j.ID))
	}
}

// change applies a verb to a stored job.
func (w *world) change(id domain.JobID, verb func(*domain.Job) error) {
	w.t.Helper()
	j := w.job(id)
	require.NoError(w.t, verb(j))
	require.NoError(w.t, w.store.Jobs().Save(context.Background(), j))
}

func exits(code int) func(*domain.Job) error {
	return func(j *domain.Job) error { return j.Exited(j.Epoch, domain.Exit{Code: code}, 0, time.Now()) }
}

func TestChunks_PagesUntilFinal(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		j := w.add(fixture.Running, fixture.On(w.server().ID))
		for _, text := range []string{"a", "b", "c"} {
			w.print(j, domain.Stdout, text, false)
		}
		page, err := w.output.Chunks(t.Context(), j.ID, 0, 2, 0)
		require.NoError(t, err)
		require.Len(t, page.Chunks, 2)
		require.Equal(t, domain.Seq(2), page.Next)
		require.False(t, page.Final)
		w.change(j.ID, exits(0))
		page, err = w.output.Chunks(t.Context(), j.ID, 0, 2, time.Minute)
		require.NoError(t, err)
		require.False(t, page.Final, "one more is to come")
		page, err = w.output.Chunks(t.Context(), j.ID, page.Next, 2, time.Minute)
		require.NoError(t, err)
		require.Len(t, page.Chunks, 1)
		require.True(t, page.Final)
		began := time.Now()
		page, err = w.output.Chunks(t.Context(), j.ID, page.Next, 2, time.Minute)
		require.NoError(t, err)
		require.Equal(t, ports.OutputPage{Next: 3, Final: true}, page)
		require.Equal(t, began, time.Now(), "nothing more will come: nobody waits")
		_, err = w.output.Chunks(t.Context(), "unknown", 0, 1, time.Minute)
		require.ErrorIs(t, err, domain.ErrJobNotFound)
	})
}

func TestChunks_WaitsForTheFirst(t *testing.T) {
	for name, c := range map[string]struct {
		signal bool
		within time.Duration
	}{"Signaled": {true, 0}, "SignalLost": {false, time.Second}} {
		t.Run(name, func(t *testing.T) {
			inQuietWorld(t, func(t *testing.T, w *world) {
				j := w.add(fixture.Running, fixture.On(w.server().ID))
				go func() {
					<-time.After(2300 * time.Millisecond)
					w.print(j, domain.Stderr, "x", c.signal)
				}()
				began := time.Now()
				page, err := w.output.Chunks(t.Context(), j.ID, 0, 10, 30*time.Second)
				require.NoError(t, err)
				require.Len(t, page.Chunks, 1)
				require.LessOrEqual(t, time.Since(began), 2300*time.Millisecond+c.within)
			})
		})
	}
}

func TestChunks_WaitEnds(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		j := w.add(fixture.Running, fixture.On(w.server().ID))
		began := time.Now()
		page, err := w.output.Chunks(t.Context(), j.ID, 0, 10, 3500*time.Millisecond)
		require.NoError(t, err)
		require.Equal(t, ports.OutputPage{}, page)
		require.Equal(t, 3500*time.Millisecond, time.Since(began))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = w.output.Chunks(ctx, j.ID, 0, 10, time.Minute)
		require.ErrorIs(t, err, domain.ErrTimeout)
		canceled, end := context.WithCancelCause(t.Context())
		end(errors.New("gone"))
		_, err = w.output.Chunks(canceled, j.ID, 0, 10, time.Minute)
		require.Equal(t, domain.KindCanceled, domain.KindOf(err))
	})
}

func TestOpen_ReadsAnyRange(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		j := w.add(fixture.Running, fixture.On(w.server().ID))
		w.print(j, domain.Stdout, "01234", false)
		w.print(j, domain.Stderr, "beside", false)
		w.print(j, domain.Stdout, "56789", false)
		for _, c := range []struct {
			offset, length int64
			want           string
		}{
			{0, -1, "0123456789"}, {3, 4, "3456"}, {9, 1, "9"}, {9, 5, "9"}, {0, 0, ""}, {10, -1, ""}, {11, 3, ""}, {11, -1, ""}, {4, 1 << 62, "456789"},
		} {
			r, size, err := w.output.Open(t.Context(), j.ID, domain.Stdout, c.offset, c.length)
			require.NoError(t, err)
			require.EqualValues(t, 10, size)
			data, err := io.ReadAll(iotestOneByte{r})
			require.NoError(t, err)
			require.Equal(t, c.want, string(data), "from %d, %d bytes", c.offset, c.length)
			require.NoError(t, r.Close())
		}
		r, size, err := w.output.Open(t.Context(), j.ID, domain.Stdout, 0, -1)
		require.NoError(t, err)
		w.print(j, domain.Stdout, "later", false)
		data, err := io.ReadAll(r)
		require.NoError(t, err)
		require.EqualValues(t, size, len(data), "as it was when it was opened")
		_, _, err = w.output.Open(t.Context(), "unknown", domain.Stdout, 0, -1)
		require.ErrorIs(t, err, domain.ErrJobNotFound)
	})
}

// iotestOneByte reads one byte at a time.
type iotestOneByte struct{ io.Reader }

func (r iotestOneByte) Read(p []byte) (int, error) { return r.Reader.Read(p[:min(len(p), 1)]) }

// story is what a follower was told.
type story struct {
	states   []domain.State
	seqs     []domain.Seq
	text     strings.Builder
	complete int
	last     ports.JobEvent
}

func (s *story) emit(e ports.JobEvent) error {
	s.last = e
	if e.Job != nil {
		s.states = append(s.states, e.Job.State())
	}
	if e.Chunk != nil {
		s.seqs = append(s.seqs, e.Chunk.Seq)
		s.text.Write(e.Chunk.Data)
	}
	if e.Complete {
		s.complete++
	}
	return nil
}

func TestFollow_TellsAllOnceInOrder(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.work()
		program, text := counts(500, 7*time.Millisecond)
		id := w.submit(w.server(), program)
		followers := make([]story, 3)
		done := make(chan error, 3)
		for i := range followers {
			go func() {
				<-time.After(time.Duration(i) * 1234 * time.Millisecond)
				done <- w.output.Follow(context.Background(), id, 0, followers[i].emit)
			}()
		}
		for range followers {
			require.NoError(t, <-done)
		}
		for i := range followers {
			f := &followers[i]
			require.Equal(t, text, f.text.String())
			for n, seq := range f.seqs {
				require.Equal(t, domain.Seq(n+1), seq)
			}
			require.Equal(t, 1, f.complete)
			require.True(t, f.last.Complete)
			require.Equal(t, domain.StatusCompleted, f.last.Job.Status)
			require.Contains(t, f.states, domain.State{Status: domain.StatusRunning, Phase: domain.PhaseExecuting})
		}
		var rest story
		half := followers[0].seqs[len(followers[0].seqs)/2]
		require.NoError(t, w.output.Follow(t.Context(), id, half, rest.emit))
		require.Equal(t, followers[0].seqs[half:], rest.seqs, "resumes with no gap and no repeat")
		require.Equal(t, 1, rest.complete)
	})
}

func TestFollow_SeesWhatNobodySignaled(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		j := w.add(fixture.Running, fixture.On(w.server().ID))
		var f story
		done := make(chan error, 1)
		go func() { done <- w.output.Follow(context.Background(), j.ID, 0, f.emit) }()
		w.pass(300 * time.Millisecond)
		w.print(j, domain.Stdout, "quiet", false)
		w.pass(time.Second)
		require.Equal(t, "quiet", f.text.String())
		w.print(j, domain.Stdout, " loud", true)
		w.pass(0)
		require.Equal(t, "quiet loud", f.text.String(), "a signal is heard at once")
		w.print(j, domain.Stdout, ", the end", false)
		w.change(j.ID, exits(1))
		require.NoError(t, <-done)
		require.Equal(t, "quiet loud, the end", f.text.String())
		require.Equal(t, domain.ReasonExitNonzero, f.last.Job.Reason)
		require.Len(t, f.states, 2, "a state that did not change is not told again")
	})
}

func TestFollow_EndsWithItsReader(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		j := w.add(fixture.Running, fixture.On(w.server().ID))
		w.print(j, domain.Stdout, "x", false)
		gone := errors.New("gone")
		err := w.output.Follow(t.Context(), j.ID, 0, func(e ports.JobEvent) error {
			if e.Chunk != nil {
				return gone
			}
			return nil
		})
		require.ErrorIs(t, err, gone)
		ctx, cancel := context.WithCancelCause(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.output.Follow(ctx, j.ID, 0, new(story).emit) }()
		synctest.Wait()
		cancel(gone)
		require.Equal(t, domain.KindCanceled, domain.KindOf(<-done))
		require.ErrorIs(t, w.output.Follow(t.Context(), "unknown", 0, new(story).emit), domain.ErrJobNotFound)
	})
}

func TestFollow_GoesOnOverAttempts(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.retry = &domain.Retry{Mode: domain.RetryOnFailure, MaxAttempts: 3}
		w.work()
		id := w.submit(w.server(), memory.Sequence(memory.Prints(domain.Stdout, "try "), memory.Sleeps(time.Second), memory.Exits(1)))
		var f story
		require.NoError(t, w.output.Follow(t.Context(), id, 0, f.emit))
		require.Equal(t, "try try try ", f.text.String())
		require.Equal(t, 1, f.complete)
		require.Contains(t, f.states, domain.State{Status: domain.StatusQueued, Phase: domain.PhaseBackoff})
	})
}
