package cli

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// crewSize is how many jobs are followed at once, each over a connection of its own.
const crewSize = 64

// How often the jobs of a batch are looked at that nobody follows. A look that takes long is not taken often.
const (
	lookEvery = time.Second
	lookShare = 10
)

// crew follows any number of jobs over a bounded number of connections. As long as there are enough for all, every job is
// followed from the start. Else the batch is looked at now and then, and those that have something to show take turns: who
// follows a job that still waits, or has followed the longest, makes room.
type crew struct {
	r       *runner
	waiting []*lane // nothing is known to be there to show
	due     []*lane // something is
	turns   map[*lane]turn
	left    int // lanes that are not over
	ended   chan turnEnd
	found   chan []*lane
}

// turn is one lane's being followed.
type turn struct {
	began time.Time
	end   context.CancelCauseFunc
}

type turnEnd struct {
	lane *lane
	over bool // there is nothing more to come
}

// errTurn ends a turn.
var errTurn = errors.New("others have their turn")

func newCrew(r *runner) *crew {
	c := &crew{r: r, turns: map[*lane]turn{}, ended: make(chan turnEnd), found: make(chan []*lane)}
	for _, l := range r.lanes {
		if l.id() != "" {
			c.waiting = append(c.waiting, l)
		}
	}
	c.left = len(c.waiting)
	return c
}

// follow returns when all jobs are over and shown, or ctx is done.
func (c *crew) follow(ctx context.Context) {
	looking, stop := context.WithCancelCause(ctx)
	looked := make(chan struct{})
	if c.left > crewSize {
		go func() { defer close(looked); c.look(looking) }()
	} else {
		close(looked)
	}
	for c.left > 0 && (ctx.Err() == nil || len(c.turns) > 0) {
		if ctx.Err() == nil {
			c.fill(ctx)
		}
		select {
		case e := <-c.ended:
			c.end(e)
		case lanes := <-c.found:
			c.take(lanes)
		}
	}
	stop(nil)
	for done := false; !done; {
		select {
		case <-c.found:
		case <-looked:
			done = true
		}
	}
}

// fill gives free places to those that have something to show, then to those that may soon.
func (c *crew) fill(ctx context.Context) {
	for len(c.turns) < crewSize && len(c.due)+len(c.waiting) > 0 {
		from := &c.due
		if len(c.due) == 0 {
			from = &c.waiting
		}
		l := (*from)[0]
		*from = (*from)[1:]
		turning, end := context.WithCancelCause(ctx)
		c.turns[l] = turn{time.Now(), end}
		go c.followOne(turning, l)
	}
}

func (c *crew) followOne(ctx context.Context, l *lane) {
	err := l.pursuit.follow(ctx, c.r.emit(l))
	if errors.Is(err, errTurn) {
		c.ended <- turnEnd{l, false}
		return
	}
	if err != nil {
		l.fail(err)
	}
	c.r.write(l.show.Flush())
	c.ended <- turnEnd{l, true}
}

func (c *crew) end(e turnEnd) {
	c.turns[e.lane].end(nil)
	delete(c.turns, e.lane)
	switch {
	case e.over:
		c.left--
	case e.lane.status() == domain.StatusQueued:
		c.waiting = append(c.waiting, e.lane)
	default:
		c.due = append(c.due, e.lane)
	}
}

// take queues lanes in which something was found and that nobody follows, and has others make room for them.
func (c *crew) take(found []*lane) {
	for _, l := range found {
		i := slices.Index(c.waiting, l)
		if i < 0 {
			continue
		}
		c.waiting = slices.Delete(c.waiting, i, i+1)
		if j := l.final(); j != nil && j.LastSeq <= l.pursuit.after {
			c.left-- // it printed nothing more
			c.r.write(l.show.Flush())
			continue
		}
		c.due = append(c.due, l)
	}
	room := min(len(c.due)-(crewSize-len(c.turns)), crewSize/2)
	if room <= 0 {
		return
	}
	oldest := slices.SortedFunc(maps.Keys(c.turns), func(a, b *lane) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), c.turns[a].began.Compare(c.turns[b].began))
	})
	for _, l := range oldest[:min(room, len(oldest))] {
		c.turns[l].end(errTurn)
	}
}

func rank(l *lane) int {
	if l.status() == domain.StatusQueued {
		return 0
	}
	return 1
}

// look tells of jobs that run or have ended, until ctx is done.
func (c *crew) look(ctx context.Context) {
	pause := lookEvery
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		began := time.Now()
		found := c.r.running(ctx)
		found = append(found, c.r.newlyEnded(ctx)...)
		pause = max(lookEvery, lookShare*time.Since(began))
		select {
		case c.found <- found:
		case <-ctx.Done():
			return
		}
	}
}

// running returns the lanes whose jobs run.
func (r *runner) running(ctx context.Context) []*lane {
	var found []*lane
	q := ports.JobQuery{BatchID: r.batch, Statuses: []domain.Status{domain.StatusRunning}, Limit: maxPage}
	for {
		page, err := r.services.Jobs.List(ctx, q)
		if err != nil {
			return found // whoever is followed tells that the API is away
		}
		for _, d := range page.Jobs {
			if l := r.lane[d.Job.ID]; l != nil && l.final() == nil {
				l.saw(d.Job)
				found = append(found, l)
			}
		}
		if page.Next == "" {
			return found
		}
		q.Cursor = page.Next
	}
}

// newlyEnded returns the lanes whose jobs are over and were not known to be. The latest come first, and it reads no further
// than until none is missing.
func (r *runner) newlyEnded(ctx context.Context) []*lane {
	var found []*lane
	q := ports.JobQuery{
		BatchID: r.batch, Sort: ports.SortFinished, Limit: maxPage,
		Statuses: []domain.Status{domain.StatusCompleted, domain.StatusFailed, domain.StatusCanceled},
	}
	t := r.tally()
	known := t.Completed + t.Failed + t.Canceled
	for {
		page, err := r.services.Jobs.List(ctx, q)
		if err != nil {
			return found
		}
		for _, d := range page.Jobs {
			if l := r.lane[d.Job.ID]; l != nil && l.final() == nil {
				l.saw(d.Job)
				found = append(found, l)
			}
		}
		if page.Next == "" || !page.Capped && known+int64(len(found)) >= page.Total {
			return found
		}
		q.Cursor = page.Next
	}
}
