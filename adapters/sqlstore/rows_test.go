package sqlstore_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

func TestJobs_KeysAreForgottenAfterADay(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		s := open(t, url)
		server := fixture.Server(t)
		require.NoError(t, s.Servers().Add(t.Context(), server, nil))
		add := func(key, fingerprint string) (*domain.Job, *domain.Job, error) {
			j := fixture.Job(t, fixture.Pending, fixture.On(server.ID))
			earlier, err := s.Jobs().Add(t.Context(), ports.Idempotency{Key: key, Fingerprint: fingerprint}, j)
			return j, earlier, err
		}
		age := func(d time.Duration) {
			s.Exec(t, "UPDATE idempotency SET created_at = ?", s.Instant(time.Now().Add(-d)))
		}
		first, _, err := add("key", "f")
		require.NoError(t, err)
		age(24*time.Hour - time.Minute)
		_, earlier, err := add("key", "f")
		require.NoError(t, err)
		require.Equal(t, first.ID, earlier.ID)
		age(24*time.Hour + time.Minute)
		second, earlier, err := add("key", "another")
		require.NoError(t, err)
		require.Nil(t, earlier)
		_, earlier, err = add("key", "another")
		require.NoError(t, err)
		require.Equal(t, second.ID, earlier.ID, "the key is the second job's now")

		age(25 * time.Hour)
		s.SweepNow()
		_, _, err = add("other", "f")
		require.NoError(t, err)
		require.Equal(t, int64(1), s.Number(t, "SELECT COUNT(*) FROM idempotency"), "old keys stay for ever")
	})
}

func TestSchema_RepeatsTheRules(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		s := open(t, url)
		server := fixture.Server(t)
		require.NoError(t, s.Servers().Add(t.Context(), server, nil))
		pending := fixture.Job(t, fixture.Pending, fixture.On(server.ID))
		final := fixture.Job(t, fixture.Failed, fixture.On(server.ID))
		_, err := s.Jobs().Add(t.Context(), ports.Idempotency{}, pending, final)
		require.NoError(t, err)
		for what, change := range map[string]struct {
			id  domain.JobID
			set string
		}{
			"a sixth status":                      {pending.ID, "status = 'lost'"},
			"a phase of another status":           {pending.ID, "phase = 'executing'"},
			"a finished job with a phase":         {final.ID, "phase = 'pending'"},
			"a queued job without next action":    {pending.ID, "next_action_at = NULL"},
			"a queued job without deadline":       {pending.ID, "deadline_at = NULL"},
			"a queued job that has finished":      {pending.ID, "finished_at = created_at"},
			"a finished job with a next action":   {final.ID, "next_action_at = created_at"},
			"a failed job without reason":         {final.ID, "reason = ''"},
			"a failed job with a cancel reason":   {final.ID, "reason = 'user'"},
			"a completed job with a reason":       {final.ID, "status = 'completed'"},
			"a queued job with a cancel reason":   {pending.ID, "reason = 'user'"},
			"a job on a server that is not there": {pending.ID, "server_id = 'nowhere'"},
		} {
			require.Error(t, s.TryExec("UPDATE jobs SET "+change.set+" WHERE id = ?", string(change.id)), what)
		}
		for _, reason := range domain.FailureReasons() {
			require.NoError(t, s.TryExec("UPDATE jobs SET reason = ? WHERE id = ?", string(reason), string(final.ID)), reason)
		}
		for _, state := range fixture.States() {
			_, err := s.Jobs().Add(t.Context(), ports.Idempotency{}, fixture.Job(t, state, fixture.On(server.ID)))
			require.NoError(t, err, "the schema refuses %s", state)
		}
	})
}

