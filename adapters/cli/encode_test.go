package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
)

func TestTextsForPeople(t *testing.T) {
	a := newWorld(t).session().app("remora")
	a.tty.out = true
	now := a.Now()
	for want, ago := range map[string]time.Duration{
		"0s ago": -time.Second, "59s ago": 59 * time.Second, "1m ago": 119 * time.Second, "47h ago": 47 * time.Hour, "3d ago": 80 * time.Hour,
	} {
		require.Equal(t, want, a.when(now.Add(-ago)))
	}
	require.Empty(t, a.when(time.Time{}))
	require.Equal(t, "abcd…", a.cut("abcdefg", 5))
	require.Equal(t, "äöüßé", a.cut("äöüßé", 5))
	a.tty.out = false
	require.Equal(t, "abcdefg", a.cut("abcdefg", 5))
	for want, d := range map[string]time.Duration{"0s": 0, "393µs": 393400 * time.Nanosecond, "1ms": 1400 * time.Microsecond, "1.2s": 1234 * time.Millisecond, "1h0m1s": time.Hour + 1400*time.Millisecond} {
		require.Equal(t, want, short(d))
	}
}

func TestCommandText(t *testing.T) {
	for want, c := range map[string]domain.Command{
		"ls -l":                {Kind: domain.KindShellLine, Line: "ls", Args: "-l"},
		"ls a b":               {Kind: domain.KindArgv, Argv: []string{"ls", "a b"}},
		"script: apt update":   {Kind: domain.KindScript, Script: "#!/bin/sh\n\n# why\n  apt update\nx", Shell: "/bin/sh"},
		"script: /bin/sh -x y": {Kind: domain.KindScript, Script: "# nothing\n", Shell: "/bin/sh", Args: "-x y"},
	} {
		require.Equal(t, want, commandText(c))
	}
}

// FuzzEncode_IsSafeForATerminal writes what a hostile server may have printed, or a name may hold, in every form.
func FuzzEncode_IsSafeForATerminal(f *testing.F) {
	for _, text := range []string{"plain", "\x1b]52;c;x\a", "\u009b2J\u007f", "\x9b\xff", "\u0085\u2028 ", "- a: b\n\t#", "\ufeff\ufffe\uffff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		data := map[string]string{"stdout": text}
		var b bytes.Buffer
		require.NoError(t, writeJSON(&b, data))
		harmless(t, b.String())
		var back map[string]string
		require.NoError(t, json.Unmarshal(b.Bytes(), &back))
		require.Equal(t, strings.ToValidUTF8(text, "\uFFFD"), regroup(back["stdout"], text))
		b.Reset()
		require.NoError(t, writeYAML(&b, data))
		harmless(t, b.String())
		b.Reset()
		row(&b, text, "x")
		harmless(t, strings.ReplaceAll(b.String(), "\t", ""))
		require.Equal(t, 1, strings.Count(b.String(), "\n"), "a cell stays on its line")
	})
}

// regroup undoes that JSON has one replacement character for each bad byte, where ToValidUTF8 has one for a run of them.
func regroup(decoded, original string) string {
	if decoded == string([]rune(original)) {
		return strings.ToValidUTF8(original, "\uFFFD")
	}
	return decoded
}

func harmless(t *testing.T, text string) {
	t.Helper()
	for _, r := range text {
		require.False(t, r != '\n' && r != '\t' && unicode.IsControl(r), "%q in %q", r, text)
	}
}
