package contract

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/harness/wait"
)

// QueueTraits is in what queues may differ.
type QueueTraits struct {
	// Restart ends the queue that open returned for the same t as a crash would, and starts it again on what is stored;
	// the two ports go on working. Nil: the queue is lost with its process.
	Restart func(t *testing.T)
}

// queueUnderTest is both sides of one queue.
type queueUnderTest struct {
	ports.Enqueuer
	ports.Dequeuer
	traits QueueTraits
}

type queueClauses map[string]func(t *testing.T, q queueUnderTest)

const (
	longTicketLease  = time.Minute
	shortTicketLease = 150 * time.Millisecond
)

// Queue runs the contract of ports.Enqueuer and ports.Dequeuer. open opens a fresh, empty queue and cleans up after the
// test; it is called from many tests at once.
func Queue(t *testing.T, open func(t *testing.T) (ports.Enqueuer, ports.Dequeuer), traits QueueTraits) {
	clauses := queueClauses{
		"PriorityThenAge":                  queueOrder,
		"ReserveTakesUpToMax":              queueMax,
		"ReserveWaits":                     queueWaits,
		"CanceledReserveLosesNoTicket":     queueCanceledReserve,
		"OneTicketOneWorker":               queueOneWorker,
		"LeaseRunsOut":                     queueLeaseRunsOut,
		"LeaseRunsOutForWhoWaits":          queueLeaseWakes,
		"ExtendKeepsTheLease":              queueExtend,
		"ReleasePutsBackAtItsPlace":        queueRelease,
		"ReleaseWithDelay":                 queueReleaseDelay,
		"SettledReceiptsAreStale":          queueStale,
		"AckOfSomeStaleRemovesTheOthers":   queueAckPartly,
		"WithdrawTakesWhatWaits":           queueWithdraw,
		"PutTwiceIsOnce":                   queuePutTwice,
		"PutIsAllOrNone":                   queueAllOrNone,
		"NothingIsNothing":                 queueNothing,
		"OutOfRangeIsInvalid":              queueInvalid,
		"DoneContextChangesNothing":        queueDoneContext,
		"StoreStaysTheSame":                queueStore,
		"RacingPutsAndReservesLoseNothing": queueRace,
	}
	if traits.Restart != nil {
		clauses["RestartKeepsWhatWaits"] = queueRestart
		clauses["RestartMakesReceiptsStale"] = queueRestartReceipts
	}
	for name, clause := range clauses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			enqueuer, dequeuer := open(t)
			clause(t, queueUnderTest{enqueuer, dequeuer, traits})
		})
	}
}

func queueTicket(id string, p domain.Priority) domain.Ticket {
	return domain.Ticket{ID: id, Job: domain.JobID("job of " + id), Priority: p}
}

func (q queueUnderTest) put(t *testing.T, tickets ...domain.Ticket) {
	t.Helper()
	require.NoError(t, q.Put(t.Context(), tickets))
}

// restart restarts the queue and waits until it is reached again; until then every call may say that it is away.
func (q queueUnderTest) restart(t *testing.T) {
	t.Helper()
	q.traits.Restart(t)
	wait.Until(t, func() error {
		_, err := q.Store(t.Context())
		return err
	})
}

// reserve takes exactly n tickets.
func (q queueUnderTest) reserve(t *testing.T, n int, lease time.Duration) []domain.Delivery {
	t.Helper()
	var all []domain.Delivery
	for len(all) < n {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		got, err := q.Reserve(ctx, n-len(all), lease)
		cancel()
		require.NoError(t, err, "after %d of %d tickets", len(all), n)
		require.NotEmpty(t, got)
		all = append(all, got...)
	}
	require.Len(t, all, n)
	return all
}

// requireEmpty checks that nothing can be handed out: a ticket put now, least urgent of all, is the next.
func (q queueUnderTest) requireEmpty(t *testing.T) {
	t.Helper()
	q.put(t, queueTicket("sentinel", 1))
	d := q.reserve(t, 1, longTicketLease)
	require.Equal(t, "sentinel", d[0].Ticket.ID)
	require.NoError(t, q.Ack(t.Context(), d[0].Receipt))
}

