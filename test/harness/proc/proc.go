// Package proc looks at the machine's processes from outside, to hold what Remora says of them against the truth.
package proc

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/heysubinoy/remora/test/harness/wait"
)

// Find returns the command lines, by pid, of all live processes that have an argument equal to mark.
func Find(t testing.TB, mark string) map[int]string {
	t.Helper()
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	found := map[int]string{}
	for _, f := range files {
		line, err := os.ReadFile(f)
		if err != nil {
			continue // it has ended
		}
		for _, arg := range bytes.Split(line, []byte{0}) {
			if string(arg) == mark {
				pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
				found[pid] = string(bytes.ReplaceAll(line, []byte{0}, []byte{' '}))
			}
		}
	}
	return found
}

// WaitCount waits until exactly n processes carry mark.
func WaitCount(t testing.TB, mark string, n int) {
	t.Helper()
	wait.Until(t, func() error {
		if found := Find(t, mark); len(found) != n {
			return fmt.Errorf("%d processes carry %s, want %d: %v", len(found), mark, n, found)
		}
		return nil
	})
}

// FindEnv returns the command lines, by pid, of all live processes that have an environment entry which begins with prefix.
func FindEnv(t testing.TB, prefix string) map[int]string {
	t.Helper()
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	found := map[int]string{}
	for _, f := range files {
		env, err := os.ReadFile(f)
		if err != nil || !bytes.Contains(append([]byte{0}, env...), append([]byte{0}, prefix...)) {
			continue // it has ended, is somebody else's, or another
		}
		line, _ := os.ReadFile(filepath.Join(filepath.Dir(f), "cmdline"))
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		found[pid] = string(bytes.ReplaceAll(line, []byte{0}, []byte{' '}))
	}
	return found
}
