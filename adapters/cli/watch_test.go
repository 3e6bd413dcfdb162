package cli

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

func TestJobsWatch_AppendsWhatChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "web", "db")
		require.Equal(t, 0, w.session().run("run", "-s", "web", "--detach", "--", "first"))
		s := w.session()
		s.begin("jobs", "ls", "--watch")
		s.stdout.await(t, "queued\tweb\tfirst")
		require.Equal(t, 0, w.session().run("run", "-s", "db", "--detach", "--", "second"))
		s.stdout.await(t, "queued\tdb\tsecond")
		w.remote(w.order[0]).start()
		s.stdout.await(t, "running\tweb\tfirst")
		w.remote(w.order[0]).exit(3, "")
		s.stdout.await(t, "failed\tweb\tfirst\t3\t")
		s.interrupt()
		require.Equal(t, 130, s.end())
		require.Empty(t, s.stderr.String(), "the end of watching is no news")
		require.Equal(t, 4, strings.Count(s.stdout.String(), "\n"), "a job that has not changed is not told again: %s", s.stdout)
		require.NotContains(t, s.stdout.String(), "\x1b")
	})
}

func TestJobsWatch_JSONIsAnObjectALine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "web")
		require.Equal(t, 0, w.session().run("run", "-s", "web", "--detach", "--", "x"))
		s := w.session()
		s.begin("jobs", "ls", "--watch", "-o", "json")
		s.stdout.await(t, `"status":"queued"`)
		w.remote(w.order[0]).start()
		s.stdout.await(t, `"status":"running"`)
		s.interrupt()
		require.Equal(t, 130, s.end())
		require.Equal(t, 2, strings.Count(s.stdout.String(), "\n"))
	})
}

func TestJobsWatch_RepaintsATerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, many(40)...)
		require.Equal(t, 0, w.session().run("run", "--all", "--detach", "--", strings.Repeat("long ", 60)+"\x1b[2J"))
		s := w.session()
		s.tty = terminals{out: true}
		s.begin("jobs", "ls", "--watch", "--all")
		s.stdout.await(t, "40 jobs, again every 2s")
		s.interrupt()
		require.Equal(t, 130, s.end())
		screen := s.stdout.String()
		require.True(t, strings.HasPrefix(screen, cursorHome), "%q", screen)
		require.NotContains(t, screen, "\x1b[2J", "a command's own sequences reach no terminal")
		lines := strings.Split(screen, "\r\n")
		require.LessOrEqual(t, len(lines), usualHeight, "it does not scroll")
		for _, line := range lines {
			line = strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(line, cursorHome, ""), eraseLine, ""), eraseBelow, "")
			require.LessOrEqual(t, len([]rune(line)), usualWidth, "%q", line)
		}
	})
}

func TestJobsWatch_TheAPIGoesAwayAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "web")
		away := &domain.Error{Kind: domain.KindUnavailable, Code: "api_unreachable", Message: "connection refused"}
		looks := 0
		w.onLook = func(context.Context) error {
			if looks++; looks == 2 || looks == 3 {
				return away
			}
			return nil
		}
		s := w.session()
		s.begin("jobs", "ls", "--watch", "--every", "1s")
		s.stderr.await(t, "remora: the API is back\n")
		s.interrupt()
		require.Equal(t, 130, s.end())
		require.Equal(t, "remora: the API is away, trying again: connection refused\nremora: the API is back\n", s.stderr.String())

		w.onLook = func(context.Context) error { return away }
		require.Equal(t, 6, w.session().run("jobs", "ls", "--watch"), "an API that never was there is not waited for")
	})
}

func TestJobsList_Filters(t *testing.T) {
	w := newWorld(t, "web", "db")
	w.behave = greet
	require.Equal(t, 0, w.session().run("run", "--all", "--", "x"))
	var asked ports.JobQuery
	w.onQuery = func(q ports.JobQuery) { asked = q }
	s := w.session()
	require.Equal(t, 0, s.run("jobs", "ls", "--reason", "timeout,user", "--status", "failed,canceled", "--batch", firstBatch, "--since", "2h",
		"--until", "2026-03-04T05:00:00Z", "--search", "needle", "--sort", "finished_at", "--asc"), s.stderr)
	now := epoch.Add(90 * time.Second)
	require.Equal(t, ports.JobQuery{
		Statuses: []domain.Status{domain.StatusFailed, domain.StatusCanceled}, Reasons: []domain.Reason{domain.ReasonTimeout, domain.ReasonUser},
		BatchID: firstBatch, CreatedAfter: now.Add(-2 * time.Hour), CreatedBefore: time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC),
		Search: "needle", Sort: ports.SortFinished, Asc: true, Limit: 20,
	}, asked)
	for want, args := range map[string][]string{
		`--reason "late" is unknown`: {"--reason", "late"},
		"give how long ago":          {"--since", "soon"},
		"--since is not before":      {"--since", "1h", "--until", "2h"},
		"--every is for --watch":     {"--every", "1s"},
		"--every 1ms is out":         {"--watch", "--every", "1ms"},
		"--all and --limit":          {"--all", "--limit", "3"},
	} {
		s := w.session()
		require.Equal(t, 2, s.run(append([]string{"jobs", "ls"}, args...)...), args)
		require.Contains(t, s.stderr.String(), want)
	}
}

