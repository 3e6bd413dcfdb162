package arch

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/heysubinoy/remora"

// root is the module's folder, seen from this one.
const root = "../.."

// pkg is what go list tells of a package.
type pkg struct {
	ImportPath   string
	Dir          string
	Name         string
	Export       string // file of its export data
	Standard     bool
	GoFiles      []string
	TestGoFiles  []string
	XTestGoFiles []string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// folder is the package's place in the module, "." for the root; ok is false for packages of others.
func (p pkg) folder() (folder string, ok bool) {
	if p.ImportPath == module {
		return ".", true
	}
	return strings.CutPrefix(p.ImportPath, module+"/")
}

// files are the paths of the package's files without, or with, its tests.
func (p pkg) files(tests bool) []string {
	names := p.GoFiles
	if tests {
		names = append(append(append([]string(nil), names...), p.TestGoFiles...), p.XTestGoFiles...)
	}
	paths := make([]string, len(names))
	for i, name := range names {
		paths[i] = filepath.Join(p.Dir, name)
	}
	return paths
}

var listOnce = sync.OnceValues(func() ([]pkg, error) {
	cmd := exec.Command("go", "list", "-deps", "-export",
		"-json=ImportPath,Dir,Name,Export,Standard,GoFiles,TestGoFiles,XTestGoFiles,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return nil, errors.New("go list: " + string(exit.Stderr))
		}
		return nil, err
	}
	var pkgs []pkg
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs, nil
		} else if err != nil {
			return nil, err
		}
		pkgs = append(pkgs, p)
	}
})

// list returns every package of the module and everything they are built of.
func list(t *testing.T) []pkg {
	t.Helper()
	pkgs, err := listOnce()
	require.NoError(t, err)
	return pkgs
}

// ours returns the module's packages with their folders.
func ours(t *testing.T) map[string]pkg {
	t.Helper()
	found := map[string]pkg{}
	for _, p := range list(t) {
		if folder, ok := p.folder(); ok {
			found[folder] = p
		}
	}
	require.NotEmpty(t, found)
	return found
}

func within(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }
