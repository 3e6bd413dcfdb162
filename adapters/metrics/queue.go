package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

type queueMeters struct {
	settled *prometheus.CounterVec
	errors  *prometheus.CounterVec
}

func newQueueMeters(m *Meters) queueMeters {
	return queueMeters{
		settled: zero(m.counter("remora_queue_handled_tickets_total", "Tickets that went through the queue's client, by what was done with them.", "operation"),
			"put", "withdrawn", "taken", "acked", "released", "extended"),
		errors: zero(m.counter("remora_queue_errors_total", "Calls of the queue that failed; a caller that went away is none.", "operation"),
			"put", "withdraw", "store", "reserve", "ack", "release", "extend"),
	}
}

// done counts what became of a call.
func (q *queueMeters) done(call, operation string, n int, err error) {
	if err == nil {
		if operation != "" {
			q.settled.WithLabelValues(operation).Add(float64(n))
		}
		return
	}
	if k := domain.KindOf(err); k != domain.KindCanceled && k != domain.KindTimeout {
		q.errors.WithLabelValues(call).Inc()
	}
}

type enqueuer struct {
	ports.Enqueuer
	meters *queueMeters
}

// Enqueuer counts what is put into the queue.
func (m *Meters) Enqueuer(next ports.Enqueuer) ports.Enqueuer { return &enqueuer{next, &m.queue} }

// Put implements ports.Enqueuer.
func (q *enqueuer) Put(ctx context.Context, tickets []domain.Ticket) error {
	err := q.Enqueuer.Put(ctx, tickets)
	q.meters.done("put", "put", len(tickets), err)
	return err
}

// Withdraw implements ports.Enqueuer.
func (q *enqueuer) Withdraw(ctx context.Context, ids []string) (int, error) {
	n, err := q.Enqueuer.Withdraw(ctx, ids)
	q.meters.done("withdraw", "withdrawn", n, err)
	return n, err
}

// Store implements ports.Enqueuer.
func (q *enqueuer) Store(ctx context.Context) (string, error) {
	id, err := q.Enqueuer.Store(ctx)
	q.meters.done("store", "", 0, err)
	return id, err
}

type dequeuer struct {
	ports.Dequeuer
	meters *queueMeters
}

// Dequeuer counts what is taken from the queue.
func (m *Meters) Dequeuer(next ports.Dequeuer) ports.Dequeuer { return &dequeuer{next, &m.queue} }

// Reserve implements ports.Dequeuer.
func (q *dequeuer) Reserve(ctx context.Context, limit int, lease time.Duration) ([]domain.Delivery, error) {
	deliveries, err := q.Dequeuer.Reserve(ctx, limit, lease)
	q.meters.done("reserve", "taken", len(deliveries), err)
	return deliveries, err
}

// Ack implements ports.Dequeuer.
func (q *dequeuer) Ack(ctx context.Context, receipts ...uint64) error {
	err := q.Dequeuer.Ack(ctx, receipts...)
	q.meters.done("ack", "acked", len(receipts), err)
	return err
}

// Release implements ports.Dequeuer.
func (q *dequeuer) Release(ctx context.Context, receipt uint64, delay time.Duration) error {
	err := q.Dequeuer.Release(ctx, receipt, delay)
	q.meters.done("release", "released", 1, err)
	return err
}

// Extend implements ports.Dequeuer.
func (q *dequeuer) Extend(ctx context.Context, receipt uint64, lease time.Duration) error {
	err := q.Dequeuer.Extend(ctx, receipt, lease)
	q.meters.done("extend", "extended", 1, err)
	return err
}

// Level is how many tickets a queue holds, by where they are.
type Level struct {
	Waiting, Delayed, Leased, Dead int
	OldestAge                      time.Duration // of the ticket that waits longest
}

// QueueSource says what is asked of a queue's client at each scrape.
type QueueSource struct {
	Level    func(ctx context.Context) (Level, error)
	Connects func() uint64 // how often a connection was made
}

