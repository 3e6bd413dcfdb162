package application_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/memory"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

func TestCancel_QueuedIsCanceledAtOnce(t *testing.T) {
	for _, state := range []fixture.State{fixture.Pending, fixture.Enqueued, fixture.Held, fixture.Backoff} {
		t.Run(string(state), func(t *testing.T) {
			inQuietWorld(t, func(t *testing.T, w *world) {
				s := w.server()
				j := w.add(state, fixture.On(s.ID))
				d := w.cancel(j.ID)
				require.Equal(t, domain.StatusCanceled, d.Job.Status)
				require.Equal(t, domain.ReasonUser, d.Job.Reason)
				require.Equal(t, s.Ref(), d.Server)
				require.Equal(t, domain.StatusCanceled, w.job(j.ID).Status)
			})
		})
	}
}

func TestCancel_RunningIsMarked(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		j := w.add(fixture.Running, fixture.On(w.server().ID))
		woken, cancel := w.signals.Subscribe(ports.TopicWorker(j.Worker))
		defer cancel()
		d := w.cancel(j.ID)
		require.Equal(t, domain.StatusRunning, d.Job.Status)
		require.True(t, w.job(j.ID).CancelRequested)
		require.Len(t, woken, 1, "its worker is told")
		w.cancel(j.ID) // asking twice is asking once
	})
}

func TestCancel_Refuses(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		_, err := w.jobs.Cancel(t.Context(), "unknown")
		require.ErrorIs(t, err, domain.ErrJobNotFound)
		for _, state := range []fixture.State{fixture.Completed, fixture.Failed, fixture.Canceled} {
			j := w.add(state, fixture.On(w.server(named(string(state))).ID))
			_, err = w.jobs.Cancel(t.Context(), j.ID)
			require.ErrorIs(t, err, domain.ErrJobFinal)
			require.ErrorContains(t, err, string(j.Status))
		}
	})
}

func TestCancel_CanceledJobNeverStarts(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		id := w.submit(w.server(), memory.Sequence())
		w.await(id, "enqueued", func(j *domain.Job) bool { return j.Phase == domain.PhaseEnqueued })
		w.cancel(id)
		w.work()
		w.pass(5 * time.Minute)
		require.Empty(t, w.machines.Starts())
	})
}

func TestGet_TailsEndTheStreams(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		exact := strings.Repeat("e", ports.TailBytes)
		long := strings.Repeat("0123456789", ports.TailBytes/10) + "more than fits"
		id := w.submit(w.server(), memory.Sequence(
			memory.Prints(domain.Stdout, long), memory.Prints(domain.Stderr, exact), memory.Exits(0)))
		d, err := w.jobs.Get(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, ports.Tail{}, d.Stdout)
		w.work()
		w.final(id)

		d, err = w.jobs.Get(t.Context(), id)
		require.NoError(t, err)
		require.True(t, d.Stdout.Truncated)
		require.Len(t, d.Stdout.Data, ports.TailBytes)
		require.True(t, strings.HasSuffix(long, string(d.Stdout.Data)))
		require.False(t, d.Stderr.Truncated)
		require.Equal(t, exact, string(d.Stderr.Data))
		_, err = w.jobs.Get(t.Context(), "unknown")
		require.ErrorIs(t, err, domain.ErrJobNotFound)
	})
}

func TestList_PagesWithoutOutput(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		a, b := w.server(named("a")), w.server(named("b"))
		var ids []domain.JobID
		for i := range 5 {
			server := a
			if i%2 == 1 {
				server = b
			}
			ids = append(ids, w.submit(server, memory.Sequence(memory.Prints(domain.Stdout, "x"))))
			w.pass(time.Second)
		}
		w.work()
		for _, id := range ids {
			w.final(id)
		}
		page, err := w.jobs.List(t.Context(), ports.JobQuery{Limit: 3})
		require.NoError(t, err)
		require.EqualValues(t, 5, page.Total)
		require.Equal(t, []domain.JobID{ids[4], ids[3], ids[2]}, idsOf(page))
		require.Equal(t, a.Ref(), page.Jobs[0].Server)
		require.Equal(t, b.Ref(), page.Jobs[1].Server)
		require.Equal(t, ports.Tail{}, page.Jobs[0].Stdout)

		page, err = w.jobs.List(t.Context(), ports.JobQuery{Limit: 3, Cursor: page.Next})
		require.NoError(t, err)
		require.Equal(t, []domain.JobID{ids[1], ids[0]}, idsOf(page))
		require.Empty(t, page.Next)
	})
}

func TestList_Refuses(t *testing.T) {
	for code, q := range map[string]ports.JobQuery{
		"limit_invalid":   {Limit: 101},
		"page_invalid":    {Limit: 1, Page: -1},
		"status_invalid":  {Limit: 1, Statuses: []domain.Status{domain.StatusQueued, "pending"}},
		"sort_by_invalid": {Limit: 1, Sort: "reason"},
		"cursor_invalid":  {Limit: 1, Cursor: "?"},
	} {
		t.Run(code, func(t *testing.T) {
			inQuietWorld(t, func(t *testing.T, w *world) {
				_, err := w.jobs.List(t.Context(), q)
				requireCode(t, code, err)
			})
		})
	}
	for _, q := range []ports.JobQuery{{}, {Limit: -1}, {Limit: 1, Page: 1, Cursor: "x"}} {
		t.Run(fmt.Sprintf("%+v", q), func(t *testing.T) {
			inQuietWorld(t, func(t *testing.T, w *world) {
				_, err := w.jobs.List(t.Context(), q)
				require.Equal(t, domain.KindInvalid, domain.KindOf(err))
			})
		})
	}
}

func idsOf(p ports.JobPage) (ids []domain.JobID) {
	for _, d := range p.Jobs {
		ids = append(ids, d.Job.ID)
	}
	return ids
}

func named(name string) func(*ports.NewServer) {
	return func(n *ports.NewServer) { n.Name = name }
}
