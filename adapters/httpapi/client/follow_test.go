package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/httpapi"
	"github.com/heysubinoy/remora/adapters/httpapi/client"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture/drivingports"
)

const someJob = domain.JobID("018f0000-0000-7000-8000-000000000001")

// cutter is a TCP proxy that cuts each connection after some bytes of answers.
type cutter struct {
	net.Listener
	to   string
	cuts atomic.Int32
	wg   sync.WaitGroup
}

func cut(t *testing.T, to string, after func() int64) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c := &cutter{Listener: l, to: to}
	c.wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			c.wg.Go(func() { c.carry(in, after()) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); c.wg.Wait() })
	return c
}

func (c *cutter) carry(in net.Conn, budget int64) {
	defer func() { _ = in.Close() }()
	out, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer func() { _ = out.Close() }()
	c.wg.Go(func() { _, _ = io.Copy(out, in); _ = out.Close() })
	if n, _ := io.CopyN(in, out, budget); n == budget {
		c.cuts.Add(1)
	}
}

func submit(t *testing.T, w *drivingports.World) domain.JobID {
	t.Helper()
	good, _ := w.Ends()
	s, err := w.Servers().Create(t.Context(), good)
	require.NoError(t, err)
	d, err := w.Jobs().Submit(t.Context(), ports.Submission{ServerID: s.ID, Command: "make"})
	require.NoError(t, err)
	return d.Job.ID
}

func TestFollow_LosesAndRepeatsNothingAcrossCuts(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	w := drivingports.New()
	var mu sync.Mutex
	proxy := cut(t, serve(t, w).Addr(), func() int64 {
		mu.Lock()
		defer mu.Unlock()
		return 3000 + rand.Int64N(9000)
	})
	c := dial(t, "http://"+proxy.Addr().String())
	c.SetPauses(time.Millisecond, 10*time.Millisecond, time.Minute, time.Minute)
	id := submit(t, w)
	run := w.Begin(t)
	const chunks, ahead = 400, 40
	var want [chunks][]byte
	// The command is never far ahead of its follower, so that every connection finds the job running.
	room := make(chan struct{}, 2*chunks)
	go func() {
		for i := range want {
			<-room
			data := make([]byte, random.IntN(900))
			for j := range data {
				data[j] = byte(random.Uint32())
			}
			want[i] = data
			run.Print(t, domain.Stream(1+i%2), data)
		}
		run.Exit(t, domain.Exit{Code: 4})
	}()
	var got []domain.Chunk
	var states []domain.State
	var last *domain.Job
	require.NoError(t, c.Output.Follow(t.Context(), id, 0, func(e ports.JobEvent) error {
		switch {
		case e.Chunk != nil:
			got = append(got, *e.Chunk)
			room <- struct{}{}
		case e.Complete:
			last = e.Job
		default:
			states = append(states, e.Job.State())
			for range ahead {
				room <- struct{}{}
			}
		}
		return nil
	}))
	require.Len(t, got, chunks)
	for i, chunk := range got {
		require.Equal(t, domain.Seq(i+1), chunk.Seq)
		require.True(t, bytes.Equal(want[i], chunk.Data), "chunk %d", i+1)
	}
	require.Len(t, states, 1, "a state that is known is not told again after a cut")
	require.Equal(t, &domain.Exit{Code: 4}, last.Exit)
	require.Greater(t, proxy.cuts.Load(), int32(10))
}

func TestFollow_ASlowReaderLosesNothing(t *testing.T) {
	w := drivingports.New()
	s := serve(t, w)
	c := dial(t, s.URL())
	id := submit(t, w)
	run := w.Begin(t)
	// More than the buffers between hold, so that the server has to wait for the reader.
	piece := bytes.Repeat([]byte("0123456789abcdef"), 64<<10/16)
	const chunks = 400
	for range chunks {
		run.Print(t, domain.Stdout, piece)
	}
	run.Exit(t, domain.Exit{})
	var n int64
	require.NoError(t, c.Output.Follow(t.Context(), id, 0, func(e ports.JobEvent) error {
		if e.Chunk != nil {
			if e.Chunk.Offset != n || !bytes.Equal(piece, e.Chunk.Data) {
				return fmt.Errorf("chunk %d at %d, want %d", e.Chunk.Seq, e.Chunk.Offset, n)
			}
			n += int64(len(e.Chunk.Data))
		}
		return nil
	}))
	require.EqualValues(t, chunks*len(piece), n)
}

func TestFollow_SilenceIsADeadConnection(t *testing.T) {
	var asked atomic.Int32
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		if asked.Add(1) == 1 {
			_, _ = io.WriteString(w, "id: 1\nevent: output\ndata: {\"seq\":1,\"stream\":\"stdout\",\"text\":\"a\"}\n\n")
			_ = http.NewResponseController(w).Flush()
			<-release // silent for ever, and not closed
			return
		}
		_, _ = io.WriteString(w, "event: note\ndata: of a newer API\n\n")
		_, _ = fmt.Fprintf(w, "id: 2\nevent: output\ndata: {\"seq\":2,\"stream\":\"stdout\",\"text\":\"after %s\"}\n\n", r.Header.Get("Last-Event-ID"))
		_, _ = io.WriteString(w, "event: complete\ndata: {\"status\":\"completed\"}\n\n")
	}))
	defer s.Close()
	defer close(release)
	c := dial(t, s.URL)
	c.SetPauses(time.Millisecond, time.Millisecond, 50*time.Millisecond, time.Minute)
	var text string
	require.NoError(t, c.Output.Follow(t.Context(), someJob, 0, func(e ports.JobEvent) error {
		if e.Chunk != nil {
			text += string(e.Chunk.Data)
		}
		return nil
	}))
	require.Equal(t, "aafter 1", text)
}

