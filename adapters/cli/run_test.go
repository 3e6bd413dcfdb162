package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

func greet(r *remote) {
	r.print(domain.Stdout, "hello from "+r.server.Name+"\nsecond ")
	r.print(domain.Stdout, "line\n")
	r.exit(0, "")
}

func TestRun_OneServerPassesBytesThrough(t *testing.T) {
	w := newWorld(t, "web")
	bytes := "\x00\xff\x1b[2J\r\n\x1b]0;t\x07end without newline"
	w.behave = func(r *remote) {
		r.print(domain.Stdout, bytes)
		r.print(domain.Stderr, bytes)
		r.exit(0, "")
	}
	s := w.session()
	require.Equal(t, 0, s.run("run", "-q", "-s", "web", "--", "cat", "x"))
	require.Equal(t, bytes, s.stdout.String())
	require.Equal(t, bytes, s.stderr.String())
}

func TestRun_OneServerOnATerminal(t *testing.T) {
	w := newWorld(t, "web")
	w.behave = func(r *remote) {
		r.print(domain.Stdout, "\x1b[2J\x1b[31mred\x1b[0m $ ")
		r.exit(0, "")
	}
	s := w.session()
	s.tty = terminals{out: true, err: true}
	require.Equal(t, 0, s.run("run", "-s", "web", "--", "x"))
	require.Equal(t, "\x1b[31mred\x1b[0m $ ", strings.TrimSuffix(s.stdout.String(), "\x1b[0m"))
	require.True(t, strings.HasPrefix(s.stderr.String(), "\nremora: web: completed"), "%q", s.stderr)
}

func TestRun_Golden(t *testing.T) {
	for name, c := range map[string]struct {
		behave func(*remote)
		args   []string
	}{
		"run-one":       {greet, []string{"run", "-s", "web", "--", "greet"}},
		"run-exit-code": {func(r *remote) { r.exit(3, "") }, []string{"run", "-s", "web", "--", "false"}},
		"run-signal":    {func(r *remote) { r.exit(137, "KILL") }, []string{"run", "-s", "web", "--", "x"}},
		"run-timeout": {func(r *remote) {
			r.fail(domain.Failure{Reason: domain.ReasonTimeout, Message: "the command ran longer than its timeout of 1s"})
		}, []string{"run", "-s", "web", "--timeout", "1", "--", "sleep", "9"}},
		"run-connect": {func(r *remote) {
			r.fail(domain.Failure{Reason: domain.ReasonAuth, Message: "web refused the login of deploy", NotStarted: true})
		}, []string{"run", "-s", "web", "--", "x"}},
		"run-unknown-server": {nil, []string{"run", "-s", "wbe", "--", "x"}},
		"run-no-tag":         {nil, []string{"run", "-t", "all", "-t", "none", "--", "x"}},
		"run-no-target":      {nil, []string{"run", "--", "x"}},
		"run-no-command":     {nil, []string{"run", "-s", "web"}},
		"run-bad-flag":       {nil, []string{"run", "--sever", "web", "--", "x"}},
		"run-bad-timeout":    {nil, []string{"run", "-s", "web", "--timeout", "soon", "--", "x"}},
		"run-bad-priority":   {nil, []string{"run", "-s", "web", "--priority", "11", "--", "x"}},
		"run-json":           {greet, []string{"run", "-s", "web", "-o", "json", "--", "greet"}},
		"run-yaml":           {greet, []string{"run", "-s", "web", "-o", "yaml", "--", "greet", "a b"}},
		"run-detach":         {nil, []string{"run", "-s", "web,db", "--detach", "--", "x"}},
		"run-detach-one":     {nil, []string{"run", "-s", "web", "--detach", "--", "x"}},
		"run-all":            {func(r *remote) { r.exit(int(r.server.Hostname[7]-'1'), "") }, []string{"run", "--all", "--", "x"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "web", "db")
			w.behave = c.behave
			w.session().golden(name, c.args...)
		})
	}
}

