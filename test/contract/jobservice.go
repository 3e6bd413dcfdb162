package contract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Services are the driving ports under test with a world behind them, empty at first.
type Services struct {
	Jobs    ports.Jobs
	Batches ports.Batches
	Output  ports.Output
	Servers ports.Servers
	Access  ports.ServerAccess
	System  ports.System
	Keys    ports.Keys

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

// JobService says what people may expect of jobs and their output, whatever stands between: the application in the same
// process, or the REST API and its client.
func JobService(t *testing.T, open func(t *testing.T) Services) {
	t.Run("Submit", func(t *testing.T) { submitClauses(t, open) })
	t.Run("Copy", func(t *testing.T) { copyClauses(t, open) })
	t.Run("Life", func(t *testing.T) { lifeClauses(t, open) })
	t.Run("Cancel", func(t *testing.T) { cancelClauses(t, open) })
	t.Run("List", func(t *testing.T) { listClauses(t, open) })
	t.Run("Output", func(t *testing.T) { outputClauses(t, open) })
	t.Run("Follow", func(t *testing.T) { followClauses(t, open) })
	t.Run("DoneContext", func(t *testing.T) { doneClauses(t, open) })
}

func submitClauses(t *testing.T, open func(t *testing.T) Services) {
	t.Run("TakesTheDefaults", func(t *testing.T) {
		s := open(t)
		server := s.server(t)
		got, err := s.Jobs.Submit(t.Context(), ports.Submission{ServerID: server.ID, Command: "echo", Args: "'a b' \"ü\""})
		require.NoError(t, err)
		require.Equal(t, domain.StatusQueued, got.Job.Status)
		require.Equal(t, domain.Command{Kind: domain.KindShellLine, Line: "echo", Args: "'a b' \"ü\""}, got.Job.Command)
		require.Equal(t, domain.DefaultPriority, got.Job.Priority)
		require.Equal(t, domain.DefaultRetry(), got.Job.Retry)
		require.Positive(t, got.Job.Timeout)
		require.Equal(t, server.Ref(), got.Server)
		require.False(t, got.Job.CreatedAt.IsZero())
		require.True(t, got.Job.StartedAt.IsZero())
		require.Nil(t, got.Job.Exit)
	})
	t.Run("KeepsWhatWasAsked", func(t *testing.T) {
		s := open(t)
		server := s.server(t)
		script := "#!/bin/bash\nprintf '%s\\n' \"$1\" | tr a-z A-Z\n\ttab and \"quotes\" \\ 🦈\r\n" + strings.Repeat("# a long tail\n", 4000)
		for _, ask := range []ports.Submission{
			{Command: "uptime", Timeout: 90 * time.Second, Priority: 10, Retry: &domain.Retry{Mode: domain.RetryNever, MaxAttempts: 1}},
			{Argv: []string{"printf", "%s\n", "", "a b", "$HOME"}},
			{Script: script, Args: "one 'two three'", Shell: "/bin/bash", Priority: 1},
		} {
			ask.ServerID = server.ID
			submitted, err := s.Jobs.Submit(t.Context(), ask)
			require.NoError(t, err)
			got, err := s.Jobs.Get(t.Context(), submitted.Job.ID)
			require.NoError(t, err)
			c := got.Job.Command
			require.Equal(t, ask.Command, c.Line)
			require.Equal(t, ask.Argv, c.Argv)
			require.Equal(t, ask.Script, c.Script)
			require.Equal(t, ask.Args, c.Args)
			require.Equal(t, ask.Shell, c.Shell)
			if ask.Priority != 0 {
				require.Equal(t, ask.Priority, got.Job.Priority)
			}
			if ask.Timeout != 0 {
				require.Equal(t, ask.Timeout, got.Job.Timeout)
			}
			if ask.Retry != nil {
				require.Equal(t, *ask.Retry, got.Job.Retry)
			}
		}
	})
	t.Run("RefusesWhatCannotBe", func(t *testing.T) { refusedSubmissions(t, open(t)) })
	t.Run("OneKeyIsOneJobWhateverBecameOfItsServer", func(t *testing.T) {
		s := open(t)
		server, off := s.server(t).ID, false
		ask := ports.Submission{ServerID: server, Command: "date", IdempotencyKey: "deploy 42"}
		first, err := s.Jobs.Submit(t.Context(), ask)
		require.NoError(t, err)
		_, err = s.Servers.Update(t.Context(), server, ports.ServerChange{Active: &off})
		require.NoError(t, err)
		again, err := s.Jobs.Submit(t.Context(), ask)
		require.NoError(t, err)
		require.Equal(t, first.Job.ID, again.Job.ID)
		ask.IdempotencyKey = "deploy 43"
		_, err = s.Jobs.Submit(t.Context(), ask)
		wantError(t, err, domain.ErrServerInactive)
	})
	t.Run("OneKeyIsOneJob", func(t *testing.T) {
		s := open(t)
		ask := ports.Submission{ServerID: s.server(t).ID, Command: "date", IdempotencyKey: "deploy 42"}
		first, err := s.Jobs.Submit(t.Context(), ask)
		require.NoError(t, err)
		again, err := s.Jobs.Submit(t.Context(), ask)
		require.NoError(t, err)
		require.Equal(t, first.Job.ID, again.Job.ID)
		ask.Command = "uptime"
		_, err = s.Jobs.Submit(t.Context(), ask)
		wantError(t, err, domain.ErrIdempotencyKey)
		page, err := s.Jobs.List(t.Context(), ports.JobQuery{Limit: 10})
		require.NoError(t, err)
		require.EqualValues(t, 1, page.Total)
	})
}

func refusedSubmissions(t *testing.T, s Services) {
	id := s.server(t).ID
	off := s.Good
	off.Name, off.Active = "switched-off", new(bool)
	inactive, err := s.Servers.Create(t.Context(), off)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		ask  ports.Submission
		kind domain.Kind
		code string
	}{
		"NoCommand":     {ports.Submission{ServerID: id}, domain.KindInvalid, "command_invalid"},
		"BlankCommand":  {ports.Submission{ServerID: id, Command: " \t"}, domain.KindInvalid, "command_invalid"},
		"NUL":           {ports.Submission{ServerID: id, Command: "echo \x00"}, domain.KindInvalid, "command_invalid"},
		"LongCommand":   {ports.Submission{ServerID: id, Command: strings.Repeat("x", domain.MaxCommandBytes+1)}, domain.KindInvalid, "command_invalid"},
		"LongScript":    {ports.Submission{ServerID: id, Script: strings.Repeat("x", domain.MaxScriptBytes+1)}, domain.KindInvalid, "script_invalid"},
		"EmptyProgram":  {ports.Submission{ServerID: id, Argv: []string{""}}, domain.KindInvalid, "argv_invalid"},
		"Priority":      {ports.Submission{ServerID: id, Command: "w", Priority: 11}, domain.KindInvalid, "priority_invalid"},
		"NegativeTime":  {ports.Submission{ServerID: id, Command: "w", Timeout: -time.Second}, domain.KindInvalid, "timeout_invalid"},
		"LongTime":      {ports.Submission{ServerID: id, Command: "w", Timeout: domain.MaxTimeout + time.Second}, domain.KindInvalid, "timeout_invalid"},
		"RetryMode":     {ports.Submission{ServerID: id, Command: "w", Retry: &domain.Retry{Mode: "often", MaxAttempts: 3}}, domain.KindInvalid, "retry_invalid"},
		"RetryAttempts": {ports.Submission{ServerID: id, Command: "w", Retry: &domain.Retry{Mode: domain.RetrySafe}}, domain.KindInvalid, "retry_invalid"},
		"Shell":         {ports.Submission{ServerID: id, Script: "w", Shell: "/opt/odd/shell"}, domain.KindInvalid, "shell_not_allowed"},
		"UnknownServer": {ports.Submission{ServerID: nobody, Command: "w"}, domain.KindNotFound, "server_not_found"},
		"NoServer":      {ports.Submission{Command: "w"}, domain.KindInvalid, "server_id_invalid"},
		"Inactive":      {ports.Submission{ServerID: inactive.ID, Command: "w"}, domain.KindConflict, "server_inactive"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Jobs.Submit(t.Context(), c.ask)
			wantCode(t, err, c.kind, c.code)
		})
	}
	page, err := s.Jobs.List(t.Context(), ports.JobQuery{Limit: 10})
	require.NoError(t, err)
	require.Empty(t, page.Jobs, "a refused submission leaves no job")
}

