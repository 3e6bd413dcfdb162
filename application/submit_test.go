package application_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

func TestSubmit_TakesDefaults(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		s := w.server()
		d, err := w.jobs.Submit(t.Context(), ports.Submission{ServerID: s.ID, Command: "uptime", Args: "-p"})
		require.NoError(t, err)
		require.Equal(t, domain.Command{Kind: domain.KindShellLine, Line: "uptime", Args: "-p"}, d.Job.Command)
		require.Equal(t, domain.DefaultPriority, d.Job.Priority)
		require.Equal(t, 5*time.Minute, d.Job.Timeout)
		require.Equal(t, domain.DefaultRetry(), d.Job.Retry)
		require.Equal(t, domain.PhasePending, d.Job.Phase)
		require.Equal(t, s.Ref(), d.Server)
		require.Equal(t, &d.Job, w.job(d.Job.ID), "what is answered is what is stored")
	})
}

func TestSubmit_TakesWhatIsGiven(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		s := w.server()
		retry := domain.Retry{Mode: domain.RetryNever, MaxAttempts: 1}
		d, err := w.jobs.Submit(t.Context(), ports.Submission{
			ServerID: s.ID, Script: "echo ü\n", Args: "a 'b c'", Shell: "/bin/sh", Timeout: time.Second, Priority: 10, Retry: &retry,
		})
		require.NoError(t, err)
		require.Equal(t, domain.Command{Kind: domain.KindScript, Script: "echo ü\n", Args: "a 'b c'", Shell: "/bin/sh"}, d.Job.Command)
		require.Equal(t, domain.Priority(10), d.Job.Priority)
		require.Equal(t, time.Second, d.Job.Timeout)
		require.Equal(t, retry, d.Job.Retry)

		d, err = w.jobs.Submit(t.Context(), ports.Submission{ServerID: s.ID, Script: "true"})
		require.NoError(t, err)
		require.Equal(t, "/bin/bash", d.Job.Command.Shell, "the first allowed shell is the default")

		d, err = w.jobs.Submit(t.Context(), ports.Submission{ServerID: s.ID, Argv: []string{"printf", "%s", "a b"}})
		require.NoError(t, err)
		require.Equal(t, []string{"printf", "%s", "a b"}, d.Job.Command.Argv)
	})
}

func TestSubmit_Refuses(t *testing.T) {
	for name, c := range map[string]struct {
		s    ports.Submission
		code string
	}{
		"Nothing":          {ports.Submission{}, "command_invalid"},
		"BlankCommand":     {ports.Submission{Command: " \t"}, "command_invalid"},
		"CommandAndScript": {ports.Submission{Command: "a", Script: "b"}, "command_invalid"},
		"CommandAndArgv":   {ports.Submission{Command: "a", Argv: []string{"b"}}, "command_invalid"},
		"LongCommand":      {ports.Submission{Command: strings.Repeat("a", domain.MaxCommandBytes+1)}, "command_invalid"},
		"NULInCommand":     {ports.Submission{Command: "a\x00b"}, "command_invalid"},
		"BrokenCommand":    {ports.Submission{Command: "a\xff"}, "command_invalid"},
		"LongArgs":         {ports.Submission{Command: "a", Args: strings.Repeat("a", domain.MaxArgsBytes+1)}, "args_invalid"},
		"ArgvWithoutName":  {ports.Submission{Argv: []string{"", "a"}}, "argv_invalid"},
		"ArgvWithArgs":     {ports.Submission{Argv: []string{"a"}, Args: "b"}, "args_invalid"},
		"LongArgv":         {ports.Submission{Argv: []string{"a", strings.Repeat("a", domain.MaxCommandBytes-2)}}, "argv_invalid"},
		"LongScript":       {ports.Submission{Script: strings.Repeat("a", domain.MaxScriptBytes+1)}, "script_invalid"},
		"BlankScript":      {ports.Submission{Script: "\n"}, "script_invalid"},
		"ForeignShell":     {ports.Submission{Script: "a", Shell: "/bin/zsh"}, "shell_not_allowed"},
		"ShellByItsName":   {ports.Submission{Script: "a", Shell: "sh"}, "shell_not_allowed"},
		"ShellForACommand": {ports.Submission{Command: "a", Shell: "/bin/sh"}, "shell_invalid"},
		"ShortTimeout":     {ports.Submission{Command: "a", Timeout: time.Second - 1}, "timeout_invalid"},
		"LongTimeout":      {ports.Submission{Command: "a", Timeout: domain.MaxTimeout + 1}, "timeout_invalid"},
		"NegativeTimeout":  {ports.Submission{Command: "a", Timeout: -time.Second}, "timeout_invalid"},
		"HighPriority":     {ports.Submission{Command: "a", Priority: 11}, "priority_invalid"},
		"NegativePriority": {ports.Submission{Command: "a", Priority: -1}, "priority_invalid"},
		"UnknownRetry":     {ports.Submission{Command: "a", Retry: &domain.Retry{Mode: "often", MaxAttempts: 1}}, "retry_invalid"},
		"NoAttempt":        {ports.Submission{Command: "a", Retry: &domain.Retry{Mode: domain.RetrySafe}}, "retry_invalid"},
		"TooManyAttempts":  {ports.Submission{Command: "a", Retry: &domain.Retry{Mode: domain.RetrySafe, MaxAttempts: 101}}, "retry_invalid"},
		"NoServer":         {ports.Submission{Command: "a", ServerID: "-"}, "server_id_invalid"},
		"UnknownServer":    {ports.Submission{Command: "a", ServerID: "unknown"}, "server_not_found"},
		"ServerAtRest":     {ports.Submission{Command: "a", ServerID: "resting"}, "server_inactive"},
	} {
		t.Run(name, func(t *testing.T) {
			inQuietWorld(t, func(t *testing.T, w *world) {
				switch c.s.ServerID {
				case "":
					c.s.ServerID = w.server().ID
				case "-":
					c.s.ServerID = ""
				case "resting":
					c.s.ServerID = w.server(func(n *ports.NewServer) { n.Active = new(false) }).ID
				}
				_, err := w.jobs.Submit(t.Context(), c.s)
				requireCode(t, c.code, err)
				page, err := w.jobs.List(t.Context(), ports.JobQuery{Limit: 1})
				require.NoError(t, err)
				require.Empty(t, page.Jobs, "a refused job is not stored")
			})
		})
	}
}

