package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/harness/house"
	"github.com/heysubinoy/remora/test/harness/pgtest"
	"github.com/heysubinoy/remora/test/harness/sshd"
	"github.com/heysubinoy/remora/test/harness/wait"
)

// patience bounds how long a story waits for a batch.
const patience = time.Minute

// fleet is a house with six servers on three real sshds.
type fleet struct {
	*house.House
	dir string // that every server sees
}

func TestBatch(t *testing.T) {
	for name, url := range map[string]string{"sqlite": "", "postgres": pgtest.URL(t)} {
		t.Run(name, func(t *testing.T) {
			f := &fleet{House: house.New(t, url, sshd.Start(t))}
			f.StartAll(t)
			f.StartWorker(t) // two of them, so that limits are not one process's
			for _, s := range []*sshd.Server{f.SSHD, sshd.Start(t), sshd.Start(t)} {
				for i := range 2 {
					f.Add(t, fmt.Sprintf("web-%d-%d", s.Port, i), func(n *ports.NewServer) {
						n.Port, n.User, n.HostKey, n.Tags = s.Port, s.User, s.HostKey.Fingerprint, []string{"web"}
						n.Credential = domain.Credential{PrivateKey: domain.NewSecret(s.PrivateKey)}
					})
				}
			}
			t.Run("NoMoreAtOnceThanMaxParallel", f.parallel)
			t.Run("AFailureStopsWhatHasNotBegun", f.stops)
			t.Run("CancelEndsAll", f.cancels)
			t.Run("EqualOutputsAreOneGroup", f.groups)
		})
	}
}

// submit runs a script on all six servers. The script may use $dir, and waits for nothing but what the test lets happen.
func (f *fleet) submit(t *testing.T, script string, maxParallel, stopAfter int) domain.BatchID {
	t.Helper()
	f.dir = t.TempDir()
	require.NoError(t, os.Chmod(f.dir, 0o777)) //nolint:gosec // commands may run as another user
	d, err := f.Batches().Submit(t.Context(), ports.BatchSubmission{
		Submission: ports.Submission{Script: "dir=" + f.dir + "\n" + script, Retry: &domain.Retry{Mode: domain.RetryNever, MaxAttempts: 1}},
		Tags:       []string{"web"}, MaxParallel: maxParallel, StopAfterFailures: stopAfter,
	})
	require.NoError(t, err)
	require.Len(t, d.Jobs.Jobs, 6)
	return d.Batch.ID
}

const untilGo = `
: > "$dir/running.$$"
: > "$dir/started.$$"
ls "$dir" | grep -c running
while [ ! -e "$dir/go" ]; do sleep 0.02; done
ls "$dir" | grep -c running
rm "$dir/running.$$"
`

// goAhead waits until two commands have started and are all that are in flight, and lets them go on.
func (f *fleet) goAhead(t *testing.T, id domain.BatchID) {
	t.Helper()
	wait.Within(t, patience, func() error {
		if n := f.count(t, "started"); n != 2 {
			return fmt.Errorf("%d commands have started, not two", n)
		}
		return nil
	})
	d := f.batch(t, id)
	require.Equal(t, int64(2), d.Tally.Running, "%s", d.Tally)
	for _, j := range d.Jobs.Jobs {
		if j.Job.Status == domain.StatusQueued {
			require.Equal(t, domain.PhaseHeld, j.Job.Phase)
		}
	}
	require.NoError(t, os.WriteFile(filepath.Join(f.dir, "go"), nil, 0o600))
}

func (f *fleet) count(t *testing.T, what string) (n int) {
	t.Helper()
	entries, err := os.ReadDir(f.dir)
	require.NoError(t, err)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), what) {
			n++
		}
	}
	return n
}

func (f *fleet) batch(t *testing.T, id domain.BatchID) ports.BatchDetail {
	t.Helper()
	d, err := f.Batches().Get(t.Context(), id, ports.JobQuery{Limit: 100})
	require.NoError(t, err)
	return d
}

