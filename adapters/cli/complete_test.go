package cli

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
)

// offered returns what a shell is offered, without what stands beside.
func offered(t *testing.T, s *session, args ...string) (words []string) {
	t.Helper()
	require.Equal(t, 0, s.run(append([]string{"__complete"}, args...)...), s.stderr)
	for line := range strings.Lines(s.stdout.String()) {
		if word, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t"); !strings.HasPrefix(word, ":") {
			words = append(words, word)
		}
	}
	return words
}

func TestComplete_NamesFromTheAPI(t *testing.T) {
	w := newWorld(t, "web", "worker", "db")
	w.byName("db").Tags = []string{"all", "data"}
	require.Equal(t, 0, w.session().run("run", "-s", "web,db", "--detach", "--", "uptime"))
	w.remote(w.order[0]).start()
	w.remote(w.order[0]).exit(0, "")
	ended, queued := string(w.job(0).ID), string(w.job(1).ID)
	for name, c := range map[string]struct{ args, want []string }{
		"servers":                    {[]string{"run", "-s", "w"}, []string{"web", "worker"}},
		"servers joined with commas": {[]string{"run", "-s", "web,"}, []string{"web,db", "web,worker"}},
		"servers given are left out": {[]string{"servers", "test", "web", ""}, []string{"db", "worker"}},
		"only one server":            {[]string{"servers", "get", "web", ""}, nil},
		"tags":                       {[]string{"run", "-t", ""}, []string{"all", "data"}},
		"jobs":                       {[]string{"jobs", "get", ""}, []string{queued, ended}},
		"jobs that can be canceled":  {[]string{"jobs", "cancel", ""}, []string{queued}},
		"jobs to copy":               {[]string{"jobs", "duplicate", ""}, []string{queued, ended}},
		"batches":                    {[]string{"batches", "groups", ""}, []string{firstBatch}},
		"batches of a list":          {[]string{"jobs", "ls", "--batch", ""}, []string{firstBatch}},
		"commands":                   {[]string{"batches", "c"}, []string{"cancel"}},
		"nothing of a command's own": {[]string{"run", "-s", "web", "--", "we"}, nil},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, offered(t, w.session(), c.args...)) })
	}
}

func TestComplete_FailsInSilence(t *testing.T) {
	for name, spoil := range map[string]func(*session){
		"the API is away": func(s *session) {
			s.connect = func(context.Context, string, domain.Secret, func(error)) (Services, error) {
				return Services{}, errors.New("refused")
			}
		},
		"no such address": func(s *session) { s.env["REMORA_URL"] = "::" },
	} {
		t.Run(name, func(t *testing.T) {
			s := newWorld(t, "web").session()
			spoil(s)
			require.Empty(t, offered(t, s, "run", "-s", ""))
			require.NotContains(t, s.stderr.String(), "remora:")
		})
	}
	synctest.Test(t, func(t *testing.T) { // an API that does not answer does not hold the shell
		w := newWorld(t, "web")
		let := make(chan struct{})
		w.onList = func(context.Context) error { <-let; return nil }
		began := time.Now()
		require.Empty(t, offered(t, w.session(), "run", "-s", ""))
		require.Equal(t, completeWithin, time.Since(began))
		close(let)
	})
}

func TestComplete_NamesAreSafeForATerminal(t *testing.T) {
	w := newWorld(t, "web")
	w.byName("web").User = "a\x1b]52;c;x\a\nb"
	s := w.session()
	require.Equal(t, []string{"web"}, offered(t, s, "run", "-s", ""))
	require.NotContains(t, s.stdout.String(), "\x1b")
	require.NotContains(t, s.stdout.String(), "\a")
}

// asInstalled returns the environment of a shell that finds this test as the program remora.
func asInstalled(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	require.NoError(t, err)
	text := "#!/bin/sh\n" + asProgram + "=1 exec " + self + ` "$@"` + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "remora"), []byte(text), 0o700)) //nolint:gosec // a program
	return []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "HOME=" + dir, "TERM=dumb", "PS1=ready> "}
}

// TestComplete_Shells drives the shells themselves: they load the script that the program prints and are asked what they offer.
func TestComplete_Shells(t *testing.T) {
	env := asInstalled(t)
	for shell, c := range map[string]struct {
		args   []string
		script string
	}{
		"bash": {[]string{"--norc", "-c"}, `source <(remora completion bash)
compopt() { :; } # is for a completion that a key began
offer() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; COMP_TYPE=9; COMPREPLY=(); __start_remora; printf '%s;' "${COMPREPLY[@]}"; echo; }
offer remora serv; offer remora run -s we; offer remora jobs ls --status = r`},
		"fish": {[]string{"--no-config", "-c"}, `remora completion fish | source
for line in "remora serv" "remora run -s we" "remora jobs ls --status=r"
  for word in (complete -C $line); echo -n (string split \t -- $word)[1]";"; end; echo
end`},
	} {
		t.Run(shell, func(t *testing.T) {
			path, err := exec.LookPath(shell)
			if err != nil {
				return // where the shell is not, nobody needs its completion
			}
			cmd := exec.CommandContext(t.Context(), path, append(c.args, c.script)...)
			cmd.Env = env
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, string(out))
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			require.Len(t, lines, 3, string(out))
			for i, want := range []string{"servers", "web", "running"} {
				word := strings.TrimSpace(strings.TrimSuffix(lines[i], ";"))
				require.Equal(t, want, strings.TrimPrefix(word, "--status="))
			}
		})
	}
}
