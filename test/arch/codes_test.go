package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/httpapi/wire"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// fieldCode stands for the codes that domain.Invalid makes of a field's name.
const fieldCode = "<field>_invalid"

// carried are the places where an error that was made elsewhere is put together again, by file and expression.
var carried = map[string]string{
	"adapters/httpapi/wire/error.go": "e.Code",
	"adapters/netqueue/errors.go":    "r.text",
}

var rowOfCode = regexp.MustCompile("(?m)^\\| `([a-z_<>]+)` \\|")

// TestDocs_TroubleshootingExplainsEveryCode reads the codes out of the source and holds docs/TROUBLESHOOTING.md to them.
func TestDocs_TroubleshootingExplainsEveryCode(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(root, "docs", "TROUBLESHOOTING.md"))
	require.NoError(t, err)
	explained := map[string]bool{}
	for _, m := range rowOfCode.FindAllStringSubmatch(string(raw), -1) {
		explained[m[1]] = true
	}
	codes := codesInSource(t)
	for _, r := range append(domain.FailureReasons(), domain.CancelReasons()...) {
		codes[string(r)] = "a reason of a job"
		if f := wire.TestReportOf(ports.TestReport{Reason: r}, "").Failure; f != nil {
			codes[f.Code] = "a connection test that fails with " + string(r)
		}
	}
	var missing []string
	for _, code := range slices.Sorted(maps.Keys(codes)) {
		if !explained[code] {
			missing = append(missing, code+" ("+codes[code]+")")
		}
		delete(explained, code)
	}
	require.Empty(t, missing, "docs/TROUBLESHOOTING.md has no row for these: what do they mean, and what is there to do?")
	require.Empty(t, slices.Sorted(maps.Keys(explained)), "docs/TROUBLESHOOTING.md explains codes that nothing answers any more")
}

// codesInSource returns every code that an error is made with, and where.
func codesInSource(t *testing.T) map[string]string {
	t.Helper()
	pkgs, err := listOnce()
	require.NoError(t, err)
	all := map[string]string{}
	for _, p := range pkgs {
		folder, ok := p.folder()
		if !ok || strings.HasPrefix(folder, "test/") {
			continue
		}
		c := &codeReader{t: t, all: all, inDomain: folder == "domain", consts: map[string]string{}, helpers: map[string]int{}, files: map[string]*ast.File{}}
		for _, path := range p.files(false) {
			name := folder + "/" + filepath.Base(path)
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			require.NoError(t, err)
			c.files[name] = file
		}
		c.read()
	}
	require.Greater(t, len(all), 60, "the codes are not found any more")
	return all
}

// codeReader reads the codes of one package.
type codeReader struct {
	t        *testing.T
	all      map[string]string
	inDomain bool
	consts   map[string]string
	helpers  map[string]int // functions that take a code, and as which argument
	files    map[string]*ast.File
}

func (c *codeReader) read() {
	for _, file := range c.files {
		ast.Inspect(file, c.readConsts)
	}
	for name, file := range c.files {
		for _, d := range file.Decls {
			f, _ := d.(*ast.FuncDecl)
			ast.Inspect(d, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CompositeLit:
					if c.named(n.Type, "Error") {
						c.readError(name, f, n)
					}
				case *ast.CallExpr:
					if c.named(n.Fun, "Invalid") {
						c.all[fieldCode] = name
					}
				case *ast.AssignStmt:
					c.readAssign(name, n)
				}
				return true
			})
		}
	}
	for name, file := range c.files { // once all helpers are known
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if f, ok := call.Fun.(*ast.Ident); ok {
				if i, ok := c.helpers[f.Name]; ok {
					c.readCode(name, nil, call.Args[i])
				}
			}
			return true
		})
	}
}

func (c *codeReader) readConsts(n ast.Node) bool {
	spec, ok := n.(*ast.ValueSpec)
	if !ok {
		return true
	}
	for i, v := range spec.Values {
		if text, ok := literal(v); ok {
			c.consts[spec.Names[i].Name] = text
		}
	}
	return true
}

// named reports whether an expression is a name of the domain, from within or without.
func (c *codeReader) named(e ast.Expr, name string) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return c.inDomain && e.Name == name
	case *ast.SelectorExpr:
		x, ok := e.X.(*ast.Ident)
		return ok && x.Name == "domain" && e.Sel.Name == name
	}
	return false
}

func (c *codeReader) readError(name string, in *ast.FuncDecl, e *ast.CompositeLit) {
	for _, element := range e.Elts {
		if kv, ok := element.(*ast.KeyValueExpr); ok {
			if k, ok := kv.Key.(*ast.Ident); ok && k.Name == "Code" {
				c.readCode(name, in, kv.Value)
			}
		}
	}
}

// readAssign reads a text that is put into a field Code.
func (c *codeReader) readAssign(name string, a *ast.AssignStmt) {
	for i, to := range a.Lhs {
		if f, ok := to.(*ast.SelectorExpr); ok && f.Sel.Name == "Code" && i < len(a.Rhs) {
			if text, ok := literal(a.Rhs[i]); ok {
				c.all[text] = name
			}
		}
	}
}

func (c *codeReader) readCode(name string, in *ast.FuncDecl, e ast.Expr) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, _ := literal(e)
		c.all[text] = name
		return
	case *ast.Ident:
		if text, ok := c.consts[e.Name]; ok {
			c.all[text] = name
			return
		}
		if i := parameter(in, e.Name); i >= 0 {
			c.helpers[in.Name.Name] = i
			return
		}
	case *ast.BinaryExpr: // the name of something, and what is wrong with it
		if text, ok := literal(e.Y); ok {
			if text == "_invalid" {
				c.all[fieldCode] = name
			} else {
				c.all["<what>"+text] = name
			}
			return
		}
	case *ast.CallExpr:
		c.readCode(name, in, e.Fun)
		return
	case *ast.SelectorExpr:
		x, _ := e.X.(*ast.Ident)
		if x != nil && carried[name] == x.Name+"."+e.Sel.Name {
			return
		}
	}
	require.Failf(c.t, "a code that cannot be read", "%s: an error's code is neither text, nor a constant, nor a helper's argument; see carried in this test", name)
}

// parameter returns the place of a function's parameter, -1 when it has none of that name.
func parameter(f *ast.FuncDecl, name string) int {
	if f == nil {
		return -1
	}
	i := 0
	for _, field := range f.Type.Params.List {
		for _, n := range field.Names {
			if n.Name == name {
				return i
			}
			i++
		}
	}
	return -1
}

func literal(e ast.Expr) (string, bool) {
	b, ok := e.(*ast.BasicLit)
	if !ok || b.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(b.Value)
	return text, err == nil
}
