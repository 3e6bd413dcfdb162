package cli

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aymanbagabas/go-udiff"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

const docsIntro = "# The command line\n\nMade from the commands' own help by `go test ./adapters/cli -update`; change it there.\n"

func TestDocs_AreTheCommandsOwnHelp(t *testing.T) {
	root := newWorld(t).session().app("remora").root()
	got := bytes.NewBufferString(docsIntro)
	walk(root, func(c *cobra.Command) { document(got, c) })
	path := filepath.Join("..", "..", "docs", "CLI.md")
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, got.Bytes(), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	diff := udiff.Unified("docs/CLI.md", "the commands' help", string(want), got.String())
	require.Empty(t, diff, "run go test ./adapters/cli -update")
}

func TestHelp_EveryCommandHasSomethingToSay(t *testing.T) {
	walk(newWorld(t).session().app("remora").root(), func(c *cobra.Command) {
		require.NotEmpty(t, c.Short, c.CommandPath())
		require.NotEmpty(t, c.Example, "%s has no example", c.CommandPath())
		if c.Name() != "help" {
			require.NotEmpty(t, c.Long, c.CommandPath())
		}
		for line := range strings.Lines(c.Example) {
			require.True(t, strings.HasPrefix(line, "  "), "%s: %q", c.CommandPath(), line)
		}
		for line := range strings.Lines(c.Long) {
			require.LessOrEqual(t, len([]rune(line)), 132, "%s: %q", c.CommandPath(), line)
		}
	})
}

func document(w *bytes.Buffer, c *cobra.Command) {
	c.InitDefaultHelpFlag()
	fmt.Fprintf(w, "\n## %s\n\n%s.\n", c.CommandPath(), c.Short)
	if c.Long != "" {
		fmt.Fprintf(w, "\n```text\n%s\n```\n", c.Long)
	}
	if c.Runnable() && c.HasParent() {
		fmt.Fprintf(w, "\n    %s\n", c.UseLine())
	}
	if len(c.Aliases) > 0 {
		fmt.Fprintf(w, "\nAlso: `%s`\n", strings.Join(c.Aliases, "`, `"))
	}
	fmt.Fprintf(w, "\n```sh\n%s\n```\n", unindent(c.Example))
	flags := c.NonInheritedFlags().FlagUsages()
	if c.HasParent() && c.NonInheritedFlags().HasAvailableFlags() || !c.HasParent() {
		fmt.Fprintf(w, "\n```text\n%s```\n", flags)
	}
}

// said has bash read an example as a person's shell would, and returns the words of each call of the program in it.
func said(t *testing.T, program, line string) (calls [][]string) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"password.txt", "servers.ini", "token.txt"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600))
	}
	script := program + `() { printf '%s\0' "$@" >>"$CALLS"; printf '\1\0' >>"$CALLS"; }; jq() { cat >/dev/null; }; man() { :; }; source() { :; }
mkdir -p "$HOME/.config/fish/completions"
` + line
	bash := exec.CommandContext(t.Context(), "bash", "-c", script)
	bash.Dir, bash.Env = dir, []string{"CALLS=" + filepath.Join(dir, "calls"), "HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	out, err := bash.CombinedOutput()
	require.NoError(t, err, "%s: %s", line, out)
	text, err := os.ReadFile(filepath.Join(dir, "calls"))
	require.NoError(t, err, "%s does not call %s", line, program)
	for call := range strings.SplitSeq(strings.TrimSuffix(string(text), "\x01\x00"), "\x01\x00") {
		if call = strings.TrimPrefix(call, "\x00"); call == "" { // printf ends even nothing
			calls = append(calls, nil)
			continue
		}
		calls = append(calls, strings.Split(strings.TrimSuffix(call, "\x00"), "\x00"))
	}
	return calls
}

func TestHelp_EveryExampleIsUnderstood(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("no bash here")
	}
	checked := 0
	check := func(program string, root func() *cobra.Command) {
		walk(root(), func(c *cobra.Command) {
			for line := range strings.Lines(c.Example) {
				for _, args := range said(t, program, strings.TrimSpace(line)) {
					found, rest, err := root().Find(args)
					require.NoError(t, err, line)
					require.NoError(t, found.ParseFlags(rest), line)
					require.NoError(t, found.ValidateArgs(found.Flags().Args()), line)
					if c.HasParent() && c.Runnable() && !c.HasSubCommands() && c.Name() != "help" {
						require.Equal(t, c.CommandPath(), found.CommandPath(), "an example of another command: %s", line)
					}
					checked++
				}
			}
		})
	}
	check("remora", func() *cobra.Command { return newWorld(t).session().app("remora").root() })
	for _, service := range []string{"api", "worker", "queue"} {
		check("remora-"+service, func() *cobra.Command {
			root, err := newWorld(t).session().app("remora-" + service).serviceRoot(service)
			require.NoError(t, err)
			return root
		})
	}
	require.Greater(t, checked, 80)
}

func TestMan(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man1")
	s := newWorld(t).session()
	require.Equal(t, 0, s.run("man", dir), s.stderr)
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	require.NoError(t, err)
	commands := 0
	walk(s.app("remora").root(), func(c *cobra.Command) {
		if c.Name() == "help" {
			return
		}
		commands++
		text, err := os.ReadFile(filepath.Join(dir, pageName(c)+".1"))
		require.NoError(t, err)
		c.NonInheritedFlags().VisitAll(func(f *pflag.Flag) { require.Contains(t, string(text), roffText("--"+f.Name)) })
	})
	require.Len(t, pages, commands)
	s = newWorld(t).session()
	require.Equal(t, 2, s.run("man", "/dev/null/x"))

	if _, err := exec.LookPath("groff"); err != nil {
		t.Skip("no groff here to read them")
	}
	for _, page := range pages {
		out, err := exec.CommandContext(t.Context(), "groff", "-man", "-Tutf8", "-ww", "-K", "utf8", page).CombinedOutput()
		require.NoError(t, err)
		require.NotContains(t, string(out), "warning", page)
	}
	out, err := exec.CommandContext(t.Context(), "groff", "-man", "-Tascii", "-P-cbou", filepath.Join(dir, "remora-run.1")).Output()
	require.NoError(t, err)
	for _, text := range []string{"--stop-after int", "remora run -s web -- 'ls /var/log | wc -l'", "one argument         a shell line"} {
		require.Contains(t, string(out), text)
	}
}
