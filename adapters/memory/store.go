package memory

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// keyLife is how long an idempotency key is remembered.
const keyLife = 24 * time.Hour

// Store is one storage, seen through the ports that its methods return. Every call is one step under one lock, which is
// its transaction.
type Store struct {
	now func() time.Time

	mu      sync.Mutex
	jobs    map[domain.JobID]*record
	keys    map[string]usedKey
	batches map[domain.BatchID]*domain.Batch
	servers map[domain.ServerID]*serverRecord
	workers map[domain.WorkerID]*lease
	access  access
	queues  map[string]string // the store last seen behind a queue's name

	stored    map[string]keyRecord // private keys by name
	masterKey domain.Sealed        // the value that it is known by
}

// record is a job with all that is kept of it.
type record struct {
	job      *domain.Job
	attempts []domain.Attempt
	chunks   []chunkRef
	streams  map[streamID][]byte
}

type usedKey struct {
	fingerprint string
	job         domain.JobID
	at          time.Time
}

// NewStore returns an empty store. now is the clock of leases and idempotency keys, as the database's would be.
func NewStore(now func() time.Time) *Store {
	return &Store{
		now:     now,
		jobs:    map[domain.JobID]*record{},
		keys:    map[string]usedKey{},
		batches: map[domain.BatchID]*domain.Batch{},
		servers: map[domain.ServerID]*serverRecord{},
		workers: map[domain.WorkerID]*lease{},
		access:  newAccess(),
		queues:  map[string]string{},
		stored:  map[string]keyRecord{},
	}
}

// Jobs returns the store's jobs.
func (s *Store) Jobs() *Jobs { return &Jobs{s} }

// Backlog returns the store's jobs as the dispatcher sees them.
func (s *Store) Backlog() *Backlog { return &Backlog{s} }

// Workers returns the store's workers.
func (s *Store) Workers() *Workers { return &Workers{s} }

// Output returns the store's output.
func (s *Store) Output() *Output { return &Output{s} }

// Servers returns the store's servers.
func (s *Store) Servers() *Servers { return &Servers{s} }

// Tokens returns the store's tokens.
func (s *Store) Tokens() *Tokens { return &Tokens{s} }

// Passes returns the store's sessions and sign-in codes.
func (s *Store) Passes() *Passes { return &Passes{s} }

var _ ports.Pinger = (*Store)(nil)

// Ping implements ports.Pinger.
func (s *Store) Ping(ctx context.Context) error { return done(ctx) }

// begin locks the store unless ctx is done. The lock is why nothing is ever half done.
func (s *Store) begin(ctx context.Context) (end func(), err error) {
	if err := done(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	return s.mu.Unlock, nil
}

func (s *Store) clock() time.Time { return s.now().UTC().Truncate(time.Microsecond) }

func done(ctx context.Context) error {
	switch {
	case ctx.Err() == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return domain.ErrTimeout.Because(context.Cause(ctx))
	default:
		return domain.ErrCanceled.Because(context.Cause(ctx))
	}
}

// write keeps a job that verbs have changed, the attempt they ended, and gives the place it may have left to others.
func (s *Store) write(j *domain.Job) {
	r := s.jobs[j.ID]
	was := r.job
	j.Revision = was.Revision + 1
	stored := copyJob(j)
	stored.Output, stored.LastSeq = was.Output, was.LastSeq
	if stored.Phase == domain.PhaseClaimed {
		stored.Output = domain.Offsets{}
	}
	r.job = stored
	r.keepAttempt(j.EndedAttempt())
	s.settle(copyJob(stored))
	if was.InFlight() && !stored.InFlight() {
		s.fill(func(j *domain.Job) bool { return j.ServerID == stored.ServerID }, stored.UpdatedAt)
		if stored.BatchID != "" {
			s.fill(func(j *domain.Job) bool { return j.BatchID == stored.BatchID }, stored.UpdatedAt)
		}
	}
}

// keepAttempt adds the record of an attempt once, however often the job that ended it is saved.
func (r *record) keepAttempt(a *domain.Attempt) {
	known := func(k domain.Attempt) bool { return k.Number == a.Number }
	if a == nil || slices.ContainsFunc(r.attempts, known) {
		return
	}
	r.attempts = append(r.attempts, copyAttempt(*a))
}

// fill releases the most urgent of the held jobs that match into the room of their servers and batches. Those that were
// released and not yet offered take their places in it, by their urgency.
func (s *Store) fill(match func(j *domain.Job) bool, at time.Time) {
	next := s.pick(func(j *domain.Job) bool {
		return (j.Phase == domain.PhaseHeld || j.Phase == domain.PhasePending) && match(j)
	}, byUrgency)
	taken := newRooms(s)
	for _, j := range next {
		if taken.take(j) && j.Phase == domain.PhaseHeld && j.Release(at) == nil {
			s.write(j)
		}
	}
}

// rooms are the places that servers and batches have left, as a pass gives them out.
type rooms struct {
	s       *Store
	servers map[domain.ServerID]int
	batches map[domain.BatchID]int
}

func newRooms(s *Store) *rooms {
	return &rooms{s, map[domain.ServerID]int{}, map[domain.BatchID]int{}}
}

// take gives a job a place, if its server and its batch have one each.
func (r *rooms) take(j *domain.Job) bool {
	if _, counted := r.servers[j.ServerID]; !counted {
		r.servers[j.ServerID] = r.s.servers[j.ServerID].server.MaxSessions - r.s.flying(func(o *domain.Job) bool { return o.ServerID == j.ServerID })
	}
	b := r.s.batches[j.BatchID]
	if _, counted := r.batches[j.BatchID]; b != nil && !counted {
		r.batches[j.BatchID] = b.Room(r.s.flying(func(o *domain.Job) bool { return o.BatchID == b.ID }))
	}
	if r.servers[j.ServerID] <= 0 || b != nil && r.batches[j.BatchID] <= 0 {
		return false
	}
	r.servers[j.ServerID]--
	r.batches[j.BatchID]--
	return true
}

// flying counts the jobs in flight that match.
func (s *Store) flying(match func(j *domain.Job) bool) (n int) {
	for _, r := range s.jobs {
		if r.job.InFlight() && match(r.job) {
			n++
		}
	}
	return n
}

// pick returns copies of the jobs that match, in order.
func (s *Store) pick(match func(*domain.Job) bool, order func(a, b *domain.Job) int) []*domain.Job {
	var picked []*domain.Job
	for _, r := range s.jobs {
		if match(r.job) {
			picked = append(picked, copyJob(r.job))
		}
	}
	slices.SortFunc(picked, order)
	return picked
}
