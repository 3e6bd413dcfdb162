package contract

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

var jobKeyClauses = clauses{
	"RepeatReturnsTheEarlierJob":         keyRepeat,
	"AnotherFingerprintIsRefused":        keyReused,
	"KeysAreToldApartByEveryByte":        keyBytes,
	"WithoutJobsTheKeyIsOnlyLookedFor":   keyLook,
	"NoKeyTiesNothing":                   keyEmpty,
	"RefusedAddLeavesTheKeyFree":         keyLeftFree,
	"KeyEndsWithItsJob":                  keyOfDeletedJob,
	"RacingSubmitsWithOneKeyMakeOneJob":  keyRace,
	"RacingFingerprintsWithOneKeyOneWin": keyRaceFingerprints,
}

func countJobs(t *testing.T, s Storage) int64 {
	t.Helper()
	_, total, _, err := list(t, s, ports.JobQuery{Limit: 1})
	require.NoError(t, err)
	return total
}

func keyRepeat(t *testing.T, s Storage) {
	server := addServer(t, s)
	key := ports.Idempotency{Key: "submit-1", Fingerprint: "sha256:abc"}
	first := []*domain.Job{
		fixture.Job(t, fixture.Pending, fixture.On(server.ID)), fixture.Job(t, fixture.Pending, fixture.On(server.ID)),
	}
	earlier, err := s.Jobs.Add(t.Context(), key, first...)
	require.NoError(t, err)
	require.Nil(t, earlier)
	fixture.Walk(t, first[0], fixture.Running)
	require.NoError(t, s.Jobs.Save(t.Context(), first[0]))

	second := fixture.Job(t, fixture.Pending, fixture.On(server.ID))
	for _, again := range []*domain.Job{second, second, first[0]} {
		earlier, err = s.Jobs.Add(t.Context(), key, again)
		require.NoError(t, err)
		require.NotNil(t, earlier)
		requireSameJob(t, first[0], earlier) // the first of the call, as it stands now
	}
	_, err = s.Jobs.Get(t.Context(), second.ID)
	require.ErrorIs(t, err, domain.ErrJobNotFound)
	require.Equal(t, int64(2), countJobs(t, s))
}

func keyLook(t *testing.T, s Storage) {
	server := addServer(t, s)
	key := ports.Idempotency{Key: "k", Fingerprint: "one"}
	earlier, err := s.Jobs.Add(t.Context(), key)
	require.NoError(t, err)
	require.Nil(t, earlier)
	job := fixture.Job(t, fixture.Pending, fixture.On(server.ID))
	earlier, err = s.Jobs.Add(t.Context(), key, job)
	require.NoError(t, err)
	require.Nil(t, earlier, "the look has tied the key")
	earlier, err = s.Jobs.Add(t.Context(), key)
	require.NoError(t, err)
	requireSameJob(t, job, earlier)
	_, err = s.Jobs.Add(t.Context(), ports.Idempotency{Key: "k", Fingerprint: "two"})
	require.ErrorIs(t, err, domain.ErrIdempotencyKey)
	earlier, err = s.Jobs.Add(t.Context(), ports.Idempotency{})
	require.NoError(t, err)
	require.Nil(t, earlier)
}

func keyReused(t *testing.T, s Storage) {
	server := addServer(t, s)
	_, err := s.Jobs.Add(t.Context(), ports.Idempotency{Key: "k", Fingerprint: "one"}, fixture.Job(t, fixture.Pending, fixture.On(server.ID)))
	require.NoError(t, err)
	other := fixture.Job(t, fixture.Pending, fixture.On(server.ID))
	earlier, err := s.Jobs.Add(t.Context(), ports.Idempotency{Key: "k", Fingerprint: "two"}, other)
	require.ErrorIs(t, err, domain.ErrIdempotencyKey)
	require.Nil(t, earlier)
	_, err = s.Jobs.Get(t.Context(), other.ID)
	require.ErrorIs(t, err, domain.ErrJobNotFound)
}

