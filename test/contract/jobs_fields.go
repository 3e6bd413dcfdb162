package contract

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

var jobFieldClauses = clauses{
	"EveryFieldRoundTripsInEveryState": jobFieldsRoundTrip,
	"CommandsRoundTripByteForByte":     jobCommandsRoundTrip,
	"NilAndZeroExitDiffer":             jobExitRoundTrip,
	"ReceiptsRoundTrip":                jobReceiptRoundTrip,
	"ReadJobHasEndedNothing":           jobReadEndedNothing,
}

// commands are texts that a careless store would change.
func commands(t *testing.T) map[string]domain.Command {
	t.Helper()
	must := func(c domain.Command, err error) domain.Command {
		require.NoError(t, err)
		return c
	}
	long := strings.Repeat("echo \"naïve — 漢字 🦈\" \\\n\t'%s' \r\n", 64<<10/40)
	long += strings.Repeat("#", 64<<10-len(long))
	return map[string]domain.Command{
		"line":           must(domain.ShellLine("uname", "-a")),
		"empty args":     must(domain.ShellLine("true", "")),
		"white space":    must(domain.ShellLine("  \t echo  a\n\n", " \n")),
		"unicode":        must(domain.ShellLine("echo 'ünïcödé 漢字 🦈 \u202e \ufffd e\u0301'", "«»")),
		"quotes":         must(domain.ShellLine(`printf '%s\n' "$HOME" '\'' \\ ; -- ? ?1 $1 :name`, `"`)),
		"control bytes":  must(domain.ShellLine("printf '\x01\x1b[31m\x7f'", "\x08")),
		"argv":           must(domain.Argv([]string{"/bin/echo", "", "a b", "{1,2}", `"`, `\`, "NULL", "漢\n字"})),
		"argv of one":    must(domain.Argv([]string{"true"})),
		"script":         must(domain.Script("#!/bin/bash\nset -e\r\necho hi", "--flag 'x y'", "/bin/bash")),
		"64 KiB script":  must(domain.Script(long, "", "/usr/bin/python3")),
		"longest script": must(domain.Script(strings.Repeat("x", domain.MaxScriptBytes), "", "/bin/sh")),
	}
}

func jobFieldsRoundTrip(t *testing.T, s Storage) {
	server := addServer(t, s)
	seen := coverage{}
	all := commands(t)
	for i, state := range fixture.States() {
		j := addJob(t, s, state, fixture.On(server.ID), fixture.Urgency(domain.Priority(i%10+1)),
			fixture.Timeout(time.Duration(i+1)*time.Second+123_456*time.Microsecond), fixture.Retrying(domain.RetrySafe, 90+i%10),
			fixture.From(fixture.ID[domain.BatchID](t), fixture.ID[domain.JobID](t)), fixture.Runs(all["argv"]))
		got := getJob(t, s, j.ID)
		requireSameJob(t, j, got)
		if state == fixture.Running {
			appendText(t, s, j, "out")
			from := domain.Offsets{Stdout: 3}
			_, err := s.Output.Append(t.Context(), ports.Append{
				Job: j.ID, Attempt: j.Attempt, Epoch: j.Epoch, From: from, At: fixture.Now(), Pieces: pieces(domain.Stderr, []byte("errs")),
			})
			require.NoError(t, err)
			j.Output, j.LastSeq = domain.Offsets{Stdout: 3, Stderr: 4}, 2
			got = getJob(t, s, j.ID)
			requireSameJob(t, j, got)
		}
		seen.see(reflect.ValueOf(*got), "Job")
		listed, _, _, err := list(t, s, ports.JobQuery{Limit: 1})
		require.NoError(t, err)
		requireSameJob(t, got, listed[0])
	}
	for _, name := range []string{"line", "script"} {
		j := addJob(t, s, fixture.Pending, fixture.On(server.ID), fixture.Runs(all[name]))
		seen.see(reflect.ValueOf(*getJob(t, s, j.ID)), "Job")
	}
	signaled := addJob(t, s, fixture.Signaled, fixture.On(server.ID))
	seen.see(reflect.ValueOf(*getJob(t, s, signaled.ID)), "Job")
	confirmed := addJob(t, s, fixture.Running, fixture.On(server.ID))
	require.NoError(t, confirmed.Ended(confirmed.Epoch, domain.Receipt{Confirmed: true}, fixture.Now()))
	require.NoError(t, s.Jobs.Save(t.Context(), confirmed))
	seen.see(reflect.ValueOf(*getJob(t, s, confirmed.ID)), "Job")
	seen.requireAll(t)
}

func jobCommandsRoundTrip(t *testing.T, s Storage) {
	server := addServer(t, s)
	for name, c := range commands(t) {
		j := addJob(t, s, fixture.Pending, fixture.On(server.ID), fixture.Runs(c))
		got := getJob(t, s, j.ID)
		require.Equal(t, orNone(c.Argv), orNone(got.Command.Argv), "%s", name)
		got.Command.Argv, c.Argv = nil, nil
		require.True(t, reflect.DeepEqual(c, got.Command), "%s came back changed", name)
	}
}

func jobExitRoundTrip(t *testing.T, s Storage) {
	server := addServer(t, s)
	for _, exit := range []*domain.Exit{nil, {}, {Code: 1}, {Code: 255}, {Code: 137, Signal: "KILL"}} {
		j := addJob(t, s, fixture.Running, fixture.On(server.ID))
		if exit != nil {
			require.NoError(t, j.Exited(j.Epoch, *exit, 0, fixture.Now()))
			require.NoError(t, s.Jobs.Save(t.Context(), j))
		}
		require.Equal(t, exit, getJob(t, s, j.ID).Exit)
	}
}

func jobReceiptRoundTrip(t *testing.T, s Storage) {
	server := addServer(t, s)
	for _, r := range []domain.Receipt{
		{},
		{Confirmed: true, Way: "cgroup", Ended: 3, Took: time.Nanosecond},
		{Way: "attached", Ended: 1, Took: time.Hour, Left: []domain.Remaining{
			{PID: 1, Command: "init"}, {PID: 1 << 22, Command: "\"漢\"\n\t\\"},
		}},
	} {
		j := addJob(t, s, fixture.Running, fixture.On(server.ID))
		require.NoError(t, j.Ended(j.Epoch, r, fixture.Now()))
		require.NoError(t, s.Jobs.Save(t.Context(), j))
		got := getJob(t, s, j.ID)
		require.NotNil(t, got.Receipt, "an empty receipt is not none: %+v", r)
		requireSameJob(t, j, got)
	}
}

func jobReadEndedNothing(t *testing.T, s Storage) {
	server := addServer(t, s)
	for _, state := range []fixture.State{fixture.Backoff, fixture.Failed, fixture.Lost} {
		j := addJob(t, s, state, fixture.On(server.ID))
		require.NotNil(t, j.EndedAttempt())
		require.Nil(t, getJob(t, s, j.ID).EndedAttempt(), "%s: no verb has ended an attempt since it was read", state)
	}
}
