package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/heysubinoy/remora/adapters/cli/screen"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Services are the driving ports that a command talks to.
type Services struct {
	Jobs    ports.Jobs
	Batches ports.Batches
	Output  ports.Output
	Servers ports.Servers
	Access  ports.ServerAccess
	Keys    ports.Keys
	System  ports.System
	Tokens  ports.Tokens
	Account ports.Account
}

// UpOptions are what `remora up` was asked for.
type UpOptions struct {
	Demo bool // with demo servers, registered at start and removed at the end
}

// Config is what the command line stands on. A program function that is nil is not part of this program.
type Config struct {
	Version string
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Getenv  func(string) string

	// Connect returns the services of the API at url. It need not reach it. Whoever follows a job through them over an API
	// that is away for a while tells reach so: the error, and nil once it is back.
	Connect func(ctx context.Context, url string, token domain.Secret, reach func(error)) (Services, error)

	// The programs run until ctx is done, stop in an orderly way and return nil, or fail.
	Up     func(ctx context.Context, o UpOptions) error
	API    func(ctx context.Context) error
	Worker func(ctx context.Context) error
	Queue  func(ctx context.Context) error
	Web    func(ctx context.Context, api string) error
	// QueueHealth and WorkerHealth fail when the queue, or this machine's worker, is not there.
	QueueHealth  func(ctx context.Context) error
	WorkerHealth func(ctx context.Context) error
	// RepairQueue mends the queue's log in dir, which no queue has open, and says what it did.
	RepairQueue func(ctx context.Context, dir string) (report string, err error)

	// Backup copies database and secrets to a new directory, Restore puts them in their places; both say what they did.
	Backup  func(ctx context.Context, dir string) (report string, err error)
	Restore func(ctx context.Context, dir string) (report string, err error)
	// Settings returns the settings of the programs, or all mistakes in them.
	Settings func() ([]Setting, error)

	// Signals says when the user wants to stop: first in an orderly way, then at once. nil means the process's own SIGINT
	// and SIGTERM.
	Signals <-chan os.Signal
	// Now tells the time; nil means the clock.
	Now func() time.Time
}

// Main runs the remora program with its arguments (without the program's name) and returns its exit code. It returns when
// the command is done, or soon after the second signal whatever the command does. A done ctx counts as a first signal.
func Main(ctx context.Context, cfg Config, args []string) int {
	return newApp("remora", cfg).main(ctx, args)
}

// ServiceMain runs one service, api, worker or queue, as the program of its own that it is: remora-api and so on. It returns
// as Main does.
func ServiceMain(ctx context.Context, cfg Config, service string, args []string) int {
	a := newApp("remora-"+service, cfg)
	return a.guard(ctx, func(ctx context.Context) error {
		root, err := a.serviceRoot(service)
		if err != nil {
			return err
		}
		root.SetArgs(append([]string{}, args...))
		return root.ExecuteContext(ctx)
	})
}

func newApp(program string, cfg Config) *app {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &app{Config: cfg, program: program, tty: detectTerminals(cfg)}
}

// app is one run of the program.
type app struct {
	Config
	program string
	tty     terminals
	hard    context.Context // done at the second signal
	abandon handover        // what to say when leaving without waiting

	global   globalFlags
	services *Services
	address  string // of the API that services talk to
	away     atomic.Bool
	bar      atomic.Pointer[screen.Bar] // stands on stderr's last line
}

func (a *app) main(ctx context.Context, args []string) int {
	return a.guard(ctx, func(ctx context.Context) error {
		root := a.root()
		root.SetArgs(append([]string{}, args...))
		return root.ExecuteContext(ctx)
	})
}

// leaveWithin is how long a command has to say its last words after the second signal.
const leaveWithin = 500 * time.Millisecond

var errInterrupted = &domain.Error{Kind: domain.KindCanceled, Code: "interrupted", Message: "interrupted"}

