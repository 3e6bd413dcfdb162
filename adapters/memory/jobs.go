package memory

import (
	"cmp"
	"context"
	"slices"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

var _ ports.JobRepository = (*Jobs)(nil)

// Jobs keeps jobs.
type Jobs struct{ s *Store }

// Add implements ports.JobRepository.
func (r *Jobs) Add(ctx context.Context, key ports.Idempotency, jobs ...*domain.Job) (*domain.Job, error) {
	end, err := r.s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	return r.s.add(key, jobs)
}

// add stores new jobs, or returns the one that the key is tied to.
func (s *Store) add(key ports.Idempotency, jobs []*domain.Job) (earlier *domain.Job, err error) {
	if used, ok := s.keys[key.Key]; ok && key.Key != "" && s.now().Sub(used.at) < keyLife {
		if used.fingerprint != key.Fingerprint {
			return nil, domain.ErrIdempotencyKey
		}
		return copyJob(s.jobs[used.job].job), nil
	}
	fresh := map[domain.JobID]bool{}
	for _, j := range jobs {
		if s.jobs[j.ID] != nil || fresh[j.ID] {
			return nil, domain.ErrJobExists
		}
		if s.servers[j.ServerID] == nil {
			return nil, domain.ErrServerNotFound
		}
		fresh[j.ID] = true
	}
	for _, j := range jobs {
		s.jobs[j.ID] = &record{job: copyJob(j), streams: map[streamID][]byte{}}
	}
	if key.Key != "" && len(jobs) > 0 {
		s.keys[key.Key] = usedKey{fingerprint: key.Fingerprint, job: jobs[0].ID, at: s.now()}
	}
	return nil, nil
}

// Get implements ports.JobRepository.
func (r *Jobs) Get(ctx context.Context, id domain.JobID) (*domain.Job, error) {
	end, err := r.s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	rec := r.s.jobs[id]
	if rec == nil {
		return nil, domain.ErrJobNotFound
	}
	return copyJob(rec.job), nil
}

// Save implements ports.JobRepository.
func (r *Jobs) Save(ctx context.Context, job *domain.Job) error {
	end, err := r.s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	rec := r.s.jobs[job.ID]
	switch {
	case rec == nil:
		return domain.ErrJobNotFound
	case rec.job.Revision != job.Revision:
		return domain.ErrStaleJob
	}
	r.s.write(job)
	return nil
}

// Attempts implements ports.JobRepository.
func (r *Jobs) Attempts(ctx context.Context, id domain.JobID) ([]domain.Attempt, error) {
	end, err := r.s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	rec := r.s.jobs[id]
	if rec == nil {
		return nil, nil
	}
	attempts := make([]domain.Attempt, 0, len(rec.attempts))
	for _, a := range rec.attempts {
		attempts = append(attempts, copyAttempt(a))
	}
	slices.SortFunc(attempts, func(a, b domain.Attempt) int { return cmp.Compare(a.Number, b.Number) })
	return attempts, nil
}
