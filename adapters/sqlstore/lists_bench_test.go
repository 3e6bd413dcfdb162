package sqlstore_test

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/sqlstore"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

// What the lists of a million jobs may cost, at the 95th percentile: this much, and so many times as much as of a thousand.
const (
	goal       = 50 * time.Millisecond
	searchGoal = 300 * time.Millisecond
	goalRatio  = 2.0
)

const (
	historyServers = 200
	fewJobs        = 1000
	rareWord       = "zanzibar"
	noWord         = "xylophonist"
)

// history is a stored history of jobs.
type history struct {
	*sqlstore.Store
	n       int
	servers []*domain.Server
	batch   domain.BatchID
	some    domain.JobID
	last    string // cursor of the last page
	end     time.Time
}

// BenchmarkLists measures lists, searches and counts of a thousand and of a million jobs (REMORA_BENCH_JOBS) in turns, and
// prints which goals are missed.
func BenchmarkLists(b *testing.B) {
	many := 1_000_000
	if given := os.Getenv("REMORA_BENCH_JOBS"); given != "" {
		n, err := strconv.Atoi(given)
		require.NoError(b, err, "REMORA_BENCH_JOBS")
		many = n
	}
	for _, kind := range []string{"sqlite", "postgres"} {
		b.Run(kind, func(b *testing.B) {
			few, lots := newHistory(b, databases[kind](b), fewJobs), newHistory(b, databases[kind](b), many)
			for b.Loop() {
				compare(b, os.Stdout, few, lots) // a log of a benchmark is cut
			}
		})
	}
}

// compare writes a table of what each call costs on both.
func compare(b *testing.B, to io.Writer, few, many *history) {
	b.Helper()
	const rounds = 60
	table := tabbed{b, to}
	missed := 0
	table.printf("\n%-44s %27s %27s\n%-44s %13s %13s %13s %13s %7s\n", many.Kind(),
		fmt.Sprint(few.n, " jobs"), fmt.Sprint(many.n, " jobs"), "", "p50", "p95", "p50", "p95", "ratio")
	small, large := few.calls(b), many.calls(b)
	for i := range small {
		var took [2][]time.Duration
		var jobs [2]int
		for round := range rounds + 10 {
			for side, c := range []call{small[i], large[i]} {
				began := time.Now()
				n, err := c.do()
				require.NoError(b, err, c.name)
				jobs[side] = n
				if round >= 10 { // statements are prepared and pages read in before
					took[side] = append(took[side], time.Since(began))
				}
			}
		}
		slices.Sort(took[0])
		slices.Sort(took[1])
		p50, p95 := len(took[0])/2, len(took[0])*95/100
		ratio := float64(took[1][p50]) / float64(took[0][p50])
		var complaints []string
		if took[1][p95] > large[i].goal {
			complaints = append(complaints, "MISSED: "+large[i].goal.String())
		}
		if ratio > goalRatio && large[i].goal == goal && jobs[0] == jobs[1] { // else it is not the same work
			complaints = append(complaints, fmt.Sprintf("MISSED: %.0f times", goalRatio))
		}
		missed += len(complaints)
		if jobs[0] != jobs[1] {
			complaints = append(complaints, fmt.Sprintf("(%d jobs, and %d)", jobs[0], jobs[1]))
		}
		ms := func(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1e3) }
		table.printf("%-44s %13s %13s %13s %13s %7.1f  %s\n", large[i].name, ms(took[0][p50]), ms(took[0][p95]),
			ms(took[1][p50]), ms(took[1][p95]), ratio, strings.Join(complaints, ", "))
	}
	table.printf("%d calls; goals missed: %d\n", len(small), missed)
}

type tabbed struct {
	b  *testing.B
	to io.Writer
}

func (t tabbed) printf(format string, args ...any) {
	_, err := fmt.Fprintf(t.to, format, args...)
	require.NoError(t.b, err)
}

type call struct {
	name string
	goal time.Duration
	do   func() (jobs int, err error)
}

