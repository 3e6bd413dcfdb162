package domain_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/heysubinoy/remora/domain"
)

// verb is one call of one verb with drawn arguments.
type verb struct {
	name  string
	epoch bool // takes an epoch
	call  func(j *domain.Job, epoch int64, at time.Time) error
}

func verbs(t *rapid.T) []verb {
	worker := domain.WorkerID(rapid.SampledFrom([]string{"w1", "w2"}).Draw(t, "worker"))
	reason := rapid.SampledFrom(domain.FailureReasons()).Draw(t, "reason")
	cancel := rapid.SampledFrom(domain.CancelReasons()).Draw(t, "cancel reason")
	notStarted := rapid.Bool().Draw(t, "not started")
	wait := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "wait"))
	exit := rapid.SampledFrom([]domain.Exit{{}, {Code: 1}, {Code: 137, Signal: "KILL"}}).Draw(t, "exit")
	receipt := domain.Receipt{Confirmed: rapid.Bool().Draw(t, "confirmed"), Ended: rapid.IntRange(0, 2).Draw(t, "ended")}
	without := func(f func(*domain.Job, time.Time) error) func(*domain.Job, int64, time.Time) error {
		return func(j *domain.Job, _ int64, at time.Time) error { return f(j, at) }
	}
	return []verb{
		{"Offer", false, without((*domain.Job).Offer)},
		{"Hold", false, without((*domain.Job).Hold)},
		{"Release", false, without((*domain.Job).Release)},
		{"Claim", false, without(func(j *domain.Job, at time.Time) error { return j.Claim(worker, at) })},
		{"Attach", false, without(func(j *domain.Job, at time.Time) error { return j.Attach(worker, at) })},
		{"Detach", false, without((*domain.Job).Detach)},
		{"Reoffer", false, without((*domain.Job).Reoffer)},
		{"Expire", false, without((*domain.Job).Expire)},
		{"RequestCancel", false, without(func(j *domain.Job, at time.Time) error { return j.RequestCancel(cancel, at) })},
		{"Starting", true, (*domain.Job).Starting},
		{"Started", true, func(j *domain.Job, e int64, at time.Time) error { return j.Started(e, domain.Process{PID: 7}, at) }},
		{"Canceling", true, func(j *domain.Job, e int64, at time.Time) error {
			if !j.CancelRequested && j.Status == domain.StatusRunning && e == j.Epoch {
				return domain.ErrIllegalMove // a copy that does not know of the request yet: its save would be refused
			}
			return j.Canceling(e, at)
		}},
		{"TimingOut", true, (*domain.Job).TimingOut},
		{"Collecting", true, func(j *domain.Job, e int64, at time.Time) error { return j.Collecting(e, exit, at) }},
		{"Ended", true, func(j *domain.Job, e int64, at time.Time) error { return j.Ended(e, receipt, at) }},
		{"Exited", true, func(j *domain.Job, e int64, at time.Time) error { return j.Exited(e, exit, wait, at) }},
		{"Killed", true, func(j *domain.Job, e int64, at time.Time) error { return j.Killed(e, wait, at) }},
		{"Failed", true, func(j *domain.Job, e int64, at time.Time) error {
			return j.Failed(e, domain.Failure{Reason: reason, Message: "m", NotStarted: notStarted}, wait, at)
		}},
		{"Unclaim", true, (*domain.Job).Unclaim},
	}
}

// TestJob_AnySequenceOfVerbs is promise 6 and half of 5, for every sequence anybody can think of and every clock.
func TestJob_AnySequenceOfVerbs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		mode := rapid.SampledFrom([]domain.RetryMode{domain.RetryNever, domain.RetrySafe, domain.RetryOnFailure, domain.RetryAtLeastOnce}).Draw(t, "mode")
		j, err := domain.NewJob("j", "s", domain.Command{Kind: domain.KindShellLine, Line: "true"}, 5, time.Minute,
			domain.Retry{Mode: mode, MaxAttempts: rapid.IntRange(1, 4).Draw(t, "attempts")}, start)
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			v := rapid.SampledFrom(verbs(t)).Draw(t, "verb")
			epoch := j.Epoch
			if v.epoch && rapid.IntRange(0, 9).Draw(t, "stale") == 0 {
				epoch--
			}
			at := j.UpdatedAt.Add(time.Duration(rapid.Int64Range(-int64(time.Hour), int64(10*24*time.Hour)).Draw(t, "later")))
			before := clone(j)
			err := v.call(j, epoch, at)
			checkStep(t, v, before, j, epoch, err)
		}
	})
}

