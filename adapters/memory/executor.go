package memory

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Program is what a command does on a server in memory: it prints through p and returns how it ended. It must return
// soon after p.Killed is closed; what it prints or returns after that is dropped.
type Program func(p *Process) domain.Exit

// Executor runs commands on servers that are made of memory: attempts live on in them whoever follows, as on a real
// server. What a command does is said with On, by domain.Command.Text; a command nobody spoke of exits with 127.
// Trouble is made with Unreachable, Refuse, Cut, CutNext, Lose and Reboot. It waits on channels and timers alone, so
// that it works inside testing/synctest. Close ends all programs.
type Executor struct {
	mu       sync.Mutex
	programs map[string]Program
	machines map[domain.ServerID]*machine
	starts   []domain.AttemptID
	nextPID  int
	wg       sync.WaitGroup
}

var _ ports.Executor = (*Executor)(nil)

// CutAt says when the connection of the next Start breaks.
type CutAt int

// The moments.
const (
	CutBeforeStart CutAt = iota + 1 // the server never hears of the attempt
	CutAfterStart                   // the command runs, but nobody was told
)

type machine struct {
	boot        int
	unreachable bool
	refusal     *domain.Failure
	cutNext     CutAt
	conns       map[chan struct{}]domain.AttemptID // closed to cut
	runs        map[domain.AttemptID]*Process
}

// NewExecutor returns an executor with no programs.
func NewExecutor() *Executor {
	return &Executor{programs: map[string]Program{}, machines: map[domain.ServerID]*machine{}, nextPID: 1000}
}

// On says what a command does, by its text.
func (e *Executor) On(text string, program Program) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.programs[text] = program
}

// Unreachable makes a server (un)reachable. Running commands go on; connections to an unreachable server are cut.
func (e *Executor) Unreachable(id domain.ServerID, unreachable bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	m := e.machine(id)
	m.unreachable = unreachable
	if unreachable {
		m.cut(func(domain.AttemptID) bool { return true })
	}
}

// Refuse makes a server refuse every login with a failure (ReasonAuth, ReasonHostKeyUnknown, …) until it is nil again.
func (e *Executor) Refuse(id domain.ServerID, f *domain.Failure) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.machine(id).refusal = f
}

// Cut breaks every connection that follows an attempt. The command runs on.
func (e *Executor) Cut(id domain.AttemptID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, m := range e.machines {
		m.cut(func(a domain.AttemptID) bool { return a == id })
	}
}

// CutNext breaks the connection of the next Start on a server, once.
func (e *Executor) CutNext(id domain.ServerID, when CutAt) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.machine(id).cutNext = when
}

// Lose makes an attempt's processes vanish without an exit.
func (e *Executor) Lose(id domain.AttemptID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, m := range e.machines {
		if p := m.runs[id]; p != nil {
			p.end(nil)
		}
	}
}

// Reboot gives a server a new boot id: all connections are cut and all processes gone.
func (e *Executor) Reboot(id domain.ServerID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	m := e.machine(id)
	m.boot++
	m.cut(func(domain.AttemptID) bool { return true })
	for _, p := range m.runs {
		p.end(nil)
	}
}

// Starts returns the attempts whose commands were really started, in order.
func (e *Executor) Starts() []domain.AttemptID {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.starts)
}

// Remains returns the attempts that a server still keeps something of.
func (e *Executor) Remains(id domain.ServerID) []domain.AttemptID {
	e.mu.Lock()
	defer e.mu.Unlock()
	var ids []domain.AttemptID
	for a := range e.machine(id).runs {
		ids = append(ids, a)
	}
	return ids
}

// Close kills every program and waits for it to return.
func (e *Executor) Close() {
	e.mu.Lock()
	for _, m := range e.machines {
		m.cut(func(domain.AttemptID) bool { return true })
		for _, p := range m.runs {
			p.end(nil)
		}
	}
	e.mu.Unlock()
	e.wg.Wait()
}

// Start implements ports.Executor.
func (e *Executor) Start(ctx context.Context, t ports.Target, id domain.AttemptID, c domain.Command, sink ports.Sink) (domain.Exit, error) {
	if err := ctx.Err(); err != nil {
		return domain.Exit{}, context.Cause(ctx)
	}
	e.mu.Lock()
	m := e.machine(t.Server.ID)
	if f := m.failure(t); f != nil {
		e.mu.Unlock()
		f.NotStarted = true
		return domain.Exit{}, f
	}
	cut := m.cutNext
	m.cutNext = 0
	if cut == CutBeforeStart {
		e.mu.Unlock()
		return domain.Exit{}, ports.ErrCut
	}
	p := m.runs[id]
	if p == nil {
		p = e.launch(m, id, c)
	}
	if cut == CutAfterStart {
		e.mu.Unlock()
		return domain.Exit{}, ports.ErrCut
	}
	return e.follow(ctx, m, p, domain.Offsets{}, nil, sink)
}

// Attach implements ports.Executor.
func (e *Executor) Attach(ctx context.Context, t ports.Target, id domain.AttemptID, process *domain.Process, from domain.Offsets, sink ports.Sink) (domain.Exit, error) {
	if err := ctx.Err(); err != nil {
		return domain.Exit{}, context.Cause(ctx)
	}
	e.mu.Lock()
	m := e.machine(t.Server.ID)
	if f := m.failure(t); f != nil {
		e.mu.Unlock()
		if f.Reason == domain.ReasonConnect {
			return domain.Exit{}, ports.ErrCut
		}
		return domain.Exit{}, f
	}
	p := m.runs[id]
	if p == nil {
		p = newProcess(m, id)
		p.void = true
		m.runs[id] = p
	}
	return e.follow(ctx, m, p, from, process, sink)
}