func lifeClauses(t *testing.T, open func(t *testing.T) Services) {
	t.Run("Completes", func(t *testing.T) {
		s := open(t)
		id := s.submit(t, "make")
		run := s.Begin(t)
		require.Equal(t, id, run.Job())
		got, err := s.Jobs.Get(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, domain.StatusRunning, got.Job.Status)
		require.Equal(t, 1, got.Job.Attempt)
		require.False(t, got.Job.StartedAt.IsZero())
		require.NotNil(t, got.Job.Process)

		run.Print(t, domain.Stdout, []byte("out 1\n"))
		run.Print(t, domain.Stderr, []byte("err 1\n"))
		run.Print(t, domain.Stdout, []byte{0, 0xff, 0xfe, 'x'})
		run.Exit(t, domain.Exit{})
		got, err = s.Jobs.Get(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, domain.StatusCompleted, got.Job.Status)
		require.Equal(t, domain.PhaseNone, got.Job.Phase)
		require.Equal(t, domain.ReasonNone, got.Job.Reason)
		require.Equal(t, &domain.Exit{}, got.Job.Exit)
		require.False(t, got.Job.FinishedAt.Before(got.Job.StartedAt))
		require.Equal(t, domain.Offsets{Stdout: 10, Stderr: 6}, got.Job.Output)
		require.Equal(t, []byte("out 1\n\x00\xff\xfex"), got.Stdout.Data)
		require.Equal(t, []byte("err 1\n"), got.Stderr.Data)
		require.False(t, got.Stdout.Truncated)
	})
	t.Run("TailsAreBounded", func(t *testing.T) {
		s := open(t)
		id := s.submit(t, "yes")
		run := s.Begin(t)
		whole := bytes.Repeat([]byte("0123456789abcdé"), ports.TailBytes/10)
		run.Print(t, domain.Stdout, whole)
		run.Exit(t, domain.Exit{})
		got, err := s.Jobs.Get(t.Context(), id)
		require.NoError(t, err)
		require.True(t, got.Stdout.Truncated)
		require.LessOrEqual(t, len(got.Stdout.Data), ports.TailBytes)
		require.Greater(t, len(got.Stdout.Data), ports.TailBytes-8)
		require.True(t, bytes.HasSuffix(whole, got.Stdout.Data))
		require.EqualValues(t, len(whole), got.Job.Output.Stdout)
	})
	for name, c := range map[string]struct {
		exit   domain.Exit
		reason domain.Reason
	}{
		"ExitCode": {domain.Exit{Code: 7}, domain.ReasonExitNonzero},
		"Signal":   {domain.Exit{Code: 137, Signal: "KILL"}, domain.ReasonSignal},
	} {
		t.Run("FailsBy"+name, func(t *testing.T) {
			s := open(t)
			id := s.submit(t, "false")
			s.Begin(t).Exit(t, c.exit)
			got, err := s.Jobs.Get(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, domain.StatusFailed, got.Job.Status)
			require.Equal(t, c.reason, got.Job.Reason)
			require.Equal(t, &c.exit, got.Job.Exit)
			require.NotEmpty(t, got.Job.Message)
		})
	}
	t.Run("UnknownID", func(t *testing.T) {
		s := open(t)
		for _, id := range []domain.JobID{nobody, "no-id", ""} {
			_, err := s.Jobs.Get(t.Context(), id)
			wantError(t, err, domain.ErrJobNotFound)
		}
	})
}

