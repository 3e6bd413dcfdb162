package arch

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
)

func TestDocs_StatesNamesEverything(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(root, "docs", "STATES.md"))
	require.NoError(t, err)
	text := string(raw)
	for _, s := range domain.Statuses() {
		require.Contains(t, text, "`"+string(s)+"`", "docs/STATES.md does not explain the status")
	}
	for _, s := range domain.States() {
		if s.Phase != domain.PhaseNone {
			require.Contains(t, text, "| `"+string(s.Phase)+"` |", "docs/STATES.md does not explain the phase")
		}
	}
	for _, r := range append(domain.FailureReasons(), domain.CancelReasons()...) {
		require.Contains(t, text, "| `"+string(r)+"` |", "docs/STATES.md does not explain the reason")
	}
	for _, m := range []domain.RetryMode{domain.RetryNever, domain.RetrySafe, domain.RetryOnFailure, domain.RetryAtLeastOnce} {
		require.Contains(t, text, "`"+string(m)+"`", "docs/STATES.md does not explain the retry mode")
	}
}

// TestDocs_StatesDrawsTheMoves holds the picture in docs/STATES.md to the table of moves.
func TestDocs_StatesDrawsTheMoves(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(root, "docs", "STATES.md"))
	require.NoError(t, err)
	_, picture, ok := strings.Cut(string(raw), "```mermaid\n")
	require.True(t, ok, "docs/STATES.md has no picture")
	picture, _, _ = strings.Cut(picture, "```")
	drawn := map[string]bool{}
	for line := range strings.Lines(picture) {
		if from, to, ok := strings.Cut(strings.TrimSpace(line), " --> "); ok && from != "[*]" && to != "[*]" {
			to, _, _ = strings.Cut(to, " :")
			drawn[from+" → "+to] = true
		}
	}
	for _, from := range domain.States() {
		for _, to := range domain.States() {
			move := name(from) + " → " + name(to)
			require.Equal(t, from.CanBecome(to), drawn[move], "the move %s in the picture", move)
			delete(drawn, move)
		}
	}
	require.Empty(t, drawn, "the picture has moves between states that are none")
}

func name(s domain.State) string {
	if s.Phase == domain.PhaseNone {
		return string(s.Status)
	}
	return string(s.Phase)
}

func TestDocs_Decisions(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "docs", "decisions", "*.md"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for i, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(filepath.Base(file), fmt.Sprintf("%04d-", i+1)), "%s: the number %d is missing or used twice", file, i+1)
		require.LessOrEqual(t, bytes.Count(text, []byte("\n")), 40, "%s: a decision fits on a screen", file)
		for _, heading := range []string{"# ", "## Context", "## Decision", "## Consequence"} {
			require.Contains(t, string(text), heading, file)
		}
	}
}

// named is a test as docs/PROMISES.md names it: folder.Test, with the clause of its suite after a slash.
var named = regexp.MustCompile(`^([a-z0-9_/]+)\.((?:Test|Benchmark)\w+)(?:/(\w+))?$`)

func TestDocs_PromisesNameTheirTests(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(root, "docs", "PROMISES.md"))
	require.NoError(t, err)
	suites := goText(t, filepath.Join("test", "contract"))
	seen := 0
	for i, span := range strings.Split(string(raw), "`") {
		if i%2 == 0 || !strings.Contains(span, ".Test") && !strings.Contains(span, ".Benchmark") {
			continue
		}
		m := named.FindStringSubmatch(span)
		require.NotNil(t, m, "docs/PROMISES.md: %s is not folder.Test or folder.Test/Clause", span)
		text := goText(t, m[1])
		require.True(t, strings.Contains(text, "func "+m[2]+"("), "docs/PROMISES.md names %s, and there is no such test", span)
		if m[3] != "" {
			require.True(t, strings.Contains(text+suites, `"`+m[3]+`"`), "docs/PROMISES.md names %s, and no suite has such a clause", span)
		}
		seen++
	}
	require.Greater(t, seen, 20)
}

// goText is all Go source of a folder.
func goText(t *testing.T, folder string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(folder), "*.go"))
	require.NoError(t, err)
	require.NotEmpty(t, files, "%s holds no Go file", folder)
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		all.Write(text)
	}
	return all.String()
}
