package fault

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/harness/cluster"
	"github.com/heysubinoy/remora/test/harness/house"
	"github.com/heysubinoy/remora/test/harness/sshd"
)

// peak returns the most memory, in bytes, that a program has had so far.
func peak(t *testing.T, p *cluster.Process) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	require.NoError(t, err)
	var kib int64
	for line := range strings.Lines(string(status)) {
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kib); err == nil {
			return kib << 10
		}
	}
	require.Fail(t, "the kernel does not tell VmHWM", "%s", status)
	return 0
}

// Promise 7: one line of 250 MB that is nothing but NUL goes through worker, database and API, and none of them holds it.
func TestMemoryDoesNotGrowWithOutput(t *testing.T) {
	const size, most = 250_000_000, 160 << 20
	h := house.New(t, "", sshd.Start(t))
	_, api, worker := h.StartAll(t)
	h.Register(t)
	id := h.Submit(t, ports.Submission{Command: fmt.Sprintf("head -c %d /dev/zero", size)})
	whole := sha256.New()
	_, err := io.CopyN(whole, zeros{}, size)
	require.NoError(t, err)

	ended := make(chan error, 1)
	go func() { // a reader who comes along from the first byte on
		live := sha256.New()
		err := h.Output().Follow(t.Context(), id, 0, func(e ports.JobEvent) error {
			if e.Chunk != nil {
				_, _ = live.Write(e.Chunk.Data)
			}
			return nil
		})
		if err == nil && string(live.Sum(nil)) != string(whole.Sum(nil)) {
			err = fmt.Errorf("what was followed is not what was printed")
		}
		ended <- err
	}()
	require.NoError(t, <-ended)
	job := h.Job(t, id)
	require.Equal(t, domain.StatusCompleted, job.Status, "%s: %s", job.Reason, job.Message)
	require.Equal(t, int64(size), job.Output.Stdout)

	r, n, err := h.Output().Open(t.Context(), id, domain.Stdout, 0, -1)
	require.NoError(t, err)
	require.Equal(t, int64(size), n)
	stored := sha256.New()
	_, err = io.Copy(stored, r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.Equal(t, whole.Sum(nil), stored.Sum(nil))
	for name, p := range map[string]*cluster.Process{"worker": worker, "api": api} {
		t.Logf("%s: %d MiB at most", name, peak(t, p)>>20)
		require.Less(t, peak(t, p), int64(most), "the %s's memory grew with the output", name)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
