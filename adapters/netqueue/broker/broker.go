// Package broker is the queue as a pure state machine: what it does follows from the commands and the times it is given,
// in their order, and from nothing else. It knows no clock, no goroutine, no I/O and no wire; it is not safe for
// concurrent use. Whoever holds it makes it durable and hands out what it says.
//
// A ticket waits at its place, (priority descending, sequence ascending), until it is handed out under a lease. From
// there it is acknowledged (gone), or it comes back to its old place: released, at once or after a delay; lost, because
// the lease ran out or its holder went away. A ticket lost too often is a dead letter: kept aside until it is put again
// or kicked.
package broker

import (
	"time"

	"github.com/heysubinoy/remora/domain"
)

// Limits bounds what a broker holds.
type Limits struct {
	Tickets int // in all queues, in every state; a Put that would pass it is refused as a whole
	Queues  int // names; the first Put into one more is refused
	Losses  int // a ticket lost this often is a dead letter; 0 = never
}

// Placed is a ticket with its place.
type Placed struct {
	Ticket   domain.Ticket
	Sequence uint64    // raised by one with each ticket of the broker; never changes
	At       time.Time // when it was put
}

// Delivery is a ticket handed out.
type Delivery struct {
	Ticket  domain.Ticket
	Receipt uint64
	Count   int // how often it was handed out since the broker began, this time included
}

// ErrQueuesExhausted says that there are too many queues.
var ErrQueuesExhausted = &domain.Error{Kind: domain.KindExhausted, Code: "queues_exhausted", Message: "the broker holds no more queues"}

// Broker holds the queues.
type Broker struct {
	limits   Limits
	queues   map[string]*queue
	leased   map[uint64]*entry // by receipt
	owners   map[uint64]*list  // what each holder has
	due      heap              // leases and delays, soonest first
	sequence uint64
	receipt  uint64
	size     int
}

// New returns an empty broker. Receipts count up from firstReceipt: give each run another range, so that a receipt of an
// earlier run settles nothing in this one.
func New(limits Limits, firstReceipt uint64) *Broker {
	return &Broker{
		limits:  limits,
		queues:  make(map[string]*queue),
		leased:  make(map[uint64]*entry),
		owners:  make(map[uint64]*list),
		due:     heap{less: func(a, b *entry) bool { return a.due.Before(b.due) }},
		receipt: firstReceipt,
	}
}

// Put adds tickets, all or none, and returns those that are new. A ticket whose ID is waiting or handed out is dropped; a
// dead letter of that ID waits again at its old place. Fails with domain.ErrQueueFull and ErrQueuesExhausted.
func (b *Broker) Put(name string, tickets []domain.Ticket, now time.Time) ([]Placed, error) {
	b.Tick(now)
	q, known := b.queues[name]
	if !known {
		if len(b.queues) >= b.limits.Queues {
			return nil, ErrQueuesExhausted
		}
		q = newQueue(name)
	}
	if room := b.limits.Tickets - b.size; len(tickets) > room && q.countNew(tickets) > room {
		return nil, domain.ErrQueueFull
	}
	if !known {
		b.queues[name] = q
	}
	var placed []Placed
	for _, t := range tickets {
		if e, ok := q.live[t.ID]; ok {
			if e.state == stateDead {
				q.revive(e)
			}
			continue
		}
		b.sequence++
		p := Placed{Ticket: t, Sequence: b.sequence, At: now}
		b.place(q, p)
		q.stats.Put++
		placed = append(placed, p)
	}
	return placed, nil
}

// Restore adds a ticket that was placed in an earlier run. Tickets are restored in the order of their sequence, before any
// other command; the limits do not apply. It reports false for an ID that is there.
func (b *Broker) Restore(name string, p Placed) bool {
	q, ok := b.queues[name]
	if !ok {
		q = newQueue(name)
		b.queues[name] = q
	}
	if _, ok := q.live[p.Ticket.ID]; ok {
		return false
	}
	b.Resume(p.Sequence)
	b.place(q, p)
	return true
}

// Resume makes the next sequence number larger than last.
func (b *Broker) Resume(last uint64) { b.sequence = max(b.sequence, last) }

func (b *Broker) place(q *queue, p Placed) {
	e := &entry{ticket: p.Ticket, sequence: p.Sequence, at: p.At, queue: q}
	q.live[p.Ticket.ID] = e
	q.lane(e).fresh.pushBack(e)
	q.enter(e, stateWaiting)
	b.size++
}

