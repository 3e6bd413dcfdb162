package application

import (
	"context"
	"log/slog"

	"github.com/heysubinoy/remora/domain"
)

// event writes down what has become of a job: one line for every change of its state, with the same fields every time. It
// says nothing of what the job runs or prints: either may hold a secret. A nil log is none.
func event(ctx context.Context, log *slog.Logger, was domain.State, job *domain.Job, more ...slog.Attr) {
	if log == nil {
		return
	}
	level, what := told(was, job)
	if !log.Enabled(ctx, level) {
		return
	}
	attrs := append([]slog.Attr{
		slog.String("job_id", string(job.ID)), slog.String("server_id", string(job.ServerID)), slog.Int("attempt", job.Attempt),
		slog.String("status", string(job.Status)),
	}, more...)
	add := func(name, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(name, value))
		}
	}
	add("phase", string(job.Phase))
	add("reason", string(job.Reason))
	add("batch_id", string(job.BatchID))
	add("origin_job_id", string(job.OriginID))
	if job.Exit != nil && !was.Status.Final() {
		attrs = append(attrs, slog.Int("exit_code", job.Exit.Code))
		add("signal", job.Exit.Signal)
	}
	if confirmed := job.KillConfirmed(); confirmed != nil {
		attrs = append(attrs, slog.Bool("kill_confirmed", *confirmed))
	}
	if job.Status.Final() && !job.StartedAt.IsZero() {
		attrs = append(attrs, slog.Duration("duration", job.FinishedAt.Sub(job.StartedAt)))
	}
	log.LogAttrs(context.WithoutCancel(ctx), level, what, attrs...)
}

// told returns the words for a change, and how much they matter.
func told(was domain.State, job *domain.Job) (slog.Level, string) {
	switch {
	case was == domain.State{}:
		return slog.LevelInfo, "job submitted"
	case job.Status.Final():
		return slog.LevelInfo, "job ended"
	case was == job.State() && job.CancelRequested:
		return slog.LevelInfo, "job is asked to end"
	}
	switch job.Phase {
	case domain.PhasePending:
		return slog.LevelInfo, "job goes back to the queue"
	case domain.PhaseBackoff:
		return slog.LevelInfo, "job failed an attempt; another follows"
	case domain.PhaseClaimed:
		return slog.LevelInfo, "job claimed"
	case domain.PhaseDetached:
		return slog.LevelInfo, "job detached"
	case domain.PhaseCanceling:
		return slog.LevelInfo, "job is being ended: canceled"
	case domain.PhaseTimingOut:
		return slog.LevelInfo, "job is being ended: out of time"
	case domain.PhaseStarting, domain.PhaseExecuting:
		if was.Phase == domain.PhaseDetached {
			return slog.LevelInfo, "job attached again"
		}
		if job.Phase == domain.PhaseExecuting {
			return slog.LevelInfo, "job started"
		}
	case domain.PhaseNone, domain.PhaseEnqueued, domain.PhaseHeld, domain.PhaseCollecting:
	}
	return slog.LevelDebug, "job moved on"
}
