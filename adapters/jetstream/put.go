package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"github.com/heysubinoy/remora/domain"
)

const (
	maxPut  = 16_384 // tickets on their way to the server at once
	maxName = 128    // of a ticket's or job's id
)

// What the server says when it does not take a ticket. The library has no names for the latter: the stream is full, and the
// server's memory or disk is.
var (
	codesThere = []js.ErrorCode{js.JSErrCodeStreamWrongLastSequence, js.JSErrCodeStreamWrongLastSequenceConstant}
	codesFull  = []js.ErrorCode{10077, 10023, 10047}
)

// body is what a ticket's message says.
type body struct {
	ID       string          `json:"id"`
	Job      domain.JobID    `json:"job"`
	Priority domain.Priority `json:"priority"`
}

func checkTickets(tickets []domain.Ticket) error {
	for _, t := range tickets {
		switch {
		case t.ID == "":
			return domain.Invalid("ticket", "a ticket has no id")
		case len(t.ID) > maxName || len(t.Job) > maxName:
			return domain.Invalid("ticket", "a ticket's id is %d bytes and its job's %d; at most %d are allowed", len(t.ID), len(t.Job), maxName)
		}
		if err := t.Priority.Check(); err != nil {
			return err
		}
	}
	if len(tickets) > maxPut {
		return domain.Invalid("tickets", "%d tickets are too many to be put at once; give up to %d", len(tickets), maxPut)
	}
	return nil
}

// Put implements ports.Enqueuer. Once it returns, every Reserve sees the tickets.
func (c *Client) Put(ctx context.Context, tickets []domain.Ticket) error {
	if _, err := c.usable(ctx); err != nil || len(tickets) == 0 {
		return err
	}
	if err := checkTickets(tickets); err != nil {
		return err
	}
	within, cancel := bounded(ctx)
	defer cancel()
	o, err := c.open(within)
	if err != nil {
		return c.translate(ctx, err)
	}
	added, err := c.publish(within, tickets)
	if errors.Is(err, domain.ErrQueueFull) {
		c.takeBack(context.WithoutCancel(ctx), o, added)
		return err
	}
	if err != nil {
		c.missing(err)
		return c.translate(ctx, err)
	}
	if len(added) > 0 {
		o.await(within, added)
		_ = c.nc.Publish(c.names.ready, nil)
	}
	return nil
}

// publish sends the tickets, in order and without waiting for one before the next. It returns the newest sequence number
// of those that were added, by priority, and theirs all.
func (c *Client) publish(ctx context.Context, tickets []domain.Ticket) (added []place, err error) {
	acks := make([]js.PubAckFuture, len(tickets))
	for i, t := range tickets {
		subject, anyPriority := c.names.ticket(t)
		data, err := json.Marshal(body(t))
		if err != nil {
			return nil, err
		}
		acks[i], err = c.js.PublishMsgAsync(&nats.Msg{Subject: subject, Data: data},
			js.WithExpectLastSequenceForSubject(0, anyPriority), js.WithExpectStream(c.names.stream))
		if err != nil {
			return added, err
		}
	}
	for i, a := range acks {
		select {
		case ok := <-a.Ok():
			added = append(added, place{tickets[i].Priority, ok.Sequence})
		case failed := <-a.Err():
			if e := refusal(failed); e != nil && err == nil {
				err = e
			}
		case <-ctx.Done():
			return added, ctx.Err()
		}
	}
	return added, err
}

// place is where a ticket stands.
type place struct {
	priority domain.Priority
	sequence uint64
}

// refusal says what it means that the server did not take a ticket: nil when it has it already.
func refusal(err error) error {
	e, ok := errors.AsType[*js.APIError](err)
	if !ok {
		return err
	}
	if slices.Contains(codesThere, e.ErrorCode) {
		return nil
	}
	if slices.Contains(codesFull, e.ErrorCode) {
		return domain.ErrQueueFull.Because(err)
	}
	return err
}

// takeBack removes tickets of a call that could not be done whole.
func (c *Client) takeBack(ctx context.Context, o *opened, added []place) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	for _, a := range added {
		if err := o.stream.DeleteMsg(ctx, a.sequence); err != nil && !errors.Is(err, js.ErrMsgNotFound) {
			c.log.Warn("a ticket of a refused put stays in the queue; its job is offered once more than needed", "err", err)
			return
		}
	}
}

const awaitEvery = 2 * time.Millisecond

// await waits until the consumers have heard of what was added: the server tells them a moment after it has said that it
// keeps a message, and a Reserve within that moment would find nothing, or only the less urgent.
func (o *opened) await(ctx context.Context, added []place) {
	newest := map[domain.Priority]uint64{}
	for _, a := range added {
		newest[a.priority] = max(newest[a.priority], a.sequence)
	}
	for p, sequence := range newest {
		for {
			info, err := o.consumers[p].Info(ctx)
			if err != nil || info.NumPending > 0 || info.Delivered.Stream >= sequence {
				break
			}
			select {
			case <-time.After(awaitEvery):
			case <-ctx.Done():
				return
			}
		}
	}
}

// Withdraw implements ports.Enqueuer. The server does not say whether a ticket that was handed out once is so now: such a
// ticket is left alone, though it may have been given back.
func (c *Client) Withdraw(ctx context.Context, ids []string) (int, error) {
	if _, err := c.usable(ctx); err != nil || len(ids) == 0 {
		return 0, err
	}
	within, cancel := bounded(ctx)
	defer cancel()
	o, err := c.open(within)
	if err != nil {
		return 0, c.translate(ctx, err)
	}
	total := 0
	delivered := map[domain.Priority]uint64{}
	for _, id := range ids {
		removed, err := c.withdraw(within, o, id, delivered)
		if err != nil {
			c.missing(err)
			return total, c.translate(ctx, err)
		}
		if removed {
			total++
		}
	}
	return total, nil
}

func (c *Client) withdraw(ctx context.Context, o *opened, id string, delivered map[domain.Priority]uint64) (bool, error) {
	_, anyPriority := c.names.ticket(domain.Ticket{ID: id})
	m, err := o.stream.GetLastMsgForSubject(ctx, anyPriority)
	if errors.Is(err, js.ErrMsgNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var b body
	if err := json.Unmarshal(m.Data, &b); err != nil {
		return false, err
	}
	consumer, ok := o.consumers[b.Priority]
	if !ok {
		return false, nil
	}
	if _, known := delivered[b.Priority]; !known {
		info, err := consumer.Info(ctx)
		if err != nil {
			return false, err
		}
		delivered[b.Priority] = info.Delivered.Stream
	}
	if m.Sequence <= delivered[b.Priority] {
		return false, nil
	}
	err = o.stream.DeleteMsg(ctx, m.Sequence)
	if errors.Is(err, js.ErrMsgNotFound) {
		return false, nil
	}
	return err == nil, err
}
