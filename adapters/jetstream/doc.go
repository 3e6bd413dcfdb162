// Package jetstream is the queue and its signals on NATS JetStream, for those who run NATS already or outgrow one broker.
// It keeps the contract of the queue ports, as netqueue does, and knows nothing of what a ticket's job is.
//
// A queue is a work-queue stream with one subject for each ticket, that carries its priority and its id, so that the server
// itself refuses a ticket that is there; and one durable consumer for each priority, asked from the most urgent down. The
// server holds a ticket for a client for ackWait; the client says that it is alive while a lease runs, and gives the ticket
// back when it is over, so that each lease may have a length of its own. A stream that is made says its own identity: when
// it has been lost, the new one has another. Signals are plain messages, which nobody stores.
package jetstream