func TestRun_ManyServersAtOnce(t *testing.T) {
	var names []string
	for i := range 24 {
		names = append(names, fmt.Sprintf("web-%02d", i))
	}
	w := newWorld(t, names...)
	w.behave = func(r *remote) {
		for i := range 100 {
			r.print(domain.Stdout, fmt.Sprintf("out %d of ", i))
			r.print(domain.Stderr, fmt.Sprintf("err %d of %s\n", i, r.server.Name))
			r.print(domain.Stdout, r.server.Name+"\n")
		}
		r.exit(0, "")
	}
	s := w.session()
	require.Equal(t, 0, s.run("run", "--all", "--", "x"))
	for stream, text := range map[string]string{"out": s.stdout.String(), "err": strings.ReplaceAll(s.stderr.String(), "remora: 24 servers: 24 completed\n", "")} {
		next := map[string]int{}
		for line := range strings.Lines(text) {
			name, rest, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " | ")
			require.True(t, ok, "%q", line)
			require.Equal(t, fmt.Sprintf("%s %d of %s", stream, next[name], name), rest)
			next[name]++
		}
		for _, name := range names {
			require.Equal(t, 100, next[name], "%s of %s", stream, name)
		}
	}
}

func TestRun_PrefixAndColour(t *testing.T) {
	for name, c := range map[string]struct {
		env      map[string]string
		tty      bool
		args     []string
		colorful bool
	}{
		"pipe":           {nil, false, nil, false},
		"terminal":       {map[string]string{"TERM": "xterm"}, true, nil, true},
		"NO_COLOR":       {map[string]string{"NO_COLOR": "1", "CLICOLOR_FORCE": "1"}, true, nil, false},
		"dumb":           {map[string]string{"TERM": "dumb"}, true, nil, false},
		"CLICOLOR_FORCE": {map[string]string{"CLICOLOR_FORCE": "1"}, false, nil, true},
		"force off":      {map[string]string{"CLICOLOR_FORCE": "0"}, false, nil, false},
		"--color always": {map[string]string{"NO_COLOR": "1"}, false, []string{"--color", "always"}, true},
		"--color never":  {nil, true, []string{"--color", "never"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "web", "database")
			w.behave = greet
			s := w.session()
			s.env, s.tty = c.env, terminals{out: c.tty, err: c.tty}
			require.Equal(t, 0, s.run(append(c.args, "run", "-s", "web", "-s", "database", "--", "greet")...))
			prefix := "web"
			if c.colorful {
				prefix = "\x1b[96mweb\x1b[0m"
			}
			require.Contains(t, s.stdout.String(), prefix+"      | hello from web\n")
			require.Equal(t, c.colorful, strings.Contains(s.stdout.String(), "m"+"web"), s.stdout)
		})
	}
}

func TestRun_ExitCodeOfManyIsOne(t *testing.T) {
	w := newWorld(t, "a", "b")
	w.behave = func(r *remote) { r.exit(7*strings.Count(r.server.Name, "b"), "") }
	require.Equal(t, 1, w.session().run("run", "-t", "all", "--", "x"))
}

func TestRun_WhatIsSubmitted(t *testing.T) {
	script := filepath.Join(t.TempDir(), "s.sh")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\necho \"$@\"\n"), 0o600))
	for name, c := range map[string]struct {
		args  []string
		stdin string
		want  ports.Submission
	}{
		"one argument is a shell line": {args: []string{"--", "ls | wc -l"}, want: ports.Submission{Command: "ls | wc -l"}},
		"several are argv":             {args: []string{"--", "ls", "-l", "/my files", "$HOME"}, want: ports.Submission{Argv: []string{"ls", "-l", "/my files", "$HOME"}}},
		"without dashes":               {args: []string{"ls", "-l", "-s"}, want: ports.Submission{Argv: []string{"ls", "-l", "-s"}}},
		"a shell line of several":      {args: []string{"--shell-line", "--", "ls", "|", "wc"}, want: ports.Submission{Command: "ls | wc"}},
		"script with arguments": {args: []string{"--script", script, "--shell", "/bin/sh", "--", "a b", "it's", "", "-x"},
			want: ports.Submission{Script: "#!/bin/sh\necho \"$@\"\n", Shell: "/bin/sh", Args: `'a b' 'it'\''s' '' -x`}},
		"script on stdin": {args: []string{"--script", "-"}, stdin: "echo x\n", want: ports.Submission{Script: "echo x\n"}},
		"the rest":        {args: []string{"--timeout", "90", "--priority", "9", "--", "x"}, want: ports.Submission{Command: "x", Timeout: 90 * time.Second, Priority: 9}},
		"a duration":      {args: []string{"--timeout", "2h", "--", "x"}, want: ports.Submission{Command: "x", Timeout: 2 * time.Hour}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "web")
			s := w.session()
			s.stdin = strings.NewReader(c.stdin)
			require.Equal(t, 0, s.run(append([]string{"run", "-s", "web", "--detach"}, c.args...)...), s.stderr)
			got := w.jobs[w.order[0]].command
			require.NotEmpty(t, got.IdempotencyKey)
			got.IdempotencyKey, got.ServerID = "", ""
			require.Equal(t, c.want, got)
		})
	}
}

