package memory

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Queue is the queue in memory: one slice in the order in which tickets are handed out. It is for tests and small tools;
// it is lost with its process.
type Queue struct {
	now func() time.Time

	mu       sync.Mutex
	tickets  []*place
	sequence uint64
	receipt  uint64
	changed  chan struct{} // closed and replaced whenever a ticket may have become free
}

// place is a ticket in the queue. It is free once its hold is over.
type place struct {
	ticket   domain.Ticket
	sequence uint64
	receipt  uint64    // of the lease; 0 = not handed out
	held     time.Time // until when it is leased, or put off
	count    int
}

func (p *place) free(now time.Time) bool { return !p.held.After(now) }

var (
	_ ports.Enqueuer = (*Queue)(nil)
	_ ports.Dequeuer = (*Queue)(nil)
	_ ports.Pinger   = (*Queue)(nil)
)

// NewQueue returns an empty queue that takes the time from now.
func NewQueue(now func() time.Time) *Queue {
	return &Queue{now: now, changed: make(chan struct{})}
}

// Put implements ports.Enqueuer.
func (q *Queue) Put(ctx context.Context, tickets []domain.Ticket) error {
	if ctx.Err() != nil {
		return queueContextError(ctx)
	}
	for _, t := range tickets {
		if t.ID == "" || len(t.ID) > 128 {
			return domain.Invalid("ticket", "a ticket's id is 1 to 128 bytes")
		}
		if err := t.Priority.Check(); err != nil {
			return err
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, t := range tickets {
		if slices.ContainsFunc(q.tickets, func(p *place) bool { return p.ticket.ID == t.ID }) {
			continue
		}
		q.sequence++
		p := &place{ticket: t, sequence: q.sequence}
		at, _ := slices.BinarySearchFunc(q.tickets, p, func(a, b *place) int {
			return cmp.Or(cmp.Compare(b.ticket.Priority, a.ticket.Priority), cmp.Compare(a.sequence, b.sequence))
		})
		q.tickets = slices.Insert(q.tickets, at, p)
	}
	q.announce()
	return nil
}

// Withdraw implements ports.Enqueuer.
func (q *Queue) Withdraw(ctx context.Context, ids []string) (int, error) {
	if ctx.Err() != nil {
		return 0, queueContextError(ctx)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	before, now := len(q.tickets), q.now()
	q.tickets = slices.DeleteFunc(q.tickets, func(p *place) bool {
		return (p.receipt == 0 || p.free(now)) && slices.Contains(ids, p.ticket.ID)
	})
	return before - len(q.tickets), nil
}

// Store implements ports.Enqueuer.
func (q *Queue) Store(ctx context.Context) (string, error) {
	if ctx.Err() != nil {
		return "", queueContextError(ctx)
	}
	return "memory", nil
}

// Ping implements ports.Pinger.
func (q *Queue) Ping(ctx context.Context) error {
	_, err := q.Store(ctx)
	return err
}

// Reserve implements ports.Dequeuer.
func (q *Queue) Reserve(ctx context.Context, limit int, lease time.Duration) ([]domain.Delivery, error) {
	if limit < 1 {
		return nil, domain.Invalid("max", "%d tickets cannot be reserved; give at least 1", limit)
	}
	if lease <= 0 {
		return nil, domain.Invalid("lease", "a lease of %s is out of range; give more than 0", lease)
	}
	for {
		if ctx.Err() != nil {
			return nil, queueContextError(ctx)
		}
		deliveries, changed, next := q.take(limit, lease)
		if len(deliveries) > 0 {
			return deliveries, nil
		}
		var timer <-chan time.Time // nil waits for ever
		if next > 0 {
			timer = time.After(next)
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-timer:
		}
	}
}

// take hands out what is free. When nothing is, it tells what to wait for: a change, or the end of the next hold.
func (q *Queue) take(limit int, lease time.Duration) (deliveries []domain.Delivery, changed <-chan struct{}, next time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	for _, p := range q.tickets {
		if !p.free(now) {
			if d := p.held.Sub(now); next == 0 || d < next {
				next = d
			}
			continue
		}
		if len(deliveries) == limit {
			break
		}
		q.receipt++
		p.receipt, p.held = q.receipt, now.Add(lease)
		p.count++
		deliveries = append(deliveries, domain.Delivery{Ticket: p.ticket, Receipt: p.receipt, Until: p.held, Count: p.count})
	}
	return deliveries, q.changed, next
}

// Ack implements ports.Dequeuer.
func (q *Queue) Ack(ctx context.Context, receipts ...uint64) error {
	if ctx.Err() != nil {
		return queueContextError(ctx)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	var err error
	for _, r := range receipts {
		i, e := q.leased(r)
		if e != nil {
			err = e
			continue
		}
		q.tickets = slices.Delete(q.tickets, i, i+1)
	}
	return err
}

// Release implements ports.Dequeuer.
func (q *Queue) Release(ctx context.Context, receipt uint64, delay time.Duration) error {
	if delay < 0 {
		return domain.Invalid("delay", "a delay of %s is out of range; give 0 or more", delay)
	}
	return q.hold(ctx, receipt, delay, true)
}

// Extend implements ports.Dequeuer.
func (q *Queue) Extend(ctx context.Context, receipt uint64, lease time.Duration) error {
	if lease <= 0 {
		return domain.Invalid("lease", "a lease of %s is out of range; give more than 0", lease)
	}
	return q.hold(ctx, receipt, lease, false)
}

func (q *Queue) hold(ctx context.Context, receipt uint64, length time.Duration, release bool) error {
	if ctx.Err() != nil {
		return queueContextError(ctx)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	i, err := q.leased(receipt)
	if err != nil {
		return err
	}
	q.tickets[i].held = q.now().Add(length)
	if release {
		q.tickets[i].receipt = 0
		q.announce()
	}
	return nil
}

func (q *Queue) leased(receipt uint64) (int, error) {
	now := q.now()
	i := slices.IndexFunc(q.tickets, func(p *place) bool { return receipt != 0 && p.receipt == receipt && !p.free(now) })
	if i < 0 {
		return 0, domain.ErrReceiptStale
	}
	return i, nil
}

func (q *Queue) announce() {
	close(q.changed)
	q.changed = make(chan struct{})
}

func queueContextError(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return domain.ErrTimeout.Because(context.Cause(ctx))
	}
	return domain.ErrCanceled.Because(context.Cause(ctx))
}