func deliveredIDs(deliveries []domain.Delivery) []string {
	ids := make([]string, len(deliveries))
	for i, d := range deliveries {
		ids[i] = d.Ticket.ID
	}
	return ids
}

func queueOrder(t *testing.T, q queueUnderTest) {
	q.put(t, queueTicket("a", 5), queueTicket("b", 1), queueTicket("c", 10))
	q.put(t, queueTicket("d", 5), queueTicket("e", 10), queueTicket("f", 9))
	before := time.Now()
	d := q.reserve(t, 6, longTicketLease)
	require.Equal(t, []string{"c", "e", "f", "a", "d", "b"}, deliveredIDs(d))
	receipts := map[uint64]bool{}
	for _, x := range d {
		require.Equal(t, 1, x.Count)
		require.Equal(t, domain.JobID("job of "+x.Ticket.ID), x.Ticket.Job)
		if !x.Until.IsZero() {
			require.WithinRange(t, x.Until, before.Add(longTicketLease-time.Second), time.Now().Add(longTicketLease+time.Second))
		}
		receipts[x.Receipt] = true
	}
	require.Len(t, receipts, 6, "every delivery has a receipt of its own")
	require.Equal(t, domain.Priority(10), d[0].Ticket.Priority)
}

func queueMax(t *testing.T, q queueUnderTest) {
	q.put(t, queueTicket("a", 5), queueTicket("b", 5), queueTicket("c", 5))
	got, err := q.Reserve(t.Context(), 2, longTicketLease)
	require.NoError(t, err)
	require.NotEmpty(t, got)
	require.LessOrEqual(t, len(got), 2)
	rest := q.reserve(t, 3-len(got), longTicketLease)
	require.Equal(t, []string{"a", "b", "c"}, deliveredIDs(append(got, rest...)))
}

func queueWaits(t *testing.T, q queueUnderTest) {
	got := make(chan []domain.Delivery, 1)
	var waiting sync.WaitGroup
	waiting.Go(func() {
		d, err := q.Reserve(t.Context(), 5, longTicketLease)
		if err != nil {
			t.Errorf("the waiting Reserve failed: %v", err)
		}
		got <- d
	})
	// An earlier Reserve that times out shows that the queue was looked at and is empty.
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := q.Reserve(ctx, 1, longTicketLease)
	require.Equal(t, domain.KindTimeout, domain.KindOf(err))
	q.put(t, queueTicket("late", 5))
	waiting.Wait()
	require.Equal(t, []string{"late"}, deliveredIDs(<-got))
}

// queueCanceledReserve ends a Reserve at about the moment when a ticket comes: it has it, or the next one gets it.
func queueCanceledReserve(t *testing.T, q queueUnderTest) {
	for i := range 100 {
		id := fmt.Sprintf("t%d", i)
		ctx, cancel := context.WithCancel(t.Context())
		var both sync.WaitGroup
		var got []domain.Delivery
		var err error
		both.Go(func() { got, err = q.Reserve(ctx, 1, longTicketLease) })
		both.Go(func() {
			if i%2 == 0 {
				cancel()
			}
			if e := q.Put(t.Context(), []domain.Ticket{queueTicket(id, 5)}); e != nil {
				t.Errorf("Put: %v", e)
			}
			cancel()
		})
		both.Wait()
		if err != nil {
			require.Equal(t, domain.KindCanceled, domain.KindOf(err))
			require.Empty(t, got)
			got = q.reserve(t, 1, longTicketLease)
		}
		require.Equal(t, []string{id}, deliveredIDs(got))
		require.NoError(t, q.Ack(t.Context(), got[0].Receipt))
	}
}

