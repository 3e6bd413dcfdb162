package jetstream

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	js "github.com/nats-io/nats.go/jetstream"

	"github.com/heysubinoy/remora/domain"
)

const (
	maxReserve = 1024
	// lookEvery is how often a waiting Reserve looks by itself, should nobody have told it of a ticket.
	lookEvery = time.Second
)

// looks are the waits between the looks after a wake-up: the server may take a moment to see what it was told of.
var looks = []time.Duration{10 * time.Millisecond, 50 * time.Millisecond, 250 * time.Millisecond}

// Reserve implements ports.Dequeuer.
func (c *Client) Reserve(ctx context.Context, limit int, length time.Duration) ([]domain.Delivery, error) {
	if limit < 1 {
		return nil, domain.Invalid("max", "%d tickets cannot be reserved; give at least 1", limit)
	}
	if err := checkLease(length); err != nil {
		return nil, err
	}
	limit = min(limit, maxReserve)
	for n := 0; ; n++ {
		told := c.ready.told()
		lost, err := c.usable(ctx)
		if err != nil {
			return nil, err
		}
		deliveries, err := c.look(ctx, limit, length, lost)
		if err != nil || len(deliveries) > 0 {
			return deliveries, err
		}
		wait := lookEvery
		if n < len(looks) {
			wait = looks[n]
		}
		select {
		case <-told:
			n = -1
		case <-time.After(wait):
		case <-lost:
			return nil, c.unavailable(errLost)
		case <-c.stop.Done():
		case <-ctx.Done():
			return nil, contextError(ctx)
		}
	}
}

var errLost = &domain.Error{Kind: domain.KindUnavailable, Code: "connection_lost", Message: "the connection to the queue was lost"}

// look takes what there is, from the most urgent down. What comes for a caller that has gone is given back.
func (c *Client) look(ctx context.Context, limit int, length time.Duration, lost <-chan struct{}) ([]domain.Delivery, error) {
	o, err := c.open(ctx)
	if err != nil {
		c.missing(err)
		return nil, c.translate(ctx, err)
	}
	var all []domain.Delivery
	for _, p := range priorities {
		got, err := c.fetch(o.consumers[p], limit-len(all), length, lost)
		all = append(all, got...)
		if err != nil {
			c.missing(err)
			if len(all) == 0 {
				return nil, c.translate(ctx, err)
			}
			break
		}
		if len(all) >= limit || ctx.Err() != nil {
			break
		}
	}
	if ctx.Err() == nil {
		return all, nil
	}
	var back []*lease
	for _, d := range all {
		if l := c.drop(d.Receipt); l != nil {
			back = append(back, l)
		}
	}
	within, cancel := bounded(context.WithoutCancel(ctx))
	defer cancel()
	c.giveBack(within, back)
	return nil, contextError(ctx)
}

// fetch takes up to limit tickets of one priority that wait now, the oldest first. It does not heed the caller's context: an
// answer that nobody waits for would keep its tickets from everybody.
func (c *Client) fetch(consumer js.Consumer, limit int, length time.Duration, lost <-chan struct{}) ([]domain.Delivery, error) {
	batch, err := consumer.FetchNoWait(limit)
	if err != nil {
		return nil, err
	}
	type placed struct {
		sequence uint64
		domain.Delivery
	}
	var got []placed
	for m := range batch.Messages() {
		about, err := m.Metadata()
		if err != nil {
			return nil, err
		}
		var b body
		if err := json.Unmarshal(m.Data(), &b); err != nil {
			c.log.Error("a message in the queue is no ticket; it is removed", "subject", m.Subject(), "err", err)
			_ = m.Term()
			continue
		}
		receipt, ok := c.hold(m.Reply(), length, lost)
		if !ok {
			return nil, errLost
		}
		got = append(got, placed{about.Sequence.Stream, domain.Delivery{
			Ticket: domain.Ticket(b), Receipt: receipt, Until: time.Now().Add(length), Count: int(about.NumDelivered),
		}})
	}
	slices.SortFunc(got, func(a, b placed) int { return cmp.Compare(a.sequence, b.sequence) })
	deliveries := make([]domain.Delivery, len(got))
	for i, g := range got {
		deliveries[i] = g.Delivery
	}
	return deliveries, batch.Error()
}
