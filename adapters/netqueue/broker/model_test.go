package broker_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/heysubinoy/remora/adapters/netqueue/broker"
	"github.com/heysubinoy/remora/domain"
)

// model is the broker as a slice that every command walks: slow, and too plain to be wrong in the same way.
type model struct {
	limits   broker.Limits
	tickets  []*modelTicket
	queues   map[string]bool
	sequence uint64
	receipt  uint64
}

type modelTicket struct {
	queue   string
	placed  broker.Placed
	state   string // waiting, delayed, leased, dead
	due     time.Time
	receipt uint64
	owner   uint64
	count   int
	losses  int
}

func (m *model) find(queue, id string) *modelTicket {
	for _, t := range m.tickets {
		if t.queue == queue && t.placed.Ticket.ID == id {
			return t
		}
	}
	return nil
}

func (m *model) remove(t *modelTicket) {
	m.tickets = slices.DeleteFunc(m.tickets, func(o *modelTicket) bool { return o == t })
}

func (m *model) lose(t *modelTicket) {
	t.losses++
	t.state, t.receipt, t.owner = "waiting", 0, 0
	if m.limits.Losses > 0 && t.losses >= m.limits.Losses {
		t.state = "dead"
	}
}

func (m *model) tick(now time.Time) {
	for _, t := range m.tickets {
		switch {
		case t.due.After(now):
		case t.state == "delayed":
			t.state = "waiting"
		case t.state == "leased":
			m.lose(t)
		}
	}
}

func (m *model) waiting(queue string) []*modelTicket {
	var w []*modelTicket
	for _, t := range m.tickets {
		if t.queue == queue && t.state == "waiting" {
			w = append(w, t)
		}
	}
	slices.SortFunc(w, func(a, b *modelTicket) int {
		return cmp.Or(cmp.Compare(b.placed.Ticket.Priority, a.placed.Ticket.Priority), cmp.Compare(a.placed.Sequence, b.placed.Sequence))
	})
	return w
}

func (m *model) leased(receipt uint64) *modelTicket {
	for _, t := range m.tickets {
		if t.state == "leased" && t.receipt == receipt {
			return t
		}
	}
	return nil
}

func (m *model) put(queue string, tickets []domain.Ticket, now time.Time) ([]broker.Placed, error) {
	m.tick(now)
	if !m.queues[queue] && len(m.queues) >= m.limits.Queues {
		return nil, broker.ErrQueuesExhausted
	}
	fresh := map[string]bool{}
	for _, t := range tickets {
		if m.find(queue, t.ID) == nil {
			fresh[t.ID] = true
		}
	}
	if len(fresh) > 0 && len(m.tickets)+len(fresh) > m.limits.Tickets {
		return nil, domain.ErrQueueFull
	}
	m.queues[queue] = true
	var placed []broker.Placed
	for _, t := range tickets {
		if known := m.find(queue, t.ID); known != nil {
			if known.state == "dead" {
				known.state, known.losses = "waiting", 0
			}
			continue
		}
		m.sequence++
		p := broker.Placed{Ticket: t, Sequence: m.sequence, At: now}
		m.tickets = append(m.tickets, &modelTicket{queue: queue, placed: p, state: "waiting"})
		placed = append(placed, p)
	}
	return placed, nil
}

func (m *model) reserve(queue string, owner uint64, limit int, lease time.Duration, now time.Time) []broker.Delivery {
	m.tick(now)
	w := m.waiting(queue)
	var out []broker.Delivery
	for _, t := range w[:min(limit, len(w))] {
		m.receipt++
		t.state, t.receipt, t.owner, t.due = "leased", m.receipt, owner, now.Add(lease)
		t.count++
		out = append(out, broker.Delivery{Ticket: t.placed.Ticket, Receipt: t.receipt, Count: t.count})
	}
	return out
}

// run drives broker and model side by side.
type run struct {
	b   *broker.Broker
	m   *model
	now time.Time
}

func (r *run) queue(t *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "queue")
}

func (r *run) receipt(t *rapid.T) uint64 {
	return 100 + rapid.Uint64Range(0, r.m.receipt-100+2).Draw(t, "receipt")
}

func (r *run) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"put": func(t *rapid.T) {
			queue, n := r.queue(t), rapid.IntRange(1, 5).Draw(t, "n")
			tickets := make([]domain.Ticket, n)
			for i := range tickets {
				id := fmt.Sprintf("t%d", rapid.IntRange(0, 30).Draw(t, "id"))
				tickets[i] = domain.Ticket{ID: id, Job: domain.JobID("j" + id), Priority: domain.Priority(rapid.IntRange(1, 10).Draw(t, "priority"))}
			}
			want, wantErr := r.m.put(queue, tickets, r.now)
			got, err := r.b.Put(queue, tickets, r.now)
			require.Equal(t, wantErr, err)
			require.Equal(t, want, got)
		},
		"reserve": func(t *rapid.T) {
			queue, owner, limit := r.queue(t), rapid.Uint64Range(1, 3).Draw(t, "owner"), rapid.IntRange(1, 6).Draw(t, "limit")
			lease := time.Duration(rapid.IntRange(1, 20).Draw(t, "lease"))
			want := r.m.reserve(queue, owner, limit, lease, r.now)
			require.ElementsMatch(t, want, r.b.Reserve(queue, owner, limit, lease, r.now))
		},
		"ack":      r.ack,
		"release":  r.release,
		"extend":   r.extend,
		"withdraw": r.withdraw,
		"leave": func(t *rapid.T) {
			owner := rapid.Uint64Range(1, 3).Draw(t, "owner")
			r.m.tick(r.now)
			for _, x := range r.m.tickets {
				if x.state == "leased" && x.owner == owner {
					r.m.lose(x)
				}
			}
			r.b.Leave(owner, r.now)
		},
		"kickAll": func(t *rapid.T) {
			queue, n := r.queue(t), 0
			r.m.tick(r.now)
			for _, x := range r.m.tickets {
				if x.queue == queue && x.state == "dead" {
					x.state, x.losses = "waiting", 0
					n++
				}
			}
			require.Equal(t, n, r.b.Kick(queue, 1000, r.now))
		},
		"time": func(t *rapid.T) {
			r.now = r.now.Add(time.Duration(rapid.IntRange(0, 12).Draw(t, "step")))
			r.m.tick(r.now)
			r.b.Tick(r.now)
		},
		"": r.check,
	}
}

