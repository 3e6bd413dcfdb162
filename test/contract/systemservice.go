package contract

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
)

// SystemService says what people may expect to be told about the whole, whatever stands between, as JobService does of jobs.
func SystemService(t *testing.T, open func(t *testing.T) Services) {
	t.Run("NothingIsZeroAndNotNaN", func(t *testing.T) {
		s := open(t)
		i, err := s.System.Info(t.Context())
		require.NoError(t, err)
		require.Zero(t, i.Jobs)
		require.Zero(t, i.Servers)
		require.Zero(t, i.SuccessRate())
		require.False(t, i.At.IsZero())
		o, err := s.System.Overview(t.Context())
		require.NoError(t, err)
		require.Zero(t, o.AverageDuration)
		require.Zero(t, o.JobsPerHour)
		require.Zero(t, o.OldestQueued)
		require.NotEmpty(t, o.Version)
		require.NotEmpty(t, o.Database)
		require.GreaterOrEqual(t, o.Uptime, time.Duration(0))
	})
	t.Run("CountsWhatThereIs", func(t *testing.T) {
		s := open(t)
		for _, code := range []int{0, 0, 3, 0} {
			s.submit(t, "true")
			s.Begin(t).Exit(t, domain.Exit{Code: code})
		}
		running := s.submit(t, "sleep")
		s.Begin(t)
		_, err := s.Jobs.Cancel(t.Context(), s.submit(t, "true"))
		require.NoError(t, err)
		o, err := s.System.Overview(t.Context())
		require.NoError(t, err)
		require.Equal(t, domain.Tally{Running: 1, Completed: 3, Failed: 1, Canceled: 1}, o.Jobs)
		require.EqualValues(t, 1, o.Servers)
		require.InDelta(t, 75, o.SuccessRate(), 0.001)
		require.Positive(t, o.AverageDuration)
		require.Positive(t, o.JobsPerHour)
		require.Zero(t, o.OldestQueued)
		var carried int
		for _, w := range o.Workers {
			carried += w.Running
			require.Positive(t, w.Capacity)
			require.False(t, w.StartedAt.IsZero())
		}
		require.Equal(t, 1, carried, "job %s is carried", running)
		require.GreaterOrEqual(t, o.Capacity(), 1)
		i, err := s.System.Info(t.Context())
		require.NoError(t, err)
		require.Equal(t, o.Jobs, i.Jobs)
	})
	t.Run("ChecksTellWhichServersAreConnected", func(t *testing.T) {
		s := open(t)
		good, err := s.Servers.Create(t.Context(), s.Good)
		require.NoError(t, err)
		dead, err := s.Servers.Create(t.Context(), s.Dead)
		require.NoError(t, err)
		_, err = s.Servers.Create(t.Context(), named("unknown"))
		require.NoError(t, err)
		_, err = s.Access.Trust(t.Context(), good.ID, s.Good.HostKey)
		require.NoError(t, err)
		for _, id := range []domain.ServerID{good.ID, dead.ID} {
			_, err := s.Access.Test(t.Context(), id)
			require.NoError(t, err)
		}
		o, err := s.System.Overview(t.Context())
		require.NoError(t, err)
		require.Equal(t, [3]int64{3, 1, 1}, [3]int64{o.Servers, o.Connected, o.Disconnected})
	})
	t.Run("OldestQueuedWaits", func(t *testing.T) {
		s := open(t)
		first, err := s.Jobs.Get(t.Context(), s.submit(t, "true"))
		require.NoError(t, err)
		s.submit(t, "true")
		o, err := s.System.Overview(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 2, o.Jobs.Queued)
		require.InDelta(t, o.At.Sub(first.Job.CreatedAt).Seconds(), o.OldestQueued.Seconds(), 1e-6)
	})
}
