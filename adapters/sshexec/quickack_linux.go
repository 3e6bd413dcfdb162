package sshexec

import (
	"net"
	"syscall"
)

// quickAck returns what makes the kernel acknowledge at once what was read. Else the first channels of a connection
// lose 40 ms each: the server's Nagle waits for our delayed acknowledgement. Linux forgets the option after a while, so
// it is set again after every read.
func quickAck(c net.Conn) func() {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return func() {}
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return func() {}
	}
	return func() {
		_ = raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1) })
	}
}
