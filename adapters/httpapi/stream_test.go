package httpapi_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/httpapi"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

func TestStream_GoesOnFromACursor(t *testing.T) {
	b := open(t)
	id := string(b.submit(t, "make"))
	run := b.Begin(t)
	for _, text := range []string{"one", "two", "three"} {
		run.Print(t, domain.Stdout, []byte(text))
	}
	run.Exit(t, domain.Exit{})
	texts := func(path string, headers ...string) string {
		r := b.do(t, "GET", "jobs/"+id+path, "", headers...)
		require.Equal(t, 200, r.status)
		var all []string
		for line := range strings.Lines(r.body) {
			if _, text, ok := strings.Cut(line, `"text":"`); ok {
				all = append(all, strings.TrimSuffix(text, "\"}\n"))
			}
		}
		require.Contains(t, r.body, "event: complete\n")
		return strings.Join(all, " ")
	}
	require.Equal(t, "one two three", texts("/stream"))
	require.Equal(t, "two three", texts("/stream?since=1"))
	require.Equal(t, "three", texts("/stream", "Last-Event-ID", "2"))
	require.Equal(t, "three", texts("/stream?since=1", "Last-Event-ID", "2"), "a browser keeps its URL; the header is newer")
	require.Empty(t, texts("/stream?since=3"))
	head := b.do(t, "HEAD", "jobs/"+id+"/stream", "")
	require.Equal(t, 200, head.status)
	require.Equal(t, "text/event-stream; charset=utf-8", head.header.Get("Content-Type"))
}

func TestStream_SilenceIsFilledWithComments(t *testing.T) {
	b := open(t, func(c *httpapi.Config) { c.Heartbeat = time.Millisecond })
	id := string(b.submit(t, "sleep"))
	resp := b.send(t, "GET", "jobs/"+id+"/stream", "")
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewReader(resp.Body)
	for beats := 0; beats < 3; {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		if line == ": alive\n" {
			beats++
		}
	}
}

// A reader that takes nothing is cut off, and does not keep a goroutine or a job's memory for ever.
func TestStream_AReaderThatTakesNothingIsCutOff(t *testing.T) {
	b := open(t, func(c *httpapi.Config) { c.WriteTimeout = 50 * time.Millisecond })
	id := string(b.submit(t, "yes"))
	run := b.Begin(t)
	piece := bytes.Repeat([]byte("y\n"), 512<<10)
	for range 32 {
		run.Print(t, domain.Stdout, piece)
	}
	for _, path := range []string{"/stream", "/stdout"} {
		conn, err := net.Dial("tcp", b.server.Addr())
		require.NoError(t, err)
		require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(4096))
		_, err = io.WriteString(conn, "GET /api/v1/jobs/"+id+path+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+b.token+"\r\n\r\n")
		require.NoError(t, err)
		b.log.waitFor(t, `"route":"/api/v1/jobs/:id`+path+`"`, `"code":"request_canceled"`)
		require.NoError(t, conn.Close())
	}
}

// waitFor waits for a line that contains all of parts.
func (l *logBook) waitFor(t *testing.T, parts ...string) string {
	t.Helper()
	late := time.After(late)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
	lines:
		for line := range strings.Lines(l.String()) {
			for _, part := range parts {
				if !strings.Contains(line, part) {
					continue lines
				}
			}
			return line
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("no line of the log has %q:\n%s", parts, l)
		}
	}
}

func TestStop_EndsStreamsAndLongPollsAtOnce(t *testing.T) {
	waits := make(chan struct{}, 1)
	b := open(t, func(c *httpapi.Config) { c.Output = announcing{c.Output, waits} })
	id := string(b.submit(t, "sleep"))
	stream := b.send(t, "GET", "jobs/"+id+"/stream", "")
	defer func() { _ = stream.Body.Close() }()
	events := bufio.NewReader(stream.Body)
	for line := ""; line != "event: status\n"; {
		var err error
		line, err = events.ReadString('\n')
		require.NoError(t, err)
	}
	poll := make(chan reply, 1)
	go func() { poll <- b.do(t, "GET", "jobs/"+id+"/logs?since=0&wait=30", "") }()
	<-waits
	began := time.Now()
	b.stop()
	_, err := io.ReadAll(events)
	require.NoError(t, err, "the stream ends well, and its reader comes back")
	select {
	case r := <-poll:
		require.Equal(t, 200, r.status, r.body)
		require.Equal(t, float64(0), r.json(t)["next"])
		require.Equal(t, false, r.json(t)["final"])
	case <-time.After(late):
		t.Fatal("the long poll did not end")
	}
	require.NoError(t, <-b.ended)
	require.Less(t, time.Since(began), 5*time.Second)
	require.NoError(t, b.server.Close())
	require.NoError(t, b.server.Run(context.Background()), "a stopped server stays stopped")
}

// A new attempt may begin while bytes of the old one are sent: nobody may take the rest for whole.
func TestDownload_OneThatEndsEarlyIsSeenToBeCut(t *testing.T) {
	b := open(t, func(c *httpapi.Config) { c.Output = shrinking{c.Output} })
	id := string(b.submit(t, "make"))
	b.Begin(t).Print(t, domain.Stdout, bytes.Repeat([]byte("x"), 1000))
	resp := b.send(t, "GET", "jobs/"+id+"/stdout", "")
	defer func() { _ = resp.Body.Close() }()
	require.EqualValues(t, 1000, resp.ContentLength)
	_, err := io.ReadAll(resp.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

// shrinking has fewer bytes than it says.
type shrinking struct{ ports.Output }

func (s shrinking) Open(ctx context.Context, id domain.JobID, stream domain.Stream, offset, length int64) (io.ReadCloser, int64, error) {
	r, size, err := s.Output.Open(ctx, id, stream, offset, min(length, 10))
	return r, size, err
}

// announcing tells when somebody begins a long poll.
type announcing struct {
	ports.Output
	waits chan<- struct{}
}

func (a announcing) Chunks(ctx context.Context, id domain.JobID, after domain.Seq, limit int, wait time.Duration) (ports.OutputPage, error) {
	if wait > 0 {
		a.waits <- struct{}{}
	}
	return a.Output.Chunks(ctx, id, after, limit, wait)
}
