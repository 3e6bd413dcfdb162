package contract

import (
	"crypto/sha256"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

func results(t *testing.T, s Storage, id domain.BatchID) map[domain.JobID]domain.Result {
	t.Helper()
	list, err := s.Batches.Results(t.Context(), id)
	require.NoError(t, err)
	byJob := map[domain.JobID]domain.Result{}
	for _, r := range list {
		byJob[r.Job] = r
	}
	require.Len(t, byJob, len(list))
	return byJob
}

func batchResults(t *testing.T, s Storage) {
	states := fixture.States()
	servers := addServers(t, s, len(states))
	b, jobs := addBatch(t, s, servers)
	for i, state := range states {
		if state != fixture.Pending {
			fixture.Walk(t, jobs[i], state)
			require.NoError(t, s.Jobs.Save(t.Context(), jobs[i]))
		}
	}
	got := results(t, s, b.ID)
	require.Len(t, got, len(jobs))
	for i, j := range jobs {
		want := domain.Result{Job: j.ID, Server: j.ServerID, Name: servers[i].Name, Outcome: domain.Outcome{
			Status: j.Status, Reason: j.Reason, Stdout: domain.DigestOf(nil), Stderr: domain.DigestOf(nil),
		}}
		if j.Exit != nil {
			want.Exit, want.Exited = *j.Exit, true
		}
		require.Equal(t, want, got[j.ID], "%s", states[i])
	}
}

// start walks a stored pending job to executing.
func start(t *testing.T, s Storage, j *domain.Job) *domain.Job {
	t.Helper()
	fixture.Walk(t, j, fixture.Claimed)
	require.NoError(t, s.Jobs.Save(t.Context(), j))
	require.NoError(t, j.Starting(j.Epoch, j.UpdatedAt))
	require.NoError(t, j.Started(j.Epoch, domain.Process{PID: 1, StartedAt: j.UpdatedAt, Mode: domain.ModeDurable}, j.UpdatedAt))
	require.NoError(t, s.Jobs.Save(t.Context(), j))
	return getJob(t, s, j.ID)
}

// printCut stores data of a stream in pieces and appends cut by chance, and returns what is stored then.
func printCut(t *testing.T, s Storage, j *domain.Job, from domain.Offsets, stream domain.Stream, data []byte, rng *rand.Rand) domain.Offsets {
	t.Helper()
	for len(data) > 0 {
		a := ports.Append{Job: j.ID, Attempt: j.Attempt, Epoch: j.Epoch, From: from, At: fixture.Now()}
		for range 1 + rng.IntN(3) {
			n := min(1+rng.IntN(3000), len(data))
			if n == 0 {
				break
			}
			a.Pieces = append(a.Pieces, ports.Piece{Stream: stream, Data: data[:n]})
			from = from.Plus(stream, n)
			data = data[n:]
		}
		_, err := s.Output.Append(t.Context(), a)
		require.NoError(t, err)
	}
	return from
}

func batchHashes(t *testing.T, s Storage) {
	const seed = 20261123
	rng := rand.New(rand.NewPCG(seed, 1))
	b, jobs := addBatch(t, s, addServers(t, s, 4))
	stdout, stderr := noise(40_000), append(noise(7_000), 0, 0xff)
	other := append([]byte{stdout[0] ^ 1}, stdout[1:]...)
	for i, j := range jobs {
		j = start(t, s, j)
		out := stdout
		if i == 3 {
			out = other
		}
		var from domain.Offsets
		if i == 0 { // all at once, both streams in one append
			_, err := s.Output.Append(t.Context(), appendTo(j, from, ports.Piece{Stream: domain.Stderr, Data: stderr}, ports.Piece{Stream: domain.Stdout, Data: out}))
			require.NoError(t, err)
		} else {
			from = printCut(t, s, j, from, domain.Stdout, out, rng)
			printCut(t, s, j, from, domain.Stderr, stderr, rng)
		}
		requireDigests(t, s, j, out, stderr)
		require.NoError(t, j.Exited(j.Epoch, domain.Exit{Code: 3}, 0, fixture.Now()))
		require.NoError(t, s.Jobs.Save(t.Context(), j))
	}
	list, err := s.Batches.Results(t.Context(), b.ID)
	require.NoError(t, err)
	groups := domain.GroupResults(list)
	require.Empty(t, groups.Unfinished)
	require.Len(t, groups.Finished, 2, "seed %d", seed)
	require.Len(t, groups.Finished[0].Results, 3, "a byte tells the fourth from the others")
}

func requireDigests(t *testing.T, s Storage, j *domain.Job, stdout, stderr []byte) {
	t.Helper()
	got := results(t, s, j.BatchID)[j.ID]
	require.Equal(t, domain.Offsets{Stdout: int64(len(stdout)), Stderr: int64(len(stderr))}, got.Output)
	require.Equal(t, domain.Digest(sha256.Sum256(stdout)), got.Stdout)
	require.Equal(t, domain.Digest(sha256.Sum256(stderr)), got.Stderr)
}

func batchHashOfAttempt(t *testing.T, s Storage) {
	_, jobs := addBatch(t, s, addServers(t, s, 1), func(b *domain.Batch) {
		b.Retry = domain.Retry{Mode: domain.RetryOnFailure, MaxAttempts: 3}
	})
	j := start(t, s, jobs[0])
	appendText(t, s, j, "of the first attempt")
	j = getJob(t, s, j.ID)
	require.NoError(t, j.Exited(j.Epoch, domain.Exit{Code: 1}, 0, fixture.Now()))
	require.Equal(t, domain.PhaseBackoff, j.Phase)
	require.NoError(t, s.Jobs.Save(t.Context(), j))
	requireDigests(t, s, j, []byte("of the first attempt"), nil)
	j = getJob(t, s, j.ID)
	require.NoError(t, j.Release(fixture.Now()))
	j = start(t, s, j)
	requireDigests(t, s, j, nil, nil)
	appendText(t, s, j, "of the second")
	requireDigests(t, s, j, []byte("of the second"), nil)
}

func batchHashTakenOver(t *testing.T, s Storage) {
	_, jobs := addBatch(t, s, addServers(t, s, 1))
	j := start(t, s, jobs[0])
	appendText(t, s, j, "written by one worker, ")
	j = getJob(t, s, j.ID)
	require.NoError(t, j.Detach(fixture.Now()))
	require.NoError(t, s.Jobs.Save(t.Context(), j))
	require.NoError(t, j.Attach(fixture.ID[domain.WorkerID](t), fixture.Now()))
	require.NoError(t, s.Jobs.Save(t.Context(), j))
	j = getJob(t, s, j.ID)
	_, err := s.Output.Append(t.Context(), appendTo(j, j.Output, ports.Piece{Stream: domain.Stdout, Data: []byte("and by another")}))
	require.NoError(t, err)
	requireDigests(t, s, j, []byte("written by one worker, and by another"), nil)

	_, err = s.Output.Append(t.Context(), appendTo(j, domain.Offsets{}, ports.Piece{Stream: domain.Stdout, Data: []byte("refused")}))
	require.ErrorIs(t, err, domain.ErrStaleOutput)
	requireDigests(t, s, j, []byte("written by one worker, and by another"), nil)
}

func batchMany(t *testing.T, s Storage) {
	server := addServer(t, s)
	servers := make([]*domain.Server, 1000)
	for i := range servers {
		servers[i] = server
	}
	b, jobs := addBatch(t, s, servers)
	require.Len(t, results(t, s, b.ID), len(jobs))
	_, tally := getBatch(t, s, b.ID)
	require.Equal(t, domain.Tally{Queued: 1000}, tally)
}
