package sshexec

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// pokeEvery is how long a launcher may be silent: a job that ends sooner is printed whole, one that does not is followed.
// A follower costs a server more than a short job does, so one that is slow to answer, because it is busy, is given
// slowness times as long as it took to answer on top, up to pokeLatest.
const (
	pokeEvery  = 100 * time.Millisecond
	pokeLatest = 500 * time.Millisecond
	slowness   = 3
)

// run is one call of Start or Attach.
type run struct {
	e      *Executor
	target ports.Target
	id     domain.AttemptID
	sink   ports.Sink
	mode   domain.Mode
	known  *domain.Process // what the caller knew

	at      domain.Offsets // what the sink has
	started bool           // the sink was told
}

// talk has one conversation with a server about the attempt: it feeds stdin, reads the heading and gives the streams to
// the sink. It fails with ErrCut, the sink's or the context's error; every other end of the channel is an answer.
func (r *run) talk(ctx context.Context, x *channel, feed string, launching bool) (answer, error) {
	left := launching
	defer func() { x.close(left) }()
	headed := make(chan struct{})
	heard := sync.OnceFunc(func() { close(headed) })
	defer heard()
	if launching {
		r.e.pool.wg.Go(func() { x.feed(feed, headed) })
	}
	out, errs := x.listen()
	var a answer
	var later <-chan *piece // stderr, once the heading is there
	for out != nil || later != nil {
		var p *piece
		select {
		case p = <-out:
		case p = <-later:
		case <-ctx.Done():
			return a, context.Cause(ctx)
		}
		var err error
		switch {
		case p.last && p.stream == domain.Stdout:
			out = nil
		case p.last:
			later = nil
		case p.words != nil:
			heard()
			a.words = p.words
			later = errs
			err = r.begin(ctx, a)
		case a.word() == "nostart" || !a.streams():
			a.said += string(p.data[:min(len(p.data), maxNote-min(maxNote, len(a.said)))])
		default:
			if err = r.sink.Output(ctx, p.stream, p.data); err == nil {
				r.at = r.at.Plus(p.stream, len(p.data))
			}
		}
		if err != nil {
			return a, err
		}
		close(p.done)
	}
	select {
	case a.end = <-x.end:
	case <-ctx.Done():
		return a, context.Cause(ctx)
	}
	if !a.end.known {
		return a, ports.ErrCut
	}
	left = false
	a.began = x.hasBegun()
	if a.said = strings.TrimSpace(strings.ToValidUTF8(a.said, "?")); a.said == "" {
		a.said = x.said()
	}
	return a, nil
}

// piece is what came next on a channel: the heading, bytes of a stream, or a stream's end.
type piece struct {
	stream domain.Stream
	words  []string
	data   []byte
	last   bool
	done   chan struct{} // closed by the receiver, who is through with data then
}

// listen reads both streams of a channel, each in a goroutine of its own, so that none is ever left undrained because
// of the other. After close they read on, for nobody: x/crypto ends a read only when the server closes its side.
func (x *channel) listen() (out, errs chan *piece) {
	out, errs = make(chan *piece), make(chan *piece)
	x.conn.pool.wg.Go(func() {
		in := newLineReader(x.ch)
		words, err := x.heading(in)
		if err == nil {
			x.hand(out, &piece{stream: domain.Stdout, words: words})
			x.handAll(out, in, domain.Stdout)
			return
		}
		<-x.skipped // what stderr said first is part of the explanation
		x.hand(out, &piece{stream: domain.Stdout, last: true})
	})
	x.conn.pool.wg.Go(func() {
		in := newLineReader(x.ch.Stderr())
		err := x.skip(in)
		close(x.skipped)
		if err == nil {
			x.handAll(errs, in, domain.Stderr)
			return
		}
		x.hand(errs, &piece{stream: domain.Stderr, last: true})
	})
	return out, errs
}

func (x *channel) handAll(to chan<- *piece, in *lineReader, s domain.Stream) {
	for {
		data, err := in.next()
		if err != nil {
			x.hand(to, &piece{stream: s, last: true})
			return
		}
		x.hand(to, &piece{stream: s, data: data})
	}
}

// hand gives a piece to the one who talks and waits until it was used.
func (x *channel) hand(to chan<- *piece, p *piece) {
	p.done = make(chan struct{})
	select {
	case to <- p:
	case <-x.closed:
		return
	}
	select {
	case <-p.done:
	case <-x.closed:
	}
}

// feed writes the command, says that it is whole, and says so again until the server has answered: see launch.sh.
func (x *channel) feed(text string, headed <-chan struct{}) {
	began := time.Now()
	if _, err := io.WriteString(x.ch, text+"end\n"); err != nil {
		return
	}
	turn := time.NewTimer(pokeLatest)
	defer turn.Stop()
	answered := x.skipped
	for {
		select {
		case <-answered:
			answered = nil
			turn.Reset(min(pokeEvery+slowness*time.Since(began), pokeLatest))
			continue
		case <-turn.C:
			turn.Reset(pokeEvery)
		case <-headed:
			return
		}
		if _, err := io.WriteString(x.ch, "end\n"); err != nil {
			return
		}
	}
}

// begin tells the sink that the command was started, once.
func (r *run) begin(ctx context.Context, a answer) error {
	pid, _ := strconv.Atoi(a.arg(2))
	if r.started || !a.streams() || a.word() == "lost" && pid == 0 {
		return nil
	}
	r.started = true
	p := domain.Process{PID: pid, StartedAt: time.Now().UTC().Truncate(time.Microsecond), Mode: r.mode}
	if b := a.arg(1); b != "-" {
		p.Boot = b
	}
	return r.sink.Started(ctx, p)
}

// ask runs a text that only answers, and returns its heading and the lines after it.
func (e *Executor) ask(ctx context.Context, t ports.Target, text, want string, args ...string) ([]string, error) {
	token := newToken()
	x, err := e.open(ctx, t, token, shLine("", text, token, args...))
	if err != nil {
		return nil, killError(err)
	}
	return x.reply(ctx, t, want)
}

// reply reads all that a text which only answers has to say.
func (x *channel) reply(ctx context.Context, t ports.Target, want string) ([]string, error) {
	defer x.close(false)
	out, errs := x.listen()
	var words []string
	var rest strings.Builder
	for out != nil || errs != nil {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case p := <-errs:
			if p.last {
				errs = nil
			}
			x.note(p.data)
			close(p.done)
		case p := <-out:
			switch {
			case p.last:
				out = nil
			case p.words != nil:
				words = p.words
			case rest.Len() < maxNoise:
				rest.Write(p.data)
			}
			close(p.done)
		}
	}
	var end ended
	select {
	case end = <-x.end:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	switch {
	case !end.known:
		return nil, ports.ErrCut
	case len(words) == 0 || words[0] != want || end.code != 0:
		return nil, &domain.Failure{Reason: domain.ReasonInternal, Message: fmt.Sprintf(
			"%s did not do what was asked (exit %d %s): %s", address(t.Server), end.code, end.signal, x.said())}
	}
	return append([]string{strings.Join(words[1:], " ")}, strings.Split(strings.TrimSuffix(rest.String(), "\n"), "\n")...), nil
}
