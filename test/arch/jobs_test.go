package arch

import (
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// jobMakers may fill a job's fields: they bring back what was stored or sent. Everybody else uses the verbs.
var jobMakers = []string{"domain", "adapters/sqlstore", "adapters/memory", "adapters/httpapi/client", "adapters/httpapi/wire"}

func TestJobs_ChangeOnlyThroughVerbs(t *testing.T) {
	exports := map[string]string{}
	for _, p := range list(t) {
		exports[p.ImportPath] = p.Export
	}
	checked := 0
	for folder, p := range ours(t) {
		maker := slices.ContainsFunc(jobMakers, func(dir string) bool { return within(folder, dir) })
		if maker || within(folder, "test") || !slices.Contains(p.Imports, module+"/domain") {
			continue
		}
		checked++
		for _, complaint := range jobChanges(t, p.ImportPath, p.files(false), exports) {
			t.Error(complaint)
		}
	}
	require.Positive(t, checked)
}

// TestJobs_ChangesAreSeen shows the test above what it must find.
func TestJobs_ChangesAreSeen(t *testing.T) {
	const source = `package bad

import "github.com/heysubinoy/remora/domain"

type wrapper struct{ *domain.Job }

func changes(j *domain.Job, list []domain.Job, w wrapper, o domain.Server) *int64 {
	j.Status = domain.StatusFailed     // 1
	(*j).Phase, o.Name = "", ""        // 2
	list[0].Attempt++                  // 3
	w.Reason = "lost"                  // 4
	_ = domain.Job{ID: "x"}            // 5
	for j.Worker = range map[domain.WorkerID]int{} { // 6
	}
	j.Output.Stdout = 1                // 7
	_ = domain.Job{}
	_ = j.Status
	copied := *j
	_ = copied
	_ = &j.Exit.Code
	return &j.Epoch                    // 8
}
`
	file := filepath.Join(t.TempDir(), "bad.go")
	require.NoError(t, os.WriteFile(file, []byte(source), 0o600))
	exports := map[string]string{}
	for _, p := range list(t) {
		exports[p.ImportPath] = p.Export
	}
	found := jobChanges(t, module+"/bad", []string{file}, exports)
	require.Len(t, found, 8, "%q", found)
	require.Contains(t, found[0], "bad.go:8: Status of a domain.Job is set here: a job changes only through its verbs")
}

func jobChanges(t *testing.T, path string, files []string, exports map[string]string) []string {
	t.Helper()
	set := token.NewFileSet()
	var parsed []*ast.File
	for _, file := range files {
		f, err := parser.ParseFile(set, file, nil, 0)
		require.NoError(t, err)
		parsed = append(parsed, f)
	}
	lookup := func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("no export data of %s", path)
		}
		return os.Open(exports[path])
	}
	info := &types.Info{Selections: map[*ast.SelectorExpr]*types.Selection{}, Types: map[ast.Expr]types.TypeAndValue{}}
	config := types.Config{Importer: importer.ForCompiler(set, "gc", lookup)}
	_, err := config.Check(path, set, parsed, info)
	require.NoError(t, err)

	var found []string
	report := func(at token.Pos, field string) {
		where := set.Position(at)
		found = append(found, fmt.Sprintf("%s/%s:%d: %s of a domain.Job is set here: a job changes only through its verbs",
			path, filepath.Base(where.Filename), where.Line, field))
	}
	for _, f := range parsed {
		ast.Inspect(f, func(n ast.Node) bool {
			for _, target := range targets(n) {
				if field := jobField(info, target); field != "" {
					report(target.Pos(), field)
				}
			}
			// The address of a field lets others write to it; that of a part of what a field points to is how optional values are shown.
			if u, ok := n.(*ast.UnaryExpr); ok && u.Op == token.AND {
				if s, ok := ast.Unparen(u.X).(*ast.SelectorExpr); ok && isJobField(info, s) {
					report(u.Pos(), s.Sel.Name)
				}
			}
			if lit, ok := n.(*ast.CompositeLit); ok && len(lit.Elts) > 0 && isJob(info.Types[lit].Type) {
				report(lit.Pos(), "a field")
			}
			return true
		})
	}
	return found
}

// targets are the expressions that a node writes to.
func targets(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		return n.Lhs
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	case *ast.RangeStmt:
		return []ast.Expr{n.Key, n.Value}
	}
	return nil
}

// jobField returns the field of a job that an expression is, or is a part of.
func jobField(info *types.Info, e ast.Expr) string {
	for {
		switch x := ast.Unparen(e).(type) {
		case *ast.SelectorExpr:
			if isJobField(info, x) {
				return x.Sel.Name
			}
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		default:
			return ""
		}
	}
}

func isJobField(info *types.Info, e *ast.SelectorExpr) bool {
	s := info.Selections[e]
	return s != nil && s.Kind() == types.FieldVal && ownerIsJob(s)
}

// ownerIsJob follows a selection through embedded fields to the struct that holds the field.
func ownerIsJob(s *types.Selection) bool {
	at := s.Recv()
	for _, i := range s.Index()[:len(s.Index())-1] {
		if p, ok := at.Underlying().(*types.Pointer); ok {
			at = p.Elem()
		}
		at = at.Underlying().(*types.Struct).Field(i).Type()
	}
	return isJob(at)
}

func isJob(t types.Type) bool {
	if t == nil {
		return false
	}
	if p, ok := t.Underlying().(*types.Pointer); ok {
		t = p.Elem()
	}
	named, ok := types.Unalias(t).(*types.Named)
	return ok && named.Obj().Name() == "Job" && named.Obj().Pkg() != nil && named.Obj().Pkg().Path() == module+"/domain"
}