func TestFollow_GivesUpOnAnAPIThatStaysAway(t *testing.T) {
	w := drivingports.New()
	s := serve(t, w)
	c := dial(t, s.URL())
	c.SetPauses(time.Millisecond, 5*time.Millisecond, time.Minute, 50*time.Millisecond)
	id := submit(t, w)
	err := c.Output.Follow(t.Context(), id, 0, func(ports.JobEvent) error {
		go func() { _ = s.Close() }()
		return nil
	})
	require.ErrorIs(t, err, &domain.Error{Code: "api_unreachable"})
}

func TestFollow_EndsWithTheErrorThatWillNotPass(t *testing.T) {
	w := drivingports.New()
	first := cut(t, serve(t, w).Addr(), func() int64 { return 2500 })
	c := dial(t, "http://"+first.Addr().String())
	c.SetPauses(time.Millisecond, time.Millisecond, time.Minute, time.Minute)
	id := submit(t, w)
	run := w.Begin(t)
	run.Print(t, domain.Stdout, bytes.Repeat([]byte("x"), 10_000)) // longer than a connection lasts
	err := c.Output.Follow(t.Context(), id, 0, func(ports.JobEvent) error {
		w.Fail(domain.ErrJobNotFound)
		return nil
	})
	require.ErrorIs(t, err, domain.ErrJobNotFound)
}

func TestFollow_NonsenseIsNamed(t *testing.T) {
	for name, text := range map[string]string{
		"NotJSON":  "event: output\ndata: {]\n\n",
		"TooLarge": "event: output\ndata: " + string(bytes.Repeat([]byte("x"), 17<<20)) + "\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }))
			defer s.Close()
			err := dial(t, s.URL).Output.Follow(t.Context(), someJob, 0, func(ports.JobEvent) error { return nil })
			require.ErrorIs(t, err, &domain.Error{Code: "api_answer_strange"})
		})
	}
}

func TestFollow_TheContextEndsAPause(t *testing.T) {
	w := drivingports.New()
	s := serve(t, w)
	c := dial(t, s.URL())
	c.SetPauses(time.Hour, time.Hour, time.Minute, time.Hour)
	id := submit(t, w)
	ctx, cancel := context.WithCancelCause(t.Context())
	err := c.Output.Follow(ctx, id, 0, func(ports.JobEvent) error {
		go func() { _ = s.Close(); cancel(errors.New("enough")) }()
		return nil
	})
	require.ErrorIs(t, err, domain.ErrCanceled)
}

// BenchmarkFollow_Latency is the time from stored output to a follower's emit, through the API over loopback.
func BenchmarkFollow_Latency(b *testing.B) {
	w := drivingports.New()
	s, err := httpapi.Open(httpapi.Config{
		Addr: "127.0.0.1:0", Jobs: w.Jobs(), Batches: w.Batches(), Output: w.Output(), Servers: w.Servers(), Access: w.Access(), Keys: w.Keys(), System: w.System(), Auth: w.Auth(),
		Tokens: w.Tokens(), Sessions: w.Sessions(),
	})
	require.NoError(b, err)
	ended := make(chan error, 2)
	go func() { ended <- s.Run(b.Context()) }()
	c, err := client.New(client.Config{URL: s.URL(), Token: domain.NewSecret(drivingports.Token)})
	require.NoError(b, err)
	good, _ := w.Ends()
	server, err := w.Servers().Create(b.Context(), good)
	require.NoError(b, err)
	d, err := w.Jobs().Submit(b.Context(), ports.Submission{ServerID: server.ID, Command: "make"})
	require.NoError(b, err)
	run := w.Begin(new(testing.T))
	seen := make(chan struct{}, 1)
	go func() {
		ended <- c.Output.Follow(b.Context(), d.Job.ID, 0, func(e ports.JobEvent) error {
			if !e.Complete {
				seen <- struct{}{}
			}
			return nil
		})
	}()
	<-seen
	line := []byte("a line of output, as long as lines are\n")
	for b.Loop() {
		run.Print(nil, domain.Stdout, line)
		<-seen
	}
	run.Exit(new(testing.T), domain.Exit{})
	require.NoError(b, <-ended)
	require.NoError(b, s.Close())
	require.NoError(b, <-ended)
	c.Close()
}

func TestFollow_TellsThatTheAPIIsAwayAndBack(t *testing.T) {
	w := drivingports.New()
	first := serve(t, w)
	told := make(chan error, 10_000)
	c, err := client.New(client.Config{
		URL: first.URL(), Token: domain.NewSecret(drivingports.Token), Reach: func(err error) { told <- err },
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	c.SetPauses(time.Millisecond, 5*time.Millisecond, time.Minute, time.Minute)
	id := submit(t, w)
	run := w.Begin(t)
	seen, done := make(chan struct{}, 100), make(chan error, 1)
	go func() {
		done <- c.Output.Follow(t.Context(), id, 0, func(ports.JobEvent) error { seen <- struct{}{}; return nil })
	}()
	<-seen
	require.Empty(t, told, "of an API that is there nothing is told")
	require.NoError(t, first.Close())
	require.ErrorIs(t, <-told, &domain.Error{Code: "api_unreachable"})
	serveAt(t, w, first.Addr())
	for err := range told {
		if err == nil {
			break
		}
	}
	run.Exit(t, domain.Exit{})
	require.NoError(t, <-done)
	require.Empty(t, told)
}
