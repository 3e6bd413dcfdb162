// Package bench measures Remora's real programs against a floor taken in the same run, on the same machine: what the same
// work costs over bare SSH connections. The figure to quote is the ratio.
//
//	make bench
package bench

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/harness/cluster"
	"github.com/heysubinoy/remora/test/harness/house"
	"github.com/heysubinoy/remora/test/harness/pgtest"
	"github.com/heysubinoy/remora/test/harness/sshd"
	"github.com/heysubinoy/remora/test/harness/wait"
)

const (
	atOnce        = 32
	perConnection = 4 // sshd allows 10, and counts a session for a moment after its end
	lineCount     = 500
)

// lineScript prints its own time, in microseconds, every 20 ms, without forking for it.
var lineScript = fmt.Sprintf(`for ((i=0; i<%d; i++)); do t=$EPOCHREALTIME; echo "${t/[.,]/}"; sleep 0.02; done`, lineCount)

// BenchmarkThroughput runs `true` on one server, 32 at a time: through API, database, queue, worker, SSH and database, and
// as bare sessions over kept connections.
func BenchmarkThroughput(b *testing.B) {
	for _, database := range []string{"sqlite", "postgres"} {
		b.Run(database, func(b *testing.B) {
			url := ""
			if database == "postgres" {
				url = pgtest.URL(b)
			}
			const jobs = 1000
			server := sshd.Start(b)
			h := house.New(b, url, server, fmt.Sprintf("WORKER_CONCURRENCY=%d", atOnce), "LOG_LEVEL=info")
			queue, api := h.StartQueue(b), h.StartAPI(b)
			worker := h.StartWorker(b)
			h.Register(b)
			warm := h.Submit(b, ports.Submission{Command: "true"})
			h.End(b, warm)
			for b.Loop() {
				floor := bareSessions(b, server, jobs)
				before := []float64{cpu(b, queue), cpu(b, api), cpu(b, worker)}
				submitted, all := throughHouse(b, h, jobs)
				rate, base := jobs/all.Seconds(), jobs/floor.Seconds()
				b.ReportMetric(rate, "jobs/s")
				b.ReportMetric(base, "floor-sessions/s")
				b.ReportMetric(rate/base, "ratio")
				b.Logf("%s: %d × true, %d at a time: %.0f jobs/s through Remora, %.0f sessions/s bare: ratio %.2f; submitting alone took %s of %s",
					database, jobs, atOnce, rate, base, rate/base, submitted.Round(time.Millisecond), all.Round(time.Millisecond))
				for i, p := range []*cluster.Process{queue, api, worker} {
					b.Logf("  CPU of %s: %.2f ms a job", []string{"queue", "api", "worker"}[i], (cpu(b, p)-before[i])/jobs*1000)
				}
				logPhases(b, h)
			}
		})
	}
}

// BenchmarkLineLatency measures the time from the write on the server to an SSE reader, and to a reader of a bare session.
func BenchmarkLineLatency(b *testing.B) {
	server := sshd.Start(b)
	h := house.New(b, "", server, "LOG_LEVEL=info")
	h.StartAll(b)
	h.Register(b)
	for b.Loop() {
		floor := bareLatency(b, server)
		got := houseLatency(b, h)
		p50, p95 := got[len(got)/2], got[len(got)*95/100]
		f50, f95 := floor[len(floor)/2], floor[len(floor)*95/100]
		b.ReportMetric(p50.Seconds()*1e3, "p50-ms")
		b.ReportMetric(p95.Seconds()*1e3, "p95-ms")
		b.Logf("a line from the remote write to the SSE reader: p50 %s, p95 %s; bare SSH: p50 %s, p95 %s; ratio of p50 %.1f",
			p50, p95, f50, f95, float64(p50)/float64(f50))
	}
}

