package memory

import (
	"slices"
	"sync"

	"github.com/heysubinoy/remora/ports"
)

// Signals passes signals on inside one process.
type Signals struct {
	mu     sync.Mutex
	topics map[ports.Topic][]chan struct{}
}

var _ ports.Signals = (*Signals)(nil)

// NewSignals returns Signals without subscribers.
func NewSignals() *Signals { return &Signals{topics: make(map[ports.Topic][]chan struct{})} }

// Publish implements ports.Signals.
func (s *Signals) Publish(topic ports.Topic) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ch := range s.topics[topic] {
		select {
		case ch <- struct{}{}:
		default: // it has one waiting, which says the same
		}
	}
}

// Subscribe implements ports.Signals.
func (s *Signals) Subscribe(topic ports.Topic) (signals <-chan struct{}, cancel func()) {
	ch := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.topics[topic] = append(s.topics[topic], ch)
	return ch, sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.topics[topic] = slices.DeleteFunc(s.topics[topic], func(other chan struct{}) bool { return other == ch })
		if len(s.topics[topic]) == 0 {
			delete(s.topics, topic)
		}
	})
}
