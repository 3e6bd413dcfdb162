package application_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// fault is what a storage does with a call.
type fault int

const (
	works  fault = iota
	away         // it cannot be reached
	deaf         // it does what was asked, but the answer is lost
	broken       // it fails for a reason of its own, without effect
	hangs        // nothing comes back before the caller's patience ends
)

// faults is one side's way to the storage. The zero value works.
type faults struct {
	mu    sync.Mutex
	judge func(op string) fault // nil = works
	calls []call
	slow  time.Duration // an append takes so long
}

// call is one call that reached the storage.
type call struct {
	op string
	at time.Time
}

// set says what happens to calls from now on, by their name ("Jobs.Save"); nil = all work.
func (f *faults) set(judge func(op string) fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.judge = judge
}

// setAway makes the storage (un)reachable.
func (f *faults) setAway(now bool) {
	if !now {
		f.set(nil)
		return
	}
	f.set(func(string) fault { return away })
}

// once makes the next calls of that name end so, one after the other; others work.
func (f *faults) once(name string, as ...fault) {
	f.set(func(op string) fault {
		if op != name || len(as) == 0 {
			return works
		}
		next := as[0]
		as = as[1:]
		return next
	})
}

func (f *faults) take(op string) fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	what := works
	if f.judge != nil {
		what = f.judge(op)
	}
	if what == works || what == deaf {
		f.calls = append(f.calls, call{op, time.Now()})
	}
	return what
}

// writes returns the times of the writes that reached the storage of what belongs to jobs.
func (f *faults) writes() (at []time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		if c.op == "Jobs.Save" || c.op == "Output.Append" {
			at = append(at, c.at)
		}
	}
	return at
}

// count returns how many calls of that name reached the storage.
func (f *faults) count(op string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(f.calls), func(c call) bool { return !strings.HasPrefix(c.op, op) }))
}

func through[T any](ctx context.Context, f *faults, op string, do func() (T, error)) (T, error) {
	var none T
	switch f.take(op) {
	case away:
		return none, domain.ErrStorageUnavailable
	case broken:
		return none, domain.Internal("writing to a broken disk", nil)
	case hangs:
		<-ctx.Done()
		return none, domain.ErrTimeout
	case deaf:
		_, _ = do()
		return none, domain.ErrStorageUnavailable
	}
	return do()
}

func throughErr(ctx context.Context, f *faults, op string, do func() error) error {
	_, err := through(ctx, f, op, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

// storage is the storage ports as one side sees them.
type storage struct {
	jobs    ports.JobRepository
	output  ports.OutputStore
	workers ports.WorkerRepository
	servers ports.ServerRepository
	backlog ports.Backlog
}

func (w *world) through(f *faults) storage {
	return storage{
		jobs:    jobs{w.store.Jobs(), f},
		output:  output{w.store.Output(), f},
		workers: workers{w.store.Workers(), f},
		servers: servers{w.store.Servers(), f},
		backlog: backlog{w.store.Backlog(), f},
	}
}

type jobs struct {
	ports.JobRepository
	f *faults
}

func (r jobs) Add(ctx context.Context, key ports.Idempotency, list ...*domain.Job) (*domain.Job, error) {
	return through(ctx, r.f, "Jobs.Add", func() (*domain.Job, error) { return r.JobRepository.Add(ctx, key, list...) })
}

func (r jobs) Get(ctx context.Context, id domain.JobID) (*domain.Job, error) {
	return through(ctx, r.f, "Jobs.Get", func() (*domain.Job, error) { return r.JobRepository.Get(ctx, id) })
}

func (r jobs) Save(ctx context.Context, job *domain.Job) error {
	return throughErr(ctx, r.f, "Jobs.Save", func() error { return r.JobRepository.Save(ctx, job) })
}

type output struct {
	ports.OutputStore
	f *faults
}

func (r output) Append(ctx context.Context, a ports.Append) (domain.Seq, error) {
	r.f.mu.Lock()
	slow := r.f.slow
	r.f.mu.Unlock()
	if slow > 0 {
		select {
		case <-time.After(slow):
		case <-ctx.Done():
		}
	}
	return through(ctx, r.f, "Output.Append", func() (domain.Seq, error) { return r.OutputStore.Append(ctx, a) })
}

func (r output) Chunks(ctx context.Context, id domain.JobID, after domain.Seq, limit int) ([]domain.Chunk, error) {
	return through(ctx, r.f, "Output.Chunks", func() ([]domain.Chunk, error) { return r.OutputStore.Chunks(ctx, id, after, limit) })
}

type workers struct {
	ports.WorkerRepository
	f *faults
}

func (r workers) Register(ctx context.Context, w domain.Worker, lease time.Duration) error {
	return throughErr(ctx, r.f, "Workers.Register", func() error { return r.WorkerRepository.Register(ctx, w, lease) })
}

func (r workers) Renew(ctx context.Context, id domain.WorkerID, lease time.Duration) ([]domain.JobID, error) {
	return through(ctx, r.f, "Workers.Renew", func() ([]domain.JobID, error) { return r.WorkerRepository.Renew(ctx, id, lease) })
}

func (r workers) Retire(ctx context.Context, id domain.WorkerID) error {
	return throughErr(ctx, r.f, "Workers.Retire", func() error { return r.WorkerRepository.Retire(ctx, id) })
}

type servers struct {
	ports.ServerRepository
	f *faults
}

func (r servers) Get(ctx context.Context, id domain.ServerID) (s *domain.Server, credential domain.Sealed, err error) {
	err = throughErr(ctx, r.f, "Servers.Get", func() (err error) {
		s, credential, err = r.ServerRepository.Get(ctx, id)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return s, credential, nil
}

func (r servers) Save(ctx context.Context, s *domain.Server, credential *domain.Sealed) error {
	return throughErr(ctx, r.f, "Servers.Save", func() error { return r.ServerRepository.Save(ctx, s, credential) })
}

type backlog struct {
	ports.Backlog
	f *faults
}

func (r backlog) Take(ctx context.Context, limit int, at time.Time) (tickets []domain.Ticket, more bool, err error) {
	err = throughErr(ctx, r.f, "Backlog.Take", func() (err error) {
		tickets, more, err = r.Backlog.Take(ctx, limit, at)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return tickets, more, nil
}

func (r backlog) Return(ctx context.Context, tickets []domain.Ticket, at time.Time) error {
	return throughErr(ctx, r.f, "Backlog.Return", func() error { return r.Backlog.Return(ctx, tickets, at) })
}

func (r backlog) Adopt(ctx context.Context, queue, store string, at time.Time) (int, error) {
	return through(ctx, r.f, "Backlog.Adopt", func() (int, error) { return r.Backlog.Adopt(ctx, queue, store, at) })
}