func TestTimeFlag(t *testing.T) {
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"90s": now.Add(-90 * time.Second), "7d": now.AddDate(0, 0, -7), "0s": now,
		"2026-01-31": time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC), "2026-01-31T08:09": time.Date(2026, 1, 31, 8, 9, 0, 0, time.UTC),
		"2026-01-31 08:09:10": time.Date(2026, 1, 31, 8, 9, 10, 0, time.UTC), "2026-01-31T08:09:10+02:00": time.Date(2026, 1, 31, 6, 9, 10, 0, time.UTC),
	} {
		var got time.Time
		require.NoError(t, timeFlag{&got, func() time.Time { return now }}.Set(text))
		require.True(t, want.Equal(got), "%s: %s", text, got)
	}
	for _, text := range []string{"", "-2h", "yesterday", "-1d", "9999999999d", "2026-13-01"} {
		var got time.Time
		require.Error(t, timeFlag{&got, time.Now}.Set(text), text)
	}
}

func TestJobsCopies(t *testing.T) {
	w := newWorld(t, "web", "db")
	w.behave = func(r *remote) { r.print(domain.Stdout, r.command.Command+"\n"); r.exit(2, "") }
	require.Equal(t, 2, w.session().run("run", "-s", "web", "--timeout", "9", "--", "date"))
	id := string(w.job(0).ID)

	s := w.session()
	require.Equal(t, 0, s.run("jobs", "rerun", id))
	require.Equal(t, string(w.job(1).ID)+"\n", s.stdout.String())
	require.Equal(t, "remora: "+id+" runs again on web\n", s.stderr.String())
	s = w.session()
	require.Equal(t, 2, s.run("jobs", "rerun", "-f", id), "the job's own exit code")
	require.Equal(t, "date\n", s.stdout.String())
	s = w.session()
	require.Equal(t, 2, s.run("jobs", "duplicate", id, "-s", "db", "-f", "--priority", "8", "--", "uptime"), s.stderr)
	require.Equal(t, "uptime\n", s.stdout.String())
	require.Contains(t, s.stderr.String(), "remora: db: failed with exit code 2")
	got := w.job(3)
	require.Equal(t, domain.Priority(8), got.Priority)
	require.Equal(t, 9*time.Second, got.Timeout)
	s = w.session()
	require.Equal(t, 4, s.run("jobs", "rerun", id, "x"))
	require.Contains(t, s.stderr.String(), "remora: x: ")
	for want, args := range map[string][]string{
		"--follow is for one job":   {"rerun", "-f", id, id},
		"cannot be used together":   {"duplicate", id, "--script", "x", "--", "y"},
		"--retry, --max-attempts: ": {"duplicate", id, "--retry", "often"},
		"JOB is missing":            {"duplicate"},
	} {
		s := w.session()
		require.Equal(t, 2, s.run(append([]string{"jobs"}, args...)...))
		require.Contains(t, s.stderr.String(), want)
	}
}

func TestServices_SpeakUnderTheirOwnNames(t *testing.T) {
	for _, service := range []string{"api", "worker", "queue"} {
		for name, args := range map[string][]string{"help": {"--help"}, "version": {"--version"}, "flag": {"--prot", "1"}, "argument": {"now"}, "refused": {}} {
			t.Run(service+" "+name, func(t *testing.T) {
				s := newWorld(t).session()
				run := func(context.Context) error {
					return domain.Invalid("server_addr", "SERVER_ADDR: port 99999 is out of range")
				}
				s.config = func(c *Config) { c.API, c.Worker, c.Queue = run, run, run }
				go func() {
					s.exitCode <- ServiceMain(t.Context(), s.app("remora-"+service).Config, service, args)
				}()
				s.compare("service-"+service+"-"+name, "remora-"+service+" "+quoteAll(args), s.end())
			})
		}
	}
}
