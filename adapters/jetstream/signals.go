package jetstream

import (
	"slices"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/heysubinoy/remora/ports"
)

const (
	maxPublished = 1024 // signals that wait to be sent; more are dropped
	maxTopic     = 256
)

// subscriptions are what a client's callers listen to, and what they have to say. All subscribers of a topic share one
// subscription at the server.
type subscriptions struct {
	client *Client

	mu     sync.Mutex
	topics map[string]*topic
	outbox map[string]struct{}
	kick   chan struct{}
}

type topic struct {
	heard     *nats.Subscription
	listeners []chan struct{}
}

func newSubscriptions(c *Client) *subscriptions {
	return &subscriptions{client: c, topics: map[string]*topic{}, outbox: map[string]struct{}{}, kick: make(chan struct{}, 1)}
}

// Publish implements ports.Signals.
func (c *Client) Publish(name ports.Topic) {
	if name == "" || len(name) > maxTopic {
		return // no subscriber can have asked for it
	}
	x := c.subs
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.outbox) < maxPublished {
		x.outbox[string(name)] = struct{}{}
	}
	select {
	case x.kick <- struct{}{}:
	default:
	}
}

// publish sends what there is to say until the client ends: a server that does not read would hold up whoever writes to it.
func (x *subscriptions) publish() {
	for {
		select {
		case <-x.client.stop.Done():
			return
		case <-x.kick:
		}
		x.mu.Lock()
		sending := x.outbox
		x.outbox = map[string]struct{}{}
		x.mu.Unlock()
		for name := range sending {
			_ = x.client.nc.Publish(x.client.names.topic(name), nil) // while the queue is away, signals are dropped
		}
	}
}

// Subscribe implements ports.Signals.
func (c *Client) Subscribe(name ports.Topic) (signals <-chan struct{}, cancel func()) {
	x, ch := c.subs, make(chan struct{}, 1)
	x.mu.Lock()
	defer x.mu.Unlock()
	t := x.topics[string(name)]
	if t == nil {
		t = &topic{}
		x.topics[string(name)] = t
		x.listen(string(name), t)
	}
	t.listeners = append(t.listeners, ch)
	return ch, sync.OnceFunc(func() { x.cancel(string(name), ch) })
}

// listen asks the server for a topic. Once it has heard of us a signal is given to all: what was published before is lost.
func (x *subscriptions) listen(name string, t *topic) {
	c := x.client
	var err error
	if t.heard, err = c.nc.Subscribe(c.names.topic(name), func(*nats.Msg) { x.wake(name) }); err != nil {
		c.log.Warn("queue refuses a subscription", "topic", name, "err", err)
		return
	}
	if c.stop.Err() != nil {
		return
	}
	c.tasks.Go(func() {
		if c.nc.FlushTimeout(requestTimeout) == nil { // else the connection is lost, and the next one begins with a signal
			x.wake(name)
		}
	})
}

func (x *subscriptions) cancel(name string, ch chan struct{}) {
	x.mu.Lock()
	defer x.mu.Unlock()
	t := x.topics[name]
	if t == nil {
		return
	}
	t.listeners = slices.DeleteFunc(t.listeners, func(other chan struct{}) bool { return other == ch })
	if len(t.listeners) > 0 {
		return
	}
	delete(x.topics, name)
	if t.heard != nil {
		_ = t.heard.Unsubscribe()
	}
}

// wake signals every subscriber of a topic.
func (x *subscriptions) wake(name string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if t := x.topics[name]; t != nil {
		t.wake()
	}
}

func (t *topic) wake() {
	for _, ch := range t.listeners {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// gap signals everybody: something may have been lost.
func (x *subscriptions) gap() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, t := range x.topics {
		t.wake()
	}
}