// WatchQueue shows how full the queue is, as its client sees it, and whether it is there.
func (m *Meters) WatchQueue(s QueueSource) {
	m.registry.MustRegister(collector(
		[]*prometheus.Desc{queueUp, queueTickets, queueOldest, queueConnects},
		func(ctx context.Context, out chan<- prometheus.Metric) {
			out <- prometheus.MustNewConstMetric(queueConnects, prometheus.CounterValue, float64(s.Connects()))
			l, err := s.Level(ctx)
			if err != nil {
				out <- prometheus.MustNewConstMetric(queueUp, prometheus.GaugeValue, 0)
				return
			}
			out <- prometheus.MustNewConstMetric(queueUp, prometheus.GaugeValue, 1)
			out <- prometheus.MustNewConstMetric(queueOldest, prometheus.GaugeValue, l.OldestAge.Seconds())
			l.states(queueTickets, out)
		}))
}

func (l Level) states(d *prometheus.Desc, out chan<- prometheus.Metric) {
	for state, n := range map[string]int{"waiting": l.Waiting, "delayed": l.Delayed, "leased": l.Leased, "dead": l.Dead} {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), state)
	}
}

var (
	queueUp       = prometheus.NewDesc("remora_queue_up", "1 while the queue answers this process, else 0.", nil, nil)
	queueTickets  = prometheus.NewDesc("remora_queue_tickets", "Tickets in the queue by state, as its client is told; every client is told the same.", []string{"state"}, nil)
	queueOldest   = prometheus.NewDesc("remora_queue_oldest_ticket_age_seconds", "How long the ticket that waits longest has waited.", nil, nil)
	queueConnects = prometheus.NewDesc("remora_queue_connects_total", "Connections made to the queue: the first, and one after every loss.", nil, nil)
)

// Broker is what the queue's own process tells about all of its queues together.
type Broker struct {
	Level
	Put, Acked, Lost uint64 // tickets since the start
	Connections      int
}

// WatchBroker shows what the broker in this process holds.
func (m *Meters) WatchBroker(read func() Broker) {
	m.registry.MustRegister(collector(
		[]*prometheus.Desc{brokerTickets, brokerOldest, brokerPut, brokerAcked, brokerLost, brokerConns},
		func(_ context.Context, out chan<- prometheus.Metric) {
			b := read()
			b.states(brokerTickets, out)
			out <- prometheus.MustNewConstMetric(brokerOldest, prometheus.GaugeValue, b.OldestAge.Seconds())
			out <- prometheus.MustNewConstMetric(brokerPut, prometheus.CounterValue, float64(b.Put))
			out <- prometheus.MustNewConstMetric(brokerAcked, prometheus.CounterValue, float64(b.Acked))
			out <- prometheus.MustNewConstMetric(brokerLost, prometheus.CounterValue, float64(b.Lost))
			out <- prometheus.MustNewConstMetric(brokerConns, prometheus.GaugeValue, float64(b.Connections))
		}))
}

var (
	brokerTickets = prometheus.NewDesc("remora_netqueue_tickets", "Tickets in all queues of the broker, by state.", []string{"state"}, nil)
	brokerOldest  = prometheus.NewDesc("remora_netqueue_oldest_ticket_age_seconds", "How long the ticket that waits longest has waited.", nil, nil)
	brokerPut     = prometheus.NewDesc("remora_netqueue_put_tickets_total", "Tickets added; repeats are dropped and not counted.", nil, nil)
	brokerAcked   = prometheus.NewDesc("remora_netqueue_acked_tickets_total", "Tickets acknowledged.", nil, nil)
	brokerLost    = prometheus.NewDesc("remora_netqueue_lost_leases_total", "Tickets handed out and not settled in time, or whose worker went away.", nil, nil)
	brokerConns   = prometheus.NewDesc("remora_netqueue_connections", "Clients connected to the broker.", nil, nil)
)

// asked is a collector that asks others at each scrape, for a bounded time.
type asked struct {
	descs   []*prometheus.Desc
	collect func(ctx context.Context, out chan<- prometheus.Metric)
}

func collector(descs []*prometheus.Desc, collect func(ctx context.Context, out chan<- prometheus.Metric)) prometheus.Collector {
	return &asked{descs, collect}
}

// Describe implements prometheus.Collector.
func (a *asked) Describe(out chan<- *prometheus.Desc) {
	for _, d := range a.descs {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (a *asked) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	a.collect(ctx, out)
}
