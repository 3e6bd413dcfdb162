package application

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// hubs are the jobs that are being followed.
type hubs struct {
	mu   sync.Mutex
	jobs map[domain.JobID]*hub
}

// hub is a job and all who follow it here. It listens for the job's signals once for all of them, and what they find at a place of
// its output is read once: a thousand followers cost the database what one does.
type hub struct {
	job       domain.JobID
	followers int // under hubs.mu
	end       context.CancelCauseFunc
	alive     context.Context

	mu       sync.Mutex
	moved    chan struct{}           // closed when something may have changed since
	readings map[domain.Seq]*reading // since then, by the place
}

// keptReadings bounds what is kept for those who are about to ask; who is far behind reads for himself.
const keptReadings = 4

// reading is what there is behind a place. It is shared, and so nobody changes it.
type reading struct {
	done   chan struct{}
	job    *domain.Job
	chunks []domain.Chunk
	err    error
}

var errNoFollowers = errors.New("nobody follows the job any more")

// join returns the hub of a job; leave is to be called when its follower has gone.
func (o *Output) join(id domain.JobID) (h *hub, leave func()) {
	s := &o.hubs
	s.mu.Lock()
	defer s.mu.Unlock()
	h = s.jobs[id]
	if h == nil {
		h = &hub{job: id, moved: make(chan struct{}), readings: map[domain.Seq]*reading{}}
		h.alive, h.end = context.WithCancelCause(context.Background())
		if s.jobs == nil {
			s.jobs = map[domain.JobID]*hub{}
		}
		s.jobs[id] = h
		wake, deaf := o.Signals.Subscribe(ports.TopicJob(id))
		go func() {
			defer deaf()
			h.listen(wake)
		}()
	}
	h.followers++
	return h, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if h.followers--; h.followers == 0 {
			delete(s.jobs, id)
			h.end(errNoFollowers)
		}
	}
}

// listen tells the followers of every signal, and by itself should one be lost.
func (h *hub) listen(wake <-chan struct{}) {
	poll := time.NewTicker(followPoll)
	defer poll.Stop()
	for {
		select {
		case <-wake:
		case <-poll.C:
		case <-h.alive.Done():
			return
		}
		h.mu.Lock()
		close(h.moved)
		h.moved = make(chan struct{})
		clear(h.readings)
		h.mu.Unlock()
	}
}

// look returns what there is after a place, read since the last signal, and a channel that is closed with the next one.
func (h *hub) look(ctx context.Context, after domain.Seq, read func(context.Context, *reading)) (*reading, <-chan struct{}, error) {
	h.mu.Lock()
	moved, r := h.moved, h.readings[after]
	if r == nil {
		r = &reading{done: make(chan struct{})}
		h.readings[after] = r
		go func() {
			read(h.alive, r)
			h.mu.Lock()
			defer h.mu.Unlock()
			if h.readings[after] == r && (r.err != nil || len(h.readings) > keptReadings) {
				delete(h.readings, after)
			}
			close(r.done)
		}()
	}
	h.mu.Unlock()
	select {
	case <-r.done:
		return r, moved, r.err
	case <-ctx.Done():
		return nil, nil, contextError(ctx)
	}
}
