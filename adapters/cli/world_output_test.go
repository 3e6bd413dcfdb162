package cli

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

type worldOutput struct{ w *world }

func (p worldOutput) Chunks(_ context.Context, id domain.JobID, after domain.Seq, limit int, _ time.Duration) (ports.OutputPage, error) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	r, ok := p.w.jobs[id]
	if !ok {
		return ports.OutputPage{}, domain.ErrJobNotFound
	}
	page := ports.OutputPage{Next: after}
	for _, c := range r.chunks[min(int(after), len(r.chunks)):] {
		if len(page.Chunks) == limit {
			return page, nil
		}
		page.Chunks = append(page.Chunks, c)
		page.Next = c.Seq
	}
	page.Final = r.job.Status.Final()
	return page, nil
}

func (p worldOutput) Open(ctx context.Context, id domain.JobID, s domain.Stream, offset, _ int64) (io.ReadCloser, int64, error) {
	page, err := p.Chunks(ctx, id, 0, 1<<30, 0)
	if err != nil {
		return nil, 0, err
	}
	var all []byte
	for _, c := range page.Chunks {
		if c.Stream == s {
			all = append(all, c.Data...)
		}
	}
	return io.NopCloser(strings.NewReader(string(all[offset:]))), int64(len(all)), nil
}

func (p worldOutput) Follow(ctx context.Context, id domain.JobID, after domain.Seq, emit func(ports.JobEvent) error) error {
	if p.w.onFollow != nil {
		if err := p.w.onFollow(ctx, after); err != nil {
			return err
		}
	}
	p.w.mu.Lock()
	p.w.followed++
	p.w.mostFollowed = max(p.w.mostFollowed, p.w.followed)
	p.w.mu.Unlock()
	defer func() {
		p.w.mu.Lock()
		defer p.w.mu.Unlock()
		p.w.followed--
	}()
	events := 0
	send := func(e ports.JobEvent) error {
		if err := emit(e); err != nil {
			return err
		}
		events++
		if p.w.cut != nil {
			return p.w.cut(events)
		}
		return nil
	}
	seen := domain.State{}
	for {
		p.w.mu.Lock()
		r, ok := p.w.jobs[id]
		if !ok {
			p.w.mu.Unlock()
			return domain.ErrJobNotFound
		}
		job, chunks, changed := *r.job, slices.Clone(r.chunks[min(int(after), len(r.chunks)):]), p.w.changed
		p.w.mu.Unlock()
		if job.State() != seen && !job.Status.Final() {
			seen = job.State()
			if err := send(ports.JobEvent{Job: &job}); err != nil {
				return err
			}
		}
		for _, c := range chunks {
			if err := send(ports.JobEvent{Chunk: &c}); err != nil {
				return err
			}
			after = c.Seq
		}
		if job.Status.Final() {
			return send(ports.JobEvent{Job: &job, Complete: true})
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return domain.ErrCanceled.Because(ctx.Err())
		}
	}
}
