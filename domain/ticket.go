package domain

import "time"

// Ticket is a job's place in the queue. Two tickets with one ID are one.
type Ticket struct {
	ID       string // at most 128 bytes
	Job      JobID
	Priority Priority
}

// Delivery is a ticket handed to a worker under a lease. Whoever holds the receipt settles it: acknowledged it is gone,
// released or not settled in time it is handed out again.
type Delivery struct {
	Ticket  Ticket
	Receipt uint64
	Until   time.Time // when the lease runs out, by the receiver's clock; zero when unknown
	Count   int       // how often it was handed out, this time included
}
