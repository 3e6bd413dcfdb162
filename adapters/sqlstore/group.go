package sqlstore

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"
)

const (
	maxGroup = 64               // writes that share a transaction at most
	maxBusy  = 10 * time.Second // how long a write waits for writers of other processes
)

// group makes the writes of many callers share SQLite's one writer and, with it, the wait for the disk: those that come
// while a transaction commits are run one after the other in the next, each in its own savepoint, and are answered when
// that has committed.
type group struct {
	d   *dialect
	db  *sqlx.DB // of one connection
	max int

	mu      sync.Mutex
	waiting []*write
	busy    bool // someone is working on waiting
}

// write is one caller's write.
type write struct {
	fn    func(c *conn) error
	taken atomic.Bool // by the worker, or by its caller who gave up
	err   error       // fn's or the transaction's
	panic any
	ready chan struct{} // closed when err is final
}

// write runs fn in a transaction. Once begun it is not interrupted: SQLite would roll back what others wrote, too.
func (g *group) write(ctx context.Context, fn func(c *conn) error) error {
	w := &write{fn: fn, ready: make(chan struct{})}
	g.mu.Lock()
	g.waiting = append(g.waiting, w)
	if !g.busy {
		g.busy = true
		go g.work()
	}
	g.mu.Unlock()
	select {
	case <-w.ready:
	case <-ctx.Done():
		if w.taken.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		<-w.ready
	}
	if w.panic != nil {
		panic(w.panic) //nolint:forbidigo // it is the writer's own panic, raised where the writer stands
	}
	return w.err
}

// work commits what waits until nothing does.
func (g *group) work() {
	for g.any() {
		// First the transaction, then those who share it: all who came while the last one committed, or while another
		// process was writing.
		if tx, err := g.begin(); tx != nil || err != nil {
			g.commit(tx, err, g.take())
		}
	}
}

// any reports whether anybody waits; if not, the next who comes starts work anew.
func (g *group) any() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.busy = g.wanted()
	return g.busy
}

// wanted forgets those who gave up and reports whether anybody is left. The caller holds mu.
func (g *group) wanted() bool {
	g.waiting = slices.DeleteFunc(g.waiting, func(w *write) bool { return w.taken.Load() })
	return len(g.waiting) > 0
}

func (g *group) take() []*write {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(len(g.waiting), g.max)
	writes := g.waiting[:n:n]
	g.waiting = g.waiting[n:]
	return slices.DeleteFunc(writes, func(w *write) bool { return !w.taken.CompareAndSwap(false, true) })
}

// begin waits for the writers of other processes, as long as anybody waits for it; when nobody does any more it returns nothing.
func (g *group) begin() (*sqlx.Tx, error) {
	for deadline := time.Now().Add(maxBusy); ; {
		tx, err := g.db.Beginx()
		if err == nil || g.d.fault(err) != faultBusy || time.Now().After(deadline) {
			return tx, err
		}
		g.mu.Lock()
		wanted := g.wanted()
		g.mu.Unlock()
		if !wanted {
			return nil, nil
		}
	}
}

func (g *group) commit(tx *sqlx.Tx, err error, writes []*write) {
	for _, w := range writes {
		defer close(w.ready)
		w.err = err
	}
	if err != nil {
		return
	}
	c := &conn{d: g.d, ctx: context.Background(), on: tx}
	for _, w := range writes {
		w.err = g.run(c, w)
	}
	if err := tx.Commit(); err != nil {
		_ = tx.Rollback()
		for _, w := range writes {
			if w.err == nil {
				w.err = err
			}
		}
	}
}

// run runs one write so that its failure leaves nothing behind and harms no other.
func (g *group) run(c *conn, w *write) (err error) {
	if _, err := c.exec("SAVEPOINT one"); err != nil {
		return err
	}
	defer func() {
		if w.panic = recover(); err != nil || w.panic != nil {
			// Where the error has ended the whole transaction this fails, and then so does its commit.
			_, _ = c.exec("ROLLBACK TO one")
		}
		if _, releasing := c.exec("RELEASE one"); err == nil {
			err = releasing
		}
	}()
	return w.fn(c)
}
