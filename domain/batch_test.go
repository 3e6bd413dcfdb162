package domain_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
)

func TestGroupResults(t *testing.T) {
	same := domain.Outcome{Status: domain.StatusCompleted, Exited: true, Stdout: domain.DigestOf([]byte("a"))}
	other, signal := same, same
	other.Stdout = domain.DigestOf([]byte("b"))
	signal.Exit.Signal = "KILL"
	result := func(name string, o domain.Outcome) domain.Result {
		return domain.Result{Job: domain.JobID("job-" + name), Name: name, Outcome: o}
	}
	g := domain.GroupResults([]domain.Result{
		result("e", other), result("d", same), result("c", domain.Outcome{Status: domain.StatusRunning}), result("b", signal),
		result("a", same), result("0", domain.Outcome{Status: domain.StatusQueued}),
	})
	var names []string
	for _, group := range g.Finished {
		line := ""
		for _, r := range group.Results {
			require.Equal(t, group.Outcome, r.Outcome)
			line += r.Name
		}
		names = append(names, line)
	}
	require.Equal(t, []string{"ad", "b", "e"}, names, "the largest first, then by name")
	require.Equal(t, []string{"0", "c"}, []string{g.Unfinished[0].Name, g.Unfinished[1].Name})
	require.Empty(t, domain.GroupResults(nil))
}

func TestWindow_Room(t *testing.T) {
	w := domain.NewWindow(100, map[domain.Line]int{{Priority: 5, Batch: "a"}: 60, {Priority: 7}: 30, {Priority: 1}: 500})
	require.Equal(t, 70, w.Room(7))
	require.Equal(t, 10, w.Room(5))
	require.Equal(t, 100, w.Room(10))
	require.Zero(t, w.Room(1))
	for range 12 {
		w.Add(domain.Line{Priority: 5, Batch: "b"})
	}
	require.Zero(t, w.Room(5))
	require.Equal(t, 70, w.Room(7), "what is less urgent is in nobody's way")
	require.Positive(t, domain.NewWindow(0, nil).Room(5), "without workers the first one finds something to do")
}

func TestWindow_Shares(t *testing.T) {
	lines := []domain.Line{{Priority: 5, Batch: "a"}, {Priority: 5, Batch: "b"}, {Priority: 5}}
	w := domain.NewWindow(100, map[domain.Line]int{lines[0]: 5, lines[1]: 1})
	require.Equal(t, []int{0, 1, 2}, w.Shares(lines, 3))
	require.Equal(t, []int{1, 5, 6}, w.Shares(lines, 12))
	require.Equal(t, []int{0, 0, 0}, w.Shares(lines, 0))
	require.Empty(t, w.Shares(nil, 7))
}

func TestCheckBatchSize(t *testing.T) {
	c := domain.Command{Kind: domain.KindScript, Script: strings.Repeat("x", domain.MaxScriptBytes)}
	require.NoError(t, domain.CheckBatchSize(c, domain.MaxBatchBytes/domain.MaxScriptBytes))
	require.ErrorIs(t, domain.CheckBatchSize(c, domain.MaxBatchBytes/domain.MaxScriptBytes+1), domain.ErrBatchTooLarge)
	require.NoError(t, domain.CheckBatchSize(domain.Command{}, domain.MaxBatchServers))
	require.ErrorIs(t, domain.CheckBatchSize(domain.Command{}, domain.MaxBatchServers+1), domain.ErrBatchTooLarge)
	require.ErrorIs(t, domain.CheckBatchSize(c, 0), domain.ErrBatchEmpty)
}
