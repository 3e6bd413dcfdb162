package netqueue

import (
	"slices"
	"sync"

	"github.com/heysubinoy/remora/ports"
)

// maxPublished is how many signals are kept while the client connects for the first time or anew.
const maxPublished = 1024

// subscriptions are what a client's callers listen to, and what they published while there was no connection. All
// subscribers of a topic share one subscription at the server.
type subscriptions struct {
	client *Client

	mu        sync.Mutex
	topics    map[string][]chan struct{}
	published []string
}

func newSubscriptions(c *Client) *subscriptions {
	return &subscriptions{client: c, topics: make(map[string][]chan struct{})}
}

// Publish implements ports.Signals. While the client is connecting the signal is kept; it is dropped when that fails.
func (c *Client) Publish(topic ports.Topic) {
	if checkTopic(string(topic)) != nil {
		return // no subscriber can have asked for it
	}
	c.subs.mu.Lock()
	defer c.subs.mu.Unlock()
	if s := c.current(); s != nil {
		s.post(verbPublish, appendText(nil, string(topic)))
		return
	}
	if len(c.subs.published) < maxPublished && !slices.Contains(c.subs.published, string(topic)) {
		c.subs.published = append(c.subs.published, string(topic))
	}
}

// Subscribe implements ports.Signals.
func (c *Client) Subscribe(topic ports.Topic) (signals <-chan struct{}, cancel func()) {
	name, ch := string(topic), make(chan struct{}, 1)
	x := c.subs
	x.mu.Lock()
	defer x.mu.Unlock()
	x.topics[name] = append(x.topics[name], ch)
	s := c.current()
	if len(x.topics[name]) == 1 && s != nil {
		x.subscribe(s, name)
	}
	return ch, sync.OnceFunc(func() { x.cancel(name, ch) })
}

// current returns the session, or nil; then the client is connecting.
func (c *Client) current() *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.start()
	return c.session
}

func (x *subscriptions) cancel(topic string, ch chan struct{}) {
	x.mu.Lock()
	defer x.mu.Unlock()
	left := slices.DeleteFunc(x.topics[topic], func(other chan struct{}) bool { return other == ch })
	if len(left) > 0 {
		x.topics[topic] = left
		return
	}
	delete(x.topics, topic)
	if s := x.client.current(); s != nil {
		s.post(verbUnsubscribe, appendText(nil, topic))
	}
}

// subscribe asks the server for a topic. Once it has answered, a signal is given to all: what was published before it
// heard of us is lost. It is called with mu held, so that what is asked about a topic is asked in order.
func (x *subscriptions) subscribe(s *session, topic string) {
	// Where this fails the connection is lost, and the next one is asked again.
	_, _, _ = s.begin(verbSubscribe, appendText(nil, topic), func(a answer) {
		if a.err != nil {
			x.client.log.Warn("queue refuses a subscription", "topic", topic, "err", a.err)
			return
		}
		x.wake(topic)
	})
}

// resume asks a new session for every topic and sends what was published meanwhile.
func (x *subscriptions) resume(s *session) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for topic := range x.topics {
		x.subscribe(s, topic)
	}
	for _, topic := range x.published {
		s.post(verbPublish, appendText(nil, topic))
	}
	x.published = nil
}

func (x *subscriptions) forgetPublished() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.published = nil
}

// wake signals every subscriber of a topic.
func (x *subscriptions) wake(topic string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, ch := range x.topics[topic] {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}