func cancelClauses(t *testing.T, open func(t *testing.T) Services) {
	t.Run("QueuedIsCanceledAtOnce", func(t *testing.T) {
		s := open(t)
		id := s.submit(t, "sleep 300")
		got, err := s.Jobs.Cancel(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, domain.StatusCanceled, got.Job.Status)
		require.Equal(t, domain.ReasonUser, got.Job.Reason)
		require.Nil(t, got.Job.KillConfirmed(), "nothing had to be ended")
		_, err = s.Jobs.Cancel(t.Context(), id)
		wantError(t, err, domain.ErrJobFinal)
	})
	t.Run("RunningIsEnded", func(t *testing.T) {
		s := open(t)
		id := s.submit(t, "sleep 300")
		run := s.Begin(t)
		got, err := s.Jobs.Cancel(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, id, got.Job.ID)
		require.True(t, got.Job.CancelRequested)
		run.Killed(t)
		got, err = s.Jobs.Get(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, domain.StatusCanceled, got.Job.Status)
		require.Equal(t, domain.ReasonUser, got.Job.Reason)
		require.NotNil(t, got.Job.Receipt)
		require.True(t, got.Job.Receipt.Confirmed)
		require.NotEmpty(t, got.Job.Receipt.Way)
		require.Empty(t, got.Job.Receipt.Left)
	})
	t.Run("FinishedIsNot", func(t *testing.T) {
		s := open(t)
		id := s.submit(t, "true")
		s.Begin(t).Exit(t, domain.Exit{})
		_, err := s.Jobs.Cancel(t.Context(), id)
		wantError(t, err, domain.ErrJobFinal)
	})
	t.Run("UnknownID", func(t *testing.T) {
		_, err := open(t).Jobs.Cancel(t.Context(), nobody)
		wantError(t, err, domain.ErrJobNotFound)
	})
}

