package memory_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/memory"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/contract"
	"github.com/heysubinoy/remora/test/fixture"
)

func open(now func() time.Time) contract.Storage {
	s := memory.NewStore(now)
	return contract.Storage{
		Jobs: s.Jobs(), Batches: s.Batches(), Backlog: s.Backlog(), Workers: s.Workers(), Output: s.Output(), Servers: s.Servers(), Tokens: s.Tokens(),
		Passes: s.Passes(), Totals: s.Totals(),
		Keys: s.Keys(), Checks: s.Checks(), MasterKey: s.MasterKeyCheck(),
	}
}

func TestStore(t *testing.T) {
	contract.Store(t, func(*testing.T) contract.Storage { return open(time.Now) })
}

func TestStore_Pinger(t *testing.T) {
	contract.Pinger(t, func(*testing.T) ports.Pinger { return memory.NewStore(time.Now) })
}

func TestJobs_KeyIsForgottenAfterADay(t *testing.T) {
	now := fixture.Now()
	s := open(func() time.Time { return now })
	server := fixture.Server(t)
	require.NoError(t, s.Servers.Add(t.Context(), server, nil))
	key := ports.Idempotency{Key: "k", Fingerprint: "f"}
	first := fixture.Job(t, fixture.Pending, fixture.On(server.ID))
	_, err := s.Jobs.Add(t.Context(), key, first)
	require.NoError(t, err)

	now = now.Add(24*time.Hour - time.Nanosecond)
	earlier, err := s.Jobs.Add(t.Context(), key, fixture.Job(t, fixture.Pending, fixture.On(server.ID)))
	require.NoError(t, err)
	require.Equal(t, first.ID, earlier.ID)

	now = now.Add(time.Nanosecond)
	key.Fingerprint = "another"
	earlier, err = s.Jobs.Add(t.Context(), key, fixture.Job(t, fixture.Pending, fixture.On(server.ID)))
	require.NoError(t, err)
	require.Nil(t, earlier)
}

func TestWorkers_LeaseIsTimedByTheStoresClock(t *testing.T) {
	now := fixture.Now()
	s := open(func() time.Time { return now })
	w := fixture.Worker(t)
	require.NoError(t, s.Workers.Register(t.Context(), w, time.Minute))
	now = now.Add(time.Minute - time.Nanosecond)
	_, err := s.Workers.Renew(t.Context(), w.ID, time.Minute)
	require.NoError(t, err)
	now = now.Add(time.Minute)
	_, err = s.Workers.Renew(t.Context(), w.ID, time.Minute)
	require.Error(t, err)
}
