package sshexec_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/sshexec"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/harness/sshd"
)

// liar is a server that runs nothing and answers every text with what the shell text says; $t is the text's token.
func liar(t *testing.T, text string) ports.Target {
	t.Helper()
	script := filepath.Join(t.TempDir(), "liar")
	const token = "t=$(printf %s \"$SSH_ORIGINAL_COMMAND\" | grep -ao 'remora-[0-9a-f]\\{24\\}' | head -n 1); echo $t >&2\n"
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\n"+token+text+"\n"), 0o755))
	return sshd.StartWith(t, sshd.Config{Lines: []string{"ForceCommand " + script}}).Target()
}

func TestHostile_ProbeAnswersNoModeOfOurs(t *testing.T) {
	for _, mode := range []string{"", "sideways", `dur\000able`, `\377`} {
		report := newExecutor(t, sshexec.Config{}).Probe(t.Context(), liar(t, fmt.Sprintf(`printf '%%s mode %s\n' $t; echo why`, mode)), false)
		require.False(t, report.OK, mode)
		require.Equal(t, ports.StepSession, report.Step)
		require.Equal(t, domain.ModeUnknown, report.Mode)
		require.True(t, utf8.ValidString(report.Message), "%q", report.Message)
	}
}

func TestHostile_ReceiptIsBounded(t *testing.T) {
	server := liar(t, `echo $t killed somehow 3; long=$(head -c 5000 /dev/zero | tr '\0' x); for i in 1 2 3 4 5 6 7 8 9; do echo left $i "$long"; done; seq -f 'left %g sh' 10 20000; echo end`)
	receipt, err := newExecutor(t, sshexec.Config{}).Kill(t.Context(), server, newID(), time.Second)
	require.NoError(t, err)
	require.False(t, receipt.Confirmed)
	require.Len(t, receipt.Left, 51)
	require.Equal(t, "and 19950 more", receipt.Left[50].Command)
	for _, l := range receipt.Left {
		require.LessOrEqual(t, len(l.Command), 200)
	}
}
