package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aymanbagabas/go-udiff"
	"github.com/spf13/cobra"
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

func unindent(example string) string {
	var b strings.Builder
	for line := range strings.Lines(example) {
		b.WriteString(strings.TrimPrefix(line, "  "))
	}
	return b.String()
}
