package contract

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Services are the driving ports under test with a world behind them, empty at first.
type Services struct {
	Jobs    ports.Jobs
	Output  ports.Output
	Servers ports.Servers
	Access  ports.ServerAccess

	// Begin waits until a worker has started the command of a queued job, and hands the command to the test.
	Begin func(t *testing.T) Running

	Good ports.NewServer // can be logged in to; shows the host key that its HostKey names
	Dead ports.NewServer // refuses connections
}

// Running is a command in the test's hands.
type Running interface {
	Job() domain.JobID
	// Print returns when the bytes are stored.
	Print(t *testing.T, s domain.Stream, data []byte)
	// Exit ends the command, and returns when its job has finished.
	Exit(t *testing.T, e domain.Exit)
	// Killed waits until the command's end is asked for, lets it be ended with nothing left, and returns when its job has finished.
	Killed(t *testing.T)
}

const (
	nobody   = "018f0000-0000-7000-8000-ffffffffffff"
	patience = 10 * time.Second
)

func (s Services) server(t *testing.T) domain.Server {
	t.Helper()
	page, err := s.Servers.List(t.Context(), ports.ServerQuery{Search: s.Good.Name})
	require.NoError(t, err)
	if len(page.Servers) > 0 {
		return page.Servers[0]
	}
	server, err := s.Servers.Create(t.Context(), s.Good)
	require.NoError(t, err)
	return server
}

func (s Services) submit(t *testing.T, line string) domain.JobID {
	t.Helper()
	d, err := s.Jobs.Submit(t.Context(), ports.Submission{ServerID: s.server(t).ID, Command: line})
	require.NoError(t, err)
	return d.Job.ID
}

func idsOf(p ports.JobPage) []domain.JobID {
	var ids []domain.JobID
	for _, d := range p.Jobs {
		ids = append(ids, d.Job.ID)
	}
	return ids
}

func wantError(t *testing.T, err error, want *domain.Error) {
	t.Helper()
	wantCode(t, err, want.Kind, want.Code)
	require.ErrorIs(t, err, want)
}

func wantCode(t *testing.T, err error, kind domain.Kind, code string) {
	t.Helper()
	e, ok := errors.AsType[*domain.Error](err)
	require.Truef(t, ok, "%v is no domain error", err)
	require.Equal(t, code, e.Code, e.Message)
	require.Equal(t, kind, e.Kind, e.Code)
	require.NotEmpty(t, e.Message)
}
