package contract

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/test/fixture"
)

var jobAttemptClauses = clauses{
	"EachEndedAttemptIsRecordedOnce": attemptsOnce,
	"EndsWithoutAnAttemptLeaveNone":  attemptsNone,
	"EveryFieldRoundTrips":           attemptsRoundTrip,
}

func attemptsOnce(t *testing.T, s Storage) {
	j := addJob(t, s, fixture.Pending, fixture.On(addServer(t, s).ID), fixture.Retrying(domain.RetryOnFailure, 3))
	at := j.CreatedAt
	save := func(verb error) {
		require.NoError(t, verb)
		require.NoError(t, s.Jobs.Save(t.Context(), j))
		at = at.Add(time.Second)
	}
	for n := 1; n <= 3; n++ {
		save(j.Claim(fixture.ID[domain.WorkerID](t), at))
		save(j.Starting(j.Epoch, at))
		save(j.Started(j.Epoch, domain.Process{PID: n, StartedAt: at, Mode: domain.ModeAttached}, at))
		save(j.Exited(j.Epoch, domain.Exit{Code: n}, time.Second, at))
		save(nil) // saved again, still knowing the attempt it ended
		if n < 3 {
			save(j.Release(at))
		}
	}
	require.Equal(t, domain.StatusFailed, j.Status)
	attempts, err := s.Jobs.Attempts(t.Context(), j.ID)
	require.NoError(t, err)
	require.Len(t, attempts, 3)
	for i, a := range attempts {
		require.Equal(t, i+1, a.Number)
		require.Equal(t, &domain.Exit{Code: i + 1}, a.Exit)
	}
}

func attemptsNone(t *testing.T, s Storage) {
	server := addServer(t, s)
	for _, state := range []fixture.State{fixture.Withdrawn, fixture.Stranded, fixture.Running, fixture.Detached} {
		j := addJob(t, s, state, fixture.On(server.ID))
		attempts, err := s.Jobs.Attempts(t.Context(), j.ID)
		require.NoError(t, err)
		require.Empty(t, attempts, "%s ended no attempt", state)
	}
	j := addJob(t, s, fixture.Claimed, fixture.On(server.ID))
	require.NoError(t, j.Unclaim(j.Epoch, fixture.Now()))
	require.NoError(t, s.Jobs.Save(t.Context(), j))
	attempts, err := s.Jobs.Attempts(t.Context(), j.ID)
	require.NoError(t, err)
	require.Empty(t, attempts, "an attempt that was put back leaves no record")
}

func attemptsRoundTrip(t *testing.T, s Storage) {
	server := addServer(t, s)
	for _, state := range []fixture.State{
		fixture.Backoff, fixture.Completed, fixture.Failed, fixture.Signaled, fixture.TimedOut, fixture.Canceled, fixture.Lost,
	} {
		j := addJob(t, s, state, fixture.On(server.ID))
		attempts, err := s.Jobs.Attempts(t.Context(), j.ID)
		require.NoError(t, err)
		require.Equal(t, []domain.Attempt{*j.EndedAttempt()}, attempts, "%s", state)
	}
}
