package netqueue

import (
	"encoding/binary"
	"errors"
	"time"
)

// handle does what a frame asks for and keeps the answer for the end of the batch. It is called with hub.mu held. An
// error ends the connection: after a body that cannot be read nothing that follows can be trusted.
func (c *conn) handle(f frame, now time.Time) error {
	err := c.dispatch(f, now)
	if err != nil {
		c.answerError(f.correlation, err)
	}
	if errors.Is(err, errFrameInvalid) {
		return err
	}
	return nil
}

func (c *conn) dispatch(f frame, now time.Time) error {
	switch f.verb {
	case verbPut:
		return c.put(f, now)
	case verbWithdraw:
		return c.withdraw(f, now)
	case verbReserve:
		return c.reserve(f)
	case verbCancel:
		return c.cancel(f)
	case verbAck:
		return c.ack(f, now)
	case verbRelease, verbExtend:
		return c.settleOne(f, now)
	case verbPublish, verbSubscribe, verbUnsubscribe:
		return c.topic(f)
	case verbStats, verbPeek, verbKick:
		return c.look(f, now)
	case verbPing:
		r := body{b: f.body}
		if err := r.done(f.verb); err != nil {
			return err
		}
		c.answer(f, func(b []byte) []byte { return appendText(b, c.server.journal.StoreID()) })
		return nil
	case verbHello:
		return errFrameInvalid.Withf("HELLO was said before")
	}
	return errVerbUnknown.Withf("%s is not known", f.verb)
}

// answer appends the answer to f; fill, which may be nil, its body.
func (c *conn) answer(f frame, fill func([]byte) []byte) {
	b, start := beginFrame(c.answers, f.verb|answerBit, f.correlation)
	if fill != nil {
		b = fill(b)
	}
	c.answers = endFrame(b, start)
}

func (c *conn) answerNumber(f frame, n int, lsn uint64) {
	c.lsn = max(c.lsn, lsn)
	c.answer(f, func(b []byte) []byte { return binary.BigEndian.AppendUint32(b, uint32(n)) })
}

func (c *conn) answerError(correlation uint32, err error) {
	c.answers = appendError(c.answers, correlation, err)
}

// name reads a queue's name. A connection nearly always names the one it named before.
func (c *conn) name(r *body) string {
	if b := r.take(r.u16()); string(b) != c.queue {
		c.queue = string(b)
	}
	return c.queue
}

func (c *conn) put(f frame, now time.Time) error {
	r := body{b: f.body}
	queue := c.name(&r)
	clear(c.tickets)
	c.tickets = r.tickets(c.tickets[:0])
	if err := r.done(f.verb); err != nil {
		return err
	}
	if err := errors.Join(checkQueue(queue), checkTickets(c.tickets)); err != nil {
		return err
	}
	added, lsn, err := c.server.hub.put(queue, c.tickets, now)
	if err != nil {
		return err
	}
	c.answerNumber(f, added, lsn)
	return nil
}

func (c *conn) withdraw(f frame, now time.Time) error {
	r := body{b: f.body}
	queue := c.name(&r)
	ids := r.texts()
	if err := r.done(f.verb); err != nil {
		return err
	}
	removed, lsn := c.server.hub.withdraw(queue, ids, now)
	c.answerNumber(f, removed, lsn)
	return nil
}

func (c *conn) reserve(f frame) error {
	q, err := parseReserve(f.body)
	if err != nil {
		return err
	}
	if err := errors.Join(checkQueue(q.queue), checkReserve(q.limit, q.lease)); err != nil {
		return err
	}
	q.limit = min(q.limit, maxReserve)
	if _, ok := c.waiters[f.correlation]; ok {
		return errFrameInvalid.Withf("RESERVE %d waits already", f.correlation)
	}
	if len(c.waiters) == maxWaiting || c.credit+q.limit > maxCredit {
		return errCredit
	}
	c.server.hub.wait(&waiter{reservation: q, conn: c, correlation: f.correlation})
	return nil
}

// cancel ends a RESERVE, which is then answered with no tickets. One that was answered meanwhile is left alone: its
// caller gives the tickets back.
func (c *conn) cancel(f frame) error {
	r := body{b: f.body}
	correlation := r.u32()
	if err := r.done(f.verb); err != nil {
		return err
	}
	if w, ok := c.waiters[correlation]; ok {
		c.server.hub.dismiss(w)
		c.answers = appendDeliveries(c.answers, correlation, nil)
	}
	return nil
}

func (c *conn) ack(f frame, now time.Time) error {
	r := body{b: f.body}
	c.numbers = r.numbers(c.numbers[:0])
	if err := r.done(f.verb); err != nil {
		return err
	}
	lsn, err := c.server.hub.ack(c.numbers, now)
	c.lsn = max(c.lsn, lsn) // the others are removed, and must be on disk before the error is told
	if err != nil {
		return err
	}
	c.answer(f, nil)
	return nil
}

func (c *conn) settleOne(f frame, now time.Time) error {
	s, err := parseSettlement(f.verb, f.body)
	if err != nil {
		return err
	}
	if f.verb == verbRelease {
		if err = checkDelay(s.duration); err == nil {
			err = c.server.hub.broker.Release(s.receipt, s.duration, now)
		}
	} else if err = checkLease(s.duration); err == nil {
		err = c.server.hub.broker.Extend(s.receipt, s.duration, now)
	}
	if err != nil {
		return err
	}
	c.answer(f, nil)
	return nil
}

func (c *conn) topic(f frame) error {
	r := body{b: f.body}
	topic := r.text()
	if err := r.done(f.verb); err != nil {
		return err
	}
	if err := checkTopic(topic); err != nil {
		return err
	}
	switch f.verb {
	case verbPublish: // has no answer
		c.server.exchange.publish(topic)
		return nil
	case verbSubscribe:
		if !c.server.exchange.subscribe(c, topic) {
			return errTopics
		}
	default:
		c.server.exchange.unsubscribe(c, topic)
	}
	c.answer(f, nil)
	return nil
}

func (c *conn) look(f frame, now time.Time) error {
	r := body{b: f.body}
	queue, limit := c.name(&r), 0
	if f.verb != verbStats {
		limit = r.u16()
	}
	if err := r.done(f.verb); err != nil {
		return err
	}
	b := c.server.hub.broker
	switch f.verb {
	case verbStats:
		s := statsOf(b.Stats(queue, now), c.server.connections(), now)
		c.answer(f, s.append)
	case verbPeek:
		placed := b.Peek(queue, min(limit, maxPeek), now)
		c.answer(f, func(dst []byte) []byte { return appendPeeked(dst, placed) })
	case verbKick:
		c.answerNumber(f, b.Kick(queue, limit, now), 0)
	}
	return nil
}