// calls are what is measured.
func (h *history) calls(b *testing.B) []call {
	b.Helper()
	var all []call
	add := func(name string, goal time.Duration, do func() (int, error)) { all = append(all, call{name, goal, do}) }
	list := func(name string, q ports.JobQuery) {
		limit := goal
		if q.Search != "" {
			limit = searchGoal
		}
		q.Limit = cmp.Or(q.Limit, 20)
		add(name, limit, func() (int, error) {
			rows, err := h.Jobs().List(b.Context(), q)
			return len(rows.Jobs), err
		})
	}
	server, failed := h.servers[7].ID, []domain.Status{domain.StatusFailed}
	list("first page", ports.JobQuery{})
	list("first page of 100", ports.JobQuery{Limit: 100})
	list("page 5,000; of 1,000 jobs page 25", ports.JobQuery{Page: h.page()})
	list("last page by cursor", ports.JobQuery{Cursor: h.last})
	list("oldest first", ports.JobQuery{Asc: true})
	list("status", ports.JobQuery{Statuses: failed})
	list("status, far page", ports.JobQuery{Statuses: []domain.Status{domain.StatusCompleted}, Page: h.page() / 2})
	list("statuses, of what is live", ports.JobQuery{Statuses: []domain.Status{domain.StatusQueued, domain.StatusRunning}})
	list("reason", ports.JobQuery{Reasons: []domain.Reason{domain.ReasonTimeout}})
	list("reasons that are rare", ports.JobQuery{Reasons: []domain.Reason{domain.ReasonLost, domain.ReasonBatch}})
	list("server", ports.JobQuery{ServerID: server})
	list("server, far page", ports.JobQuery{ServerID: server, Page: max(1, h.n/historyServers/40)})
	list("batch", ports.JobQuery{BatchID: h.batch})
	list("time: a day", ports.JobQuery{CreatedAfter: h.end.Add(-36 * time.Hour), CreatedBefore: h.end.Add(-12 * time.Hour)})
	list("time: 60 days", ports.JobQuery{CreatedAfter: h.end.Add(-60*24*time.Hour - 17*time.Minute)})
	list("server and status", ports.JobQuery{ServerID: server, Statuses: failed})
	list("server and reason", ports.JobQuery{ServerID: server, Reasons: []domain.Reason{domain.ReasonExitNonzero}})
	list("server and time", ports.JobQuery{ServerID: server, CreatedAfter: h.end.Add(-30 * 24 * time.Hour)})
	list("status, reason and time", ports.JobQuery{
		Statuses: failed, Reasons: []domain.Reason{domain.ReasonTimeout, domain.ReasonConnect}, CreatedAfter: h.end.Add(-30 * 24 * time.Hour),
	})
	list("batch and status", ports.JobQuery{BatchID: h.batch, Statuses: failed})
	for _, field := range []ports.SortField{
		ports.SortUpdated, ports.SortStarted, ports.SortFinished, ports.SortStatus, ports.SortCommand, ports.SortPriority,
	} {
		list("by "+string(field), ports.JobQuery{Sort: field})
		list("by "+string(field)+", ascending", ports.JobQuery{Sort: field, Asc: true})
	}
	list("by finished_at, of a status", ports.JobQuery{Sort: ports.SortFinished, Statuses: failed})
	list("by command, of a server", ports.JobQuery{Sort: ports.SortCommand, ServerID: server})
	list("by priority, of a batch", ports.JobQuery{Sort: ports.SortPriority, BatchID: h.batch})
	list("by updated_at, of a day", ports.JobQuery{Sort: ports.SortUpdated, CreatedAfter: h.end.Add(-36 * time.Hour), CreatedBefore: h.end.Add(-12 * time.Hour)})
	list("search: in 10 jobs", ports.JobQuery{Search: rareWord})
	list("search: in none", ports.JobQuery{Search: noWord})
	list("search: in very many", ports.JobQuery{Search: "systemctl"})
	list("search: two letters", ports.JobQuery{Search: "zq"})
	list("search: a server's name", ports.JobQuery{Search: h.servers[3].Name})
	list("search: in 10 jobs, of a status", ports.JobQuery{Search: rareWord, Statuses: []domain.Status{domain.StatusCompleted}})
	list("search: in very many, of a server", ports.JobQuery{Search: "release", ServerID: server})
	list("search: in very many, by command", ports.JobQuery{Search: "release", Sort: ports.SortCommand})
	add("counts of system/info and system/enhanced", goal, func() (int, error) {
		_, err := h.Totals().Totals(b.Context(), h.end.Add(-24*time.Hour))
		return 1, err
	})
	add("get", goal, func() (int, error) {
		_, err := h.Jobs().Get(b.Context(), h.some)
		return 1, err
	})
	return all
}

// page is page 5,000 where there are a million jobs, and as far on where there are fewer.
func (h *history) page() int { return max(1, min(5000, h.n/40)) }

// newHistory stores n jobs of 90 days on 200 servers.
func newHistory(b *testing.B, url string, n int) *history {
	b.Helper()
	began := time.Now()
	h := &history{Store: open(b, url), n: n, end: fixture.Now()}
	for i := range historyServers {
		server := fixture.Server(b, fixture.Named(fmt.Sprintf("srv%03d.example.org", i)), fixture.Sessions(domain.MaxSessions), func(s *domain.Server) {
			s.LastCheck = &domain.Check{Connected: i%10 > 0, At: h.end}
		})
		require.NoError(b, h.Servers().Add(b.Context(), server, nil))
		h.servers = append(h.servers, server)
	}
	g := &generator{history: h, workers: fixture.ID[domain.WorkerID](b)}
	h.Fill(b, url, n, func(i int) *domain.Job { return g.job(b, i) })
	h.batch = g.batches[len(g.batches)/2]
	last, err := h.Jobs().List(b.Context(), ports.JobQuery{Limit: 20, Page: n/20 - 1})
	require.NoError(b, err)
	h.last = last.Next
	found, err := h.Jobs().List(b.Context(), ports.JobQuery{Limit: 20, Search: rareWord})
	require.NoError(b, err)
	require.EqualValues(b, 10, found.Total)
	h.some = found.Jobs[0].ID
	b.Logf("%s: %d jobs stored in %s", h.Kind(), n, time.Since(began).Round(time.Second))
	return h
}

