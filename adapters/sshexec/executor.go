package sshexec

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// The defaults of a Config.
const (
	DefaultConnectTimeout = 30 * time.Second
	DefaultIdleTimeout    = time.Minute
)

// Config says how an Executor works; zero values take the defaults.
type Config struct {
	ConnectTimeout time.Duration // over dial, handshake and login together
	IdleTimeout    time.Duration // after which an unused connection is closed
	Logger         *slog.Logger  // nil logs nothing
}

// Executor runs attempts on servers over pooled SSH connections. It refuses servers without a pinned host key; only
// Probe may look at one. Safe for concurrent use.
type Executor struct {
	pool *pool
	log  *slog.Logger

	attached sync.Map // attempts started in attached mode by this executor: nothing on the server remembers them

	mu    sync.Mutex
	swept map[string]time.Time // when a server was swept last, by identity
}

var (
	_ ports.Executor = (*Executor)(nil)
	_ ports.Prober   = (*Executor)(nil)
)

// New returns an executor; Close ends it.
func New(c Config) *Executor {
	if c.ConnectTimeout <= 0 {
		c.ConnectTimeout = DefaultConnectTimeout
	}
	if c.IdleTimeout <= 0 {
		c.IdleTimeout = DefaultIdleTimeout
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Executor{pool: newPool(c.ConnectTimeout, c.IdleTimeout, c.Logger), log: c.Logger, swept: map[string]time.Time{}}
}

// Close closes all connections and waits for what the executor runs here. Durable commands run on; calls under way
// return ErrCut.
func (e *Executor) Close() error {
	e.pool.close()
	return nil
}

// patience is how many looks, 50 ms apart, a late launcher takes before it declares that the first one died on its way.
const patience = 100

var idShape = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,127}$`)

func checkID(id domain.AttemptID) error {
	if !idShape.MatchString(id.String()) {
		return domain.Invalid("attempt", "attempt id %q cannot name a directory", id.String())
	}
	return nil
}

// Start implements ports.Executor.
func (e *Executor) Start(ctx context.Context, t ports.Target, id domain.AttemptID, c domain.Command, sink ports.Sink) (domain.Exit, error) {
	if err := checkID(id); err != nil {
		return domain.Exit{}, err
	}
	r := &run{e: e, target: t, id: id, sink: sink, mode: domain.ModeDurable}
	if t.Server.Mode == domain.ModeAttached {
		return r.startAttached(ctx, c)
	}
	code := durableCode(c)
	token := newToken()
	x, err := e.open(ctx, t, token, launchLine(token, id.String(), code))
	if err != nil {
		return domain.Exit{}, startError(err)
	}
	a, err := r.talk(ctx, x, needs(c)+code, true)
	if err != nil {
		return domain.Exit{}, err
	}
	switch a.word() {
	case "nohome", "nosetsid":
		return r.startAttached(ctx, c)
	case "done":
		if a.end.code == 0 {
			return a.exit(), nil
		}
	case "void", "gone", "nostart", "torn", "nowrite":
		return domain.Exit{}, r.failure(a)
	case "":
		if !a.began {
			return domain.Exit{}, notRun(t, a)
		}
	}
	return r.attach(ctx, patience)
}

// Attach implements ports.Executor.
func (e *Executor) Attach(ctx context.Context, t ports.Target, id domain.AttemptID, process *domain.Process, from domain.Offsets, sink ports.Sink) (domain.Exit, error) {
	if err := checkID(id); err != nil {
		return domain.Exit{}, err
	}
	r := &run{e: e, target: t, id: id, sink: sink, mode: domain.ModeDurable, known: process, at: from}
	if process != nil && process.Mode == domain.ModeAttached {
		return r.attachAttached(ctx)
	}
	return r.attach(ctx, 0)
}

// attach follows an attempt from the offsets in r on; the answers of the server are repeated until one is final.
func (r *run) attach(ctx context.Context, looks int) (domain.Exit, error) {
	for idle := 0; ; idle++ {
		before := r.at
		token := newToken()
		x, err := r.e.open(ctx, r.target, token, attachLine(token, r.id.String(), r.at, looks))
		if err != nil {
			return domain.Exit{}, attachError(err)
		}
		a, err := r.talk(ctx, x, "", false)
		if err != nil {
			return domain.Exit{}, err
		}
		switch a.word() {
		case "done":
			if a.end.code == 0 {
				return a.exit(), nil
			}
		case "lost":
			if a.end.code == 0 {
				return domain.Exit{}, r.lost(a)
			}
		case "nohome":
			return r.attachAttached(ctx)
		case "run":
		case "":
			if !a.began {
				r.e.log.Warn("server did not run the follower", "server", address(r.target.Server), "said", a.said)
			}
		default:
			return domain.Exit{}, r.failure(a)
		}
		if r.at != before {
			idle = 0
		}
		if idle >= 20 {
			return domain.Exit{}, ports.ErrCut.Withf("%s does not say how the command stands: %s", address(r.target.Server), a.said)
		}
		if idle > 1 && !pause(ctx, time.Duration(idle)*50*time.Millisecond) {
			return domain.Exit{}, context.Cause(ctx)
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// startAttached runs a command bound to its channel.
func (r *run) startAttached(ctx context.Context, c domain.Command) (domain.Exit, error) {
	r.mode = domain.ModeAttached
	if _, again := r.e.attached.LoadOrStore(r.id, true); again {
		return domain.Exit{}, &domain.Failure{Reason: domain.ReasonLost, Message: fmt.Sprintf(
			"the attempt was started before on %s, which keeps nothing to follow it by (attached mode)", address(r.target.Server))}
	}
	token := newToken()
	code := attachedCode(c, token)
	x, err := r.e.open(ctx, r.target, token, attachedLine(token, r.id.String(), len(code)))
	if err != nil {
		r.e.attached.Delete(r.id)
		return domain.Exit{}, startError(err)
	}
	a, err := r.talk(ctx, x, code, true)
	switch {
	case err != nil && !errors.Is(err, ports.ErrCut):
		r.sweep(ctx)
		return domain.Exit{}, err
	case err != nil:
		return domain.Exit{}, err
	case a.word() == "run":
		return a.channelExit(), nil
	case a.word() == "nostart" || a.word() == "torn":
		return domain.Exit{}, r.failure(a)
	case !a.began:
		return domain.Exit{}, notRun(r.target, a)
	}
	return domain.Exit{}, &domain.Failure{Reason: domain.ReasonLost, Message: fmt.Sprintf("%s did not say that the command was started: %s", address(r.target.Server), a.said)}
}

// attachAttached ends what may be left of a command whose channel is gone: nobody can follow it any more.
func (r *run) attachAttached(ctx context.Context) (domain.Exit, error) {
	if _, err := r.e.Kill(ctx, r.target, r.id, time.Second); err != nil {
		if ctx.Err() != nil {
			return domain.Exit{}, context.Cause(ctx)
		}
		if f, ok := errors.AsType[*domain.Failure](err); ok && f.Reason == domain.ReasonConnect {
			return domain.Exit{}, ports.ErrCut.Because(err)
		}
		return domain.Exit{}, err
	}
	return domain.Exit{}, &domain.Failure{Reason: domain.ReasonLost, Message: fmt.Sprintf(
		"the connection to %s was cut, and the command was bound to it (attached mode); what was left of it was ended", address(r.target.Server))}
}

// sweep ends an attached command that its caller has left.
func (r *run) sweep(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if _, err := r.e.Kill(ctx, r.target, r.id, time.Second); err != nil {
		r.e.log.Warn("an attached command may be running on", "attempt", r.id.String(), "server", address(r.target.Server), "error", err)
	}
}

// Remove implements ports.Executor.
func (e *Executor) Remove(ctx context.Context, t ports.Target, ids ...domain.AttemptID) error {
	for len(ids) > 0 {
		n := min(len(ids), 200)
		args := []string{"0"}
		if e.sweepDue(identity(t)) {
			args[0] = "1"
		}
		for _, id := range ids[:n] {
			if err := checkID(id); err != nil {
				return err
			}
			e.attached.Delete(id)
			args = append(args, id.String())
		}
		ids = ids[n:]
		if _, err := e.ask(ctx, t, removeText, "removed", args...); err != nil {
			return err
		}
	}
	return nil
}

// sweepDue says once an hour and server that old things are to be looked for.
func (e *Executor) sweepDue(key string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if time.Since(e.swept[key]) < time.Hour {
		return false
	}
	e.swept[key] = time.Now()
	return true
}

// startError makes a failed login one that proves that nothing was started.
func startError(err error) error {
	if l, ok := errors.AsType[*loginError](err); ok {
		f := l.failure
		f.NotStarted = true
		return &f
	}
	return poolError(err)
}

// attachError makes a failed connection one that says nothing about the attempt.
func attachError(err error) error {
	if l, ok := errors.AsType[*loginError](err); ok {
		f := l.failure
		if f.Reason == domain.ReasonConnect {
			return ports.ErrCut.Because(&f)
		}
		return &f
	}
	return poolError(err)
}

func poolError(err error) error {
	if errors.Is(err, errPoolClosed) {
		return ports.ErrCut.Because(err)
	}
	return err
}

func notRun(t ports.Target, a answer) error {
	return &domain.Failure{Reason: domain.ReasonStartFailed, NotStarted: true, Message: fmt.Sprintf(
		"%s does not run commands with sh (exit %d): %s", address(t.Server), a.end.code, a.said)}
}

// failure is what a server's word means that ends an attempt without an exit.
func (r *run) failure(a answer) error {
	at := address(r.target.Server)
	f := &domain.Failure{Reason: domain.ReasonStartFailed, NotStarted: true}
	switch a.word() {
	case "nostart":
		f.Message = fmt.Sprintf("the command could not be started on %s: %s", at, a.said)
	case "nowrite":
		f.Message = fmt.Sprintf("the command could not be written to %s on %s; is the disk full?", a.arg(1), at)
	case "torn":
		f.Message = fmt.Sprintf("the command did not arrive whole on %s", at)
	case "void":
		f.Reason, f.NotStarted = domain.ReasonLost, r.known == nil
		f.Message = fmt.Sprintf("%s never started the command, and never will under this attempt", at)
	case "gone":
		f.Reason, f.NotStarted = domain.ReasonLost, r.known == nil && a.arg(1) == "void"
		f.Message = fmt.Sprintf("%s has removed what it kept of this attempt (%s)", at, a.arg(1))
	default:
		f.Reason, f.NotStarted = domain.ReasonInternal, false
		f.Message = fmt.Sprintf("%s answered %q", at, a.word())
	}
	return f
}

// lost tells a server that was restarted from a process that vanished.
func (r *run) lost(a answer) error {
	boot, now := a.arg(1), a.arg(3)
	if r.known != nil && r.known.Boot != "" {
		boot = r.known.Boot
	}
	at := address(r.target.Server)
	if boot != "-" && now != "-" && boot != now {
		return &domain.Failure{Reason: domain.ReasonServerRebooted, Message: fmt.Sprintf("%s was restarted while the command ran", at)}
	}
	return &domain.Failure{Reason: domain.ReasonLost, Message: fmt.Sprintf("the command's processes on %s are gone and left no exit code; someone or something killed them with their supervisor", at)}
}

// answer is what a server said about an attempt over one channel.
type answer struct {
	words []string // of the heading; none when it never came
	said  string   // what was printed beside
	began bool     // the text was run at all
	end   ended
}

func (a answer) word() string { return a.arg(0) }

func (a answer) arg(i int) string {
	if i < len(a.words) {
		return a.words[i]
	}
	return ""
}

// exit reads "done boot pid code how".
func (a answer) exit() domain.Exit {
	code, _ := strconv.Atoi(a.arg(3))
	x := domain.Exit{Code: code & 0xff}
	if a.arg(4) == "signal" {
		x.Signal = signalName(code - 128)
	}
	return x
}

// channelExit is the exit of an attached command, which only the channel knows.
func (a answer) channelExit() domain.Exit {
	if a.end.signal != "" {
		return domain.Exit{Code: 128 + signalNumber(a.end.signal), Signal: a.end.signal}
	}
	return domain.Exit{Code: a.end.code}
}

// streams reports whether the streams of the job follow the heading.
func (a answer) streams() bool {
	switch a.word() {
	case "run", "lost":
		return true
	case "done":
		return a.arg(4) != "nostart"
	}
	return false
}