func listClauses(t *testing.T, open func(t *testing.T) Services) {
	t.Run("PagesAndCursorsShowAllOnce", func(t *testing.T) {
		s := open(t)
		var want []domain.JobID
		for i := range 7 {
			want = append([]domain.JobID{s.submit(t, fmt.Sprintf("echo %d", i))}, want...)
		}
		var byPage, byCursor []domain.JobID
		for page := 1; page <= 3; page++ {
			p, err := s.Jobs.List(t.Context(), ports.JobQuery{Limit: 3, Page: page})
			require.NoError(t, err)
			require.EqualValues(t, 7, p.Total)
			require.Equal(t, page < 3, p.Next != "")
			byPage = append(byPage, idsOf(p)...)
		}
		require.Equal(t, want, byPage)
		for q := (ports.JobQuery{Limit: 3}); ; {
			p, err := s.Jobs.List(t.Context(), q)
			require.NoError(t, err)
			byCursor = append(byCursor, idsOf(p)...)
			s.submit(t, "echo meanwhile")
			if q.Cursor = p.Next; p.Next == "" {
				break
			}
		}
		require.Equal(t, want, byCursor)
	})
	t.Run("Filters", func(t *testing.T) {
		s := open(t)
		done := s.submit(t, "deploy --now")
		s.Begin(t).Exit(t, domain.Exit{})
		canceled := s.submit(t, "erase")
		_, err := s.Jobs.Cancel(t.Context(), canceled)
		require.NoError(t, err)
		waiting := s.submit(t, "backup")
		for name, c := range map[string]struct {
			q    ports.JobQuery
			want []domain.JobID
		}{
			"Status":   {ports.JobQuery{Statuses: []domain.Status{domain.StatusCompleted}}, []domain.JobID{done}},
			"Statuses": {ports.JobQuery{Statuses: []domain.Status{domain.StatusCompleted, domain.StatusQueued}}, []domain.JobID{waiting, done}},
			"Search":   {ports.JobQuery{Search: "DEPLOY"}, []domain.JobID{done}},
			"Server":   {ports.JobQuery{ServerID: nobody}, nil},
			"Reason":   {ports.JobQuery{Reasons: []domain.Reason{domain.ReasonUser, domain.ReasonTimeout}}, []domain.JobID{canceled}},
			"Batch":    {ports.JobQuery{BatchID: nobody}, nil},
			"Before":   {ports.JobQuery{CreatedBefore: time.Unix(1, 0)}, nil},
			"After": {ports.JobQuery{CreatedAfter: time.Unix(1, 0), CreatedBefore: time.Now().AddDate(100, 0, 0), Statuses: []domain.Status{domain.StatusQueued}},
				[]domain.JobID{waiting}},
			"Sort":   {ports.JobQuery{Sort: ports.SortCommand, Asc: true}, []domain.JobID{waiting, done, canceled}},
			"Oldest": {ports.JobQuery{Sort: ports.SortCreated, Asc: true}, []domain.JobID{done, canceled, waiting}},
		} {
			t.Run(name, func(t *testing.T) {
				c.q.Limit = 10
				p, err := s.Jobs.List(t.Context(), c.q)
				require.NoError(t, err)
				require.Equal(t, c.want, idsOf(p))
				require.EqualValues(t, len(c.want), p.Total)
				for _, d := range p.Jobs {
					require.Empty(t, d.Stdout.Data)
					require.NotEmpty(t, d.Server.Name)
				}
			})
		}
	})
	t.Run("RefusesWhatCannotBe", func(t *testing.T) {
		s := open(t)
		for code, q := range map[string]ports.JobQuery{
			"limit_invalid":          {Limit: 101},
			"page_invalid":           {Limit: 10, Page: -1},
			"cursor_invalid":         {Limit: 10, Cursor: "nonsense"},
			"sort_by_invalid":        {Limit: 10, Sort: "colour"},
			"status_invalid":         {Limit: 10, Statuses: []domain.Status{"paused"}},
			"reason_invalid":         {Limit: 10, Reasons: []domain.Reason{"boredom"}},
			"created_before_invalid": {Limit: 10, CreatedAfter: time.Unix(2, 0), CreatedBefore: time.Unix(2, 0)},
		} {
			_, err := s.Jobs.List(t.Context(), q)
			wantCode(t, err, domain.KindInvalid, code)
		}
	})
}

func doneClauses(t *testing.T, open func(t *testing.T) Services) {
	s := open(t)
	id := s.submit(t, "true")
	canceled, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the reader went home"))
	late, stop := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer stop()
	for ctx, want := range map[context.Context]*domain.Error{canceled: domain.ErrCanceled, late: domain.ErrTimeout} {
		_, err := s.Jobs.Get(ctx, id)
		wantError(t, err, want)
		_, err = s.Jobs.List(ctx, ports.JobQuery{Limit: 1})
		wantError(t, err, want)
		_, err = s.Jobs.Submit(ctx, ports.Submission{ServerID: nobody, Command: "true"})
		wantError(t, err, want)
		_, err = s.Output.Chunks(ctx, id, 0, 10, time.Hour)
		wantError(t, err, want)
		err = s.Output.Follow(ctx, id, 0, func(ports.JobEvent) error { return nil })
		wantError(t, err, want)
		_, err = s.Servers.List(ctx, ports.ServerQuery{})
		wantError(t, err, want)
	}
}

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
