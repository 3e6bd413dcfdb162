//go:build !linux

package sshexec

import "net"

func quickAck(net.Conn) func() { return func() {} }