func queueOneWorker(t *testing.T, q queueUnderTest) {
	q.put(t, queueTicket("only", 5))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	won := make(chan domain.Delivery, 20)
	var workers sync.WaitGroup
	for range 20 {
		workers.Go(func() {
			d, err := q.Reserve(ctx, 1, longTicketLease)
			for _, x := range d {
				won <- x
			}
			if err != nil && domain.KindOf(err) != domain.KindCanceled {
				t.Errorf("Reserve: %v", err)
			}
		})
	}
	first := <-won
	// Two more tickets wake two of the nineteen; who gets them has looked after the first was handed out.
	q.put(t, queueTicket("x", 1), queueTicket("y", 1))
	others := []string{(<-won).Ticket.ID, (<-won).Ticket.ID}
	stop()
	workers.Wait()
	close(won)
	require.Equal(t, "only", first.Ticket.ID)
	require.ElementsMatch(t, []string{"x", "y"}, others)
	require.Empty(t, won, "a ticket was handed out twice")
}

func queueWithdraw(t *testing.T, q queueUnderTest) {
	q.put(t, queueTicket("held", 9), queueTicket("a", 5), queueTicket("b", 5))
	d := q.reserve(t, 1, longTicketLease)
	n, err := q.Withdraw(t.Context(), []string{"held", "a", "unknown", "a"})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, "b", q.reserve(t, 1, longTicketLease)[0].Ticket.ID)
	require.NoError(t, q.Ack(t.Context(), d[0].Receipt), "what is handed out is left alone")
	q.put(t, queueTicket("a", 5))
	require.Equal(t, "a", q.reserve(t, 1, longTicketLease)[0].Ticket.ID, "withdrawn and put again it is new")
	n, err = q.Withdraw(t.Context(), nil)
	require.NoError(t, err)
	require.Zero(t, n)
}

func queuePutTwice(t *testing.T, q queueUnderTest) {
	q.put(t, queueTicket("a", 5), queueTicket("a", 9))
	q.put(t, queueTicket("a", 5), queueTicket("b", 5))
	d := q.reserve(t, 2, longTicketLease)
	require.Equal(t, []string{"a", "b"}, deliveredIDs(d))
	require.Equal(t, domain.Priority(5), d[0].Ticket.Priority, "the first counts")
	q.put(t, queueTicket("a", 10)) // handed out
	q.requireEmpty(t)
	require.NoError(t, q.Ack(t.Context(), d[0].Receipt))
	q.put(t, queueTicket("a", 10))
	again := q.reserve(t, 1, longTicketLease)[0]
	require.Equal(t, "a", again.Ticket.ID)
	require.Equal(t, domain.Priority(10), again.Ticket.Priority, "after the Ack it is a new one")
}

func queueAllOrNone(t *testing.T, q queueUnderTest) {
	for name, bad := range map[string]domain.Ticket{
		"priority 0": queueTicket("x", 0), "priority 11": queueTicket("x", 11), "no id": queueTicket("", 5),
		"long id": queueTicket(fmt.Sprintf("%0129d", 1), 5),
	} {
		err := q.Put(t.Context(), []domain.Ticket{queueTicket("good", 5), bad})
		require.Equal(t, domain.KindInvalid, domain.KindOf(err), name)
	}
	q.requireEmpty(t)
}

func queueNothing(t *testing.T, q queueUnderTest) {
	require.NoError(t, q.Put(t.Context(), nil))
	require.NoError(t, q.Ack(t.Context()))
	q.requireEmpty(t)
}

func queueInvalid(t *testing.T, q queueUnderTest) {
	q.put(t, queueTicket("a", 5))
	_, err := q.Reserve(t.Context(), 0, longTicketLease)
	require.Equal(t, domain.KindInvalid, domain.KindOf(err))
	_, err = q.Reserve(t.Context(), 1, 0)
	require.Equal(t, domain.KindInvalid, domain.KindOf(err))
	d := q.reserve(t, 1, longTicketLease)[0]
	require.Equal(t, domain.KindInvalid, domain.KindOf(q.Extend(t.Context(), d.Receipt, -1)))
	require.Equal(t, domain.KindInvalid, domain.KindOf(q.Release(t.Context(), d.Receipt, -1)))
	require.NoError(t, q.Ack(t.Context(), d.Receipt))
}

