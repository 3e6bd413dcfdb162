package sshexec

import "net"

// wire is a server's TCP connection. Once reading has failed, writing fails too, before x/crypto/ssh learns of it: else a
// channel that is opened in that moment would be waited for without end.
type wire struct {
	net.Conn
	quick func() // asks for immediate acknowledgements, where the system can
}

func newWire(c net.Conn) *wire {
	w := &wire{Conn: c, quick: quickAck(c)}
	w.quick()
	return w
}

// Read implements net.Conn.
func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if err != nil {
		_ = w.Close()
		return n, err
	}
	w.quick()
	return n, nil
}