// generator makes up jobs. The same number gives the same kind of job.
type generator struct {
	*history
	workers domain.WorkerID
	batches []domain.BatchID
}

// job makes the i-th of n jobs, the oldest first.
func (g *generator) job(b *testing.B, i int) *domain.Job {
	dice := i * 7919 % 10_000 // spread evenly over the jobs
	at := g.end.Add(-(90 * 24 * time.Hour / time.Duration(g.n)) * time.Duration(g.n-i)).Truncate(time.Microsecond)
	j := &domain.Job{
		ID: fixture.ID[domain.JobID](b), ServerID: g.servers[i%historyServers].ID, Command: g.command(b, i, dice),
		Priority: domain.Priority(1 + dice%10), Timeout: 5 * time.Minute, Retry: domain.DefaultRetry(),
		Attempt: 1, Epoch: 1, Worker: g.workers, CreatedAt: at, StartedAt: at.Add(80 * time.Millisecond),
		Status: domain.StatusCompleted, Exit: &domain.Exit{}, Revision: 5,
	}
	j.FinishedAt = j.StartedAt.Add(time.Duration(dice) * time.Millisecond)
	switch {
	case g.n-i <= 40:
		*j = domain.Job{ID: j.ID, ServerID: j.ServerID, Command: j.Command, Priority: j.Priority, Timeout: j.Timeout, Retry: j.Retry, CreatedAt: at}
		j.Status, j.Phase, j.UpdatedAt, j.DeadlineAt, j.NextActionAt = domain.StatusQueued, domain.PhaseHeld, at, at.Add(time.Hour), at.Add(time.Hour)
		return g.batched(b, i, j)
	case g.n-i <= 140:
		j.Status, j.Phase, j.Exit, j.FinishedAt = domain.StatusRunning, domain.PhaseExecuting, nil, time.Time{}
		j.UpdatedAt, j.DeadlineAt, j.NextActionAt = j.StartedAt, at.Add(time.Hour), at.Add(time.Hour)
		return g.batched(b, i, j)
	case dice < 500:
		j.Status, j.Reason, j.Message, j.Exit = domain.StatusFailed, domain.ReasonExitNonzero, "the command exited with code 1", &domain.Exit{Code: 1}
	case dice < 900:
		rare := []domain.Reason{domain.ReasonTimeout, domain.ReasonTimeout, domain.ReasonConnect, domain.ReasonConnect, domain.ReasonAuth,
			domain.ReasonSignal, domain.ReasonOutputLimit, domain.ReasonHostKeyMismatch}
		j.Status, j.Reason, j.Exit = domain.StatusFailed, rare[dice%len(rare)], nil
	case dice == 900:
		j.Status, j.Reason, j.Exit = domain.StatusFailed, domain.ReasonLost, nil
	case dice < 1200:
		j.Status, j.Reason, j.Exit, j.CancelRequested = domain.StatusCanceled, domain.ReasonUser, nil, true
	}
	if dice%50 == 0 {
		j.Output, j.LastSeq = domain.Offsets{Stdout: 700}, 1
	}
	j.UpdatedAt = j.FinishedAt
	return g.batched(b, i, j)
}

// batched puts every third two hundred jobs into a batch.
func (g *generator) batched(b *testing.B, i int, j *domain.Job) *domain.Job {
	if i/historyServers%3 > 0 {
		return j
	}
	if i%historyServers == 0 {
		g.batches = append(g.batches, fixture.ID[domain.BatchID](b))
	}
	j.BatchID = g.batches[len(g.batches)-1]
	return j
}

// command is in six of ten jobs one of a few, in the others a text of its own; now and then it is a script.
func (g *generator) command(b *testing.B, i, dice int) domain.Command {
	var line, args string
	switch {
	case i%(g.n/10) == g.n/20:
		line, args = "restore", fmt.Sprintf("--from Backup-%d --to %s", i, strings.ToUpper(rareWord))
	case i/historyServers%3 == 0:
		line = fmt.Sprintf("systemctl restart unit-%d", i/historyServers)
	case dice < 3000:
		line = "systemctl status " + []string{"nginx", "postgresql", "sshd", "cron", "docker"}[dice%5]
	case dice < 6500:
		line, args = "/opt/app/bin/deploy", fmt.Sprintf("--release %x --ticket OPS-%d", i*2654435761, i)
	case dice < 6600:
		c, err := domain.Script(fmt.Sprintf("#!/bin/sh\nset -e\n%s\necho done %d\n", strings.Repeat("apt-get -y install something-useful\n", 20), dice), "", "/bin/sh")
		require.NoError(b, err)
		return c
	default:
		line = []string{"uptime", "df -h", "free -m", "uname -a", "who", "last -n 20"}[dice%6]
	}
	c, err := domain.ShellLine(line, args)
	require.NoError(b, err)
	return c
}
