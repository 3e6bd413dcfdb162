package jetstream

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/heysubinoy/remora/domain"
)

const (
	aliveEvery = ackWait / 3
	maxLease   = 24 * time.Hour
	maxDelay   = 7 * 24 * time.Hour
)

// The words of the server for a message that was handed out.
const (
	wordAck   = "+ACK"
	wordNak   = "-NAK"
	wordAlive = "+WPI"
)

// lease is a ticket that was handed out here.
type lease struct {
	settle string    // the subject that settles it
	heard  time.Time // when the server last heard that we hold it
	timer  *time.Timer
}

// firstReceipt begins another range in each process: what is left of an earlier one is stale.
func firstReceipt() uint64 { return rand.Uint64() >> 1 }

// hold begins a lease. It reports false when the connection is lost: the ticket is then not ours.
func (c *Client) hold(settle string, length time.Duration, lost <-chan struct{}) (receipt uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-lost:
		return 0, false
	default:
	}
	c.receipts++
	receipt = c.receipts
	l := &lease{settle: settle, heard: time.Now()}
	l.timer = time.AfterFunc(length, func() { c.runOut(receipt) })
	c.leases[receipt] = l
	return receipt, true
}

// drop ends a lease; nil when it is over already.
func (c *Client) drop(receipt uint64) *lease {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.leases[receipt]
	if l != nil {
		l.timer.Stop()
		delete(c.leases, receipt)
	}
	return l
}

// dropLeases ends all leases.
func (c *Client) dropLeases() []*lease {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*lease
	for _, l := range c.leases {
		l.timer.Stop()
		all = append(all, l)
	}
	clear(c.leases)
	return all
}

// runOut gives a ticket back whose lease is over.
func (c *Client) runOut(receipt uint64) {
	if l := c.drop(receipt); l != nil {
		ctx, cancel := bounded(c.stop)
		defer cancel()
		c.giveBack(ctx, []*lease{l})
	}
}

// giveBack makes tickets wait again, but those that the server has given to somebody else meanwhile.
func (c *Client) giveBack(ctx context.Context, list []*lease) {
	var all sync.WaitGroup
	for _, l := range list {
		if time.Since(l.heard) >= ackWait {
			continue
		}
		all.Go(func() {
			if err := c.say(ctx, l.settle, wordNak); err != nil {
				c.log.Debug("a ticket could not be given back; the server offers it again by itself", "err", err)
			}
		})
	}
	all.Wait()
	if len(list) > 0 {
		_ = c.nc.Publish(c.names.ready, nil)
	}
}

// say tells the server something about a ticket that was handed out, and waits until it has heard.
func (c *Client) say(ctx context.Context, settle, word string) error {
	_, err := c.nc.RequestWithContext(ctx, settle, []byte(word))
	return err
}

// keepAlive tells the server again and again which tickets are still held.
func (c *Client) keepAlive() {
	tick := time.NewTicker(aliveEvery)
	defer tick.Stop()
	for {
		select {
		case <-c.stop.Done():
			return
		case <-tick.C:
		}
		c.mu.Lock()
		for _, l := range c.leases {
			if c.nc.Publish(l.settle, []byte(wordAlive)) == nil {
				l.heard = time.Now()
			}
		}
		c.mu.Unlock()
	}
}

// Ack implements ports.Dequeuer.
func (c *Client) Ack(ctx context.Context, receipts ...uint64) error {
	if _, err := c.usable(ctx); err != nil {
		return err
	}
	within, cancel := bounded(ctx)
	defer cancel()
	errs := make([]error, len(receipts))
	var all sync.WaitGroup
	for i, r := range receipts {
		l := c.drop(r)
		if l == nil {
			errs[i] = domain.ErrReceiptStale
			continue
		}
		all.Go(func() { errs[i] = c.translate(ctx, c.say(within, l.settle, wordAck)) })
	}
	all.Wait()
	var stale error
	for _, err := range errs {
		switch {
		case err == nil:
		case domain.KindOf(err) == domain.KindConflict:
			stale = err
		default:
			return err
		}
	}
	return stale
}

// Release implements ports.Dequeuer.
func (c *Client) Release(ctx context.Context, receipt uint64, delay time.Duration) error {
	if delay < 0 || delay > maxDelay {
		return domain.Invalid("delay", "a delay of %s is out of range; give 0 to %s", delay, maxDelay)
	}
	if _, err := c.usable(ctx); err != nil {
		return err
	}
	l := c.drop(receipt)
	if l == nil {
		return domain.ErrReceiptStale
	}
	word := wordNak
	if delay > 0 {
		word = fmt.Sprintf(`%s {"delay": %d}`, wordNak, delay.Nanoseconds())
		time.AfterFunc(delay, func() { _ = c.nc.Publish(c.names.ready, nil) })
	}
	within, cancel := bounded(ctx)
	defer cancel()
	if err := c.say(within, l.settle, word); err != nil {
		return c.translate(ctx, err)
	}
	if delay == 0 {
		_ = c.nc.Publish(c.names.ready, nil)
	}
	return nil
}

// Extend implements ports.Dequeuer.
func (c *Client) Extend(ctx context.Context, receipt uint64, length time.Duration) error {
	if err := checkLease(length); err != nil {
		return err
	}
	if _, err := c.usable(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.leases[receipt]
	if l == nil || !l.timer.Stop() { // a timer that has fired is about to give the ticket back
		return domain.ErrReceiptStale
	}
	l.timer.Reset(length)
	return nil
}

func checkLease(d time.Duration) error {
	if d <= 0 || d > maxLease {
		return domain.Invalid("lease", "a lease of %s is out of range; give more than 0, at most %s", d, maxLease)
	}
	return nil
}
