package contract

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/test/fixture"
)

var turnClauses = clauses{
	"BatchesTakeTurns":                    turnRoundRobin,
	"JobsWithoutABatchAreOneMore":         turnSingles,
	"UrgencyComesBeforeTurns":             turnUrgency,
	"ALateSmallBatchDoesNotWaitForALarge": turnLate,
	"TheQueueHoldsNoMoreThanItsWindow":    turnWindow,
	"UrgentJobsPassAFullWindow":           turnUrgentWindow,
	"PagesGiveEveryBatchItsShare":         turnPages,
}

func batchSince(at time.Time) func(*domain.Batch) {
	return func(b *domain.Batch) { b.CreatedAt = at }
}

// order says which of some lists of jobs the tickets are of: their numbers, in order.
func order(got []domain.Ticket, lists ...[]*domain.Job) []int {
	of := map[domain.JobID]int{}
	for i, jobs := range lists {
		for _, j := range jobs {
			of[j.ID] = i
		}
	}
	numbers := []int{}
	for _, ticket := range got {
		numbers = append(numbers, of[ticket.Job])
	}
	return numbers
}

func turnRoundRobin(t *testing.T, s Storage) {
	servers := addServers(t, s, 5)
	at := fixture.Now()
	_, a := addBatch(t, s, servers, batchSince(at))
	_, b := addBatch(t, s, servers[:3], batchSince(at.Add(time.Second)))
	_, c := addBatch(t, s, servers[:1], batchSince(at.Add(2*time.Second)))
	got, _ := take(t, s, 100, at.Add(time.Minute))
	require.Equal(t, tickets(a[0], b[0], c[0], a[1], b[1], a[2], b[2], a[3], a[4]), got)
}

func turnSingles(t *testing.T, s Storage) {
	servers := addServers(t, s, 3)
	at := fixture.Now()
	var singles []*domain.Job
	for i := range 4 {
		singles = append(singles, addJob(t, s, fixture.Pending, fixture.On(servers[0].ID), fixture.Since(at.Add(time.Duration(i)*time.Millisecond))))
	}
	_, b := addBatch(t, s, servers, batchSince(at.Add(time.Second)))
	got, _ := take(t, s, 100, at.Add(time.Minute))
	require.Equal(t, tickets(singles[0], b[0], singles[1], b[1], singles[2], b[2], singles[3]), got)
}

func turnUrgency(t *testing.T, s Storage) {
	servers := addServers(t, s, 3)
	at := fixture.Now()
	_, a := addBatch(t, s, servers, batchSince(at))
	_, b := addBatch(t, s, servers, batchSince(at.Add(time.Second)), func(b *domain.Batch) { b.Priority = 6 })
	got, _ := take(t, s, 100, at.Add(time.Minute))
	require.Equal(t, tickets(append(b, a...)...), got)
}

// turnLate queues a batch of three behind one of a thousand that fills the queue already: the next three places are its own.
func turnLate(t *testing.T, s Storage) {
	server := addServer(t, s, fixture.Sessions(domain.MaxSessions))
	many := make([]*domain.Server, 1000)
	for i := range many {
		many[i] = server
	}
	_, large := addBatch(t, s, many)
	var first []domain.Ticket
	for more := true; more; {
		var got []domain.Ticket
		got, more = take(t, s, 50, fixture.Now())
		first = append(first, got...)
	}
	_, small := addBatch(t, s, many[:3])
	got, _ := take(t, s, 50, fixture.Now())
	require.Empty(t, got, "the queue is full of the large one's tickets")
	var next []domain.Ticket
	for i := range 5 { // one job ends at a time
		exit(t, s, first[i].Job, 0)
		got, _ := take(t, s, 50, fixture.Now())
		require.Len(t, got, 1)
		next = append(next, got...)
	}
	require.Equal(t, []int{1, 1, 1, 0, 0}, order(next, large, small))
}

func turnWindow(t *testing.T, s Storage) {
	const capacity = 80
	w := fixture.Worker(t)
	w.Capacity = capacity
	require.NoError(t, s.Workers.Register(t.Context(), w, longLease))
	servers := addServers(t, s, 1, fixture.Sessions(domain.MaxSessions))
	for len(servers) < 200 {
		servers = append(servers, servers[0])
	}
	_, jobs := addBatch(t, s, servers)
	var all []domain.Ticket
	for more := true; more; {
		var got []domain.Ticket
		got, more = take(t, s, 30, fixture.Now())
		all = append(all, got...)
	}
	require.Equal(t, tickets(jobs[:capacity]...), all, "as many as the workers can carry")
	got, more := take(t, s, 30, fixture.Now())
	require.Empty(t, got)
	require.False(t, more, "there is more, but not now")
	for _, j := range jobs[:3] {
		exit(t, s, j.ID, 0)
	}
	got, more = take(t, s, 30, fixture.Now())
	require.Equal(t, tickets(jobs[capacity:capacity+3]...), got)
	require.False(t, more)
}

func turnUrgentWindow(t *testing.T, s Storage) {
	server := addServer(t, s, fixture.Sessions(domain.MaxSessions))
	addMany(t, s, 200, fixture.On(server.ID), fixture.Urgency(3))
	for more := true; more; {
		_, more = take(t, s, 100, fixture.Now())
	}
	urgent := addJob(t, s, fixture.Pending, fixture.On(server.ID), fixture.Urgency(4))
	addJob(t, s, fixture.Pending, fixture.On(server.ID), fixture.Urgency(2))
	got, more := take(t, s, 100, fixture.Now())
	require.Equal(t, tickets(urgent), got)
	require.False(t, more)
}

func turnPages(t *testing.T, s Storage) {
	server := addServer(t, s, fixture.Sessions(domain.MaxSessions))
	var lists [][]*domain.Job
	at := fixture.Now()
	for i := range 7 {
		servers := make([]*domain.Server, 8)
		for k := range servers {
			servers[k] = server
		}
		_, jobs := addBatch(t, s, servers, batchSince(at.Add(time.Duration(i)*time.Second)))
		lists = append(lists, jobs)
	}
	counts := map[int]int{}
	for _, limit := range []int{16, 1, 3, 9} {
		got, more := take(t, s, limit, at.Add(time.Minute))
		require.True(t, more)
		for _, n := range order(got, lists...) {
			counts[n]++
		}
		for n := range lists {
			require.InDelta(t, counts[0], counts[n], 1, "batch %d against the first: %v", n, counts)
		}
	}
	require.GreaterOrEqual(t, counts[6], 4)
}
