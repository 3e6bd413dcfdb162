package domain_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
)

// TestMoves_AreMadeByVerbs walks from a new job through everything the verbs can make of it. A move in the table that no
// verb makes is either dead or waits for a verb; the ones that are meant to be so stand here.
func TestMoves_AreMadeByVerbs(t *testing.T) {
	waiting := map[string]bool{
		"running/claimed → running/detached": true, // Detach puts a claimed job straight back
	}
	made := map[string]bool{}
	seen := map[string]bool{}
	var queue []*domain.Job
	for _, mode := range []domain.RetryMode{domain.RetryNever, domain.RetryAtLeastOnce} {
		j, err := domain.NewJob("j", "s", domain.Command{Kind: domain.KindShellLine, Line: "true"}, 5, time.Minute, domain.Retry{Mode: mode, MaxAttempts: 100}, epochStart)
		require.NoError(t, err)
		queue = append(queue, j)
	}
	for len(queue) > 0 {
		j := queue[0]
		queue = queue[1:]
		key := fmt.Sprint(j.State(), j.CancelRequested, j.Process != nil, j.Receipt, j.Retry.Mode)
		if seen[key] {
			continue
		}
		seen[key] = true
		for _, call := range everyVerb() {
			next := clone(j)
			if call(next, j.UpdatedAt.Add(30*24*time.Hour)) != nil {
				continue
			}
			if next.State() != j.State() {
				made[fmt.Sprintf("%s → %s", j.State(), next.State())] = true
			}
			queue = append(queue, next)
		}
	}
	for _, from := range domain.States() {
		for _, to := range domain.States() {
			move := fmt.Sprintf("%s → %s", from, to)
			require.Equal(t, from.CanBecome(to) && !waiting[move], made[move], move)
		}
	}
}

var epochStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func everyVerb() []func(*domain.Job, time.Time) error {
	type do = func(*domain.Job, time.Time) error
	all := []do{
		(*domain.Job).Offer, (*domain.Job).Hold, (*domain.Job).Release, (*domain.Job).Detach, (*domain.Job).Reoffer, (*domain.Job).Expire,
		func(j *domain.Job, at time.Time) error { return j.Claim("w", at) },
		func(j *domain.Job, at time.Time) error { return j.Attach("w", at) },
		func(j *domain.Job, at time.Time) error { return j.RequestCancel(domain.ReasonUser, at) },
		func(j *domain.Job, at time.Time) error { return j.Starting(j.Epoch, at) },
		func(j *domain.Job, at time.Time) error { return j.Started(j.Epoch, domain.Process{PID: 1}, at) },
		func(j *domain.Job, at time.Time) error { return j.Canceling(j.Epoch, at) },
		func(j *domain.Job, at time.Time) error { return j.TimingOut(j.Epoch, at) },
		func(j *domain.Job, at time.Time) error { return j.Killed(j.Epoch, 0, at) },
		func(j *domain.Job, at time.Time) error { return j.Unclaim(j.Epoch, at) },
	}
	for _, n := range []int{0, 1} {
		all = append(all,
			func(j *domain.Job, at time.Time) error { return j.Ended(j.Epoch, domain.Receipt{Ended: n}, at) },
			func(j *domain.Job, at time.Time) error { return j.Exited(j.Epoch, domain.Exit{Code: n}, 0, at) },
			func(j *domain.Job, at time.Time) error { return j.Collecting(j.Epoch, domain.Exit{Code: n}, at) },
			func(j *domain.Job, at time.Time) error {
				return j.Failed(j.Epoch, domain.Failure{Reason: domain.ReasonLost, NotStarted: n == 1}, 0, at)
			})
	}
	return all
}
