package sshconfig

import (
	"path/filepath"
	"slices"
	"strings"
)

// Glob returns the names of files that a pattern fits as glob(3) does, sorted: a name that begins with a dot only where the
// pattern says the dot.
func Glob(pattern string) ([]string, error) {
	pattern = strings.ReplaceAll(pattern, "[!", "[^")
	names, err := filepath.Glob(pattern)
	if err != nil {
		return nil, err
	}
	parts := strings.Split(filepath.Clean(pattern), "/")
	names = slices.DeleteFunc(names, func(name string) bool {
		for i, part := range strings.Split(name, "/") {
			if strings.HasPrefix(part, ".") && i < len(parts) && !strings.HasPrefix(parts[i], ".") {
				return true
			}
		}
		return false
	})
	slices.Sort(names)
	return names, nil
}
