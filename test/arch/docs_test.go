package arch

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
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