func TestOutput_IsCompressedWhereItPays(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		s := open(t, url)
		server := fixture.Server(t)
		require.NoError(t, s.Servers().Add(t.Context(), server, nil))
		j := fixture.Job(t, fixture.Running, fixture.On(server.ID))
		_, err := s.Jobs().Add(t.Context(), ports.Idempotency{}, j)
		require.NoError(t, err)
		long := []byte(strings.Repeat("[12:00:01] building target //some/package:name … ok\n", 15_000))
		_, err = s.Output().Append(t.Context(), ports.Append{
			Job: j.ID, Attempt: j.Attempt, Epoch: j.Epoch, At: fixture.Now(), Pieces: []ports.Piece{{Stream: domain.Stdout, Data: long}},
		})
		require.NoError(t, err)
		require.Less(t, s.Number(t, "SELECT SUM(LENGTH(data)) FROM job_output"), int64(len(long)/10))
		require.LessOrEqual(t, s.Number(t, "SELECT MAX(size) FROM job_output"), int64(256<<10))
		chunks, err := s.Output().Chunks(t.Context(), j.ID, 0, 1000)
		require.NoError(t, err)
		var got []byte
		for _, c := range chunks {
			require.Equal(t, bytes.ToValidUTF8(c.Data, nil), c.Data, "chunk %d ends within a character", c.Seq)
			got = append(got, c.Data...)
		}
		require.True(t, bytes.Equal(long, got))

		s.Exec(t, "UPDATE job_output SET data = ? WHERE seq = 1", []byte("damaged"))
		_, err = s.Output().Chunks(t.Context(), j.ID, 0, 1000)
		require.Equal(t, domain.KindInternal, domain.KindOf(err))
		_, err = s.Output().ReadAt(t.Context(), j.AttemptID(), domain.Stdout, make([]byte, 10), 0)
		require.ErrorContains(t, err, "damaged")
	})
}

func TestFreeText_OfAServerIsTakenAsItIs(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		s := open(t, url)
		server := fixture.Server(t)
		require.NoError(t, s.Servers().Add(t.Context(), server, nil))
		j := fixture.Job(t, fixture.Running, fixture.On(server.ID))
		_, err := s.Jobs().Add(t.Context(), ports.Idempotency{}, j)
		require.NoError(t, err)
		nasty := "sh: \xff\xfe\x00 not found"
		require.NoError(t, j.Ended(j.Epoch, domain.Receipt{Left: []domain.Remaining{{PID: 1, Command: nasty}}}, fixture.Now()))
		require.NoError(t, j.Failed(j.Epoch, domain.Failure{Reason: domain.ReasonStartFailed, Message: nasty}, 0, fixture.Now()))
		require.NoError(t, s.Jobs().Save(t.Context(), j))
		got, err := s.Jobs().Get(t.Context(), j.ID)
		require.NoError(t, err)
		require.Equal(t, "sh: \ufffd\ufffd not found", got.Message)
		j = fixture.Job(t, fixture.Claimed, fixture.On(server.ID))
		_, err = s.Jobs().Add(t.Context(), ports.Idempotency{}, j)
		require.NoError(t, err)
		require.NoError(t, j.Starting(j.Epoch, fixture.Now()))
		require.NoError(t, j.Started(j.Epoch, domain.Process{PID: 1, Boot: nasty, Mode: domain.ModeDurable}, fixture.Now()))
		require.NoError(t, j.Exited(j.Epoch, domain.Exit{Code: 1, Signal: nasty}, 0, fixture.Now()))
		require.NoError(t, s.Jobs().Save(t.Context(), j))
		got, err = s.Jobs().Get(t.Context(), j.ID)
		require.NoError(t, err)
		require.Equal(t, "sh: \ufffd\ufffd not found", got.Exit.Signal)
		attempts, err := s.Jobs().Attempts(t.Context(), j.ID)
		require.NoError(t, err)
		require.Len(t, attempts, 1)

		server.ModeCause, server.HostKey = nasty, &domain.HostKey{Fingerprint: "SHA256:" + strings.Repeat("A", 43), Type: nasty}
		server.LastCheck = &domain.Check{Message: nasty, At: fixture.Now()}
		require.NoError(t, s.Servers().Save(t.Context(), server, nil))

		for _, id := range []domain.JobID{"\xff", "a\x00b"} {
			_, err := s.Jobs().Get(t.Context(), id)
			require.ErrorIs(t, err, domain.ErrJobNotFound)
		}
	})
}
