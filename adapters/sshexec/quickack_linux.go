package sshexec

import (
	"net"
	"syscall"
)

// quickConn acknowledges what it reads at once. Else the first channels of a connection lose 40 ms each: the server's
// Nagle waits for our delayed acknowledgement. Linux forgets the option after a while, so it is set again and again.
type quickConn struct {
	net.Conn
	raw syscall.RawConn
}

func quicken(c net.Conn) net.Conn {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return c
	}
	q := &quickConn{Conn: c, raw: raw}
	q.arm()
	return q
}

// Read implements net.Conn.
func (q *quickConn) Read(b []byte) (int, error) {
	n, err := q.Conn.Read(b)
	q.arm()
	return n, err
}

func (q *quickConn) arm() {
	_ = q.raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1) })
}
