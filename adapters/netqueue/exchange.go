package netqueue

import "sync"

// exchange passes signals on. It holds none: a connection keeps which of its topics were signaled until it can say so.
type exchange struct {
	mu     sync.Mutex
	topics map[string]map[*conn]struct{}
}

func newExchange() *exchange { return &exchange{topics: make(map[string]map[*conn]struct{})} }

// subscribe reports false when the connection has as many topics as it may.
func (x *exchange) subscribe(c *conn, topic string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if _, ok := c.topics[topic]; !ok && len(c.topics) >= maxTopics {
		return false
	}
	c.topics[topic] = struct{}{}
	subscribers, ok := x.topics[topic]
	if !ok {
		subscribers = make(map[*conn]struct{})
		x.topics[topic] = subscribers
	}
	subscribers[c] = struct{}{}
	return true
}

func (x *exchange) unsubscribe(c *conn, topic string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(c.topics, topic)
	x.drop(c, topic)
}

func (x *exchange) leave(c *conn) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for topic := range c.topics {
		x.drop(c, topic)
	}
	clear(c.topics)
}

func (x *exchange) drop(c *conn, topic string) {
	subscribers := x.topics[topic]
	delete(subscribers, c)
	if len(subscribers) == 0 {
		delete(x.topics, topic)
	}
}

func (x *exchange) publish(topic string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for c := range x.topics[topic] {
		c.signal(topic)
	}
}