func TestSubmit_RepeatOfAKeyReturnsTheFirstJob(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		s := w.server()
		program, text := counts(3, time.Second)
		w.machines.On("count", program)
		ask := ports.Submission{ServerID: s.ID, Command: "count", IdempotencyKey: "k-1"}
		first, err := w.jobs.Submit(t.Context(), ask)
		require.NoError(t, err)
		w.work()
		w.final(first.Job.ID)

		again, err := w.jobs.Submit(t.Context(), ask)
		require.NoError(t, err)
		require.Equal(t, first.Job.ID, again.Job.ID)
		require.Equal(t, domain.StatusCompleted, again.Job.Status, "as the job is now")
		require.Equal(t, text, string(again.Stdout.Data))
		require.Equal(t, s.Ref(), again.Server)
		w.pass(time.Minute)
		require.Len(t, w.machines.Starts(), 1)
	})
}

func TestSubmit_ReuseOfAKeyIsRefused(t *testing.T) {
	base := ports.Submission{Command: "a", Args: "b", IdempotencyKey: "k-1"}
	for name, change := range map[string]func(*ports.Submission){
		"Command":  func(s *ports.Submission) { s.Command = "c" },
		"Args":     func(s *ports.Submission) { s.Args = "c" },
		"Kind":     func(s *ports.Submission) { s.Command, s.Script = "", "a" },
		"Argv":     func(s *ports.Submission) { s.Command, s.Args, s.Argv = "", "", []string{"a", "b"} },
		"Timeout":  func(s *ports.Submission) { s.Timeout = time.Second },
		"Priority": func(s *ports.Submission) { s.Priority = 6 },
		"Retry":    func(s *ports.Submission) { s.Retry = &domain.Retry{Mode: domain.RetryNever, MaxAttempts: 1} },
	} {
		t.Run(name, func(t *testing.T) {
			inQuietWorld(t, func(t *testing.T, w *world) {
				first, other := base, base
				first.ServerID = w.server().ID
				other.ServerID = first.ServerID
				_, err := w.jobs.Submit(t.Context(), first)
				require.NoError(t, err)
				change(&other)
				_, err = w.jobs.Submit(t.Context(), other)
				require.ErrorIs(t, err, domain.ErrIdempotencyKey)
			})
		})
	}
}

func requireCode(t *testing.T, code string, err error) {
	t.Helper()
	var e *domain.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, code, e.Code)
}
