package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
)

// kernels is a fleet in which most servers print the same.
func kernels(r *remote) {
	switch r.server.Name {
	case "web03":
		r.print(domain.Stdout, "Linux 6.1\nuptime 400 days\nload low\n")
	case "db":
		r.print(domain.Stdout, "Linux 6.8\nuptime 3 days\nload low\n")
		r.print(domain.Stderr, "disk is nearly full\n")
		r.exit(2, "")
		return
	default:
		r.print(domain.Stdout, "Linux 6.8\nuptime 3 days\n")
		r.print(domain.Stdout, "load low\n")
	}
	r.exit(0, "")
}

func fleet(t *testing.T) *world {
	w := newWorld(t, "web01", "web02", "web03", "web04", "web05", "db")
	w.behave = kernels
	return w
}

const firstBatch = "00000000-0000-7000-a000-000000000001"

func TestRun_GroupGolden(t *testing.T) {
	for name, args := range map[string][]string{
		"run-group":      {"run", "--all", "--group", "--", "uname"},
		"run-diff":       {"run", "--all", "--diff", "--", "uname"},
		"run-group-one":  {"run", "-s", "db", "--group", "--", "uname"},
		"run-group-json": {"run", "--all", "--group", "-o", "json", "--", "uname"},
	} {
		t.Run(name, func(t *testing.T) { fleet(t).session().golden(name, args...) })
	}
}

func TestRun_DiffOnATerminal(t *testing.T) {
	w := newWorld(t, "a", "b", "c")
	w.behave = func(r *remote) {
		r.print(domain.Stdout, map[bool]string{true: "one\x1b]0;owned\a\n", false: "two\n"}[r.server.Name == "c"])
		r.exit(0, "")
	}
	s := w.session()
	s.tty = terminals{out: true}
	require.Equal(t, 0, s.run("run", "--all", "--diff", "--", "x"))
	require.Contains(t, s.stdout.String(), "== \x1b[1ma,b\x1b[0m (2 servers): completed\ntwo\n\n== \x1b[1mc\x1b[0m (1 server): completed\n")
	require.Contains(t, s.stdout.String(), "\x1b[31m-two\x1b[0m\n\x1b[32m+one\x1b[0m\n")
	require.NotContains(t, s.stdout.String(), "owned")
}

func TestRun_GroupNeverFollows(t *testing.T) {
	w := fleet(t)
	w.onFollow = func(context.Context, domain.Seq) error {
		t.Error("a connection is held for a job of which nothing is shown")
		return nil
	}
	require.Equal(t, 1, w.session().run("run", "--all", "--group", "--", "x"))
	require.Equal(t, 1, w.session().run("run", "--all", "-o", "json", "--", "x"))
}

func TestRun_ABatchIsWhatWasAskedFor(t *testing.T) {
	w := newWorld(t, "a", "b")
	w.behave = greet
	require.Equal(t, 0, w.session().run("run", "--all", "--parallel", "7", "--stop-after", "3", "--retry", "on_failure", "--max-attempts", "5", "--", "x"))
	got := w.batches[0].what
	require.Equal(t, 7, got.MaxParallel)
	require.Equal(t, 3, got.StopAfterFailures)
	require.Equal(t, &domain.Retry{Mode: domain.RetryOnFailure, MaxAttempts: 5}, got.Retry)
	require.Len(t, got.ServerIDs, 2)
	require.Equal(t, 0, w.session().run("run", "--all", "--", "x"))
	require.Equal(t, defaultParallel, w.batches[1].what.MaxParallel)
	require.Nil(t, w.batches[1].what.Retry, "the API's default is not written down here")
}

func TestRun_StopsAfterFailures(t *testing.T) {
	w := newWorld(t, "a", "b", "c", "d")
	w.behave = func(r *remote) { r.exit(1, "") }
	s := w.session()
	require.Equal(t, 1, s.run("run", "--all", "--parallel", "1", "--stop-after", "2", "--", "x"))
	require.Contains(t, s.stderr.String(), "remora: 4 servers: 2 failed, 2 canceled\n")
	require.Contains(t, s.stderr.String(), "canceled with its batch (job ")
}

func many(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("node%03d", i+1))
	}
	return names
}