func TestRun_WhichServers(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"by name in the order given": {[]string{"-s", "c", "-s", "a"}, []string{"c", "a"}},
		"by id":                      {[]string{"-s", "00000000-0000-7000-9000-000000000002"}, []string{"b"}},
		"each once":                  {[]string{"-s", "a,c", "-s", "a", "-t", "red"}, []string{"a", "c", "e"}},
		"with all tags":              {[]string{"-t", "red", "-t", "all"}, []string{"a", "e"}},
		"all, over pages":            {[]string{"--all"}, []string{"a", "b", "c", "e", "x,y"}},
		"a comma in the name":        {[]string{"-s", "x,y"}, []string{"x,y"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "a", "b", "c", "d", "e", "x,y")
			w.byName("d").Active = false
			for _, n := range []string{"a", "d", "e"} {
				w.byName(n).Tags = []string{"all", "red"}
			}
			s := w.session()
			require.Equal(t, 0, s.run(append(append([]string{"run", "--detach", "-o", "json"}, c.args...), "--", "x")...), s.stderr)
			var made []detachedShape
			require.NoError(t, json.Unmarshal([]byte(s.stdout.String()), &made))
			var got []string
			for _, m := range made {
				got = append(got, m.Server)
			}
			require.Equal(t, c.want, got)
		})
	}
}

func TestRun_ParallelBoundsWhatRunsAtOnce(t *testing.T) {
	w := newWorld(t, "a", "b", "c", "d", "e", "f", "g")
	most := make(chan int, 7)
	release := make(chan struct{})
	w.behave = func(r *remote) {
		running := 0
		w.mu.Lock()
		for _, j := range w.jobs {
			if j.job.Status == domain.StatusRunning {
				running++
			}
		}
		w.mu.Unlock()
		most <- running
		<-release
		r.exit(0, "")
	}
	s := w.session()
	s.begin("run", "--all", "--parallel", "3", "--", "x")
	for range 3 {
		<-most
	}
	close(release)
	require.Equal(t, 0, s.end())
	close(most)
	for n := range most {
		require.LessOrEqual(t, n, 3)
	}
	require.Equal(t, 7, w.count())
}

func TestRun_HostKeyHints(t *testing.T) {
	for name, reason := range map[string]domain.Reason{"unknown": domain.ReasonHostKeyUnknown, "changed": domain.ReasonHostKeyMismatch} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "my web")
			server := w.byName("my web")
			if reason == domain.ReasonHostKeyUnknown {
				server.HostKey = nil
			} else {
				w.shown[server.ID] = &domain.HostKey{Fingerprint: fingerprint2, Type: "ssh-ed25519"}
			}
			w.behave = func(r *remote) {
				r.fail(domain.Failure{Reason: reason, Message: "the host key of my web is not confirmed", NotStarted: true})
			}
			w.session().golden("run-host-key-"+name, "run", "-s", "my web", "--", "x")
		})
	}
}

func TestRun_AttemptsAreTold(t *testing.T) {
	w := newWorld(t, "web")
	w.behave = func(r *remote) {
		r.print(domain.Stdout, "first")
		w.change(func() { r.job.Attempt = 2 })
		r.print(domain.Stdout, "second\n")
		r.exit(0, "")
	}
	s := w.session()
	require.Equal(t, 0, s.run("run", "-s", "web", "--", "x"))
	require.Equal(t, "firstsecond\n", s.stdout.String())
	require.Contains(t, s.stderr.String(), "remora: web: attempt 2 begins\n")
}

func TestRun_SubmitRefused(t *testing.T) {
	w := newWorld(t, "a", "b")
	w.byName("a").Active = false
	w.behave = greet
	s := w.session()
	require.Equal(t, 5, s.run("run", "-s", "a", "--", "x"))
	require.Contains(t, s.stderr.String(), "remora: a: not submitted: the server is not active; activate it first; `remora servers edit NAME --active` does that\n")
	s = w.session()
	require.Equal(t, 5, s.run("run", "-s", "a,b", "--", "x"))
	require.Equal(t, "remora: a: the server is not active; activate it first; `remora servers edit NAME --active` does that\n", s.stderr.String())
	require.Zero(t, w.count(), "of a batch all is taken or nothing")
}

