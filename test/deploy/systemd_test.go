package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/bootstrap"
)

func units(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "docs", "systemd", "*.service"))
	require.NoError(t, err)
	require.Len(t, files, 4)
	all := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		all[filepath.Base(file)] = string(text)
	}
	return all
}

var setting = regexp.MustCompile(`(?m)^Environment=(\w+)=`)

func TestSystemd_UnitsFitThePrograms(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	require.NoError(t, err)
	for name, text := range units(t) {
		require.NotContains(t, text, "User=root", name)
		for _, must := range []string{
			"User=remora", "NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet=\n", "UMask=0077", "StateDirectoryMode=0700",
		} {
			require.Contains(t, text, must, name)
		}
		for _, m := range setting.FindAllStringSubmatch(text, -1) {
			require.Contains(t, bootstrap.Variables(), m[1], "%s: %s is no setting", name, m[1])
		}
		program := regexp.MustCompile(`(?m)^ExecStart=/usr/local/(bin/[\w-]+)`).FindStringSubmatch(text)
		require.NotNil(t, program, name)
		require.Contains(t, string(makefile), program[1], "%s starts a program that is not built", name)
	}
}

// systemd itself reads the units and finds nothing to say.
func TestSystemd_Verify(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not here")
	}
	dir := t.TempDir()
	var files []string
	for name, text := range units(t) {
		// It looks whether the programs are installed, which they are not here.
		text = regexp.MustCompile(`(?m)^ExecStart=/usr/local/bin/[\w-]+`).ReplaceAllString(text, "ExecStart=/bin/true")
		files = append(files, filepath.Join(dir, name))
		require.NoError(t, os.WriteFile(files[len(files)-1], []byte(text), 0o644))
	}
	verify := exec.CommandContext(t.Context(), analyze, append([]string{"verify", "--man=no", "--recursive-errors=one"}, files...)...)
	out, err := verify.CombinedOutput()
	var ours []string
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "remora") {
			ours = append(ours, line)
		}
	}
	require.Empty(t, ours, string(out))
	require.NoError(t, err, string(out))
}
