package contract

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
)

func queueLeaseRunsOut(t *testing.T, q queueUnderTest) {
	q.put(t, queueTicket("a", 5))
	first := q.reserve(t, 1, shortTicketLease)[0]
	second := q.reserve(t, 1, longTicketLease)[0] // waits until the lease is over
	require.Equal(t, first.Ticket, second.Ticket)
	require.Equal(t, 2, second.Count)
	require.NotEqual(t, first.Receipt, second.Receipt)
	require.ErrorIs(t, q.Ack(t.Context(), first.Receipt), domain.ErrReceiptStale)
	require.ErrorIs(t, q.Release(t.Context(), first.Receipt, 0), domain.ErrReceiptStale)
	require.ErrorIs(t, q.Extend(t.Context(), first.Receipt, longTicketLease), domain.ErrReceiptStale)
	require.NoError(t, q.Ack(t.Context(), second.Receipt))
	q.requireEmpty(t)
}

// queueLeaseWakes shows that a lease lasts: who waits gets the ticket when it is over, not before.
func queueLeaseWakes(t *testing.T, q queueUnderTest) {
	q.put(t, queueTicket("old", 5))
	q.reserve(t, 1, shortTicketLease)
	began := time.Now()
	d := q.reserve(t, 1, longTicketLease)[0]
	require.Equal(t, "old", d.Ticket.ID)
	require.GreaterOrEqual(t, time.Since(began), shortTicketLease/2, "handed out while the lease ran")
	require.NoError(t, q.Ack(t.Context(), d.Receipt))
}

func queueExtend(t *testing.T, q queueUnderTest) {
	q.put(t, queueTicket("a", 5), queueTicket("b", 5))
	d := q.reserve(t, 2, 2*time.Second)
	require.NoError(t, q.Extend(t.Context(), d[0].Receipt, longTicketLease))
	// b's lease ends, a's was extended past it.
	again := q.reserve(t, 1, longTicketLease)
	require.Equal(t, "b", again[0].Ticket.ID)
	require.NoError(t, q.Ack(t.Context(), d[0].Receipt))
	require.NoError(t, q.Ack(t.Context(), again[0].Receipt))
	q.requireEmpty(t)
}

func queueRelease(t *testing.T, q queueUnderTest) {
	q.put(t, queueTicket("a", 5), queueTicket("b", 5), queueTicket("c", 7))
	d := q.reserve(t, 2, longTicketLease)
	require.Equal(t, []string{"c", "a"}, deliveredIDs(d))
	q.put(t, queueTicket("d", 5), queueTicket("e", 7))
	require.NoError(t, q.Release(t.Context(), d[1].Receipt, 0))
	require.NoError(t, q.Release(t.Context(), d[0].Receipt, 0))
	again := q.reserve(t, 5, longTicketLease)
	require.Equal(t, []string{"c", "e", "a", "b", "d"}, deliveredIDs(again))
	require.Equal(t, 2, again[0].Count)
	require.Equal(t, 1, again[1].Count)
}

func queueReleaseDelay(t *testing.T, q queueUnderTest) {
	q.put(t, queueTicket("a", 10))
	d := q.reserve(t, 1, longTicketLease)[0]
	began := time.Now()
	require.NoError(t, q.Release(t.Context(), d.Receipt, 300*time.Millisecond))
	q.put(t, queueTicket("a", 10)) // it is still in the queue
	q.put(t, queueTicket("b", 1))
	require.Equal(t, "b", q.reserve(t, 1, longTicketLease)[0].Ticket.ID, "handed out before its delay was over")
	again := q.reserve(t, 1, longTicketLease)[0]
	require.Equal(t, "a", again.Ticket.ID)
	require.GreaterOrEqual(t, time.Since(began), 290*time.Millisecond)
	require.NoError(t, q.Ack(t.Context(), again.Receipt))
	q.requireEmpty(t)
}

func queueStale(t *testing.T, q queueUnderTest) {
	q.put(t, queueTicket("a", 5), queueTicket("b", 5))
	d := q.reserve(t, 2, longTicketLease)
	require.NoError(t, q.Ack(t.Context(), d[0].Receipt))
	require.NoError(t, q.Release(t.Context(), d[1].Receipt, 0))
	for _, x := range d {
		require.ErrorIs(t, q.Ack(t.Context(), x.Receipt), domain.ErrReceiptStale)
		require.ErrorIs(t, q.Release(t.Context(), x.Receipt, 0), domain.ErrReceiptStale)
		require.ErrorIs(t, q.Extend(t.Context(), x.Receipt, longTicketLease), domain.ErrReceiptStale)
	}
	require.Equal(t, domain.KindConflict, domain.KindOf(q.Ack(t.Context(), 1<<60)), "a receipt that never was")
	require.Equal(t, "b", q.reserve(t, 1, longTicketLease)[0].Ticket.ID)
}

func queueAckPartly(t *testing.T, q queueUnderTest) {
	q.put(t, queueTicket("a", 5), queueTicket("b", 5), queueTicket("c", 5))
	d := q.reserve(t, 3, longTicketLease)
	require.NoError(t, q.Release(t.Context(), d[1].Receipt, 0))
	require.ErrorIs(t, q.Ack(t.Context(), d[0].Receipt, d[1].Receipt, d[2].Receipt), domain.ErrReceiptStale)
	again := q.reserve(t, 1, longTicketLease)
	require.Equal(t, "b", again[0].Ticket.ID)
	require.NoError(t, q.Ack(t.Context(), again[0].Receipt))
	q.requireEmpty(t)
}
