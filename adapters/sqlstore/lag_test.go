package sqlstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

func TestOldestPending(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		s := open(t, url)
		now := fixture.Now()
		lag := func() time.Duration {
			t.Helper()
			age, err := s.OldestPending(t.Context(), now)
			require.NoError(t, err)
			return age
		}
		require.Zero(t, lag(), "nothing is pending")
		server := fixture.Server(t)
		require.NoError(t, s.Servers().Add(t.Context(), server, nil))
		add := func(state fixture.State, since time.Time) *domain.Job {
			j := fixture.Job(t, state, fixture.On(server.ID), fixture.Since(since))
			_, err := s.Jobs().Add(t.Context(), ports.Idempotency{}, j)
			require.NoError(t, err)
			return j
		}
		add(fixture.Held, now.Add(-time.Hour))
		add(fixture.Completed, now.Add(-time.Hour))
		require.Zero(t, lag(), "only pending jobs count")
		add(fixture.Pending, now.Add(-time.Minute))
		add(fixture.Pending, now.Add(-3*time.Minute))
		add(fixture.Pending, now.Add(time.Minute)) // by a clock that is ahead
		require.Equal(t, 3*time.Minute, lag())
	})
}
