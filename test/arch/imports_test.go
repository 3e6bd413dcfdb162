package arch

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestImports(t *testing.T) {
	for _, complaint := range complaints(list(t)) {
		t.Error(complaint)
	}
}

// TestImports_RulesBite breaks each rule once: a rule that finds nothing wrong anywhere might as well find nothing at all.
func TestImports_RulesBite(t *testing.T) {
	for _, c := range []struct {
		folder, imports string
		test            bool
		says            string
	}{
		{"domain", "os", false, "the domain is pure"},
		{"domain", "net/netip", false, "the domain is pure"},
		{"domain", "log/slog", false, "the domain is pure"},
		{"domain", module + "/ports", false, "the domain is pure"},
		{"domain", "github.com/google/uuid", false, "ports.Entropy"},
		{"ports", "net/http", false, "only domain"},
		{"ports", module + "/application", false, "only domain"},
		{"application", module + "/adapters/memory", false, "never adapters"},
		{"application/worker", module + "/adapters/memory", false, "never adapters"},
		{"application", "log", false, "log/slog"},
		{"adapters/netqueue", module + "/adapters/vault", false, "never meet"},
		{"adapters/netqueue/client", module + "/adapters/netqueuex", false, "never meet"},
		{"adapters/httpapi", module + "/application", false, "never meet"},
		{"adapters/netqueue", "github.com/labstack/echo/v4/middleware", false, "one place"},
		{"adapters/sshexec", "github.com/jmoiron/sqlx", false, "one place"},
		{"adapters/sqlstore", "golang.org/x/crypto/ssh", false, "SSH"},
		{"application", "github.com/rs/zerolog/log", false, "log/slog"},
		{"adapters/sqlstore", "github.com/stretchr/testify/require", false, "test library"},
		{"adapters/sqlstore", "example.org/new/library", false, "has no owner"},
		{"bootstrap", module + "/test/harness/sshtest", false, "only tests"},
		{"bootstrap", module + "/cmd/api", false, "mains"},
		{"cmd/api", module + "/application", false, "only starts"},
		{"cmd/api", "github.com/spf13/cobra", false, "parsed in one place"},
		{"test/contract", module + "/adapters/memory", false, "knows no adapter"},
		{"adapters/new", "fmt", false, "no rule"},
		{"helpers", "fmt", false, "no rule"},
		{"domain", module + "/test/fixture", true, "only tests under adapters, bootstrap and test"},
		{"domain", module + "/adapters/memory", true, "the domain is pure"},
		{"application", module + "/bootstrap", true, "never adapters"},
	} {
		t.Run(c.folder+" "+c.imports, func(t *testing.T) {
			p := pkg{ImportPath: module + "/" + c.folder, Imports: []string{c.imports}}
			if c.test {
				p.Imports, p.XTestImports = nil, p.Imports
			}
			found := slices.DeleteFunc(complaints(append(std("os", "net/netip", "net/http", "log", "log/slog", "fmt"), p)), isGone)
			require.Len(t, found, 1)
			require.Contains(t, found[0], c.says)
			require.Contains(t, found[0], c.folder)
		})
	}
}

func TestImports_WhatIsAllowed(t *testing.T) {
	for folder, imports := range map[string][]string{
		"domain":                    {"fmt", "unique"},
		"application":               {"fmt", "log/slog", module + "/domain", module + "/ports", module + "/application/worker"},
		"adapters/netqueue/server":  {"fmt", module + "/adapters/netqueue/broker", module + "/ports"},
		"adapters/httpapi/client":   {module + "/adapters/httpapi/wire", "github.com/labstack/echo/v4"},
		"bootstrap":                 {module + "/adapters/cli", module + "/web", "github.com/rs/zerolog"},
		"cmd/api":                   {module + "/bootstrap", "os"},
		"test/harness/sshtest":      {"golang.org/x/crypto/ssh", "github.com/stretchr/testify/require", module + "/adapters/memory"},
		"test/contract":             {module + "/test/fixture", "github.com/stretchr/testify/require"},
		"adapters/sqlstore/dialect": {"database/sql", "github.com/lib/pq"},
	} {
		p := pkg{ImportPath: module + "/" + folder, Imports: imports}
		found := slices.DeleteFunc(complaints(append(std("fmt", "unique", "log/slog", "os", "database/sql"), p)), isGone)
		require.Empty(t, found, folder)
	}
	p := pkg{ImportPath: module + "/adapters/sqlstore", XTestImports: []string{module + "/test/contract", module + "/adapters/memory", "github.com/stretchr/testify/require"}}
	require.Empty(t, slices.DeleteFunc(complaints([]pkg{p}), isGone), "an adapter's tests may use others")
}

