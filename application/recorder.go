package application

import (
	"context"
	"errors"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// errOutputLimit ends a run whose output is over the limit.
var errOutputLimit = &domain.Error{Kind: domain.KindTooLarge, Code: "output_limit", Message: "the job printed more than MAX_OUTPUT_SIZE allows"}

// pace is how much longer than a flush took its successor waits, up to the interval: at most one part in pace of the time
// goes into storing, and a reader waits no longer than that takes.
const pace = 10

// backlogFactor bounds what a recorder holds in memory, in flushes: beyond it the run waits.
const backlogFactor = 16

// recorder stores the output of one attempt. Bytes are taken by Output and stored by one goroutine, the first after a quiet
// time at once, then every interval at the latest, sooner while storing is quick, and as soon as a flush is full. Pieces end between characters where the output
// is valid UTF-8: a character that is cut waits for its rest.
type recorder struct {
	store    ports.OutputStore
	jobs     ports.JobRepository
	stored   func() // called after each stored flush
	clock    ports.Clock
	interval time.Duration
	size     int   // bytes that make a flush full
	limit    int64 // bytes of the attempt in all

	job   domain.AttemptID
	epoch int64

	mu      sync.Mutex
	room    sync.Cond // pending became smaller, or failed or closing changed
	pending []ports.Piece
	held    int               // bytes in pending
	cut     [3][]byte         // by stream: the beginning of a character whose rest has not come
	taken   domain.Offsets    // bytes taken from the run
	offset  domain.Offsets    // bytes stored
	failed  error             // why nothing more is stored
	closing bool              // flush everything, then end
	dirty   chan struct{}     // capacity 1: there is something to store
	done    chan struct{}     // the storing goroutine has ended
	cancel  func(cause error) // ends the storing
}

func newRecorder(ctx context.Context, r *recorder, from domain.Offsets) *recorder {
	r.taken, r.offset = from, from
	r.room.L = &r.mu
	r.dirty = make(chan struct{}, 1)
	r.done = make(chan struct{})
	ctx, r.cancel = context.WithCancelCause(ctx)
	go r.run(ctx)
	return r
}

// Output takes bytes of a stream. It waits while too much is unstored, and fails once storing has failed for good.
func (r *recorder) Output(_ context.Context, s domain.Stream, data []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.held >= backlogFactor*r.size && r.failed == nil {
		r.room.Wait()
	}
	if r.failed != nil {
		return r.failed
	}
	over := false
	if left := r.limit - r.taken.Total(); int64(len(data)) > left {
		data, over = data[:max(left, 0)], true
	}
	r.take(s, data)
	if over {
		r.flushCut()
		return errOutputLimit
	}
	return nil
}

func (r *recorder) take(s domain.Stream, data []byte) {
	r.taken = r.taken.Plus(s, len(data))
	if len(r.cut[s]) > 0 {
		data = append(r.cut[s], data...)
		r.cut[s] = nil
	}
	if n := incomplete(data); n > 0 {
		r.cut[s] = append([]byte(nil), data[len(data)-n:]...)
		data = data[:len(data)-n]
	}
	r.add(s, data)
}

func (r *recorder) add(s domain.Stream, data []byte) {
	if len(data) == 0 {
		return
	}
	r.held += len(data)
	if n := len(r.pending); n > 0 && r.pending[n-1].Stream == s && len(r.pending[n-1].Data)+len(data) <= r.size {
		r.pending[n-1].Data = append(r.pending[n-1].Data, data...)
	} else {
		r.pending = append(r.pending, ports.Piece{Stream: s, Data: append(make([]byte, 0, max(len(data), 256)), data...)})
	}
	r.mark()
}

func (r *recorder) flushCut() {
	for _, s := range []domain.Stream{domain.Stdout, domain.Stderr} {
		rest := r.cut[s]
		r.cut[s] = nil
		r.add(s, rest)
	}
}

func (r *recorder) mark() {
	select {
	case r.dirty <- struct{}{}:
	default:
	}
}

// Taken returns how many bytes of the streams were taken; a run that was cut goes on from there.
func (r *recorder) Taken() domain.Offsets {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.taken
}

// Behind returns how many taken bytes are not stored yet.
func (r *recorder) Behind() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.taken.Total() - r.offset.Total()
}

// Close stores all that was taken and ends the recorder. It returns why something could not be stored.
func (r *recorder) Close() error {
	r.mu.Lock()
	r.closing = true
	r.flushCut()
	r.mark()
	r.mu.Unlock()
	<-r.done
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

// Abandon ends the recorder and stores nothing more.
func (r *recorder) Abandon(cause error) {
	r.cancel(cause)
	<-r.done
}

func (r *recorder) run(ctx context.Context) {
	defer close(r.done)
	var turn time.Time
	for {
		select {
		case <-r.dirty:
		case <-ctx.Done():
			r.fail(contextError(ctx))
			return
		}
		r.waitTurn(ctx, turn)
		began := time.Now()
		if err := r.flush(ctx); err != nil {
			r.fail(err)
			return
		}
		turn = began.Add(min(r.interval, pace*time.Since(began)))
		r.mu.Lock()
		end := r.closing && len(r.pending) == 0
		if len(r.pending) > 0 {
			r.mark()
		}
		r.mu.Unlock()
		if end {
			return
		}
	}
}

// waitTurn waits for the turn of the next flush, unless one is full or the recorder is closing.
func (r *recorder) waitTurn(ctx context.Context, at time.Time) {
	turn := time.NewTimer(time.Until(at))
	defer turn.Stop()
	for {
		r.mu.Lock()
		now := r.closing || r.held >= r.size
		r.mu.Unlock()
		if now {
			return
		}
		select {
		case <-r.dirty:
		case <-turn.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// flush stores what is pending. While the database is away it tries on: the run waits meanwhile.
func (r *recorder) flush(ctx context.Context) error {
	r.mu.Lock()
	pieces, from := r.pending, r.offset
	r.pending, r.held = nil, 0
	r.room.Broadcast()
	r.mu.Unlock()
	if len(pieces) == 0 {
		return nil
	}
	to := from
	for _, p := range pieces {
		to = to.Plus(p.Stream, len(p.Data))
	}
	a := ports.Append{Job: r.job.Job, Attempt: r.job.Number, Epoch: r.epoch, From: from, Pieces: pieces, At: r.clock.Now()}
	for n := 0; ; n++ {
		_, err := r.store.Append(ctx, a)
		if err != nil && away(err) {
			if !pause(ctx, retryDelay(n)) {
				return contextError(ctx)
			}
			continue
		}
		if errors.Is(err, domain.ErrStaleOutput) && n > 0 && r.landed(ctx, to) {
			err = nil
		}
		if err != nil {
			return err
		}
		r.mu.Lock()
		r.offset = to
		r.mu.Unlock()
		r.stored()
		return nil
	}
}

// landed reports whether an append whose answer was lost had been stored.
func (r *recorder) landed(ctx context.Context, to domain.Offsets) bool {
	for n := 0; ; n++ {
		job, err := r.jobs.Get(ctx, r.job.Job)
		if away(err) && pause(ctx, retryDelay(n)) {
			continue
		}
		return err == nil && job.Epoch == r.epoch && job.Output == to
	}
}

func (r *recorder) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = err
	r.room.Broadcast()
}

// incomplete returns how many bytes at the end of data begin a UTF-8 character that is not complete.
func incomplete(data []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(data); n++ {
		if b := data[len(data)-n]; utf8.RuneStart(b) {
			if b >= utf8.RuneSelf && !utf8.FullRune(data[len(data)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}