// guard runs a command. At the first signal the command's context ends, at the second a.hard ends and the command is
// left alone, for its writes or reads may be stuck.
func (a *app) guard(parent context.Context, command func(context.Context) error) int {
	soft, stopSoft := context.WithCancelCause(parent)
	defer stopSoft(nil)
	hard, stopHard := context.WithCancelCause(context.WithoutCancel(parent))
	defer stopHard(nil)
	a.hard = hard
	signals, forget := a.signals()
	defer forget()
	done := make(chan error, 1)
	go func() { done <- command(soft) }()
	var late <-chan time.Time
	for count := 0; ; {
		select {
		case err := <-done:
			if hard.Err() != nil {
				return a.leave()
			}
			return a.finish(soft, err)
		case <-signals:
			count++
			if count == 1 {
				stopSoft(errInterrupted)
			} else if hard.Err() == nil {
				stopHard(errInterrupted)
				timer := time.NewTimer(leaveWithin)
				defer timer.Stop()
				late = timer.C
			}
		case <-late:
			return a.leave()
		}
	}
}

func (a *app) signals() (<-chan os.Signal, func()) {
	if a.Signals != nil {
		return a.Signals, func() {}
	}
	c := make(chan os.Signal, 2)
	signal.Notify(c, syscall.SIGINT, syscall.SIGTERM)
	// With a listener, a reader that went away is an error of the write; without, `remora run | head` would die of SIGPIPE
	// and leave its jobs alone. Not signal.Ignore: programs started from here would inherit that.
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE)
	return c, func() {
		signal.Stop(c)
		signal.Stop(pipe)
	}
}

// leave ends the program after the second signal.
func (a *app) leave() int {
	if a.bar.Swap(nil) != nil {
		_, _ = io.WriteString(a.Stderr, "\n") // past the bar, whose writer may be stuck
	}
	a.abandon.speak(a.note)
	return exitInterrupted
}

// finish says what went wrong and returns the exit code.
func (a *app) finish(ctx context.Context, err error) int {
	if err == nil {
		return exitDone
	}
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code
	}
	if errors.Is(err, syscall.EPIPE) {
		return exitDone // the reader has what it wanted
	}
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || domain.KindOf(err) == domain.KindCanceled) {
		a.note("interrupted")
		return exitInterrupted
	}
	a.note("%s", a.explain(err))
	return ExitCode(err)
}

// note prints a message for people on stderr.
func (a *app) note(format string, args ...any) {
	_, _ = fmt.Fprintf(a.words(), "%s: %s\n", a.program, screen.Clean(fmt.Sprintf(format, args...)))
}

// say prints lines for people on stderr, without the program's name.
func (a *app) say(format string, args ...any) {
	_, _ = fmt.Fprintln(a.words(), screen.Clean(fmt.Sprintf(format, args...)))
}

// words returns where to write lines for people.
func (a *app) words() io.Writer {
	if b := a.bar.Load(); b != nil {
		return b.Over(a.Stderr)
	}
	return a.Stderr
}

// reach tells, once each, that the API is away and that it is back, however many followers find out.
func (a *app) reach(err error) {
	switch {
	case err != nil && !a.away.Swap(true):
		a.note("the API is away, trying again: %v", err)
	case err == nil && a.away.Swap(false):
		a.note("the API is back")
	}
}

// connect returns the services, made at the first call.
func (a *app) connect(ctx context.Context) (Services, error) {
	if a.services != nil {
		return *a.services, nil
	}
	if a.Connect == nil {
		return Services{}, errNotPart
	}
	s, err := a.settings()
	if err != nil {
		return Services{}, err
	}
	services, err := a.Connect(ctx, s.url, s.token, a.reach)
	if err != nil {
		return Services{}, err
	}
	a.services, a.address = &services, s.url
	return services, nil
}

var errNotPart = &domain.Error{Kind: domain.KindInvalid, Code: "command_unsupported", Message: "this program was built without that command"}
