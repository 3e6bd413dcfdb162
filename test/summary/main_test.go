package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const run = `{"Action":"output","Package":"github.com/heysubinoy/remora/a","Test":"TestGood","Output":"noise\n"}
{"Action":"pass","Package":"github.com/heysubinoy/remora/a","Test":"TestGood"}
{"Action":"output","Package":"github.com/heysubinoy/remora/a","Test":"TestAway","Output":"=== RUN   TestAway\n"}
{"Action":"output","Package":"github.com/heysubinoy/remora/a","Test":"TestAway","Output":"    a_test.go:7: there is no sshd: install it\n"}
{"Action":"output","Package":"github.com/heysubinoy/remora/a","Test":"TestAway","Output":"--- SKIP: TestAway (0.00s)\n"}
{"Action":"skip","Package":"github.com/heysubinoy/remora/a","Test":"TestAway"}
{"Action":"output","Package":"github.com/heysubinoy/remora/a","Output":"PASS\n"}
{"Action":"output","Package":"github.com/heysubinoy/remora/a","Output":"ok  \tgithub.com/heysubinoy/remora/a\t0.1s\n"}
{"Action":"pass","Package":"github.com/heysubinoy/remora/a"}
`

const bad = `{"Action":"output","Package":"b","Test":"TestBad","Output":"    b_test.go:1: wrong\n"}
{"Action":"fail","Package":"b","Test":"TestBad"}
{"Action":"output","Package":"b","Output":"FAIL\tb\t0.1s\n"}
{"Action":"fail","Package":"b"}
`

func TestSummary(t *testing.T) {
	for _, c := range []struct {
		name, input string
		live, ci    bool
		well        bool
		says        []string
		never       []string
	}{
		{"closing", run, false, false, true, []string{"skipped a TestAway: there is no sshd: install it", "tests: 1 passed, 0 failed, 1 skipped"}, []string{"noise"}},
		{"closing in CI", run, false, true, false, []string{"nothing may be skipped"}, nil},
		{"live", run, true, true, true, []string{"ok  \tgithub.com/heysubinoy/remora/a"}, []string{"noise", "PASS", "tests:"}},
		{"live failure", run + bad, true, false, false, []string{"b_test.go:1: wrong", "FAIL\tb"}, []string{"noise"}},
		{"closing failure", run + bad, false, false, false, []string{"tests: 1 passed, 1 failed, 1 skipped"}, []string{"wrong"}},
		{"nothing ran", "", false, false, false, []string{"no test ran"}, nil},
		{"no build", `{"ImportPath":"c","Action":"build-output","Output":"c.go:1: syntax error\n"}` + "\n" + `{"ImportPath":"c","Action":"build-fail"}`, true, false, false, []string{"syntax error"}, nil},
		{"a package that fails outside its tests", run + `{"Action":"output","Package":"d","Output":"panic: in TestMain\n"}` + "\n" + `{"Action":"fail","Package":"d"}`, true, false, false, []string{"panic: in TestMain"}, nil},
		{"no JSON", "go: cannot find module\n" + run, true, false, true, []string{"cannot find module"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			s := &summary{out: &out, live: c.live, said: map[string][]string{}}
			require.NoError(t, s.read(strings.NewReader(c.input)))
			require.Equal(t, c.well, s.close(c.ci))
			for _, text := range c.says {
				require.Contains(t, out.String(), text)
			}
			for _, text := range c.never {
				require.NotContains(t, out.String(), text)
			}
		})
	}
}