// Kill implements ports.Executor.
func (e *Executor) Kill(ctx context.Context, t ports.Target, id domain.AttemptID, grace time.Duration) (domain.Receipt, error) {
	began := time.Now()
	e.mu.Lock()
	m := e.machine(t.Server.ID)
	if f := m.failure(t); f != nil {
		e.mu.Unlock()
		return domain.Receipt{}, f
	}
	p := m.runs[id]
	if p == nil {
		p = newProcess(m, id)
		p.void = true
		m.runs[id] = p
	}
	r := domain.Receipt{Confirmed: true, Way: "memory"}
	if !p.alive() {
		e.mu.Unlock()
		return r, nil
	}
	cut := m.connect(id)
	defer e.disconnect(m, cut)
	closeOnce(p.terminated)
	e.mu.Unlock()

	r.Ended = 1
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
		e.mu.Lock()
		if p.stubborn {
			r.Confirmed, r.Left = false, []domain.Remaining{{PID: p.pid, Command: p.command.Text()}}
		} else {
			p.end(&domain.Exit{Code: 137, Signal: "KILL"})
		}
		e.mu.Unlock()
	case <-cut:
		return domain.Receipt{}, ports.ErrCut
	case <-ctx.Done():
		return domain.Receipt{}, context.Cause(ctx)
	}
	r.Took = time.Since(began)
	return r, nil
}

// Remove implements ports.Executor.
func (e *Executor) Remove(_ context.Context, t ports.Target, ids ...domain.AttemptID) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	m := e.machine(t.Server.ID)
	if f := m.failure(t); f != nil {
		return f
	}
	for _, id := range ids {
		if p := m.runs[id]; p != nil && !p.alive() && !p.void {
			delete(m.runs, id)
		}
	}
	return nil
}

// launch starts a program; e.mu is held.
func (e *Executor) launch(m *machine, id domain.AttemptID, c domain.Command) *Process {
	p := newProcess(m, id)
	p.command = c
	e.nextPID++
	p.pid = e.nextPID
	m.runs[id] = p
	e.starts = append(e.starts, id)
	program := e.programs[c.Text()]
	if program == nil {
		program = Sequence(Prints(domain.Stderr, fmt.Sprintf("sh: %s: not found\n", c.Text())), Exits(127))
	}
	p.mu = &e.mu
	e.wg.Go(func() {
		exit := program(p)
		e.mu.Lock()
		defer e.mu.Unlock()
		p.end(&exit)
	})
	return p
}

// follow gives a run to the sink from the offsets on; e.mu is held and given up.
func (e *Executor) follow(ctx context.Context, m *machine, p *Process, at domain.Offsets, known *domain.Process, sink ports.Sink) (domain.Exit, error) {
	if p.void {
		e.mu.Unlock()
		f := &domain.Failure{Reason: domain.ReasonLost, Message: "the server never started the command", NotStarted: known == nil}
		return domain.Exit{}, f
	}
	cut := m.connect(p.id)
	defer e.disconnect(m, cut)
	e.mu.Unlock()

	if err := sink.Started(ctx, domain.Process{PID: p.pid, StartedAt: time.Now().UTC(), Boot: p.boot, Mode: domain.ModeDurable}); err != nil {
		return domain.Exit{}, err
	}
	for {
		e.mu.Lock()
		out, errs := slices.Clone(after(p.stdout, at.Stdout)), slices.Clone(after(p.stderr, at.Stderr))
		exit, over, changed := p.exit, !p.alive(), p.changed
		rebooted := fmt.Sprint("boot-", m.boot) != p.boot
		e.mu.Unlock()
		for _, piece := range []ports.Piece{{Stream: domain.Stdout, Data: out}, {Stream: domain.Stderr, Data: errs}} {
			if len(piece.Data) == 0 {
				continue
			}
			if err := sink.Output(ctx, piece.Stream, piece.Data); err != nil {
				return domain.Exit{}, err
			}
			at = at.Plus(piece.Stream, len(piece.Data))
		}
		switch {
		case exit != nil:
			return *exit, nil
		case over && rebooted:
			return domain.Exit{}, &domain.Failure{Reason: domain.ReasonServerRebooted, Message: "the server was restarted while the command ran"}
		case over:
			return domain.Exit{}, &domain.Failure{Reason: domain.ReasonLost, Message: "the command's processes are gone and left no exit code"}
		}
		select {
		case <-changed:
		case <-cut:
			return domain.Exit{}, ports.ErrCut
		case <-ctx.Done():
			return domain.Exit{}, context.Cause(ctx)
		}
	}
}

func (e *Executor) machine(id domain.ServerID) *machine {
	m := e.machines[id]
	if m == nil {
		m = &machine{conns: map[chan struct{}]domain.AttemptID{}, runs: map[domain.AttemptID]*Process{}}
		e.machines[id] = m
	}
	return m
}

func (e *Executor) disconnect(m *machine, cut chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(m.conns, cut)
}

func (m *machine) connect(id domain.AttemptID) chan struct{} {
	c := make(chan struct{})
	m.conns[c] = id
	return c
}

func (m *machine) cut(match func(domain.AttemptID) bool) {
	for c, id := range m.conns {
		if match(id) {
			close(c)
			delete(m.conns, c)
		}
	}
}

func (m *machine) failure(t ports.Target) *domain.Failure {
	switch {
	case m.unreachable:
		return &domain.Failure{Reason: domain.ReasonConnect, Message: fmt.Sprintf("cannot connect to %s@%s:%d: connection refused", t.Server.User, t.Server.Hostname, t.Server.Port)}
	case m.refusal != nil:
		f := *m.refusal
		return &f
	}
	return nil
}

func after(b []byte, offset int64) []byte {
	if offset >= int64(len(b)) {
		return nil
	}
	return b[offset:]
}
