package sshexec_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/sshexec"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/contract"
	"github.com/heysubinoy/remora/test/harness/sshd"
	"github.com/heysubinoy/remora/test/harness/wait"
)

// dam stands before a server and holds up, from some byte on, what is sent to it, until open is called.
func dam(t *testing.T, server ports.Target, after int64) (target ports.Target, open func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	behind := net.JoinHostPort(server.Server.Hostname, strconv.Itoa(server.Server.Port))
	gate := make(chan struct{})
	open = sync.OnceFunc(func() { close(gate) })
	var all sync.WaitGroup
	all.Go(func() {
		near, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = near.Close() }()
		far, err := net.Dial("tcp", behind)
		if err != nil {
			return
		}
		defer func() { _ = far.Close() }()
		all.Go(func() {
			_, _ = io.CopyN(far, near, after)
			<-gate
			_, _ = io.Copy(far, near)
			_ = far.Close()
		})
		_, _ = io.Copy(near, far)
	})
	t.Cleanup(func() {
		_ = l.Close()
		open()
		all.Wait()
	})
	server.Server.Port = l.Addr().(*net.TCPAddr).Port
	return server, open
}

// A launcher is held up on its way, and its attempt is declared never to start meanwhile. Then it may go on.
func TestVerdict_WhatWasDeclaredVoidNeverStarts(t *testing.T) {
	for name, declare := range map[string]func(e *sshexec.Executor, s ports.Target, id domain.AttemptID){
		"by attach": func(e *sshexec.Executor, s ports.Target, id domain.AttemptID) {
			_, err := e.Attach(t.Context(), s, id, nil, domain.Offsets{}, contract.NewRecorder())
			requireNeverStarted(t, err)
		},
		"by kill": func(e *sshexec.Executor, s ports.Target, id domain.AttemptID) {
			receipt, err := e.Kill(t.Context(), s, id, time.Second)
			require.NoError(t, err)
			require.True(t, receipt.Confirmed, "%+v", receipt)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := sshd.Start(t)
			slow, open := dam(t, s.Target(), 20<<10)
			id := newID()
			launched := make(chan error, 1)
			slowly := newExecutor(t, sshexec.Config{})
			go func() {
				_, err := slowly.Start(t.Context(), slow, id, line(t, "touch ran; : "+strings.Repeat("x", 60000)), contract.NewRecorder())
				launched <- err
			}()
			wait.Until(t, func() error {
				select {
				case err := <-launched:
					require.Fail(t, "the launcher was not held up", "%v", err)
				default:
				}
				_, err := os.Stat(filepath.Join(s.Home, ".remora", "run", id.String()))
				return err
			})
			declare(newExecutor(t, sshexec.Config{}), s.Target(), id)
			open()
			requireNeverStarted(t, <-launched)
			_, err := os.Stat(filepath.Join(s.Home, "ran"))
			require.ErrorIs(t, err, os.ErrNotExist, "it was declared never to start, and ran")
		})
	}
}

func requireNeverStarted(t *testing.T, err error) {
	t.Helper()
	f, ok := errors.AsType[*domain.Failure](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, domain.ReasonLost, f.Reason)
	require.True(t, f.NotStarted)
}