func TestImports_ARuleWithoutAFolderIsGone(t *testing.T) {
	require.Len(t, slices.DeleteFunc(complaints(nil), func(s string) bool { return !isGone(s) }), len(rules))
}

func std(paths ...string) []pkg {
	pkgs := make([]pkg, len(paths))
	for i, path := range paths {
		pkgs[i] = pkg{ImportPath: path, Standard: true}
	}
	return pkgs
}

const gone = "matches no package: a rule about a folder that is gone guards nothing; remove it, or say where the folder went"

func isGone(complaint string) bool { return strings.HasSuffix(complaint, gone) }

// complaints returns what is wrong with the imports of the packages.
func complaints(pkgs []pkg) []string {
	standard := map[string]bool{"C": true, "unsafe": true}
	for _, p := range pkgs {
		if p.Standard {
			standard[p.ImportPath] = true
		}
	}
	var found []string
	seen := map[string]bool{}
	for _, p := range pkgs {
		folder, ok := p.folder()
		if !ok {
			continue
		}
		r, ruled := ruleOf(folder)
		seen[r.dir] = true
		if !ruled && !within(folder, "test") && !within(folder, "web") && folder != "." {
			found = append(found, folder+" has no rule: say in rules_test.go what it may import, and why")
			continue
		}
		for _, imported := range p.Imports {
			if why := refuse(folder, r, ruled, imported, standard); why != "" {
				found = append(found, fmt.Sprintf("%s imports %s: %s", folder, imported, why))
			}
		}
		for _, imported := range append(append([]string(nil), p.TestImports...), p.XTestImports...) {
			if why := refuseInTest(folder, r, imported); why != "" {
				found = append(found, fmt.Sprintf("a test of %s imports %s: %s", folder, imported, why))
			}
		}
	}
	for _, r := range rules {
		if !seen[r.dir] {
			found = append(found, fmt.Sprintf("the rule for %s %s", r.dir, gone))
		}
	}
	return found
}

func ruleOf(folder string) (rule, bool) {
	for _, r := range rules {
		if within(folder, r.dir) {
			return r, true
		}
	}
	return rule{}, false
}

// refuse returns why a folder may not import something, or nothing. Where there is no rule (test, web) only the owners count.
func refuse(folder string, r rule, ruled bool, imported string, standard map[string]bool) string {
	if place, ok := strings.CutPrefix(imported, module+"/"); ok {
		switch {
		case within(place, "test") && !within(folder, "test"):
			return "only tests may import test/…"
		case ruled && !slices.ContainsFunc(r.allow, func(dir string) bool { return within(place, dir) }):
			return r.why
		}
		return ""
	}
	if standard[imported] || !strings.Contains(strings.Split(imported, "/")[0], ".") {
		forbidden := slices.ContainsFunc(r.forbidden, func(dir string) bool { return within(imported, dir) })
		if forbidden && (imported != slog || r.dir == "domain" || r.dir == "ports") {
			return r.why
		}
		return ""
	}
	if within(folder, "test") {
		return ""
	}
	for _, o := range owners {
		if !within(imported, o.library) {
			continue
		}
		if slices.ContainsFunc(o.folders, func(dir string) bool { return within(folder, dir) }) {
			return ""
		}
		if o.folders == nil {
			return o.library + " is " + o.why + "; it is for tests alone"
		}
		return fmt.Sprintf("%s belongs to %s: %s", o.library, strings.Join(o.folders, " and "), o.why)
	}
	return "the library has no owner: say in rules_test.go which folder owns it, and why"
}

// refuseInTest is for _test.go files: the core is tested without adapters (the application with those in memory), an
// adapter together with whatever its test needs.
func refuseInTest(folder string, r rule, imported string) string {
	place, ok := strings.CutPrefix(imported, module+"/")
	if !ok {
		return ""
	}
	core := within(folder, "domain") || within(folder, "ports")
	switch {
	case core && within(place, "test"):
		return "only tests under adapters, bootstrap and test may; the core is tested with nothing"
	case core && !slices.ContainsFunc(r.allow, func(dir string) bool { return within(place, dir) }):
		return r.why
	case within(folder, "application") && (within(place, "bootstrap") || within(place, "cmd") ||
		within(place, "adapters") && !within(place, "adapters/memory") && !within(place, "adapters/system") && !within(place, "adapters/vault")):
		return r.why
	}
	return ""
}
