package arch

import (
	"bytes"
	"go/ast"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// entries are all that may stand at the top level, besides what .gitignore leaves out.
var entries = []string{
	"domain", "application", "ports", "adapters", "bootstrap", "cmd", "web", "test", "docs", ".ci",
	"go.mod", "go.sum", "docker-compose.yml", "Dockerfile", "Makefile", "README.md", "LICENSE", "CONTRIBUTING.md", "SECURITY.md",
	".golangci.yml", ".editorconfig", ".gitignore", ".dockerignore", ".env.example",
}

func TestHouse_TopLevel(t *testing.T) {
	cmd := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil { // no checkout: an archive holds only what belongs to it, and what was built in it
		out = nil
		found, err := os.ReadDir(root)
		require.NoError(t, err)
		for _, e := range found {
			if !slices.Contains([]string{".git", "bin", "data", ".env", ".cache"}, e.Name()) {
				out = append(append(out, e.Name()...), 0)
			}
		}
	}
	files := bytes.Split(bytes.Trim(out, "\x00"), []byte{0})
	require.Greater(t, len(files), 10)
	for _, file := range files {
		name, _, _ := strings.Cut(string(file), "/")
		if !slices.Contains(entries, name) {
			t.Errorf("%s stands at the top level and has no place there: find its folder, or add it to entries with a reason in docs/decisions", name)
			return
		}
	}
}

func TestHouse_MainsOnlyStart(t *testing.T) {
	const most = 30
	mains, err := filepath.Glob(filepath.Join(root, "cmd", "*", "*.go"))
	require.NoError(t, err)
	require.NotEmpty(t, mains, "there are no programs under cmd")
	for _, file := range mains {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		if filepath.Base(file) != "main.go" {
			t.Errorf("%s: a program is its main.go and bootstrap", file)
		}
		if n := bytes.Count(text, []byte("\n")); n > most {
			t.Errorf("%s has %d lines, at most %d are allowed: what it does belongs to bootstrap", file, n, most)
		}
	}
}

func TestHouse_EveryPackageSaysWhatItIs(t *testing.T) {
	for folder, p := range ours(t) {
		said := false
		for _, file := range p.files(true) {
			f := parse(t, file)
			said = said || f.Doc != nil && (strings.HasPrefix(f.Doc.Text(), "Package "+p.Name+" ") ||
				p.Name == "main" && strings.HasPrefix(f.Doc.Text(), "Command "))
		}
		if !said {
			t.Errorf("%s has no package comment: say what it is and what it must not know", folder)
		}
	}
}

// clockCalls read or wait for the machine's clock.
var clockCalls = []string{"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Sleep"}

func TestHouse_TheDomainHasNoClock(t *testing.T) {
	files := 0
	for folder, p := range ours(t) {
		if !within(folder, "domain") {
			continue
		}
		for _, file := range p.files(false) {
			files++
			ast.Inspect(parse(t, file), func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clockCalls, s.Sel.Name) {
						t.Errorf("%s calls time.%s: the domain is handed its time", file, s.Sel.Name)
					}
				}
				return true
			})
		}
	}
	require.Greater(t, files, 5)
}
