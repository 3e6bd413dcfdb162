package contract

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

var serverDeleteClauses = clauses{
	"ServerWithoutJobsGoes":            deleteBare,
	"ActiveJobsAreNeverForced":         deleteActive,
	"HistoryGoesOnlyWhenForced":        deleteHistory,
	"OfDeleteAndSubmitOneWins":         deleteAgainstAdd,
	"DeletedServerCannotBeSavedOrUsed": deleteIsFinal,
}

// requireHasJobs checks the refusal and how many jobs it names.
func requireHasJobs(t *testing.T, err error, detail string, n int) {
	t.Helper()
	require.ErrorIs(t, err, domain.ErrServerHasJobs)
	refusal, ok := errors.AsType[*domain.Error](err)
	require.True(t, ok)
	require.Equal(t, domain.KindConflict, refusal.Kind)
	require.Contains(t, refusal.Details, detail)
	require.EqualValues(t, n, refusal.Details[detail], "%s", detail)
	require.Len(t, refusal.Details, 1)
}

func deleteBare(t *testing.T, s Storage) {
	for _, force := range []bool{false, true} {
		server, other := fixture.Server(t, fixture.Named("twice used")), addServer(t, s)
		server.HasCredential = true
		require.NoError(t, s.Servers.Add(t.Context(), server, domain.Sealed("sealed")), "the name is free")
		n, err := s.Servers.Delete(t.Context(), server.ID, force)
		require.NoError(t, err)
		require.Zero(t, n)
		_, _, err = s.Servers.Get(t.Context(), server.ID)
		require.ErrorIs(t, err, domain.ErrServerNotFound)
		_, err = s.Servers.Delete(t.Context(), server.ID, force)
		require.ErrorIs(t, err, domain.ErrServerNotFound)
		getServer(t, s, other.ID)
	}
}

func deleteActive(t *testing.T, s Storage) {
	server, other := addServer(t, s), addServer(t, s)
	var jobs []*domain.Job
	active := 0
	for _, state := range fixture.States() {
		j := addJob(t, s, state, fixture.On(server.ID))
		addJob(t, s, state, fixture.On(other.ID))
		jobs = append(jobs, j)
		if !j.Status.Final() {
			active++
		}
	}
	for _, force := range []bool{false, true} {
		_, err := s.Servers.Delete(t.Context(), server.ID, force)
		requireHasJobs(t, err, "active_jobs", active)
	}
	getServer(t, s, server.ID)
	for _, j := range jobs {
		requireSameJob(t, j, getJob(t, s, j.ID))
	}
}

func deleteHistory(t *testing.T, s Storage) {
	server, other := addServer(t, s), addServer(t, s)
	ended := addJob(t, s, fixture.Running, fixture.On(server.ID))
	appendText(t, s, ended, "what it printed")
	require.NoError(t, ended.Exited(ended.Epoch, domain.Exit{}, 0, fixture.Now()))
	require.NoError(t, s.Jobs.Save(t.Context(), ended))
	withdrawn := addJob(t, s, fixture.Withdrawn, fixture.On(server.ID))
	kept := addJob(t, s, fixture.Completed, fixture.On(other.ID))

	_, err := s.Servers.Delete(t.Context(), server.ID, false)
	requireHasJobs(t, err, "total_jobs", 2)
	require.Len(t, chunks(t, s, ended.ID, 0, 10), 1)

	n, err := s.Servers.Delete(t.Context(), server.ID, true)
	require.NoError(t, err)
	require.Equal(t, int64(2), n)
	for _, j := range []*domain.Job{ended, withdrawn} {
		_, err := s.Jobs.Get(t.Context(), j.ID)
		require.ErrorIs(t, err, domain.ErrJobNotFound)
		require.Empty(t, chunks(t, s, j.ID, 0, 10))
		require.Empty(t, readAll(t, s, j.AttemptID(), domain.Stdout))
		requireAttempts(t, s, j.ID, 0)
	}
	require.Equal(t, jobIDs(kept), ids(t, s, ports.JobQuery{}))
	requireAttempts(t, s, kept.ID, 1)
}

func deleteAgainstAdd(t *testing.T, s Storage) {
	for range 10 {
		server := addServer(t, s)
		j := fixture.Job(t, fixture.Pending, fixture.On(server.ID))
		errs := race(2, func(i int) (err error) {
			if i == 0 {
				_, err = s.Servers.Delete(t.Context(), server.ID, true)
			} else {
				_, err = s.Jobs.Add(t.Context(), ports.Idempotency{}, j)
			}
			return err
		})
		if requireOneWinner(t, errs, domain.ErrServerHasJobs, domain.ErrServerNotFound) == 0 {
			_, err := s.Jobs.Get(t.Context(), j.ID)
			require.ErrorIs(t, err, domain.ErrJobNotFound)
		} else {
			getJob(t, s, j.ID)
			getServer(t, s, server.ID)
		}
	}
}

func deleteIsFinal(t *testing.T, s Storage) {
	server := addServer(t, s)
	_, err := s.Servers.Delete(t.Context(), server.ID, false)
	require.NoError(t, err)
	require.ErrorIs(t, s.Servers.Save(t.Context(), server, nil), domain.ErrServerNotFound)
	_, err = s.Jobs.Add(t.Context(), ports.Idempotency{}, fixture.Job(t, fixture.Pending, fixture.On(server.ID)))
	require.ErrorIs(t, err, domain.ErrServerNotFound)
}