func TestRun_FollowsManyOverFewConnections(t *testing.T) {
	const servers, lines = 300, 12
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, many(servers)...)
		all, started := make(chan struct{}), atomic.Int32{}
		w.behave = func(r *remote) {
			if started.Add(1) == servers {
				close(all)
			}
			r.print(domain.Stdout, "line 0\n")
			<-all                       // everywhere at once,
			time.Sleep(5 * time.Second) // until whoever wants to follow it does; no time passes in this bubble before
			for i := range lines - 1 {
				r.print(domain.Stdout, fmt.Sprintf("line %d\n", i+1))
			}
			r.exit(0, "")
		}
		s := w.session()
		require.Equal(t, 0, s.run("run", "--all", "--parallel", "0", "--", "x"), s.stderr)
		require.Equal(t, "remora: 300 servers: 300 completed\n", s.stderr.String())
		next := map[string]int{}
		for line := range strings.Lines(s.stdout.String()) {
			name, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " | ")
			require.Equal(t, fmt.Sprint("line ", next[name]), text, name)
			next[name]++
		}
		require.Len(t, next, servers)
		for name, n := range next {
			require.Equal(t, lines, n, name)
		}
		require.Equal(t, 64, w.mostFollowed)
	})
}

// Jobs that print without an end must not keep the others' output from being seen.
func TestRun_EveryJobHasItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, many(2*crewSize+10)...)
		w.behave = func(r *remote) {
			r.print(domain.Stdout, "here\n")
			<-r.canceled
			r.kill(clean)
		}
		s := w.session()
		s.begin("run", "--all", "--parallel", "0", "--", "x")
		for _, name := range many(2*crewSize + 10) {
			s.stdout.await(t, name+" | here")
		}
		s.interrupt()
		require.Equal(t, 130, s.end())
		require.Contains(t, s.stderr.String(), "remora: node[001-138]: canceled, 0 processes left\n")
	})
}

func TestInterrupt_ManyQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, many(200)...)
		w.behave = untilCanceled(clean)
		s := w.session()
		s.begin("run", "--all", "--parallel", "2", "--", "x")
		s.stdout.await(t, "node001 | running")
		s.stdout.await(t, "node002 | running")
		s.interrupt()
		require.Equal(t, 130, s.end())
		require.Contains(t, s.stderr.String(), "remora: node[001-002]: canceled, 0 processes left\nremora: node[003-200]: canceled before it started\n")
	})
}

func TestRun_ManyFailuresAreToldTogether(t *testing.T) {
	w := newWorld(t, many(20)...)
	w.behave = func(r *remote) { r.exit(3, "") }
	s := w.session()
	require.Equal(t, 1, s.run("run", "--all", "--", "x"))
	require.Equal(t, "remora: node[001-020]: failed with exit code 3\nremora: 20 servers: 20 failed\n"+
		"remora: `remora jobs ls --batch "+firstBatch+" --status failed` lists what failed\n", s.stderr.String())
}

func TestRun_BatchWhileTheAPIIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fleet(t)
		away := atomic.Int32{}
		w.onBatch = func() error {
			if n := away.Add(1); n > 1 && n < 5 {
				return &domain.Error{Kind: domain.KindUnavailable, Code: "api_unreachable", Message: "connection refused"}
			}
			return nil
		}
		release := make(chan struct{})
		behave := w.behave
		w.behave = func(r *remote) { <-release; behave(r) }
		s := w.session()
		s.begin("run", "--all", "--group", "--", "x")
		s.stderr.await(t, "remora: the API is away, trying again: connection refused\n")
		s.stderr.await(t, "remora: the API is back\n")
		close(release)
		require.Equal(t, 1, s.end())
		require.Equal(t, 1, strings.Count(s.stderr.String(), "away"))
	})
}

