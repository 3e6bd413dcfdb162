package sshexec_test

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heysubinoy/remora/adapters/sshexec"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/contract"
	"github.com/heysubinoy/remora/test/harness/sshd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var attempts atomic.Int64

func newID() domain.AttemptID {
	return domain.AttemptID{Job: domain.JobID(fmt.Sprintf("0193-%d-%d-%d", os.Getpid(), time.Now().UnixNano(), attempts.Add(1))), Number: 1}
}

func newExecutor(t testing.TB, c sshexec.Config) *sshexec.Executor {
	e := sshexec.New(c)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}

func line(t testing.TB, text string) domain.Command {
	c, err := domain.ShellLine(text, "")
	require.NoError(t, err)
	return c
}

func TestContract_OpenSSH(t *testing.T) {
	contract.Executor(t, func(t *testing.T) (ports.Executor, ports.Target) {
		return newExecutor(t, sshexec.Config{}), sshd.Start(t).Target()
	})
}
