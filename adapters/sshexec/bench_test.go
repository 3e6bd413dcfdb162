package sshexec_test

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/heysubinoy/remora/adapters/sshexec"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/test/contract"
	"github.com/heysubinoy/remora/test/harness/sshd"
)

// plain is what x/crypto/ssh does by itself over one connection: the floor.
func plain(b *testing.B, s *sshd.Server) *ssh.Client {
	signer, err := ssh.ParsePrivateKey([]byte(s.PrivateKey))
	require.NoError(b, err)
	c, err := ssh.Dial("tcp", "127.0.0.1:"+strconv.Itoa(s.Port), &ssh.ClientConfig{
		User: s.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), //nolint:gosec // the test's own server
	})
	require.NoError(b, err)
	b.Cleanup(func() { _ = c.Close() })
	return c
}

func quantile(d []time.Duration, q float64) time.Duration {
	slices.Sort(d)
	return d[int(float64(len(d)-1)*q)]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// BenchmarkTrue compares a durable start of true with a plain exec of it, both over a warm connection.
func BenchmarkTrue(b *testing.B) {
	s := sshd.Start(b)
	e := newExecutor(b, sshexec.Config{})
	client := plain(b, s)
	var floor, durable []time.Duration
	for b.Loop() {
		began := time.Now()
		session, err := client.NewSession()
		require.NoError(b, err)
		require.NoError(b, session.Run("true"))
		floor = append(floor, time.Since(began))

		began = time.Now()
		_, err = e.Start(b.Context(), s.Target(), newID(), line(b, "true"), contract.NewRecorder())
		require.NoError(b, err)
		durable = append(durable, time.Since(began))
	}
	f, d := quantile(floor, 0.5), quantile(durable, 0.5)
	b.ReportMetric(ms(f), "plain-p50-ms")
	b.ReportMetric(ms(d), "durable-p50-ms")
	b.ReportMetric(ms(d)/ms(f), "ratio")
}

const latencyLoop = `import sys, time
for i in range(%d):
    print(repr(time.time()), flush=True)
    time.sleep(0.01)
`

// latencies turns printed times of writing into waits until now.
type latencies struct {
	rest []byte
	all  []time.Duration
}

func (l *latencies) Started(context.Context, domain.Process) error { return nil }

func (l *latencies) Output(_ context.Context, _ domain.Stream, data []byte) error {
	now := time.Now()
	l.rest = append(l.rest, data...)
	for {
		i := slices.Index(l.rest, '\n')
		if i < 0 {
			return nil
		}
		l.add(string(l.rest[:i]), now)
		l.rest = l.rest[i+1:]
	}
}

func (l *latencies) add(text string, now time.Time) {
	at, err := strconv.ParseFloat(text, 64)
	if err == nil {
		l.all = append(l.all, now.Sub(time.Unix(0, int64(at*1e9))))
	}
}

// BenchmarkLineLatency measures from the remote write of a line to its arrival, over the follower and over a plain session.
func BenchmarkLineLatency(b *testing.B) {
	const lines = 300
	s := sshd.Start(b)
	e := newExecutor(b, sshexec.Config{})
	client := plain(b, s)
	script := fmt.Sprintf(latencyLoop, lines)
	var floor, followed latencies
	for b.Loop() {
		session, err := client.NewSession()
		require.NoError(b, err)
		out, err := session.StdoutPipe()
		require.NoError(b, err)
		require.NoError(b, session.Start("python3 -c '"+script+"'"))
		for in := bufio.NewScanner(out); in.Scan(); {
			floor.add(in.Text(), time.Now())
		}
		require.NoError(b, session.Wait())

		c, err := domain.Script(script, "", "/usr/bin/python3")
		require.NoError(b, err)
		var run latencies
		_, err = e.Start(b.Context(), s.Target(), newID(), c, &run)
		require.NoError(b, err)
		followed.all = append(followed.all, run.all[20:]...) // the first come when following begins
	}
	for name, l := range map[string]*latencies{"plain": &floor, "followed": &followed} {
		b.ReportMetric(ms(quantile(l.all, 0.5)), name+"-p50-ms")
		b.ReportMetric(ms(quantile(l.all, 0.95)), name+"-p95-ms")
	}
}

// BenchmarkThroughput carries 100 MB of output.
func BenchmarkThroughput(b *testing.B) {
	s := sshd.Start(b)
	e := newExecutor(b, sshexec.Config{})
	const size = 100 << 20
	b.SetBytes(size)
	for b.Loop() {
		var got int64
		sink := &counter{n: &got}
		_, err := e.Start(b.Context(), s.Target(), newID(), line(b, fmt.Sprintf("head -c %d /dev/zero", size)), sink)
		require.NoError(b, err)
		require.EqualValues(b, size, got)
	}
}

type counter struct{ n *int64 }

func (counter) Started(context.Context, domain.Process) error { return nil }

func (c counter) Output(_ context.Context, _ domain.Stream, data []byte) error {
	*c.n += int64(len(data))
	return nil
}
