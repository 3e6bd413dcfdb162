package broker_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/netqueue/broker"
	"github.com/heysubinoy/remora/domain"
)

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func ticket(id string, p domain.Priority) domain.Ticket {
	return domain.Ticket{ID: id, Job: domain.JobID("job-" + id), Priority: p}
}

func TestBroker_RestoreKeepsPlacesAndGoesOnCounting(t *testing.T) {
	t.Parallel()
	b := broker.New(broker.Limits{Tickets: 1, Queues: 1}, 7)
	require.True(t, b.Restore("q", broker.Placed{Ticket: ticket("x", 5), Sequence: 40, At: began}))
	require.True(t, b.Restore("r", broker.Placed{Ticket: ticket("y", 5), Sequence: 41, At: began}))
	require.False(t, b.Restore("q", broker.Placed{Ticket: ticket("x", 5), Sequence: 42, At: began}), "an ID twice")
	b.Resume(90)

	_, err := b.Put("q", []domain.Ticket{ticket("z", 5)}, began)
	require.ErrorIs(t, err, domain.ErrQueueFull, "what was restored counts")
	d := b.Reserve("q", 1, 1, time.Second, began)
	require.Equal(t, []broker.Delivery{{Ticket: ticket("x", 5), Receipt: 8, Count: 1}}, d)
	b.Ack([]uint64{8}, began)
	b.Reserve("r", 1, 1, time.Second, began)
	b.Ack([]uint64{9}, began)
	placed, err := b.Put("q", []domain.Ticket{ticket("z", 5)}, began)
	require.NoError(t, err)
	require.Equal(t, uint64(91), placed[0].Sequence)
}

func TestBroker_AMillionTicketsComeBackInOrder(t *testing.T) {
	t.Parallel()
	const n = 1_000_000
	b := broker.New(broker.Limits{Tickets: n, Queues: 1}, 0)
	for i := range n {
		_, err := b.Put("q", []domain.Ticket{ticket(strconv.Itoa(i), domain.Priority(i%10+1))}, began)
		require.NoError(t, err)
	}
	_, err := b.Put("q", []domain.Ticket{ticket("more", 1)}, began)
	require.ErrorIs(t, err, domain.ErrQueueFull)

	require.Len(t, b.Reserve("q", 1, n, time.Minute, began), n)
	b.Leave(1, began)
	last := domain.Ticket{Priority: 10, ID: "-1"}
	for _, d := range b.Reserve("q", 2, n, time.Minute, began) {
		require.Equal(t, 2, d.Count)
		if d.Ticket.Priority == last.Priority {
			was, _ := strconv.Atoi(last.ID)
			is, _ := strconv.Atoi(d.Ticket.ID)
			if is <= was {
				t.Fatalf("ticket %d came after %d", is, was)
			}
		} else if d.Ticket.Priority > last.Priority {
			t.Fatalf("priority %d came after %d", d.Ticket.Priority, last.Priority)
		}
		last = d.Ticket
	}
	require.Equal(t, 0, b.Waiting("q"))
}

func BenchmarkBroker_PutReserveAck(b *testing.B) {
	q := broker.New(broker.Limits{Tickets: 2_000_000, Queues: 1}, 0)
	for i := range 1_000_000 {
		_, _ = q.Put("q", []domain.Ticket{ticket("standing"+strconv.Itoa(i), 1)}, began)
	}
	b.ResetTimer()
	for i := range b.N {
		_, _ = q.Put("q", []domain.Ticket{ticket(strconv.Itoa(i), 5)}, began)
		d := q.Reserve("q", 1, 1, time.Minute, began)
		q.Ack([]uint64{d[0].Receipt}, began)
	}
}