func keyBytes(t *testing.T, s Storage) {
	server := addServer(t, s)
	keys := []string{"k", "K", "k ", " k", "ké", "ke\u0301", strings.Repeat("x", 255), strings.Repeat("x", 254) + "y"}
	for _, k := range keys {
		j := fixture.Job(t, fixture.Pending, fixture.On(server.ID))
		earlier, err := s.Jobs.Add(t.Context(), ports.Idempotency{Key: k, Fingerprint: "f"}, j)
		require.NoError(t, err, "key %q", k)
		require.Nil(t, earlier, "key %q was taken for another", k)
	}
	require.Equal(t, int64(len(keys)), countJobs(t, s))
}

func keyEmpty(t *testing.T, s Storage) {
	server := addServer(t, s)
	for range 3 {
		addJob(t, s, fixture.Pending, fixture.On(server.ID))
	}
	require.Equal(t, int64(3), countJobs(t, s))
}

func keyLeftFree(t *testing.T, s Storage) {
	server := addServer(t, s)
	_, err := s.Jobs.Add(t.Context(), ports.Idempotency{Key: "k", Fingerprint: "one"}, fixture.Job(t, fixture.Pending))
	require.ErrorIs(t, err, domain.ErrServerNotFound)
	j := fixture.Job(t, fixture.Pending, fixture.On(server.ID))
	earlier, err := s.Jobs.Add(t.Context(), ports.Idempotency{Key: "k", Fingerprint: "two"}, j)
	require.NoError(t, err)
	require.Nil(t, earlier)
	requireSameJob(t, j, getJob(t, s, j.ID))
}

func keyOfDeletedJob(t *testing.T, s Storage) {
	gone, kept := addServer(t, s), addServer(t, s)
	key := ports.Idempotency{Key: "k", Fingerprint: "f"}
	j := fixture.Job(t, fixture.Pending, fixture.On(gone.ID))
	_, err := s.Jobs.Add(t.Context(), key, j)
	require.NoError(t, err)
	fixture.Walk(t, j, fixture.Completed)
	require.NoError(t, s.Jobs.Save(t.Context(), j))
	_, err = s.Servers.Delete(t.Context(), gone.ID, true)
	require.NoError(t, err)

	again := fixture.Job(t, fixture.Pending, fixture.On(kept.ID))
	earlier, err := s.Jobs.Add(t.Context(), key, again)
	require.NoError(t, err)
	require.Nil(t, earlier, "there is no earlier job any more")
	requireSameJob(t, again, getJob(t, s, again.ID))
}

func keyRace(t *testing.T, s Storage) {
	server := addServer(t, s)
	const racers = 20
	jobs, earlier := make([]*domain.Job, racers), make([]*domain.Job, racers)
	for i := range jobs {
		jobs[i] = fixture.Job(t, fixture.Pending, fixture.On(server.ID))
	}
	errs := race(racers, func(i int) (err error) {
		earlier[i], err = s.Jobs.Add(t.Context(), ports.Idempotency{Key: "k", Fingerprint: "f"}, jobs[i])
		return err
	})
	var stored []*domain.Job
	for i, err := range errs {
		require.NoError(t, err)
		if earlier[i] == nil {
			stored = append(stored, jobs[i])
		}
	}
	require.Len(t, stored, 1, "submits that were told they are the first")
	for i := range racers {
		if earlier[i] != nil {
			require.Equal(t, stored[0].ID, earlier[i].ID)
		}
	}
	require.Equal(t, int64(1), countJobs(t, s))
	requireSameJob(t, stored[0], getJob(t, s, stored[0].ID))
}

func keyRaceFingerprints(t *testing.T, s Storage) {
	server := addServer(t, s)
	const racers = 10
	jobs := make([]*domain.Job, racers)
	for i := range jobs {
		jobs[i] = fixture.Job(t, fixture.Pending, fixture.On(server.ID))
	}
	errs := race(racers, func(i int) error {
		_, err := s.Jobs.Add(t.Context(), ports.Idempotency{Key: "k", Fingerprint: fmt.Sprint(i)}, jobs[i])
		return err
	})
	winner := requireOneWinner(t, errs, domain.ErrIdempotencyKey)
	require.Equal(t, int64(1), countJobs(t, s))
	requireSameJob(t, jobs[winner], getJob(t, s, jobs[winner].ID))
}
