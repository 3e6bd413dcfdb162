// Command summary reads what go test -json writes. With -live it prints, as they come, the packages' closing lines and
// whatever a failing test said. Without, it closes the run: how many tests passed, failed and were skipped, and why each was
// skipped. It fails when a test failed, when none ran, and under CI=true when one was skipped.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

// event is a line of go test -json.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
}

func main() {
	live := flag.Bool("live", false, "print closing lines and failures as they come")
	flag.Parse()
	s := &summary{out: os.Stdout, live: *live, said: map[string][]string{}}
	if err := s.read(os.Stdin); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "summary:", err)
		os.Exit(2)
	}
	if !s.close(os.Getenv("CI") == "true") {
		os.Exit(1)
	}
}

type summary struct {
	out                     io.Writer
	live                    bool
	said                    map[string][]string // output of tests that have not ended
	passed, failed, skipped int
	broken                  bool // a package failed, though perhaps no test did
	reasons                 []string
}

func (s *summary) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			s.print(lines.Text() + "\n") // not of go test: a tool that complains
			continue
		}
		s.add(e)
	}
	return lines.Err()
}

func (s *summary) add(e event) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		s.print(e.Output)
	case "build-fail":
		s.broken = true
	case "output":
		if e.Test == "" {
			s.outside(key, e.Output)
			return
		}
		s.said[key] = append(s.said[key], e.Output)
	case "pass":
		if e.Test != "" {
			s.passed++
		}
		delete(s.said, key)
	case "fail":
		s.broken = true
		if e.Test != "" {
			s.failed++
		}
		s.print(strings.Join(s.said[key], ""))
		delete(s.said, key)
	case "skip":
		if e.Test != "" {
			s.skipped++
			s.reasons = append(s.reasons, strings.TrimPrefix(key, "github.com/heysubinoy/remora/")+": "+reason(s.said[key]))
		}
		delete(s.said, key)
	}
}

// outside takes what a package says outside its tests: its closing line at once, the rest in case it fails.
func (s *summary) outside(key, line string) {
	for _, start := range []string{"ok  \t", "FAIL\t", "?   \t", "panic:"} {
		if strings.HasPrefix(line, start) {
			s.print(line)
			return
		}
	}
	if strings.TrimSpace(line) != "PASS" {
		s.said[key] = append(s.said[key], line)
	}
}

func (s *summary) print(text string) {
	if s.live {
		_, _ = io.WriteString(s.out, text)
	}
}

// reason is what a test gave to Skip: its last line that go test did not write.
func reason(said []string) string {
	for i := len(said) - 1; i >= 0; i-- {
		line := strings.TrimSpace(said[i])
		if line == "" || strings.HasPrefix(line, "---") || strings.HasPrefix(line, "===") {
			continue
		}
		if _, text, ok := strings.Cut(line, ".go:"); ok {
			if _, text, ok = strings.Cut(text, ": "); ok {
				return text
			}
		}
		return line
	}
	return "no reason was given"
}

// close reports whether all is well. A live summary leaves the counting to the last one.
func (s *summary) close(ci bool) bool {
	if s.live {
		return !s.broken
	}
	for _, r := range s.reasons {
		_, _ = fmt.Fprintln(s.out, "skipped", r)
	}
	_, _ = fmt.Fprintf(s.out, "tests: %d passed, %d failed, %d skipped\n", s.passed, s.failed, s.skipped)
	switch {
	case s.passed == 0:
		_, _ = fmt.Fprintln(s.out, "no test ran")
		return false
	case ci && s.skipped > 0:
		_, _ = fmt.Fprintln(s.out, "under CI=true nothing may be skipped")
		return false
	}
	return !s.broken
}