func throughHouse(b *testing.B, h *house.House, jobs int) (submitted, all time.Duration) {
	b.Helper()
	began := time.Now()
	var clients sync.WaitGroup
	work := make(chan int)
	for range atOnce {
		clients.Go(func() {
			for range work {
				if _, err := h.Jobs().Submit(b.Context(), ports.Submission{ServerID: h.Server.ID, Command: "true"}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := range jobs {
		work <- i
	}
	close(work)
	clients.Wait()
	submitted = time.Since(began)
	wait.Within(b, 5*time.Minute, func() error {
		page, err := h.Jobs().List(b.Context(), ports.JobQuery{Limit: 1, Statuses: []domain.Status{domain.StatusQueued, domain.StatusRunning}})
		if err == nil && page.Total > 0 {
			err = fmt.Errorf("%d jobs have not ended", page.Total)
		}
		return err
	})
	all = time.Since(began)
	page, err := h.Jobs().List(b.Context(), ports.JobQuery{Limit: 1, Statuses: []domain.Status{domain.StatusFailed, domain.StatusCanceled}})
	require.NoError(b, err)
	require.Zero(b, page.Total)
	return submitted, all
}

// logPhases says how long the last hundred jobs took on the server's side and before.
func logPhases(b *testing.B, h *house.House) {
	b.Helper()
	page, err := h.Jobs().List(b.Context(), ports.JobQuery{Limit: 100})
	require.NoError(b, err)
	var ran []time.Duration
	for _, j := range page.Jobs {
		ran = append(ran, j.Job.FinishedAt.Sub(j.Job.StartedAt))
	}
	slices.Sort(ran)
	b.Logf("  from the server's word that the command started to the stored end: p50 %s, p95 %s", ran[len(ran)/2], ran[len(ran)*95/100])
}

func bareSessions(b *testing.B, server *sshd.Server, jobs int) time.Duration {
	b.Helper()
	var connections []*ssh.Client
	for range atOnce / perConnection {
		connections = append(connections, dial(b, server))
	}
	work := make(chan int)
	var sessions sync.WaitGroup
	for i := range atOnce {
		sessions.Go(func() {
			for range work {
				s, err := connections[i%len(connections)].NewSession()
				if err == nil {
					err = s.Run("true")
				}
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	began := time.Now()
	for i := range jobs {
		work <- i
	}
	close(work)
	sessions.Wait()
	return time.Since(began)
}

func bareLatency(b *testing.B, server *sshd.Server) []time.Duration {
	b.Helper()
	s, err := dial(b, server).NewSession()
	require.NoError(b, err)
	out, err := s.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, s.Start("bash -c '"+lineScript+"'"))
	var took []time.Duration
	for lines := bufio.NewScanner(out); lines.Scan(); {
		took = append(took, since(b, lines.Text()))
	}
	slices.Sort(took)
	require.Len(b, took, lineCount)
	return took
}

func houseLatency(b *testing.B, h *house.House) []time.Duration {
	b.Helper()
	id := h.Submit(b, ports.Submission{Script: lineScript, Shell: "/bin/bash"})
	var took []time.Duration
	rest := ""
	require.NoError(b, h.Output().Follow(b.Context(), id, 0, func(e ports.JobEvent) error {
		if e.Chunk == nil {
			return nil
		}
		lines := strings.Split(rest+string(e.Chunk.Data), "\n")
		rest = lines[len(lines)-1]
		for _, l := range lines[:len(lines)-1] {
			took = append(took, since(b, l))
		}
		return nil
	}))
	slices.Sort(took)
	require.Len(b, took, lineCount)
	return took
}

func since(b *testing.B, micros string) time.Duration {
	b.Helper()
	us, err := strconv.ParseInt(micros, 10, 64)
	require.NoError(b, err)
	return time.Since(time.UnixMicro(us))
}

func dial(b *testing.B, server *sshd.Server) *ssh.Client {
	b.Helper()
	key, err := ssh.ParsePrivateKey([]byte(server.PrivateKey))
	require.NoError(b, err)
	c, err := ssh.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", server.Port), &ssh.ClientConfig{
		User: server.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	})
	require.NoError(b, err)
	b.Cleanup(func() { _ = c.Close() })
	return c
}

// cpu returns the processor time of a process so far, in seconds.
func cpu(b *testing.B, p *cluster.Process) float64 {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
	require.NoError(b, err)
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	const ticks = 100 // a second, on every Linux that Go runs on
	return (user + system) / ticks
}
