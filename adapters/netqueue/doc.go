// Package netqueue is Remora's own queue: a server that keeps tickets in order and on disk, and the client that is the
// queue ports over TCP. Both ends of the wire live here and share its codec; docs/NETQUEUE.md describes it.
//
// The server puts three parts together: broker, the queue as a pure state machine; journal, which makes it durable; and
// the connections. Nothing is answered that is not on disk. What is leased is not on disk: after a restart a ticket that
// was handed out waits again, one that was acknowledged is gone.
package netqueue
