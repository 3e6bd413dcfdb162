package ports

import (
	"context"
	"time"

	"github.com/heysubinoy/remora/domain"
)

// Enqueuer is the dispatcher's side of the queue.
type Enqueuer interface {
	// Put adds tickets, all or none; when it returns they survive a crash of the queue. A ticket whose ID is in the queue,
	// waiting or handed out, is dropped silently. Fails with ErrQueueFull, ErrQueueUnavailable (then it is unknown whether
	// they were added; putting them again is safe), domain.KindInvalid.
	Put(ctx context.Context, tickets []domain.Ticket) error
	// Withdraw removes waiting tickets by ID; those handed out or unknown are left alone. It returns how many it removed.
	Withdraw(ctx context.Context, ids []string) (int, error)
	// Store returns the identity of the queue's storage: it changes when the queue has lost its tickets. Fails with ErrQueueUnavailable.
	Store(ctx context.Context) (string, error)
}

// Dequeuer is the worker's side of the queue.
type Dequeuer interface {
	// Reserve waits until there is a ticket, then hands out up to max of them, most urgent first and oldest first among
	// equals, each under a lease of the given length. Ending ctx loses no ticket: what was handed out to a call that did
	// not return it is offered again. Fails with ErrQueueUnavailable.
	Reserve(ctx context.Context, max int, lease time.Duration) ([]domain.Delivery, error)
	// Ack removes delivered tickets for good. Fails with ErrReceiptStale when any lease had run out; the others are removed.
	Ack(ctx context.Context, receipts ...uint64) error
	// Release gives a ticket back to its old place, to be handed out again after delay. Fails with ErrReceiptStale.
	Release(ctx context.Context, receipt uint64, delay time.Duration) error
	// Extend starts the lease anew from now. Fails with ErrReceiptStale.
	Extend(ctx context.Context, receipt uint64, lease time.Duration) error
}

// Topic names what a signal is about.
type Topic string

// TopicDispatch says that there is something to dispatch.
const TopicDispatch Topic = "dispatch"

// TopicJob says that a job has changed or has more output.
func TopicJob(id domain.JobID) Topic { return Topic("job." + string(id)) }

// TopicWorker says that a worker should look for cancels.
func TopicWorker(id domain.WorkerID) Topic { return Topic("worker." + string(id)) }

// Signals wakes others early. A signal carries nothing but its topic and may be lost; whoever waits for one also looks
// by itself now and then.
type Signals interface {
	// Publish tells every subscriber of the topic, soon. It does not wait for them and does not fail: a queue that is away
	// drops the signal.
	Publish(topic Topic)
	// Subscribe returns a channel of capacity 1 that receives after every signal of the topic (several may become one),
	// and once after every gap in which signals may have been lost. cancel ends it; the channel is not closed.
	Subscribe(topic Topic) (signals <-chan struct{}, cancel func())
}
