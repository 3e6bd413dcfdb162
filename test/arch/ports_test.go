package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// maxPortMethods keeps a port small enough to be written in memory in an hour.
const maxPortMethods = 6

func TestPorts_AreSmallAndCommented(t *testing.T) {
	count := 0
	for name, port := range portTypes(t) {
		count++
		methods := 0
		for _, m := range port.Methods.List {
			methods += len(m.Names) // an embedded port has none: putting small ports together is the point
			for _, n := range m.Names {
				if m.Doc == nil {
					t.Errorf("ports.%s.%s has no comment: the comment is the contract", name, n)
					continue
				}
				if f, ok := m.Type.(*ast.FuncType); ok && returnsError(f) && len(strings.Fields(m.Doc.Text())) < 4 {
					t.Errorf("ports.%s.%s can fail and its comment does not say how", name, n)
				}
			}
		}
		if methods > maxPortMethods {
			t.Errorf("ports.%s has %d methods, at most %d are allowed: split it by who calls it", name, methods, maxPortMethods)
		}
	}
	require.Greater(t, count, 10, "the ports were not found")
}

func portTypes(t *testing.T) map[string]*ast.InterfaceType {
	t.Helper()
	found := map[string]*ast.InterfaceType{}
	files, err := filepath.Glob(filepath.Join(root, "ports", "*.go"))
	require.NoError(t, err)
	for _, file := range files {
		f := parse(t, file)
		ast.Inspect(f, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok {
				if port, ok := spec.Type.(*ast.InterfaceType); ok {
					found[spec.Name.Name] = port
				}
			}
			return true
		})
	}
	return found
}

func returnsError(f *ast.FuncType) bool {
	if f.Results == nil {
		return false
	}
	for _, result := range f.Results.List {
		if name, ok := result.Type.(*ast.Ident); ok && name.Name == "error" {
			return true
		}
	}
	return false
}

func parse(t *testing.T, file string) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	require.NoError(t, err)
	return f
}