func checkStep(t *rapid.T, v verb, before, j *domain.Job, epoch int64, err error) {
	if before.Status.Final() && !errors.Is(err, domain.ErrJobFinal) {
		t.Fatalf("%s on a finished job: %v", v.name, err)
	}
	if v.epoch && before.Status == domain.StatusRunning && epoch != before.Epoch && !errors.Is(err, domain.ErrLeaseLost) {
		t.Fatalf("%s with an old epoch: %v", v.name, err)
	}
	if err != nil {
		if !reflect.DeepEqual(before, j) {
			t.Fatalf("%s failed (%v) and changed the job:\n%+v\n%+v", v.name, err, before, j)
		}
		if domain.KindOf(err) != domain.KindConflict {
			t.Fatalf("%s failed with %v, no conflict", v.name, err)
		}
		return
	}
	if from, to := before.State(), j.State(); from != to && !from.CanBecome(to) {
		t.Fatalf("%s moved from %s to %s", v.name, from, to)
	}
	checkTimes(t, v, before, j)
	checkFacts(t, v, before, j)
}

func checkTimes(t *rapid.T, v verb, before, j *domain.Job) {
	switch {
	case j.UpdatedAt.Before(before.UpdatedAt):
		t.Fatalf("%s moved UpdatedAt back from %s to %s", v.name, before.UpdatedAt, j.UpdatedAt)
	case !j.CreatedAt.Equal(before.CreatedAt):
		t.Fatalf("%s changed CreatedAt", v.name)
	case !j.StartedAt.IsZero() && (j.StartedAt.Before(before.StartedAt) || j.StartedAt.Before(j.CreatedAt) || j.StartedAt.After(j.UpdatedAt)):
		t.Fatalf("%s: StartedAt %s is out of order", v.name, j.StartedAt)
	case j.Status.Final() && (!j.DeadlineAt.IsZero() || !j.NextActionAt.IsZero() || !j.FinishedAt.Equal(j.UpdatedAt)):
		t.Fatalf("%s: a finished job has deadline %s, next action %s, finish %s", v.name, j.DeadlineAt, j.NextActionAt, j.FinishedAt)
	case !j.Status.Final() && (j.DeadlineAt.IsZero() || j.NextActionAt.IsZero() || !j.FinishedAt.IsZero()):
		t.Fatalf("%s: a %s job has deadline %q, next action %q, finish %q", v.name, j.State(), j.DeadlineAt, j.NextActionAt, j.FinishedAt)
	}
}

func checkFacts(t *rapid.T, v verb, before, j *domain.Job) {
	ended := before.Status == domain.StatusRunning && (j.Status.Final() || j.Phase == domain.PhaseBackoff)
	switch {
	case j.Epoch < before.Epoch, j.Attempt < before.Attempt, j.Failures < before.Failures:
		t.Fatalf("%s lowered epoch, attempt or failures", v.name)
	case j.Failures > j.Retry.MaxAttempts:
		t.Fatalf("%s: %d failures of %d attempts", v.name, j.Failures, j.Retry.MaxAttempts)
	case before.Worker != j.Worker && j.Epoch == before.Epoch:
		t.Fatalf("%s gave the job to %q without a new epoch", v.name, j.Worker)
	case before.Status == domain.StatusRunning && j.Status == domain.StatusQueued && j.Epoch == before.Epoch:
		t.Fatalf("%s took the job from its worker without a new epoch", v.name)
	case j.CancelRequested && j.Status == domain.StatusQueued:
		t.Fatalf("%s put a job back into the queue that was to be canceled", v.name)
	case j.Status == domain.StatusCompleted && (j.Reason != domain.ReasonNone || j.Exit == nil || *j.Exit != domain.Exit{}):
		t.Fatalf("%s: completed with reason %q and exit %v", v.name, j.Reason, j.Exit)
	case j.Status == domain.StatusFailed && !has(domain.FailureReasons(), j.Reason):
		t.Fatalf("%s: failed because of %q", v.name, j.Reason)
	case j.Status == domain.StatusCanceled && (!has(domain.CancelReasons(), j.Reason) || !j.CancelRequested):
		t.Fatalf("%s: canceled because of %q, asked: %v", v.name, j.Reason, j.CancelRequested)
	case j.Phase == domain.PhaseExecuting && (j.Process == nil || j.StartedAt.IsZero()):
		t.Fatalf("%s: executing without a process", v.name)
	case j.Phase == domain.PhasePending && before.Status == domain.StatusRunning && before.Process != nil:
		t.Fatalf("%s put a started attempt back as if it had not been", v.name)
	case (j.EndedAttempt() != nil) != ended:
		t.Fatalf("%s from %s to %s: record of the attempt: %v", v.name, before.State(), j.State(), j.EndedAttempt())
	case ended && (j.EndedAttempt().Number != j.Attempt || j.EndedAttempt().Reason != j.Reason || j.EndedAttempt().Worker != before.Worker):
		t.Fatalf("%s: the record %+v is not of this attempt", v.name, j.EndedAttempt())
	}
}

func has(list []domain.Reason, r domain.Reason) bool {
	for _, l := range list {
		if l == r {
			return true
		}
	}
	return false
}

// clone copies a job and what it points to.
func clone(j *domain.Job) *domain.Job {
	c := *j
	c.Process, c.Exit, c.Receipt = cloned(j.Process), cloned(j.Exit), cloned(j.Receipt)
	return &c
}

func cloned[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}