// Withdraw removes tickets that are not handed out, by ID, and returns their sequences.
func (b *Broker) Withdraw(name string, ids []string, now time.Time) []uint64 {
	b.Tick(now)
	q, ok := b.queues[name]
	if !ok {
		return nil
	}
	var removed []uint64
	for _, id := range ids {
		e, ok := q.live[id]
		if !ok || e.state == stateLeased {
			continue
		}
		switch e.state {
		case stateWaiting:
			q.lane(e).remove(e)
		case stateDelayed:
			b.due.remove(e)
		case stateDead:
			q.dead.remove(e)
		}
		b.forget(e)
		removed = append(removed, e.sequence)
	}
	return removed
}

// Reserve hands out up to limit waiting tickets to an owner, most urgent and then oldest first.
func (b *Broker) Reserve(name string, owner uint64, limit int, lease time.Duration, now time.Time) []Delivery {
	b.Tick(now)
	q, ok := b.queues[name]
	if !ok {
		return nil
	}
	deliveries := make([]Delivery, 0, min(limit, q.stats.Waiting))
	for len(deliveries) < limit {
		e := q.pop()
		if e == nil {
			break
		}
		b.receipt++
		e.receipt, e.owner, e.due = b.receipt, owner, now.Add(lease)
		e.count++
		q.enter(e, stateLeased)
		b.leased[e.receipt] = e
		b.due.push(e)
		b.held(owner).pushBack(e)
		deliveries = append(deliveries, Delivery{Ticket: e.ticket, Receipt: e.receipt, Count: e.count})
	}
	return deliveries
}

// Ack removes what the receipts stand for and returns the sequences. Stale says that some stood for nothing any more.
func (b *Broker) Ack(receipts []uint64, now time.Time) (removed []uint64, stale bool) {
	b.Tick(now)
	removed = make([]uint64, 0, len(receipts))
	for _, r := range receipts {
		e, ok := b.take(r)
		if !ok {
			stale = true
			continue
		}
		e.queue.stats.Acked++
		b.forget(e)
		removed = append(removed, e.sequence)
	}
	return removed, stale
}

// Release gives a ticket back to its place, to be handed out again after delay. Fails with domain.ErrReceiptStale.
func (b *Broker) Release(receipt uint64, delay time.Duration, now time.Time) error {
	b.Tick(now)
	e, ok := b.take(receipt)
	if !ok {
		return domain.ErrReceiptStale
	}
	if delay > 0 {
		e.due = now.Add(delay)
		e.queue.enter(e, stateDelayed)
		b.due.push(e)
		return nil
	}
	e.queue.putBack(e)
	return nil
}

// Extend starts a lease anew. Fails with domain.ErrReceiptStale.
func (b *Broker) Extend(receipt uint64, lease time.Duration, now time.Time) error {
	b.Tick(now)
	e, ok := b.leased[receipt]
	if !ok {
		return domain.ErrReceiptStale
	}
	e.due = now.Add(lease)
	b.due.fix(e)
	return nil
}

// Leave says that an owner is gone: what it held is lost to it and waits again.
func (b *Broker) Leave(owner uint64, now time.Time) {
	b.Tick(now)
	for held := b.owners[owner]; held != nil && held.head != nil; {
		e, _ := b.take(held.head.receipt)
		b.lose(e)
	}
}

// Tick ends the leases and delays that are over. Every command that takes the time does so first.
func (b *Broker) Tick(now time.Time) {
	for e := b.due.first(); e != nil && !e.due.After(now); e = b.due.first() {
		if e.state == stateDelayed {
			b.due.remove(e)
			e.queue.putBack(e)
			continue
		}
		b.take(e.receipt)
		b.lose(e)
	}
}

// Next returns when the next lease or delay is over.
func (b *Broker) Next() (time.Time, bool) {
	if e := b.due.first(); e != nil {
		return e.due, true
	}
	return time.Time{}, false
}

// take ends a lease; the entry is then in no state and the caller puts it into one, or forgets it.
func (b *Broker) take(receipt uint64) (*entry, bool) {
	e, ok := b.leased[receipt]
	if !ok {
		return nil, false
	}
	delete(b.leased, receipt)
	b.due.remove(e)
	held := b.owners[e.owner]
	held.remove(e)
	if held.head == nil {
		delete(b.owners, e.owner)
	}
	e.receipt, e.owner = 0, 0
	return e, true
}

func (b *Broker) held(owner uint64) *list {
	l, ok := b.owners[owner]
	if !ok {
		l = &list{}
		b.owners[owner] = l
	}
	return l
}

func (b *Broker) lose(e *entry) {
	e.losses++
	e.queue.stats.Lost++
	if b.limits.Losses > 0 && e.losses >= b.limits.Losses {
		e.queue.dead.pushBack(e)
		e.queue.enter(e, stateDead)
		return
	}
	e.queue.putBack(e)
}

func (b *Broker) forget(e *entry) {
	e.queue.leave(e)
	delete(e.queue.live, e.ticket.ID)
	b.size--
}
