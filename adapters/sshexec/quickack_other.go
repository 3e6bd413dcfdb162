//go:build !linux

package sshexec

import "net"

func quicken(c net.Conn) net.Conn { return c }