func TestRun_TheAPIGoesAwayAndComesBack(t *testing.T) {
	w := newWorld(t, "web")
	w.behave = func(r *remote) {
		for i := range 20 {
			r.print(domain.Stdout, fmt.Sprintf("%d\n", i))
		}
		r.exit(0, "")
	}
	var want strings.Builder
	for i := range 20 {
		fmt.Fprintf(&want, "%d\n", i)
	}
	w.cut = func(events int) error {
		if events == 5 {
			return &domain.Error{Kind: domain.KindUnavailable, Code: "api_unavailable", Message: "the connection was reset"}
		}
		return nil
	}
	s := w.session()
	require.Equal(t, 0, s.run("run", "-s", "web", "--", "x"), s.stderr)
	require.Equal(t, want.String(), s.stdout.String(), "nothing is left out and nothing comes twice")
	require.Contains(t, s.stderr.String(), "remora: the API is away, trying again: the connection was reset\nremora: the API is back\n")
}

func TestFollow_GivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "web")
		away := &domain.Error{Kind: domain.KindUnavailable, Code: "api_unavailable", Message: "connection refused"}
		tries := 0
		w.onFollow = func(context.Context, domain.Seq) error { tries++; return away }
		told := 0
		began := time.Now()
		p := &pursuit{output: worldOutput{w}, id: "x", reach: func(error) { told++ }}
		ignore := func(ports.JobEvent) error { return nil }
		require.ErrorIs(t, p.follow(t.Context(), ignore), away)
		require.Equal(t, 1, tries, "an API that never was there is not waited for")
		p.met = true
		require.ErrorIs(t, p.follow(t.Context(), ignore), away)
		require.Equal(t, tries-2, told, "but of the last try, with which it gives up")
		require.InDelta(t, giveUpAfter.Seconds(), time.Since(began).Seconds(), lastRetry.Seconds())
		require.Greater(t, tries, 20)

		ctx, stop := context.WithCancelCause(t.Context())
		why := errors.New("why")
		time.AfterFunc(time.Second, func() { stop(why) })
		require.ErrorIs(t, p.follow(ctx, ignore), why)

		w.onFollow = nil
		require.ErrorIs(t, p.follow(t.Context(), ignore), domain.ErrJobNotFound)
	})
}

func TestRun_LosesSight(t *testing.T) {
	w := newWorld(t, "web")
	w.cut = func(int) error {
		return &domain.Error{Kind: domain.KindUnauthenticated, Code: "token_invalid", Message: "the token was withdrawn"}
	}
	s := w.session()
	require.Equal(t, 3, s.run("run", "-s", "web", "--", "x"))
	require.Contains(t, s.stderr.String(), "lost from sight: the token was withdrawn; job "+string(w.job(0).ID)+" goes on, `remora jobs logs -f ")
}

func TestQuote(t *testing.T) {
	require.Equal(t, `a 'b c' 'd'\''e' '' '$x' -f=/g:h,i 'ü'`, quoteAll([]string{"a", "b c", "d'e", "", "$x", "-f=/g:h,i", "ü"}))
	require.True(t, slices.Equal([]string{"a"}, []string{quote("a")}))
}

func TestQuote_AShellSeesTheSameWords(t *testing.T) {
	words := []string{"", " ", "'", "''", `"`, `\`, "$HOME", "`id`", "a\nb", "*", "~", "#", "-n", "é", "!x", "\x01\x7f", "a'b\"c$d"}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `for w in `+quoteAll(words)+`; do printf '%s\0' "$w"; done`).Output()
	require.NoError(t, err)
	require.Equal(t, strings.Join(words, "\x00")+"\x00", string(out))
}

func TestRun_SaysWhenNothingBegins(t *testing.T) {
	for _, quiet := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, "a", "b")
			s := w.session()
			s.begin("run", "--all", fmt.Sprintf("--quiet=%v", quiet), "--", "x")
			<-time.After(queuedLong - time.Nanosecond)
			synctest.Wait()
			require.Empty(t, s.stderr.String())
			<-time.After(time.Nanosecond)
			synctest.Wait()
			if quiet {
				require.Empty(t, s.stderr.String())
			} else {
				require.Equal(t, "remora: 2 jobs still queued; if that stays so, see whether a worker is running\n", s.stderr.String())
			}
			s.interrupt()
			require.Equal(t, 130, s.end())
		})
	}
}
