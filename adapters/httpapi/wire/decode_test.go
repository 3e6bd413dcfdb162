package wire_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/httpapi/wire"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// FuzzDecode: never a panic, only errors that are the caller's fault, and what is taken was said to the letter.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"command":"w","server_id":"x","timeout":1.5,"retry":{"mode":"never","max_attempts":2},"argv":["a"]}`,
		`{"command":"\ud83e\udd88"}`, `{"command":"\ud83e"}`, `{"command":"\udd88\ud83e"}`, `{"argv":[null]}`, `{"retry":{"mode":1}}`, `{"a":{"a":1}}`,
		`{"command":"a","command":"b"}`, `{} {}`, `[`, `nul`, "\ufeff{}", `{"timeout":1e999}`, `{"priority":1.0}`, `{"command":"\\ud83e"}`, `{""`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var b wire.SubmitJob
		err := wire.Decode(body, &b)
		if err == nil {
			_, err = b.Submission()
		}
		if err != nil {
			e, ok := errors.AsType[*domain.Error](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, domain.KindInvalid, e.Kind)
			require.Contains(t, e.Details, "field")
			require.Less(t, len(e.Message), 8192+2*len(body))
			return
		}
		require.True(t, utf8.Valid(body))
		out, err := json.Marshal(b)
		require.NoError(t, err)
		var again wire.SubmitJob
		require.NoError(t, wire.Decode(out, &again))
		require.Equal(t, b, again)
	})
}

func TestDecode_SurrogatePairsAndReplacementCharactersAreText(t *testing.T) {
	for body, want := range map[string]string{
		`{"command":"\ud83e\udd88"}`: "🦈", "{\"command\":\"\uFFFD\"}": "\uFFFD", `{"command":"\ufffd \ud83e\udd88"}`: "\uFFFD 🦈",
		"{\"command\":\"\uFFFD \\\\ud83e\"}": "\uFFFD \\ud83e",
	} {
		var b wire.SubmitJob
		require.NoError(t, wire.Decode([]byte(body), &b), body)
		require.Equal(t, want, *b.Command)
	}
}

func TestSeconds(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0", time.Second: "1", 1500 * time.Millisecond: "1.5", -1500 * time.Millisecond: "-1.5", -time.Millisecond: "-0.001",
		domain.MaxTimeout: "2592000", 90*time.Second + 1: "90.000000001",
	} {
		got, err := json.Marshal(wire.Seconds(d))
		require.NoError(t, err)
		require.Equal(t, want, string(got))
		var back wire.Seconds
		require.NoError(t, json.Unmarshal(got, &back))
		require.Equal(t, d, time.Duration(back))
	}
}

// Everything that is set in a job arrives.
func TestJob_ArrivesWhole(t *testing.T) {
	at := time.Date(2026, 5, 4, 12, 0, 0, 123456000, time.UTC)
	for _, c := range []domain.Command{
		{Kind: domain.KindShellLine, Line: "echo", Args: "a b"},
		{Kind: domain.KindArgv, Argv: []string{"a", "", "c d"}},
		{Kind: domain.KindScript, Script: "x\n", Shell: "/bin/sh", Args: "1"},
	} {
		for _, s := range domain.States() {
			job := domain.Job{
				ID: "i", ServerID: "s", BatchID: "b", OriginID: "o", Command: c, Priority: 7, Timeout: 90 * time.Second,
				Retry: domain.Retry{Mode: domain.RetryOnFailure, MaxAttempts: 9}, Status: s.Status, Phase: s.Phase, Reason: domain.ReasonLost,
				Message: "m", Attempt: 3, Failures: 2, Epoch: 11, Worker: "w",
				Process: &domain.Process{PID: 1, StartedAt: at, Boot: "b", Mode: domain.ModeAttached}, Exit: &domain.Exit{Code: 143, Signal: "TERM"},
				Receipt:         &domain.Receipt{Confirmed: true, Way: "cgroup", Ended: 4, Took: 5, Left: []domain.Remaining{{PID: 6, Command: "c"}}},
				CancelRequested: true, CreatedAt: at, UpdatedAt: at, StartedAt: at, FinishedAt: at, DeadlineAt: at, NextActionAt: at,
				Output: domain.Offsets{Stdout: 1, Stderr: 2}, LastSeq: 3, Revision: 12,
			}
			detail := ports.JobDetail{
				Job: job, Server: domain.ServerRef{ID: "s", Name: "n", Hostname: "h", Port: 22, User: "u"},
				Stdout: ports.Tail{Data: []byte{0xff, 0}, Truncated: true}, Stderr: ports.Tail{Data: []byte("text")},
			}
			body, err := json.Marshal(wire.JobWithTexts(detail))
			require.NoError(t, err)
			var back wire.Job
			require.NoError(t, json.Unmarshal(body, &back))
			require.Equal(t, detail, back.Detail())
		}
	}
}

// A tail that begins in the middle of a character does not show half of it, and still carries its bytes.
func TestTexts_HalvedCharacter(t *testing.T) {
	shark := []byte("🦈 swims")
	for cut := range 4 {
		texts := wire.TextsOf(ports.JobDetail{Stdout: ports.Tail{Data: shark[cut:], Truncated: true}})
		if cut == 0 {
			require.Equal(t, "🦈 swims", texts.Stdout)
			require.Empty(t, texts.StdoutBase64)
			continue
		}
		require.Equal(t, " swims", texts.Stdout)
		require.Equal(t, shark[cut:], texts.StdoutBase64)
	}
}
