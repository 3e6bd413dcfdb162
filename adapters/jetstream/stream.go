package jetstream

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"

	"github.com/heysubinoy/remora/domain"
)

const (
	maxTickets = 2_000_000
	ackWait    = 6 * time.Second // the server's patience with a client that says nothing of a ticket
	storeKey   = "remora_store_id"
	// minServer is the first one that refuses a ticket by id, whatever its priority.
	minServer = "2.12.0"
)

// priorities, the most urgent first.
var priorities = []domain.Priority{10, 9, 8, 7, 6, 5, 4, 3, 2, 1}

// names are what a queue is called on the server. A dot separates there, so one in the queue's name is a tilde, which
// queues' names cannot have.
type names struct {
	stream  string
	tickets string // prefix of priority and id
	signals string // prefix of topics
	ready   string
}

func namesOf(queue string) names {
	token := strings.ReplaceAll(queue, ".", "~")
	prefix := "remora." + token + "."
	return names{stream: "remora_" + token, tickets: prefix + "ticket.", signals: prefix + "signal.", ready: prefix + "ready"}
}

func (n names) ofPriority(p domain.Priority) string { return fmt.Sprintf("%s%d.*", n.tickets, p) }

// ticket is the subject of a ticket; anyPriority matches it whatever its priority.
func (n names) ticket(t domain.Ticket) (subject, anyPriority string) {
	id := token(t.ID)
	return fmt.Sprintf("%s%d.%s", n.tickets, t.Priority, id), n.tickets + "*." + id
}

func (n names) topic(topic string) string { return n.signals + token(topic) }

// token makes one token of a subject of any text.
func token(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// opened is a queue's stream as this client found or made it.
type opened struct {
	stream    js.Stream
	store     string
	consumers map[domain.Priority]js.Consumer
}

// open returns the stream with its consumers, made where they are missing.
func (c *Client) open(ctx context.Context) (*opened, error) {
	c.mu.Lock()
	known := c.opened
	c.mu.Unlock()
	if known != nil {
		return known, nil
	}
	return c.reopen(ctx)
}

// reopen looks at the server for the stream, whatever is known of it.
func (c *Client) reopen(ctx context.Context) (*opened, error) {
	c.opening.Lock()
	defer c.opening.Unlock()
	if err := c.checkServer(); err != nil {
		return nil, err
	}
	stream, err := c.findStream(ctx)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	known := c.opened
	c.mu.Unlock()
	store := stream.CachedInfo().Config.Metadata[storeKey]
	if known != nil && known.store == store {
		return known, nil
	}
	o := &opened{stream: stream, store: store, consumers: map[domain.Priority]js.Consumer{}}
	for _, p := range priorities {
		o.consumers[p], err = stream.CreateOrUpdateConsumer(ctx, js.ConsumerConfig{
			Durable: fmt.Sprintf("p%d", p), FilterSubject: c.names.ofPriority(p), AckPolicy: js.AckExplicitPolicy, AckWait: ackWait,
			MaxDeliver: -1, MaxAckPending: -1,
		})
		if err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opened = o
	return o, nil
}

func (c *Client) findStream(ctx context.Context) (js.Stream, error) {
	stream, err := c.js.Stream(ctx, c.names.stream)
	if errors.Is(err, js.ErrStreamNotFound) {
		stream, err = c.js.CreateStream(ctx, js.StreamConfig{
			Name: c.names.stream, Description: "tickets of Remora's queue " + c.config.Queue, Subjects: []string{c.names.tickets + "*.*"},
			Retention: js.WorkQueuePolicy, Discard: js.DiscardNew, MaxMsgs: maxTickets, Storage: js.FileStorage,
			Replicas: c.config.URL.Replicas, Metadata: map[string]string{storeKey: rand.Text()},
		})
		if err == nil {
			c.log.Info("queue's stream made", "stream", c.names.stream, "store_id", stream.CachedInfo().Config.Metadata[storeKey])
		}
		if errors.Is(err, js.ErrStreamNameAlreadyInUse) { // another client was quicker
			stream, err = c.js.Stream(ctx, c.names.stream)
		}
	}
	if err != nil {
		return nil, err
	}
	config := stream.CachedInfo().Config
	if config.Retention != js.WorkQueuePolicy || config.Metadata[storeKey] == "" {
		return nil, domain.ErrQueueUnavailable.Withf(
			"the stream %s at %s was not made by Remora; remove it, or give the queue another name with QUEUE_NAME", c.names.stream, c.config.URL)
	}
	return stream, nil
}

func (c *Client) checkServer() error {
	var has, needs [3]int
	version := c.nc.ConnectedServerVersion()
	_, _ = fmt.Sscanf(version, "%d.%d.%d", &has[0], &has[1], &has[2])
	_, _ = fmt.Sscanf(minServer, "%d.%d.%d", &needs[0], &needs[1], &needs[2])
	for i := range has {
		if has[i] != needs[i] {
			if has[i] < needs[i] {
				return domain.ErrQueueUnavailable.Withf("the NATS server at %s has version %s; Remora needs %s or newer", c.config.URL, version, minServer)
			}
			break
		}
	}
	return nil
}

// missing forgets the stream when an error says that it, or a consumer of it, is not there any more.
func (c *Client) missing(err error) {
	if errors.Is(err, js.ErrStreamNotFound) || errors.Is(err, js.ErrConsumerNotFound) || errors.Is(err, js.ErrConsumerDeleted) ||
		errors.Is(err, js.ErrNoStreamResponse) || errors.Is(err, nats.ErrNoResponders) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.opened = nil
	}
}

// Store implements ports.Enqueuer.
func (c *Client) Store(ctx context.Context) (string, error) {
	if _, err := c.usable(ctx); err != nil {
		return "", err
	}
	within, cancel := bounded(ctx)
	defer cancel()
	o, err := c.reopen(within)
	if err != nil {
		c.missing(err)
		return "", c.translate(ctx, err)
	}
	return o.store, nil
}

// Ping implements ports.Pinger.
func (c *Client) Ping(ctx context.Context) error {
	_, err := c.Store(ctx)
	return err
}

// Stats is what a queue tells about itself.
type Stats struct {
	Waiting   int           // tickets that can be handed out
	Leased    int           // tickets handed out, or put off by a release
	OldestAge time.Duration // of the ticket that was put first, wherever it is
}

// Stats returns the counts of the queue. Fails with domain.ErrQueueUnavailable.
func (c *Client) Stats(ctx context.Context) (Stats, error) {
	if _, err := c.usable(ctx); err != nil {
		return Stats{}, err
	}
	within, cancel := bounded(ctx)
	defer cancel()
	o, err := c.open(within)
	if err != nil {
		return Stats{}, c.translate(ctx, err)
	}
	info, err := o.stream.Info(within)
	if err != nil {
		c.missing(err)
		return Stats{}, c.translate(ctx, err)
	}
	var s Stats
	list := o.stream.ListConsumers(within)
	for consumer := range list.Info() {
		s.Leased += consumer.NumAckPending
	}
	if err := list.Err(); err != nil {
		return Stats{}, c.translate(ctx, err)
	}
	s.Waiting = max(int(info.State.Msgs)-s.Leased, 0)
	if info.State.Msgs > 0 {
		s.OldestAge = max(time.Since(info.State.FirstTime), 0)
	}
	return s, nil
}
