package broker

import (
	"time"

	"github.com/heysubinoy/remora/domain"
)

// state is where a ticket is.
type state uint8

const (
	stateNone    state = iota
	stateWaiting       // in its lane
	stateDelayed       // released, waits for its time; in Broker.due
	stateLeased        // handed out; in Broker.due, Broker.leased and its owner's list
	stateDead          // in queue.dead
)

// entry is a ticket in the broker. It is in at most one list and at most one heap at a time.
type entry struct {
	ticket     domain.Ticket
	sequence   uint64
	at         time.Time
	queue      *queue
	receipt    uint64
	owner      uint64
	due        time.Time
	prev, next *entry // in a list
	index      int    // in a heap
	count      int
	losses     int
	state      state
	back       bool // waiting in lane.back, not in lane.fresh
}

// lane holds the waiting tickets of one priority. New ones come in the order of their sequence, so a list is enough; those
// that come back do not, so they stand in a heap beside it, and the older of the two heads is next.
type lane struct {
	fresh list
	back  heap
}

func (l *lane) head() *entry {
	f, b := l.fresh.head, l.back.first()
	if f == nil || (b != nil && b.sequence < f.sequence) {
		return b
	}
	return f
}

func (l *lane) remove(e *entry) {
	if e.back {
		l.back.remove(e)
		e.back = false
		return
	}
	l.fresh.remove(e)
}

// Stats counts the tickets of a queue.
type Stats struct {
	Waiting, Delayed, Leased, Dead int
	Put, Acked, Lost               uint64    // since the broker began
	Oldest                         time.Time // when the oldest waiting ticket was put; zero when none waits
}

type queue struct {
	name  string
	lanes [11]lane // by priority
	live  map[string]*entry
	dead  list
	stats Stats
}

func newQueue(name string) *queue {
	q := &queue{name: name, live: make(map[string]*entry)}
	for i := range q.lanes {
		q.lanes[i].back.less = func(a, b *entry) bool { return a.sequence < b.sequence }
	}
	return q
}

// lane puts priorities that are out of range to the nearest in range: Put's caller has checked them.
func (q *queue) lane(e *entry) *lane { return &q.lanes[min(max(e.ticket.Priority, 1), 10)] }

func (q *queue) countNew(tickets []domain.Ticket) int {
	seen := make(map[string]struct{}, len(tickets))
	for _, t := range tickets {
		if _, ok := q.live[t.ID]; !ok {
			seen[t.ID] = struct{}{}
		}
	}
	return len(seen)
}

func (q *queue) first() *entry {
	for p := len(q.lanes) - 1; p > 0; p-- {
		if e := q.lanes[p].head(); e != nil {
			return e
		}
	}
	return nil
}

func (q *queue) pop() *entry {
	e := q.first()
	if e != nil {
		q.lane(e).remove(e)
	}
	return e
}

func (q *queue) putBack(e *entry) {
	e.back = true
	q.lane(e).back.push(e)
	q.enter(e, stateWaiting)
}

func (q *queue) revive(e *entry) {
	q.dead.remove(e)
	e.losses = 0
	q.putBack(e)
}

// enter moves e to a state and keeps the counts.
func (q *queue) enter(e *entry, s state) {
	q.leave(e)
	e.state = s
	*q.counter(s)++
}

func (q *queue) leave(e *entry) {
	if e.state != stateNone {
		*q.counter(e.state)--
		e.state = stateNone
	}
}

func (q *queue) counter(s state) *int {
	switch s {
	case stateDelayed:
		return &q.stats.Delayed
	case stateLeased:
		return &q.stats.Leased
	case stateDead:
		return &q.stats.Dead
	default:
		return &q.stats.Waiting
	}
}

// Waiting returns how many tickets of a queue can be handed out at the time of the last command.
func (b *Broker) Waiting(name string) int {
	if q, ok := b.queues[name]; ok {
		return q.stats.Waiting
	}
	return 0
}

// Size returns how many tickets there are in all.
func (b *Broker) Size() int { return b.size }

// Stats returns the counts of a queue; zero for an unknown one.
func (b *Broker) Stats(name string, now time.Time) Stats {
	b.Tick(now)
	q, ok := b.queues[name]
	if !ok {
		return Stats{}
	}
	s := q.stats
	for i := range q.lanes {
		if e := q.lanes[i].head(); e != nil && (s.Oldest.IsZero() || e.at.Before(s.Oldest)) {
			s.Oldest = e.at
		}
	}
	return s
}

// Total returns the counts of all queues together.
func (b *Broker) Total(now time.Time) Stats {
	var t Stats
	for name := range b.queues {
		s := b.Stats(name, now)
		t.Waiting, t.Delayed, t.Leased, t.Dead = t.Waiting+s.Waiting, t.Delayed+s.Delayed, t.Leased+s.Leased, t.Dead+s.Dead
		t.Put, t.Acked, t.Lost = t.Put+s.Put, t.Acked+s.Acked, t.Lost+s.Lost
		if !s.Oldest.IsZero() && (t.Oldest.IsZero() || s.Oldest.Before(t.Oldest)) {
			t.Oldest = s.Oldest
		}
	}
	return t
}

// Peek returns the waiting tickets that would be handed out next, up to limit of them, and hands out none.
func (b *Broker) Peek(name string, limit int, now time.Time) []Placed {
	b.Tick(now)
	q, ok := b.queues[name]
	if !ok {
		return nil
	}
	var popped []*entry
	var fromBack []bool
	var tickets []Placed
	for len(popped) < limit {
		e := q.first()
		if e == nil {
			break
		}
		fromBack = append(fromBack, e.back)
		q.lane(e).remove(e)
		popped = append(popped, e)
		tickets = append(tickets, Placed{Ticket: e.ticket, Sequence: e.sequence, At: e.at})
	}
	for i := len(popped) - 1; i >= 0; i-- {
		e := popped[i]
		if e.back = fromBack[i]; e.back {
			q.lane(e).back.push(e)
		} else {
			q.lane(e).fresh.pushFront(e)
		}
	}
	return tickets
}

// Kick makes up to limit dead letters wait again at their old places, the first to die first. It returns how many.
func (b *Broker) Kick(name string, limit int, now time.Time) int {
	b.Tick(now)
	q, ok := b.queues[name]
	if !ok {
		return 0
	}
	n := 0
	for ; n < limit && q.dead.head != nil; n++ {
		q.revive(q.dead.head)
	}
	return n
}
