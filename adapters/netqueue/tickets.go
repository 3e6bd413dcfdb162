package netqueue

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/heysubinoy/remora/domain"
)

// ask asks the server. What it answers with is returned as it is; a connection that is lost is ErrQueueUnavailable.
func (c *Client) ask(ctx context.Context, v verb, b []byte) ([]byte, error) {
	s, err := c.connected(ctx)
	if err != nil {
		return nil, err
	}
	answer, fromServer, err := s.ask(ctx, v, b)
	if err != nil && !fromServer {
		return nil, c.unavailable(err)
	}
	return answer, err
}

// unreadable is an answer that does not keep the protocol.
func unreadable(err error) error {
	if err == nil {
		return nil
	}
	return domain.Internal("read the queue's answer", err)
}

// Put implements ports.Enqueuer. One call carries what fits a frame of 1 MiB, 3,900 of the largest tickets.
func (c *Client) Put(ctx context.Context, tickets []domain.Ticket) error {
	if len(tickets) == 0 {
		return nil
	}
	if err := checkTickets(tickets); err != nil {
		return err
	}
	b := appendTickets(appendText(nil, c.config.Queue), tickets)
	if len(tickets) > math.MaxUint16 || len(b)+frameHeadBytes > maxFrame {
		return domain.Invalid("tickets", "%d tickets are too many to be put at once", len(tickets))
	}
	_, err := c.ask(ctx, verbPut, b)
	return err
}

// Withdraw implements ports.Enqueuer.
func (c *Client) Withdraw(ctx context.Context, ids []string) (int, error) {
	total := 0
	for some := range slices.Chunk(ids, maxFrame/2/(maxName+2)) {
		some = slices.DeleteFunc(slices.Clone(some), func(id string) bool { return len(id) > maxName }) // such are never there
		b, err := c.ask(ctx, verbWithdraw, appendTexts(appendText(nil, c.config.Queue), some))
		if err != nil {
			return total, err
		}
		r := body{b: b}
		total += int(r.u32())
		if err := r.done(verbWithdraw | answerBit); err != nil {
			return total, unreadable(err)
		}
	}
	return total, nil
}

// Store implements ports.Enqueuer.
func (c *Client) Store(ctx context.Context) (string, error) {
	b, err := c.ask(ctx, verbPing, nil)
	if err != nil {
		return "", err
	}
	r := body{b: b}
	id := r.text()
	return id, unreadable(r.done(verbPing | answerBit))
}

// Ping implements ports.Pinger.
func (c *Client) Ping(ctx context.Context) error {
	_, err := c.Store(ctx)
	return err
}

// Reserve implements ports.Dequeuer.
func (c *Client) Reserve(ctx context.Context, limit int, lease time.Duration) ([]domain.Delivery, error) {
	if err := checkReserve(limit, lease); err != nil {
		return nil, err
	}
	q := reservation{queue: c.config.Queue, limit: min(limit, maxReserve), lease: lease}
	const head = frameLengthBytes + frameHeadBytes
	b, err := c.ask(ctx, verbReserve, appendReserve(nil, 0, q)[head:])
	if err != nil {
		return nil, err
	}
	handed, err := parseDeliveries(b)
	if err != nil {
		return nil, unreadable(err)
	}
	until := time.Now().Add(lease)
	deliveries := make([]domain.Delivery, len(handed))
	for i, d := range handed {
		deliveries[i] = domain.Delivery{Ticket: d.Ticket, Receipt: d.Receipt, Until: until, Count: d.Count}
	}
	return deliveries, nil
}

// Ack implements ports.Dequeuer.
func (c *Client) Ack(ctx context.Context, receipts ...uint64) error {
	var stale error
	for some := range slices.Chunk(receipts, math.MaxUint16) {
		_, err := c.ask(ctx, verbAck, appendNumbers(nil, some))
		if errors.Is(err, domain.ErrReceiptStale) {
			stale = err
		} else if err != nil {
			return err
		}
	}
	return stale
}

// Release implements ports.Dequeuer.
func (c *Client) Release(ctx context.Context, receipt uint64, delay time.Duration) error {
	if err := checkDelay(delay); err != nil {
		return err
	}
	_, err := c.ask(ctx, verbRelease, appendSettlement(nil, settlement{receipt, delay}))
	return err
}

// Extend implements ports.Dequeuer.
func (c *Client) Extend(ctx context.Context, receipt uint64, lease time.Duration) error {
	if err := checkLease(lease); err != nil {
		return err
	}
	_, err := c.ask(ctx, verbExtend, appendSettlement(nil, settlement{receipt, lease}))
	return err
}

// Stats returns the counts of the queue. Fails with domain.ErrQueueUnavailable.
func (c *Client) Stats(ctx context.Context) (Stats, error) {
	b, err := c.ask(ctx, verbStats, appendText(nil, c.config.Queue))
	if err != nil {
		return Stats{}, err
	}
	s, err := parseStats(b)
	return s, unreadable(err)
}

// Peek returns up to limit tickets, at most 1000, that would be handed out next, and hands out none. Fails with
// domain.ErrQueueUnavailable.
func (c *Client) Peek(ctx context.Context, limit int) ([]domain.Ticket, error) {
	b, err := c.ask(ctx, verbPeek, c.limited(limit))
	if err != nil {
		return nil, err
	}
	tickets, err := parsePeeked(b)
	return tickets, unreadable(err)
}

// Kick makes up to limit dead letters wait again and returns how many. Fails with domain.ErrQueueUnavailable.
func (c *Client) Kick(ctx context.Context, limit int) (int, error) {
	b, err := c.ask(ctx, verbKick, c.limited(limit))
	if err != nil {
		return 0, err
	}
	r := body{b: b}
	n := int(r.u32())
	return n, unreadable(r.done(verbKick | answerBit))
}

func (c *Client) limited(limit int) []byte {
	n := min(max(limit, 0), math.MaxUint16)
	return append(appendText(nil, c.config.Queue), byte(n>>8), byte(n))
}