func (r *run) ack(t *rapid.T) {
	receipts := []uint64{r.receipt(t), r.receipt(t)}
	r.m.tick(r.now)
	want, wantStale := []uint64{}, false
	for _, receipt := range receipts {
		if x := r.m.leased(receipt); x != nil {
			want = append(want, x.placed.Sequence)
			r.m.remove(x)
		} else {
			wantStale = true
		}
	}
	got, stale := r.b.Ack(receipts, r.now)
	require.Equal(t, want, got)
	require.Equal(t, wantStale, stale)
}

func (r *run) release(t *rapid.T) {
	receipt, delay := r.receipt(t), time.Duration(rapid.IntRange(0, 10).Draw(t, "delay"))
	r.m.tick(r.now)
	var want error = domain.ErrReceiptStale
	if x := r.m.leased(receipt); x != nil {
		want = nil
		x.state, x.receipt, x.owner = "waiting", 0, 0
		if delay > 0 {
			x.state, x.due = "delayed", r.now.Add(delay)
		}
	}
	require.Equal(t, want, r.b.Release(receipt, delay, r.now))
}

func (r *run) extend(t *rapid.T) {
	receipt, lease := r.receipt(t), time.Duration(rapid.IntRange(1, 30).Draw(t, "lease"))
	r.m.tick(r.now)
	var want error = domain.ErrReceiptStale
	if x := r.m.leased(receipt); x != nil {
		want, x.due = nil, r.now.Add(lease)
	}
	require.Equal(t, want, r.b.Extend(receipt, lease, r.now))
}

func (r *run) withdraw(t *rapid.T) {
	queue := r.queue(t)
	ids := []string{fmt.Sprintf("t%d", rapid.IntRange(0, 30).Draw(t, "id")), fmt.Sprintf("t%d", rapid.IntRange(0, 30).Draw(t, "id"))}
	r.m.tick(r.now)
	var want []uint64
	for _, id := range ids {
		if x := r.m.find(queue, id); x != nil && x.state != "leased" {
			want = append(want, x.placed.Sequence)
			r.m.remove(x)
		}
	}
	require.Equal(t, want, r.b.Withdraw(queue, ids, r.now))
}

// check compares everything that can be seen, and that looking changes nothing.
func (r *run) check(t *rapid.T) {
	r.m.tick(r.now)
	require.Equal(t, len(r.m.tickets), r.b.Size())
	var next time.Time
	for _, x := range r.m.tickets {
		if (x.state == "leased" || x.state == "delayed") && (next.IsZero() || x.due.Before(next)) {
			next = x.due
		}
	}
	got, ok := r.b.Next()
	require.Equal(t, !next.IsZero(), ok)
	require.Equal(t, next, got)
	for _, queue := range []string{"a", "b", "c"} {
		count := map[string]int{}
		for _, x := range r.m.tickets {
			if x.queue == queue {
				count[x.state]++
			}
		}
		w := r.m.waiting(queue)
		var peek []broker.Placed
		var oldest time.Time
		for _, x := range w {
			peek = append(peek, x.placed)
			if oldest.IsZero() || x.placed.At.Before(oldest) {
				oldest = x.placed.At
			}
		}
		require.Equal(t, peek, r.b.Peek(queue, 1000, r.now))
		s := r.b.Stats(queue, r.now)
		require.Equal(t, count, noZeros(map[string]int{"waiting": s.Waiting, "delayed": s.Delayed, "leased": s.Leased, "dead": s.Dead}))
		require.Equal(t, oldest, s.Oldest)
		require.Equal(t, s.Waiting, r.b.Waiting(queue))
	}
}

func noZeros(m map[string]int) map[string]int {
	for k, v := range m {
		if v == 0 {
			delete(m, k)
		}
	}
	return m
}

func TestBroker_DoesWhatTheModelDoes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limits := broker.Limits{Tickets: rapid.IntRange(1, 40).Draw(t, "tickets"), Queues: rapid.IntRange(1, 3).Draw(t, "queues"),
			Losses: rapid.IntRange(0, 3).Draw(t, "losses")}
		r := &run{b: broker.New(limits, 100), m: &model{limits: limits, queues: map[string]bool{}, receipt: 100}, now: time.Unix(1000, 0).UTC()}
		t.Repeat(r.actions())
	})
}
