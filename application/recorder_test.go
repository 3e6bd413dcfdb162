package application

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/heysubinoy/remora/adapters/memory"
	"github.com/heysubinoy/remora/adapters/system"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

// shelf is an output store that counts, and can be closed for a while.
type shelf struct {
	*memory.Output
	mu     sync.Mutex
	at     []time.Time   // of appends that were stored
	closed chan struct{} // appends wait until it is closed; nil = they do not
	takes  time.Duration // every append
	fail   []error       // of the next appends; deafened ones are stored all the same
	deaf   bool
}

func (s *shelf) Append(ctx context.Context, a ports.Append) (domain.Seq, error) {
	s.mu.Lock()
	closed := s.closed
	var fail error
	if len(s.fail) > 0 {
		fail, s.fail = s.fail[0], s.fail[1:]
	}
	deaf := s.deaf
	s.mu.Unlock()
	if closed != nil {
		select {
		case <-closed:
		case <-ctx.Done():
			return 0, contextError(ctx)
		}
	}
	if fail != nil && !deaf {
		return 0, fail
	}
	<-time.After(s.takes)
	last, err := s.Output.Append(ctx, a)
	if err == nil {
		s.mu.Lock()
		s.at = append(s.at, time.Now())
		s.mu.Unlock()
	}
	if fail != nil {
		return 0, fail
	}
	return last, err
}

func (s *shelf) times() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]time.Time(nil), s.at...)
}

// desk is a recorder of a running job with its store.
type desk struct {
	*recorder
	store *memory.Store
	shelf *shelf
	job   *domain.Job
}

func newDesk(t testing.TB, change ...func(*recorder)) *desk {
	store := memory.NewStore(time.Now)
	server := fixture.Server(t)
	require.NoError(t, store.Servers().Add(context.Background(), server, nil))
	job := fixture.Job(t, fixture.Pending, fixture.On(server.ID))
	_, err := store.Jobs().Add(context.Background(), ports.Idempotency{}, job)
	require.NoError(t, err)
	fixture.Walk(t, job, fixture.Running)
	require.NoError(t, store.Jobs().Save(context.Background(), job))
	d := &desk{store: store, shelf: &shelf{Output: store.Output()}, job: job}
	r := &recorder{
		store: d.shelf, jobs: store.Jobs(), clock: system.Clock{}, interval: 100 * time.Millisecond, size: 1000, limit: 1 << 30,
		job: job.AttemptID(), epoch: job.Epoch, stored: func() {},
	}
	for _, c := range change {
		c(r)
	}
	d.recorder = newRecorder(context.Background(), r, domain.Offsets{})
	return d
}

func (d *desk) chunks(t require.TestingT) []domain.Chunk {
	var all []domain.Chunk
	for {
		more, err := d.store.Output().Chunks(context.Background(), d.job.ID, domain.Seq(len(all)), 100)
		require.NoError(t, err)
		if len(more) == 0 {
			return all
		}
		all = append(all, more...)
	}
}

func (d *desk) stored(t require.TestingT, s domain.Stream) []byte {
	var all []byte
	for _, c := range d.chunks(t) {
		if c.Stream == s {
			all = append(all, c.Data...)
		}
	}
	return all
}

func TestRecorder_StoresTheSameBytesHoweverTheyCome(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		texts := rapid.Bool().Draw(rt, "text")
		var given [3][]byte
		for _, s := range []domain.Stream{domain.Stdout, domain.Stderr} {
			if texts {
				given[s] = []byte(rapid.StringOfN(rapid.RuneFrom([]rune("a\nüß€日🦈\u0301")), 0, 300, -1).Draw(rt, s.String()))
			} else {
				given[s] = rapid.SliceOfN(rapid.Byte(), 0, 600).Draw(rt, s.String())
			}
		}
		size := rapid.IntRange(1, 200).Draw(rt, "size")
		type write struct {
			stream domain.Stream
			data   []byte
			pause  time.Duration
		}
		var writes []write
		for at := [3]int{}; ; {
			s := domain.Stream(rapid.IntRange(1, 2).Draw(rt, "stream"))
			if at[s] == len(given[s]) {
				s = 3 - s
			}
			if at[s] == len(given[s]) {
				break
			}
			n := rapid.IntRange(1, min(len(given[s])-at[s], 40)).Draw(rt, "bytes")
			pause := time.Duration(rapid.SampledFrom([]int{0, 0, 1, 60, 150}).Draw(rt, "pause")) * time.Millisecond
			writes = append(writes, write{s, given[s][at[s] : at[s]+n], pause})
			at[s] += n
		}
		var d *desk
		synctest.Test(t, func(t *testing.T) {
			d = newDesk(t, func(r *recorder) { r.size = size })
			for _, w := range writes {
				data := bytes.Clone(w.data)
				require.NoError(t, d.Output(context.Background(), w.stream, data))
				clear(data) // it is only lent
				<-time.After(w.pause)
			}
			require.NoError(t, d.Close())
		})
		for _, s := range []domain.Stream{domain.Stdout, domain.Stderr} {
			if got := d.stored(rt, s); !bytes.Equal(got, given[s]) {
				rt.Fatalf("%s: stored %q, given %q", s, got, given[s])
			}
		}
		for _, c := range d.chunks(rt) {
			if texts && !utf8.Valid(c.Data) {
				rt.Fatalf("chunk %d of %s begins or ends inside a character: %q", c.Seq, c.Stream, c.Data)
			}
			if len(c.Data) == 0 {
				rt.Fatalf("chunk %d is empty", c.Seq)
			}
		}
	})
}

