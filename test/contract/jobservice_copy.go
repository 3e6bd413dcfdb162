package contract

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

func copyClauses(t *testing.T, open func(t *testing.T) Services) {
	script := ports.Submission{
		Script: "echo $1", Args: "one", Shell: "/bin/sh", Timeout: time.Minute, Priority: 9,
		Retry: &domain.Retry{Mode: domain.RetryOnFailure, MaxAttempts: 3},
	}
	t.Run("DuplicateIsAllTheSame", func(t *testing.T) {
		for name, ask := range map[string]ports.Submission{
			"Line": {Command: "make", Args: "-j 2"}, "Argv": {Argv: []string{"printf", "%s", ""}}, "Script": script,
		} {
			t.Run(name, func(t *testing.T) {
				s := open(t)
				ask.ServerID = s.server(t).ID
				first, err := s.Jobs.Submit(t.Context(), ask)
				require.NoError(t, err)
				made, err := s.Jobs.Duplicate(t.Context(), first.Job.ID, ports.Change{})
				require.NoError(t, err)
				require.Equal(t, first.Job.ID, made.Original.Job.ID)
				require.Equal(t, first.Server, made.Original.Server)
				got, err := s.Jobs.Get(t.Context(), made.New.Job.ID)
				require.NoError(t, err)
				require.NotEqual(t, first.Job.ID, got.Job.ID)
				require.Equal(t, first.Job.ID, got.Job.OriginID)
				require.Equal(t, first.Job.Command, got.Job.Command)
				require.Equal(t, first.Job.ServerID, got.Job.ServerID)
				require.Equal(t, first.Job.Timeout, got.Job.Timeout)
				require.Equal(t, first.Job.Priority, got.Job.Priority)
				require.Equal(t, first.Job.Retry, got.Job.Retry)
				require.Equal(t, domain.StatusQueued, got.Job.Status)
			})
		}
	})
	t.Run("DuplicateChangesWhatItNames", func(t *testing.T) {
		s := open(t)
		ask := script
		ask.ServerID = s.server(t).ID
		first, err := s.Jobs.Submit(t.Context(), ask)
		require.NoError(t, err)
		other := s.Good
		other.Name = "another"
		second, err := s.Servers.Create(t.Context(), other)
		require.NoError(t, err)
		never := domain.Retry{Mode: domain.RetryNever, MaxAttempts: 1}
		for name, c := range map[string]struct {
			change ports.Change
			want   func(j *domain.Job)
		}{
			"Server":   {ports.Change{ServerID: &second.ID}, func(j *domain.Job) { j.ServerID = second.ID }},
			"Args":     {ports.Change{Args: new("two")}, func(j *domain.Job) { j.Command.Args = "two" }},
			"NoArgs":   {ports.Change{Args: new("")}, func(j *domain.Job) { j.Command.Args = "" }},
			"Shell":    {ports.Change{Shell: new("/bin/bash")}, func(j *domain.Job) { j.Command.Shell = "/bin/bash" }},
			"Script":   {ports.Change{Script: new("date")}, func(j *domain.Job) { j.Command.Script = "date" }},
			"Timeout":  {ports.Change{Timeout: new(2 * time.Second)}, func(j *domain.Job) { j.Timeout = 2 * time.Second }},
			"Priority": {ports.Change{Priority: new(domain.Priority(1))}, func(j *domain.Job) { j.Priority = 1 }},
			"Retry":    {ports.Change{Retry: &never}, func(j *domain.Job) { j.Retry = never }},
			"Line": {ports.Change{Command: new("uptime")}, func(j *domain.Job) {
				j.Command = domain.Command{Kind: domain.KindShellLine, Line: "uptime"}
			}},
			"Argv": {ports.Change{Argv: []string{"ls", "a b"}}, func(j *domain.Job) {
				j.Command = domain.Command{Kind: domain.KindArgv, Argv: []string{"ls", "a b"}}
			}},
		} {
			t.Run(name, func(t *testing.T) {
				made, err := s.Jobs.Duplicate(t.Context(), first.Job.ID, c.change)
				require.NoError(t, err)
				want := first.Job
				c.want(&want)
				got := made.New.Job
				require.Equal(t, want.Command, got.Command)
				require.Equal(t, want.ServerID, got.ServerID)
				require.Equal(t, want.Timeout, got.Timeout)
				require.Equal(t, want.Priority, got.Priority)
				require.Equal(t, want.Retry, got.Retry)
			})
		}
	})
	t.Run("DuplicateRefusesWhatCannotBe", func(t *testing.T) { refusedChanges(t, open(t)) })
	t.Run("OneKeyIsOneCopy", func(t *testing.T) {
		s := open(t)
		first := s.submit(t, "date")
		made, err := s.Jobs.Duplicate(t.Context(), first, ports.Change{IdempotencyKey: "again"})
		require.NoError(t, err)
		again, err := s.Jobs.Duplicate(t.Context(), first, ports.Change{IdempotencyKey: "again"})
		require.NoError(t, err)
		require.Equal(t, made.New.Job.ID, again.New.Job.ID)
		_, err = s.Jobs.Duplicate(t.Context(), s.submit(t, "date"), ports.Change{IdempotencyKey: "again"})
		wantError(t, err, domain.ErrIdempotencyKey)
	})
	t.Run("RerunOfTheFinished", func(t *testing.T) {
		s := open(t)
		id := s.submit(t, "false")
		_, err := s.Jobs.Rerun(t.Context(), id, "")
		wantError(t, err, domain.ErrJobActive)
		s.Begin(t).Exit(t, domain.Exit{Code: 1})
		made, err := s.Jobs.Rerun(t.Context(), id, "")
		require.NoError(t, err)
		require.Equal(t, domain.StatusFailed, made.Original.Job.Status)
		require.Equal(t, id, made.New.Job.OriginID)
		require.Equal(t, "false", made.New.Job.Command.Line)
		require.Equal(t, domain.StatusQueued, made.New.Job.Status)
		run := s.Begin(t)
		require.Equal(t, made.New.Job.ID, run.Job())
		run.Exit(t, domain.Exit{})
		for _, unknown := range []domain.JobID{nobody, "no-id", ""} {
			_, err = s.Jobs.Rerun(t.Context(), unknown, "")
			wantError(t, err, domain.ErrJobNotFound)
		}
	})
}