func queueDoneContext(t *testing.T, q queueUnderTest) {
	q.put(t, queueTicket("a", 5))
	d := q.reserve(t, 1, longTicketLease)[0]
	canceled, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the caller went away"))
	late, release := context.WithTimeout(t.Context(), -time.Second)
	defer release()
	for want, ctx := range map[domain.Kind]context.Context{domain.KindCanceled: canceled, domain.KindTimeout: late} {
		require.Equal(t, want, domain.KindOf(q.Put(ctx, []domain.Ticket{queueTicket("b", 5)})))
		_, err := q.Withdraw(ctx, []string{"a"})
		require.Equal(t, want, domain.KindOf(err))
		_, err = q.Store(ctx)
		require.Equal(t, want, domain.KindOf(err))
		_, err = q.Reserve(ctx, 1, longTicketLease)
		require.Equal(t, want, domain.KindOf(err))
		require.Equal(t, want, domain.KindOf(q.Ack(ctx, d.Receipt)))
		require.Equal(t, want, domain.KindOf(q.Release(ctx, d.Receipt, 0)))
		require.Equal(t, want, domain.KindOf(q.Extend(ctx, d.Receipt, longTicketLease)))
	}
	require.NoError(t, q.Ack(t.Context(), d.Receipt))
	q.requireEmpty(t)
}

func queueStore(t *testing.T, q queueUnderTest) {
	before, err := q.Store(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, before)
	q.put(t, queueTicket("a", 5))
	after, err := q.Store(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, after)
}

// queueRace puts and takes from many sides: every ticket is acknowledged exactly once.
func queueRace(t *testing.T, q queueUnderTest) {
	const putters, each, takers = 4, 50, 8
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	acked := make(chan string, putters*each+1)
	var all sync.WaitGroup
	for p := range putters {
		all.Go(func() {
			for i := range each {
				if err := q.Put(ctx, []domain.Ticket{queueTicket(fmt.Sprintf("%d-%d", p, i), domain.Priority(i%10+1))}); err != nil {
					t.Errorf("Put: %v", err)
				}
			}
		})
	}
	for range takers {
		all.Go(func() {
			for {
				d, err := q.Reserve(ctx, 3, longTicketLease)
				if err != nil {
					if domain.KindOf(err) != domain.KindCanceled {
						t.Errorf("Reserve: %v", err)
					}
					return
				}
				for _, x := range d {
					if err := q.Ack(t.Context(), x.Receipt); err != nil {
						t.Errorf("Ack: %v", err)
					}
					acked <- x.Ticket.ID
				}
			}
		})
	}
	seen := map[string]bool{}
	for range putters * each {
		id := <-acked
		require.False(t, seen[id], "ticket %s was handed out twice", id)
		seen[id] = true
	}
	stop()
	all.Wait()
	require.Empty(t, acked)
}

func queueRestart(t *testing.T, q queueUnderTest) {
	store, err := q.Store(t.Context())
	require.NoError(t, err)
	q.put(t, queueTicket("acked", 9), queueTicket("held", 8), queueTicket("a", 5), queueTicket("gone", 5), queueTicket("b", 5))
	d := q.reserve(t, 2, longTicketLease)
	require.NoError(t, q.Ack(t.Context(), d[0].Receipt))
	_, err = q.Withdraw(t.Context(), []string{"gone"})
	require.NoError(t, err)

	q.restart(t)
	q.put(t, queueTicket("c", 5), queueTicket("a", 10))
	require.Equal(t, []string{"held", "a", "b", "c"}, deliveredIDs(q.reserve(t, 4, longTicketLease)), "what was handed out waits again")
	after, err := q.Store(t.Context())
	require.NoError(t, err)
	require.Equal(t, store, after)
	q.requireEmpty(t)
}

func queueRestartReceipts(t *testing.T, q queueUnderTest) {
	q.put(t, queueTicket("a", 5))
	before := q.reserve(t, 1, longTicketLease)[0]
	q.restart(t)
	after := q.reserve(t, 1, longTicketLease)[0]
	require.ErrorIs(t, q.Ack(t.Context(), before.Receipt), domain.ErrReceiptStale)
	require.NoError(t, q.Ack(t.Context(), after.Receipt))
	q.requireEmpty(t)
}
