package domain_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
)

// TestMoves draws all pairs of states, so that a change to the machine is a change to this picture. Rows are where a job
// is, columns where it may go, in the order of States.
func TestMoves(t *testing.T) {
	//            queued: pending, enqueued, backoff, held
	//            |    running: claimed, starting, executing, detached, canceling, timing_out, collecting
	//            |    |       completed, failed, canceled
	const picture = `
pending      .E.H C...... .FX
enqueued     P... C...... .FX
backoff      P... ....... .FX
held         P... ....... .FX
claimed      P.B. .S.D... .FX
starting     P.B. ..EDCTL OFX
executing    ..B. ...DCTL OFX
detached     P.B. .SE.CTL .FX
canceling    .... ...D..L OFX
timing_out   ..B. ...DC.L OFX
collecting   ..B. ...D... OFX
completed    .... ....... ...
failed       .... ....... ...
canceled     .... ....... ...`
	letters := []string{"P", "E", "B", "H", "C", "S", "E", "D", "C", "T", "L", "O", "F", "X"}

	var drawn strings.Builder
	for _, from := range domain.States() {
		name := string(from.Phase)
		if from.Status.Final() {
			name = string(from.Status)
		}
		row := name + strings.Repeat(" ", 13-len(name))
		for i, to := range domain.States() {
			if i == 4 || i == 11 {
				row += " "
			}
			if from.CanBecome(to) {
				row += letters[i]
			} else {
				row += "."
			}
		}
		drawn.WriteString("\n" + row)
	}
	require.Equal(t, picture, drawn.String())
}

func TestStates_CoverEveryStatusAndPhase(t *testing.T) {
	seen := map[domain.State]bool{}
	for _, s := range domain.States() {
		require.False(t, seen[s], "%s is listed twice", s)
		seen[s] = true
		require.Contains(t, domain.Statuses(), s.Status)
		require.Equal(t, s.Status.Final(), s.Phase == domain.PhaseNone, "%s: exactly the final states have no phase", s)
		require.False(t, s.CanBecome(s), "%s is no move", s)
	}
	for _, status := range domain.Statuses() {
		require.True(t, slices.ContainsFunc(domain.States(), func(s domain.State) bool { return s.Status == status }), status)
	}
	require.False(t, domain.State{Status: "paused"}.CanBecome(domain.State{Status: domain.StatusFailed}))
}

func TestState_String(t *testing.T) {
	require.Equal(t, "running/timing_out", domain.State{Status: domain.StatusRunning, Phase: domain.PhaseTimingOut}.String())
	require.Equal(t, "failed", domain.State{Status: domain.StatusFailed}.String())
}

func TestReasons_AreOfOneSort(t *testing.T) {
	all := append(domain.FailureReasons(), domain.CancelReasons()...)
	for i, r := range all {
		require.NotEqual(t, domain.ReasonNone, r)
		require.NotContains(t, all[i+1:], r)
	}
}