func TestRecorder_QuickStoreIsAskedSooner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.shelf.takes = 2 * time.Millisecond
		began := time.Now()
		for range 50 {
			require.NoError(t, d.Output(t.Context(), domain.Stdout, []byte("x")))
			<-time.After(time.Millisecond)
		}
		require.NoError(t, d.Close())
		var after []time.Duration
		for _, at := range d.shelf.times() {
			after = append(after, at.Sub(began))
		}
		ms := time.Millisecond
		require.Equal(t, []time.Duration{2 * ms, 22 * ms, 42 * ms, 52 * ms}, after, "a tenth of the time goes into storing; the end waits for nothing")
	})
}

func TestRecorder_FirstAtOnceThenEveryInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.shelf.takes = 10 * time.Millisecond
		began := time.Now()
		for range 35 {
			require.NoError(t, d.Output(t.Context(), domain.Stdout, []byte("x")))
			<-time.After(10 * time.Millisecond)
		}
		synctest.Wait()
		var after []time.Duration
		for _, at := range d.shelf.times() {
			after = append(after, at.Sub(began))
		}
		ms := time.Millisecond
		require.Equal(t, []time.Duration{10 * ms, 110 * ms, 210 * ms, 310 * ms}, after)

		<-time.After(time.Second)
		quiet := time.Now()
		require.NoError(t, d.Output(t.Context(), domain.Stdout, []byte("y")))
		require.NoError(t, d.Close())
		times := d.shelf.times()
		require.Equal(t, quiet.Add(10*ms), times[len(times)-1], "after a quiet time nobody waits")
		require.NoError(t, d.Close())
	})
}

func TestRecorder_FullFlushGoesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, func(r *recorder) { r.interval = time.Hour })
		d.shelf.takes = time.Hour / pace
		began := time.Now()
		require.NoError(t, d.Output(t.Context(), domain.Stdout, []byte("first")))
		<-time.After(d.shelf.takes)
		require.NoError(t, d.Output(t.Context(), domain.Stderr, bytes.Repeat([]byte("x"), 999)))
		<-time.After(d.shelf.takes)
		require.Len(t, d.shelf.times(), 1)
		require.NoError(t, d.Output(t.Context(), domain.Stdout, []byte("x")))
		synctest.Wait()
		require.NoError(t, d.Output(t.Context(), domain.Stdout, []byte("rest")))
		require.NoError(t, d.Close())
		require.Equal(t, []time.Time{began.Add(d.shelf.takes), began.Add(3 * d.shelf.takes), began.Add(4 * d.shelf.takes)}, d.shelf.times(),
			"so does the rest at the end")
	})
}

func TestRecorder_HoldsOnlySoMuchInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.shelf.closed = make(chan struct{})
		line := bytes.Repeat([]byte("x"), 100)
		written := make(chan error, 1)
		go func() {
			for range 2000 {
				if err := d.Output(context.Background(), domain.Stdout, line); err != nil {
					written <- err
					return
				}
			}
			written <- nil
		}()
		<-time.After(time.Minute)
		synctest.Wait()
		// What is being stored, and what waits behind it.
		require.LessOrEqual(t, d.Behind(), int64(2*backlogFactor*1000+100))
		require.Empty(t, written)
		close(d.shelf.closed)
		require.NoError(t, <-written)
		require.NoError(t, d.Close())
		require.Len(t, d.stored(t, domain.Stdout), 200_000)
		require.Zero(t, d.Behind())
	})
}

