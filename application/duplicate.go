package application

import (
	"context"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Duplicate implements ports.Jobs.
func (a *Jobs) Duplicate(ctx context.Context, id domain.JobID, c ports.Change) (ports.Copy, error) {
	job, err := a.Repository.Get(ctx, id)
	if err != nil {
		return ports.Copy{}, err
	}
	return a.copy(ctx, job, c)
}

// Rerun implements ports.Jobs.
func (a *Jobs) Rerun(ctx context.Context, id domain.JobID, idempotencyKey string) (ports.Copy, error) {
	job, err := a.Repository.Get(ctx, id)
	if err != nil {
		return ports.Copy{}, err
	}
	if !job.Status.Final() {
		return ports.Copy{}, domain.ErrJobActive.
			Withf("the job is %s; wait for its end or cancel it, or duplicate it to run it beside this one", job.Status)
	}
	return a.copy(ctx, job, ports.Change{IdempotencyKey: idempotencyKey})
}

func (a *Jobs) copy(ctx context.Context, job *domain.Job, c ports.Change) (ports.Copy, error) {
	s, err := c.Apply(job)
	if err != nil {
		return ports.Copy{}, err
	}
	refs, err := a.Servers.Refs(ctx, []domain.ServerID{job.ServerID})
	if err != nil {
		return ports.Copy{}, err
	}
	d, err := a.submit(ctx, s, job.ID)
	return ports.Copy{Original: ports.JobDetail{Job: *job, Server: refs[job.ServerID]}, New: d}, err
}
