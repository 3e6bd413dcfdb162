package netqueue

import (
	"container/list"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/heysubinoy/remora/adapters/netqueue/broker"
	"github.com/heysubinoy/remora/adapters/netqueue/journal"
	"github.com/heysubinoy/remora/domain"
)

// hub joins broker, journal and those who wait for tickets. Its methods are called with mu held, but for leave and tick;
// what they decide is in memory at once, and whoever answers waits for the journal first.
type hub struct {
	mu      sync.Mutex
	broker  *broker.Broker
	journal *journal.Journal
	waiting map[string]*list.List // of *waiter, by queue, first come first served
	armed   time.Time             // when the timer will tick; zero = never
	rearm   chan struct{}
	payload []byte
}

// waiter is a RESERVE that waits.
type waiter struct {
	reservation
	conn        *conn
	correlation uint32
	element     *list.Element
}

func newHub(j *journal.Journal, m *image, limits broker.Limits) (*hub, error) {
	// Another range of receipts in each run: what is left of an earlier one is stale.
	b := broker.New(limits, rand.Uint64()>>1)
	if err := m.restore(b); err != nil {
		return nil, domain.Internal("restore the queue", err)
	}
	return &hub{broker: b, journal: j, waiting: make(map[string]*list.List), rearm: make(chan struct{}, 1)}, nil
}

// put adds tickets. Waiting for lsn makes them durable, those too that were there before.
func (h *hub) put(queue string, tickets []domain.Ticket, now time.Time) (added int, lsn uint64, err error) {
	placed, err := h.broker.Put(queue, tickets, now)
	if err != nil {
		return 0, 0, err
	}
	if len(placed) == 0 {
		return 0, h.journal.Last(), nil
	}
	h.payload = appendPlaced(h.payload[:0], queue, placed)
	return len(placed), h.journal.Append(recordPlaced, h.payload), nil
}

func (h *hub) withdraw(queue string, ids []string, now time.Time) (removed int, lsn uint64) {
	sequences := h.broker.Withdraw(queue, ids, now)
	return len(sequences), h.remove(sequences)
}

func (h *hub) ack(receipts []uint64, now time.Time) (lsn uint64, err error) {
	sequences, stale := h.broker.Ack(receipts, now)
	if stale {
		err = domain.ErrReceiptStale
	}
	return h.remove(sequences), err
}

func (h *hub) remove(sequences []uint64) uint64 {
	if len(sequences) == 0 {
		return h.journal.Last()
	}
	h.payload = appendRemoved(h.payload[:0], sequences)
	return h.journal.Append(recordRemoved, h.payload)
}

// wait lines a RESERVE up; settle serves it.
func (h *hub) wait(w *waiter) {
	l, ok := h.waiting[w.queue]
	if !ok {
		l = list.New()
		h.waiting[w.queue] = l
	}
	w.element = l.PushBack(w)
	w.conn.waiters[w.correlation] = w
	w.conn.credit += w.limit
}

func (h *hub) dismiss(w *waiter) {
	l := h.waiting[w.queue]
	l.Remove(w.element)
	if l.Len() == 0 {
		delete(h.waiting, w.queue)
	}
	delete(w.conn.waiters, w.correlation)
	w.conn.credit -= w.limit
}

// settle ends every batch of commands: it hands out what can be handed out and sets the timer. by is whose batch it is,
// who will look at its answers by itself.
func (h *hub) settle(by *conn, now time.Time) {
	for queue, l := range h.waiting {
		for l.Len() > 0 && h.broker.Waiting(queue) > 0 {
			w := l.Front().Value.(*waiter)
			h.dismiss(w)
			deliveries := h.broker.Reserve(queue, w.conn.id, w.limit, w.lease, now)
			// A ticket may be handed out before it is on disk, but nobody hears of it before.
			w.conn.deliver(w.correlation, deliveries, h.journal.Last())
			if w.conn != by {
				w.conn.nudge()
			}
		}
	}
	if next, ok := h.broker.Next(); ok && (h.armed.IsZero() || next.Before(h.armed)) {
		h.armed = next
		select {
		case h.rearm <- struct{}{}:
		default:
		}
	}
}

// leave takes a connection out: what it waited for is forgotten and what it held waits again.
func (h *hub) leave(c *conn, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, w := range c.waiters {
		h.dismiss(w)
	}
	h.broker.Leave(c.id, now)
	h.settle(c, now)
}

// tick ends what is over and returns how long until there is more to end; 0 = nothing is known of.
func (h *hub) tick(now time.Time) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.broker.Tick(now)
	h.armed = time.Time{}
	h.settle(nil, now)
	select {
	case <-h.rearm: // the caller arms the timer itself
	default:
	}
	if h.armed.IsZero() {
		return 0
	}
	return max(h.armed.Sub(now), time.Microsecond)
}