func TestRecorder_CloseStoresTheRestOfAnUnfinishedCharacter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		require.NoError(t, d.Output(t.Context(), domain.Stdout, []byte("ab\xe2\x82")))
		require.NoError(t, d.Output(t.Context(), domain.Stderr, []byte("\xf0")))
		<-time.After(time.Second)
		synctest.Wait()
		require.Equal(t, "ab", string(d.stored(t, domain.Stdout)), "it waits for its rest")
		require.NoError(t, d.Close())
		require.Equal(t, "ab\xe2\x82", string(d.stored(t, domain.Stdout)))
		require.Equal(t, "\xf0", string(d.stored(t, domain.Stderr)))
	})
}

func TestRecorder_AbandonStoresNothingMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		require.NoError(t, d.Output(t.Context(), domain.Stdout, []byte("stored")))
		synctest.Wait()
		require.NoError(t, d.Output(t.Context(), domain.Stdout, []byte("not stored")))
		d.Abandon(errors.New("the lease is gone"))
		<-time.After(time.Second)
		require.Equal(t, "stored", string(d.stored(t, domain.Stdout)))
		require.Error(t, d.Output(t.Context(), domain.Stdout, []byte("more")), "the run ends")
	})
}

func TestRecorder_LostAnswerIsNotStoredTwice(t *testing.T) {
	for name, deaf := range map[string]bool{"Away": false, "Deaf": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t)
				d.shelf.deaf = deaf
				d.shelf.fail = []error{domain.ErrStorageUnavailable, nil, domain.ErrStorageUnavailable}
				for _, word := range []string{"one ", "two ", "three"} {
					require.NoError(t, d.Output(t.Context(), domain.Stdout, []byte(word)))
					<-time.After(time.Second)
				}
				require.NoError(t, d.Close())
				require.Equal(t, "one two three", string(d.stored(t, domain.Stdout)))
			})
		})
	}
}

// forgetful is a repository that is away for the next calls.
type forgetful struct {
	ports.JobRepository
	away int
}

func (f *forgetful) Get(ctx context.Context, id domain.JobID) (*domain.Job, error) {
	if f.away > 0 {
		f.away--
		return nil, domain.ErrStorageUnavailable
	}
	return f.JobRepository.Get(ctx, id)
}

func TestRecorder_AsksUntilItKnowsWhatLanded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, func(r *recorder) { r.jobs = &forgetful{r.jobs, 3} })
		d.shelf.deaf, d.shelf.fail = true, []error{domain.ErrStorageUnavailable}
		require.NoError(t, d.Output(t.Context(), domain.Stdout, []byte("one ")))
		<-time.After(10 * time.Second)
		require.NoError(t, d.Output(t.Context(), domain.Stdout, []byte("two")))
		require.NoError(t, d.Close())
		require.Equal(t, "one two", string(d.stored(t, domain.Stdout)))
	})
}

func TestRecorder_EndsOnceAnotherHasTakenOver(t *testing.T) {
	for _, lost := range []error{domain.ErrLeaseLost, domain.ErrStaleOutput} {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t)
			d.shelf.fail = []error{lost}
			require.NoError(t, d.Output(t.Context(), domain.Stdout, []byte("x")))
			synctest.Wait()
			require.ErrorIs(t, d.Output(t.Context(), domain.Stdout, []byte("y")), lost)
			require.ErrorIs(t, d.Close(), lost)
			require.Empty(t, d.stored(t, domain.Stdout))
		})
	}
}

func TestRecorder_LimitKeepsWhatCameBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, func(r *recorder) { r.limit = 10 })
		require.NoError(t, d.Output(t.Context(), domain.Stderr, []byte("1234")))
		require.NoError(t, d.Output(t.Context(), domain.Stdout, []byte("567")))
		require.ErrorIs(t, d.Output(t.Context(), domain.Stdout, []byte("8€9")), errOutputLimit)
		require.ErrorIs(t, d.Output(t.Context(), domain.Stdout, []byte("0")), errOutputLimit)
		require.NoError(t, d.Close())
		require.Equal(t, "1234", string(d.stored(t, domain.Stderr)))
		require.Equal(t, "5678\xe2\x82", string(d.stored(t, domain.Stdout)))
	})
}
