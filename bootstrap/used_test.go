package bootstrap_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/bootstrap"
)

// A setting that is read and then used by nothing is a promise that nobody keeps.
func TestConfig_EveryFieldIsUsed(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	used := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || file == "config.go" || file == "reader.go" {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if of, ok := s.X.(*ast.Ident); ok && (of.Name == "cfg" || of.Name == "c") {
					used[s.Sel.Name] = true
				}
			}
			return true
		})
	}
	config := reflect.TypeFor[bootstrap.Config]()
	for i := range config.NumField() {
		if f := config.Field(i); f.IsExported() {
			require.True(t, used[f.Name], "nothing uses Config.%s", f.Name)
		}
	}
}
