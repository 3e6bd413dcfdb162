package sshexec

import (
	"net"
	"sync/atomic"
	"time"
)

// wire is a server's TCP connection. It tells x/crypto/ssh of its end only when no channel is just being asked for:
// x/crypto answers the channels it knows and then forgets them, swallows the error of the next write, and would wait
// without end for a channel that was asked for in between.
type wire struct {
	net.Conn
	quick   func() // asks for immediate acknowledgements, where the system can
	broken  atomic.Bool
	opening atomic.Int32 // channels being asked for
}

// settle is how long the asking itself, all of it in memory, may take at most.
const settle = 50 * time.Millisecond

func newWire(c net.Conn) *wire {
	w := &wire{Conn: c, quick: quickAck(c)}
	w.quick()
	return w
}

// Read implements net.Conn.
func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if err != nil {
		w.broken.Store(true)
		_ = w.Close()
		if w.opening.Load() > 0 {
			time.Sleep(settle) //nolint:forbidigo // x/crypto tells nobody when it has asked
		}
		return n, err
	}
	w.quick()
	return n, nil
}

// ask runs open unless the connection is known to have ended.
func (w *wire) ask(open func()) bool {
	w.opening.Add(1)
	defer w.opening.Add(-1)
	if w.broken.Load() {
		return false
	}
	open()
	return true
}
