package cli

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// worldBatch is a batch; its fields are read and written under the world's lock.
type worldBatch struct {
	domain.Batch
	what ports.BatchSubmission
	jobs []*remote
}

type worldBatches struct{ w *world }

var _ ports.Batches = worldBatches{}

func (p worldBatches) Submit(ctx context.Context, s ports.BatchSubmission) (ports.BatchDetail, error) {
	w := p.w
	if w.onSubmit != nil {
		if err := w.onSubmit(ctx, ""); err != nil {
			return ports.BatchDetail{}, err
		}
	}
	if err := p.refused(s.ServerIDs); err != nil {
		return ports.BatchDetail{}, err
	}
	b := &worldBatch{what: s}
	w.mu.Lock()
	id := domain.BatchID(fmt.Sprintf("00000000-0000-7000-a000-%012d", len(w.batches)+1))
	w.batches = append(w.batches, b)
	w.mu.Unlock()
	for _, server := range s.ServerIDs {
		one := s.Submission
		one.ServerID = server
		r, err := w.store(one, id)
		if err != nil {
			return ports.BatchDetail{}, err
		}
		b.jobs = append(b.jobs, r)
	}
	made, err := domain.NewBatch(id, b.jobs[0].job, s.MaxParallel, s.StopAfterFailures, epoch)
	if err != nil {
		return ports.BatchDetail{}, err
	}
	b.Batch = *made
	if w.behave != nil {
		w.running.Go(func() { w.release(b) })
	}
	return w.detail(b, len(b.jobs)), nil
}

// refused says which of the servers take no jobs, as the API does.
func (p worldBatches) refused(servers []domain.ServerID) error {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	var inactive []any
	for _, id := range servers {
		if s := p.w.servers[id]; s != nil && !s.Active {
			inactive = append(inactive, string(id))
		}
	}
	if len(inactive) == 0 {
		return nil
	}
	return domain.ErrServerInactive.WithDetails(map[string]any{"server_ids": inactive})
}

// release starts a batch's jobs as its limits allow, until none is queued.
func (w *world) release(b *worldBatch) {
	for {
		w.mu.Lock()
		flying, failures := 0, 0
		var next *remote
		for _, r := range b.jobs {
			switch {
			case r.job.Status == domain.StatusRunning:
				flying++
			case r.job.Status == domain.StatusFailed:
				failures++
			case r.job.Status == domain.StatusQueued && next == nil:
				next = r
			}
		}
		room, changed := b.Room(flying), w.changed
		w.mu.Unlock()
		switch {
		case next == nil:
			return
		case b.StopAfterFailures > 0 && failures >= b.StopAfterFailures:
			w.stop(b, domain.ReasonBatch)
		case room > 0:
			w.begin(next)
		default:
			<-changed
		}
	}
}

// stop ends what of a batch is not over.
func (w *world) stop(b *worldBatch, reason domain.Reason) (canceled, ending int64) {
	var running []*remote
	w.change(func() {
		b.Stop(reason, epoch)
		for _, r := range b.jobs {
			switch r.job.Status {
			case domain.StatusQueued:
				r.must(r.job.RequestCancel(reason, epoch))
				canceled++
			case domain.StatusRunning:
				r.must(r.job.RequestCancel(reason, epoch))
				running = append(running, r)
			case domain.StatusCompleted, domain.StatusFailed, domain.StatusCanceled:
			}
		}
	})
	for _, r := range running {
		r.once.Do(func() { close(r.canceled) })
	}
	return canceled, int64(len(running))
}

func (w *world) detail(b *worldBatch, jobs int) ports.BatchDetail {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := ports.BatchDetail{Batch: b.Batch}
	for _, r := range b.jobs {
		d.Tally.Add(r.job.Status, 1)
		if len(d.Jobs.Jobs) < jobs {
			d.Jobs.Jobs = append(d.Jobs.Jobs, r.detail())
		}
	}
	d.Jobs.Total = int64(len(b.jobs))
	return d
}

func (p worldBatches) find(id domain.BatchID) (*worldBatch, error) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	for _, b := range p.w.batches {
		if b.ID == id {
			return b, nil
		}
	}
	return nil, domain.ErrBatchNotFound
}

func (p worldBatches) Get(_ context.Context, id domain.BatchID, q ports.JobQuery) (ports.BatchDetail, error) {
	if p.w.onBatch != nil {
		if err := p.w.onBatch(); err != nil {
			return ports.BatchDetail{}, err
		}
	}
	b, err := p.find(id)
	if err != nil {
		return ports.BatchDetail{}, err
	}
	return p.w.detail(b, q.Limit), nil
}

func (p worldBatches) List(_ context.Context, q ports.BatchQuery) (ports.BatchPage, error) {
	var page ports.BatchPage
	for i := len(p.w.batches) - 1; i >= 0 && len(page.Batches) < q.Limit; i-- {
		page.Batches = append(page.Batches, p.w.detail(p.w.batches[i], 0))
	}
	page.Total = int64(len(p.w.batches))
	if len(page.Batches) < len(p.w.batches) {
		page.Next = "more"
	}
	return page, nil
}

func (p worldBatches) Groups(_ context.Context, id domain.BatchID) (domain.Groups, error) {
	b, err := p.find(id)
	if err != nil {
		return domain.Groups{}, err
	}
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	var results []domain.Result
	for _, r := range b.jobs {
		o := domain.Outcome{Status: r.job.Status, Reason: r.job.Reason, Output: r.job.Output}
		if r.job.Exit != nil {
			o.Exit, o.Exited = *r.job.Exit, true
		}
		for s, digest := range map[domain.Stream]*domain.Digest{domain.Stdout: &o.Stdout, domain.Stderr: &o.Stderr} {
			h := sha256.New()
			for _, c := range r.chunks {
				if c.Stream == s {
					_, _ = h.Write(c.Data)
				}
			}
			*digest = domain.Digest(h.Sum(nil))
		}
		results = append(results, domain.Result{Job: r.job.ID, Server: r.server.ID, Name: r.server.Name, Outcome: o})
	}
	return domain.GroupResults(results), nil
}

func (p worldBatches) Cancel(ctx context.Context, id domain.BatchID) (ports.BatchCanceled, error) {
	if p.w.onCancel != nil {
		if err := p.w.onCancel(ctx, ""); err != nil {
			return ports.BatchCanceled{}, err
		}
	}
	b, err := p.find(id)
	if err != nil {
		return ports.BatchCanceled{}, err
	}
	canceled, ending := p.w.stop(b, domain.ReasonUser)
	if canceled+ending == 0 {
		return ports.BatchCanceled{}, domain.ErrBatchFinished
	}
	return ports.BatchCanceled{BatchDetail: p.w.detail(b, 0), Canceled: canceled, Ending: ending}, nil
}

func (p worldBatches) Rerun(ctx context.Context, id domain.BatchID, r ports.BatchRerun) (ports.BatchDetail, error) {
	b, err := p.find(id)
	if err != nil {
		return ports.BatchDetail{}, err
	}
	if !p.w.detail(b, 0).Tally.Finished() {
		return ports.BatchDetail{}, domain.ErrBatchActive
	}
	again := b.what
	again.ServerIDs, again.IdempotencyKey = nil, r.IdempotencyKey
	for _, j := range b.jobs {
		if !r.OnlyFailed || j.job.Status == domain.StatusFailed {
			again.ServerIDs = append(again.ServerIDs, j.server.ID)
		}
	}
	if len(again.ServerIDs) == 0 {
		return ports.BatchDetail{}, domain.ErrBatchEmpty
	}
	return p.Submit(ctx, again)
}
