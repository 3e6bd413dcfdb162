package application_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/application"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

// counted counts the readings of output.
type counted struct {
	ports.OutputStore
	reads atomic.Int64
}

func (c *counted) Chunks(ctx context.Context, id domain.JobID, after domain.Seq, limit int) ([]domain.Chunk, error) {
	c.reads.Add(1)
	return c.OutputStore.Chunks(ctx, id, after, limit)
}

func TestFollow_AThousandReadersShareOneReading(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		const readers, lines = 1000, 20
		j := w.add(fixture.Running, fixture.On(w.server().ID))
		store := &counted{OutputStore: w.store.Output()}
		output := &application.Output{Jobs: w.store.Jobs(), Store: store, Signals: w.signals}
		var all sync.WaitGroup
		var got atomic.Int64
		for range readers {
			all.Go(func() {
				next := domain.Seq(0)
				err := output.Follow(t.Context(), j.ID, 0, func(e ports.JobEvent) error {
					if e.Chunk != nil {
						if next++; e.Chunk.Seq != next {
							return errors.New("a chunk is missing, or came twice")
						}
						got.Add(1)
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		for range lines {
			w.print(j, domain.Stdout, "a line\n", true)
			synctest.Wait()
		}
		w.change(j.ID, exits(0))
		w.signals.Publish(ports.TopicJob(j.ID))
		all.Wait()
		require.EqualValues(t, readers*lines, got.Load())
		// Each line is two readings, of it and of nothing behind it, and who comes while one runs shares the next.
		require.Less(t, store.reads.Load(), int64(10*(lines+2)))
	})
}

func TestFollow_AReaderWhoLeavesTakesNobodyAlong(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		j := w.add(fixture.Running, fixture.On(w.server().ID))
		slow := &slowStore{OutputStore: w.store.Output(), begun: make(chan struct{}, 10), release: make(chan struct{})}
		output := &application.Output{Jobs: w.store.Jobs(), Store: slow, Signals: w.signals}
		first, leave := context.WithCancelCause(t.Context())
		ended := make(chan error, 2)
		follow := func(ctx context.Context) {
			ended <- output.Follow(ctx, j.ID, 0, func(e ports.JobEvent) error {
				if e.Chunk != nil {
					return errEnough
				}
				return nil
			})
		}
		go follow(first)
		<-slow.begun
		go follow(t.Context())
		synctest.Wait()
		w.print(j, domain.Stdout, "line\n", true)
		leave(errEnough)
		require.ErrorIs(t, <-ended, domain.ErrCanceled)
		close(slow.release)
		began := time.Now()
		require.ErrorIs(t, <-ended, errEnough, "the other one is told")
		require.Less(t, time.Since(began), time.Second, "and does not wait for the next look")
	})
}

var errEnough = errors.New("enough")

// slowStore answers when it is told to, or when nobody wants to know any more.
type slowStore struct {
	ports.OutputStore
	begun   chan struct{}
	release chan struct{}
}

func (s *slowStore) Chunks(ctx context.Context, id domain.JobID, after domain.Seq, limit int) ([]domain.Chunk, error) {
	chunks, err := s.OutputStore.Chunks(ctx, id, after, limit)
	select {
	case s.begun <- struct{}{}:
	default:
	}
	select {
	case <-s.release:
		return chunks, err
	case <-ctx.Done():
		return nil, domain.ErrCanceled
	}
}