func refusedChanges(t *testing.T, s Services) {
	line := s.submit(t, "date")
	argv, err := s.Jobs.Submit(t.Context(), ports.Submission{ServerID: s.server(t).ID, Argv: []string{"date"}})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		id     domain.JobID
		change ports.Change
		kind   domain.Kind
		code   string
	}{
		"UnknownJob":    {nobody, ports.Change{}, domain.KindNotFound, "job_not_found"},
		"NoID":          {"no-id", ports.Change{}, domain.KindNotFound, "job_not_found"},
		"UnknownServer": {line, ports.Change{ServerID: new(domain.ServerID(nobody))}, domain.KindNotFound, "server_not_found"},
		"TwoCommands":   {line, ports.Change{Command: new("w"), Argv: []string{"w"}}, domain.KindInvalid, "command_invalid"},
		"EmptyCommand":  {line, ports.Change{Command: new("")}, domain.KindInvalid, "command_invalid"},
		"EmptyScript":   {line, ports.Change{Script: new("")}, domain.KindInvalid, "script_invalid"},
		"EmptyArgv":     {line, ports.Change{Argv: []string{}}, domain.KindInvalid, "argv_invalid"},
		"ShellOfLine":   {line, ports.Change{Shell: new("/bin/sh")}, domain.KindInvalid, "shell_invalid"},
		"ArgsOfArgv":    {argv.Job.ID, ports.Change{Args: new("-u")}, domain.KindInvalid, "args_invalid"},
		"OddShell":      {line, ports.Change{Script: new("w"), Shell: new("/opt/odd")}, domain.KindInvalid, "shell_not_allowed"},
		"NoTime":        {line, ports.Change{Timeout: new(time.Duration(0))}, domain.KindInvalid, "timeout_invalid"},
		"NoPriority":    {line, ports.Change{Priority: new(domain.Priority(0))}, domain.KindInvalid, "priority_invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Jobs.Duplicate(t.Context(), c.id, c.change)
			wantCode(t, err, c.kind, c.code)
		})
	}
	page, err := s.Jobs.List(t.Context(), ports.JobQuery{Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Jobs, 2, "a refused duplicate leaves no job")
}