// end waits until every job has ended.
func (f *fleet) end(t *testing.T, id domain.BatchID) ports.BatchDetail {
	t.Helper()
	wait.Within(t, patience, func() error {
		if tally := f.batch(t, id).Tally; !tally.Finished() {
			return fmt.Errorf("the batch has not finished: %s", tally)
		}
		return nil
	})
	return f.batch(t, id)
}

func (f *fleet) parallel(t *testing.T) {
	id := f.submit(t, untilGo, 2, 0)
	f.goAhead(t, id)
	d := f.end(t, id)
	require.Equal(t, domain.Tally{Completed: 6}, d.Tally)
	for _, j := range d.Jobs.Jobs {
		_, out, _ := f.End(t, j.Job.ID)
		seen := strings.Fields(out)
		require.Len(t, seen, 2)
		for _, text := range seen {
			n, err := strconv.Atoi(text)
			require.NoError(t, err)
			require.LessOrEqual(t, n, 2, "so many ran at once, as %s saw it", j.Server.Name)
		}
	}
}

func (f *fleet) stops(t *testing.T) {
	id := f.submit(t, untilGo+"exit 7\n", 2, 1)
	f.goAhead(t, id)
	d := f.end(t, id)
	require.Equal(t, domain.Tally{Failed: 2, Canceled: 4}, d.Tally, "the second one was running, and went on to its own end")
	require.Equal(t, domain.ReasonBatch, d.Batch.StopReason)
	require.Equal(t, 2, f.count(t, "started"), "no other server was touched")
	for _, j := range d.Jobs.Jobs {
		if j.Job.Status == domain.StatusCanceled {
			require.Equal(t, domain.ReasonBatch, j.Job.Reason)
			require.Zero(t, j.Job.Attempt)
		}
	}
	again, err := f.Batches().Rerun(t.Context(), id, ports.BatchRerun{OnlyFailed: true})
	require.NoError(t, err)
	require.Len(t, again.Jobs.Jobs, 2)
	require.Equal(t, domain.ReasonBatch, f.end(t, again.Batch.ID).Batch.StopReason, "the limits are the same")
}

func (f *fleet) cancels(t *testing.T) {
	id := f.submit(t, untilGo, 2, 0)
	wait.Within(t, patience, func() error {
		if n := f.count(t, "started"); n != 2 {
			return fmt.Errorf("%d commands have started, not two", n)
		}
		return nil
	})
	c, err := f.Batches().Cancel(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, int64(4), c.Canceled)
	require.Equal(t, int64(2), c.Ending)
	d := f.end(t, id)
	require.Equal(t, domain.Tally{Canceled: 6}, d.Tally)
	require.Equal(t, 2, f.count(t, "started"))
	for _, j := range d.Jobs.Jobs {
		require.Equal(t, domain.ReasonBatch, j.Job.Reason)
		if confirmed := j.Job.KillConfirmed(); confirmed != nil {
			require.True(t, *confirmed)
		}
	}
}

func (f *fleet) groups(t *testing.T) {
	id := f.submit(t, `
for i in 1 2 3 4 5; do echo "line $i"; sleep 0.02; done
if mkdir "$dir/first" 2>/dev/null; then echo "and one more" >&2; exit 3; fi
`, 0, 0)
	f.end(t, id)
	g, err := f.Batches().Groups(t.Context(), id)
	require.NoError(t, err)
	require.Empty(t, g.Unfinished)
	require.Len(t, g.Finished, 2)
	same, other := g.Finished[0], g.Finished[1]
	require.Len(t, same.Results, 5)
	require.Equal(t, domain.StatusCompleted, same.Status)
	require.Equal(t, domain.DigestOf([]byte("line 1\nline 2\nline 3\nline 4\nline 5\n")), same.Stdout)
	require.Equal(t, same.Stdout, other.Stdout)
	require.Equal(t, domain.DigestOf([]byte("and one more\n")), other.Stderr)
	require.Equal(t, domain.Exit{Code: 3}, other.Exit)
}
