package memory

import (
	"fmt"
	"sync"
	"time"

	"github.com/heysubinoy/remora/domain"
)

// Process is a program's view of its run on a server in memory.
type Process struct {
	mu         *sync.Mutex // the executor's
	id         domain.AttemptID
	command    domain.Command
	pid        int
	boot       string
	void       bool
	stubborn   bool
	stdout     []byte
	stderr     []byte
	exit       *domain.Exit
	changed    chan struct{} // closed and replaced at every change
	terminated chan struct{}
	killed     chan struct{}
	ended      chan struct{}
}

func newProcess(m *machine, id domain.AttemptID) *Process {
	return &Process{
		id: id, boot: fmt.Sprint("boot-", m.boot), changed: make(chan struct{}),
		terminated: make(chan struct{}), killed: make(chan struct{}), ended: make(chan struct{}),
	}
}

// Command returns what was started.
func (p *Process) Command() domain.Command { return p.command }

// Attempt names the run.
func (p *Process) Attempt() domain.AttemptID { return p.id }

// Print writes to one of the streams.
func (p *Process) Print(s domain.Stream, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.alive() {
		return
	}
	if s == domain.Stderr {
		p.stderr = append(p.stderr, text...)
	} else {
		p.stdout = append(p.stdout, text...)
	}
	p.tell()
}

// Terminated is closed by TERM, the first thing that Kill sends.
func (p *Process) Terminated() <-chan struct{} { return p.terminated }

// Killed is closed when the process is over whatever it does: by KILL, Lose, Reboot or Close.
func (p *Process) Killed() <-chan struct{} { return p.killed }

// Defy makes the process survive Kill, like one that hangs in the kernel: the receipt will name it.
func (p *Process) Defy() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stubborn = true
}

// Sleep waits; false means that the process was told to end.
func (p *Process) Sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-p.terminated:
	case <-p.killed:
	}
	return false
}

// Wait waits for a channel; false means that the process was told to end.
func (p *Process) Wait(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	case <-p.terminated:
	case <-p.killed:
	}
	return false
}

// Step is a part of a program; done means that the program ends here.
type Step func(p *Process) (exit domain.Exit, done bool)

// Sequence is the program that takes steps one after the other, and exits with 0 after the last.
func Sequence(steps ...Step) Program {
	return func(p *Process) domain.Exit {
		for _, s := range steps {
			if exit, done := s(p); done {
				return exit
			}
		}
		return domain.Exit{}
	}
}

// Prints writes text.
func Prints(s domain.Stream, text string) Step {
	return func(p *Process) (domain.Exit, bool) {
		p.Print(s, text)
		return domain.Exit{}, false
	}
}

// Exits ends the program with a code.
func Exits(code int) Step {
	return func(*Process) (domain.Exit, bool) { return domain.Exit{Code: code}, true }
}

// Dies ends the program by a signal, "SEGV" and 11 for example.
func Dies(signal string, number int) Step {
	return func(*Process) (domain.Exit, bool) { return domain.Exit{Code: 128 + number, Signal: signal}, true }
}

// Sleeps waits for a while; TERM ends the program.
func Sleeps(d time.Duration) Step {
	return func(p *Process) (domain.Exit, bool) { return terminatedExit, !p.Sleep(d) }
}

// Awaits waits until the channel is closed or sends; TERM ends the program.
func Awaits(c <-chan struct{}) Step {
	return func(p *Process) (domain.Exit, bool) { return terminatedExit, !p.Wait(c) }
}

// IgnoresTerm waits for a while whatever is asked; only KILL ends the program.
func IgnoresTerm(d time.Duration) Step {
	return func(p *Process) (domain.Exit, bool) {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			return domain.Exit{}, false
		case <-p.killed:
			return domain.Exit{}, true
		}
	}
}

var terminatedExit = domain.Exit{Code: 143, Signal: "TERM"}

func (p *Process) alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return !p.void
	}
}

// end closes the run; exit is nil when it is lost. Only the first end counts. The executor's mutex is held.
func (p *Process) end(exit *domain.Exit) {
	if !p.alive() {
		return
	}
	p.exit = exit
	closeOnce(p.killed)
	close(p.ended)
	p.tell()
}

func (p *Process) tell() {
	close(p.changed)
	p.changed = make(chan struct{})
}

func closeOnce(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}