func TestBatches_Golden(t *testing.T) {
	for name, args := range map[string][]string{
		"batches-ls":           {"batches", "ls"},
		"batches-ls-json":      {"batches", "ls", "-o", "json", "--limit", "1"},
		"batches-get":          {"batches", "get", firstBatch, "--limit", "2"},
		"batches-get-yaml":     {"batches", "get", firstBatch, "--limit", "0", "-o", "yaml"},
		"batches-get-none":     {"batches", "get", "x"},
		"batches-groups":       {"batches", "groups", firstBatch},
		"batches-groups-diff":  {"batches", "groups", "--diff", firstBatch},
		"batches-cancel-late":  {"batches", "cancel", firstBatch},
		"batches-rerun":        {"batches", "rerun", firstBatch},
		"batches-rerun-failed": {"batches", "rerun", "--failed", firstBatch, "-o", "yaml"},
		"help-batches":         {"batches"},
	} {
		t.Run(name, func(t *testing.T) {
			w := fleet(t)
			require.Equal(t, 1, w.session().run("run", "--all", "--parallel", "5", "--", "uname", "-a"))
			w.behave = nil
			w.session().golden(name, args...)
		})
	}
}

func TestBatchesCancel_WaitsAndTells(t *testing.T) {
	for name, c := range map[string]struct {
		receipt domain.Receipt
		code    int
		want    string
	}{
		"nothing left": {clean, 0, "remora: a,b: canceled, 0 processes left\n"},
		"one left":     {domain.Receipt{Left: []domain.Remaining{{PID: 7, Command: "sleep"}}}, 1, "remora: a,b: canceled, but 1 process left: pid 7 (sleep)\n"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "a", "b", "c")
			w.behave = untilCanceled(c.receipt)
			require.Equal(t, 0, w.session().run("run", "--all", "--parallel", "2", "--detach", "--", "x"))
			w.until(func() bool { return w.jobs[w.order[0]].job.LastSeq+w.jobs[w.order[1]].job.LastSeq == 2 })
			s := w.session()
			require.Equal(t, c.code, s.run("batches", "cancel", firstBatch), s.stderr)
			require.Equal(t, "remora: 1 job canceled before they started, the processes of 2 are being ended\n"+c.want, s.stderr.String())
		})
	}
}

func TestRun_ProgressBar(t *testing.T) {
	w := newWorld(t, "a", "b", "c")
	release := make(chan struct{})
	w.behave = func(r *remote) {
		r.print(domain.Stdout, "here\n")
		<-release
		r.exit(strings.Count(r.server.Name, "c"), "")
	}
	s := w.session()
	s.tty, s.out = terminals{out: true, err: true}, s.stderr // one terminal
	s.begin("run", "--all", "--", "x")
	s.stderr.await(t, "[------------------------] 0 of 3 done, 3 running")
	close(release)
	require.Equal(t, 1, s.end())
	last := s.stderr.String()[strings.LastIndex(s.stderr.String(), "\r\x1b[K")+len("\r\x1b[K"):]
	// Lines that came after the bar was erased for the last time stand before the end; the bar does not.
	require.Regexp(t, `\A([^\n]+ \| here\n)*remora: c: failed with exit code 1 after 1.5s [^\n]+\nremora: 3 servers: 2 completed, 1 failed\n\z`, last)

	for name, c := range map[string]func(*session){
		"stderr is a file": func(s *session) { s.tty = terminals{out: true} },
		"dumb":             func(s *session) { s.tty = terminals{out: true, err: true}; s.env["TERM"] = "dumb" },
	} {
		s := w.session()
		c(s)
		require.Equal(t, 1, s.run("run", "--all", "--", "x"), name)
		require.NotContains(t, s.stderr.String()+s.stdout.String(), "\x1b[K", name)
		require.NotContains(t, s.stderr.String(), " done", name)
	}
}

func TestGroups_JSONIsTheAPIs(t *testing.T) {
	w := fleet(t)
	s := w.session()
	require.Equal(t, 1, s.run("run", "--all", "--group", "-o", "json", "--", "x"))
	var got struct {
		Groups []struct {
			Names        string
			Size         int
			StdoutSHA256 string `json:"stdout_sha256"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(s.stdout.String()), &got))
	require.Equal(t, "web[01-02,04-05]", got.Groups[0].Names)
	require.Equal(t, 4, got.Groups[0].Size)
	require.Equal(t, domain.DigestOf([]byte("Linux 6.8\nuptime 3 days\nload low\n")).String(), got.Groups[0].StdoutSHA256)
}
