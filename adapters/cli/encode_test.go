package cli

import (
	"testing"
	"time"

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
	for want, d := range map[string]time.Duration{"1ms": 1400 * time.Microsecond, "1.2s": 1234 * time.Millisecond, "1h0m1s": time.Hour + 1400*time.Millisecond} {
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
