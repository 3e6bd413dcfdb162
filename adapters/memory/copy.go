package memory

import (
	"slices"

	"github.com/heysubinoy/remora/domain"
)

// copyJob returns a job that shares nothing with j and, as one that was just read, has ended no attempt.
func copyJob(j *domain.Job) *domain.Job {
	c := &domain.Job{
		ID: j.ID, ServerID: j.ServerID, BatchID: j.BatchID, OriginID: j.OriginID,
		Command: j.Command, Priority: j.Priority, Timeout: j.Timeout, Retry: j.Retry,
		Status: j.Status, Phase: j.Phase, Reason: j.Reason, Message: j.Message,
		Attempt: j.Attempt, Failures: j.Failures, Epoch: j.Epoch, Worker: j.Worker,
		Process: copyOf(j.Process), Exit: copyOf(j.Exit), Receipt: copyOf(j.Receipt),
		CancelRequested: j.CancelRequested,
		CreatedAt:       j.CreatedAt, UpdatedAt: j.UpdatedAt, StartedAt: j.StartedAt, FinishedAt: j.FinishedAt,
		DeadlineAt: j.DeadlineAt, NextActionAt: j.NextActionAt,
		Output: j.Output, LastSeq: j.LastSeq, Revision: j.Revision,
	}
	c.Command.Argv = slices.Clone(j.Command.Argv)
	if c.Receipt != nil {
		c.Receipt.Left = slices.Clone(c.Receipt.Left)
	}
	return c
}

func copyAttempt(a domain.Attempt) domain.Attempt {
	a.Exit = copyOf(a.Exit)
	return a
}

func copyServer(s *domain.Server) *domain.Server {
	c := *s
	c.Tags = slices.Clone(s.Tags)
	c.HostKey, c.Key, c.LastCheck = copyOf(s.HostKey), copyOf(s.Key), copyOf(s.LastCheck)
	return &c
}

func copyOf[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}
