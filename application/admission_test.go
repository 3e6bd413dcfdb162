package application_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

func TestSubmit_NoMoreWaitThanMay(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		w.jobs.Rules.MaxQueued = 3
		s := w.server()
		submit := func(key string) (ports.JobDetail, error) {
			return w.jobs.Submit(t.Context(), ports.Submission{ServerID: s.ID, Command: "date", IdempotencyKey: key})
		}
		first, err := submit("first")
		require.NoError(t, err)
		for range 2 {
			_, err = submit("")
			require.NoError(t, err)
		}
		_, err = submit("")
		require.ErrorIs(t, err, domain.ErrQueueFull)
		require.Equal(t, domain.KindExhausted, domain.KindOf(err))
		page, err := w.jobs.List(t.Context(), ports.JobQuery{Limit: 10})
		require.NoError(t, err)
		require.EqualValues(t, 3, page.Total)

		again, err := submit("first")
		require.NoError(t, err, "what was accepted is answered, full or not")
		require.Equal(t, first.Job.ID, again.Job.ID)

		_, err = w.jobs.Cancel(t.Context(), first.Job.ID)
		require.NoError(t, err)
		time.Sleep(time.Second) // of the bubble: the number is asked for anew
		_, err = submit("")
		require.NoError(t, err, "there is room again")
		_, err = submit("")
		require.ErrorIs(t, err, domain.ErrQueueFull)
	})
}
