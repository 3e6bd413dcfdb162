package domain

import (
	"fmt"
	"time"
)

// How long a state may last before someone looks at it again.
const (
	ReofferAfter = time.Minute      // a ticket that nobody took is offered again
	HeldRecheck  = 30 * time.Second // a held job looks for room again
	LostAfter    = 5 * time.Minute  // beyond its deadline, a job nobody can reach is given up
)

// Job is one command or script on one server. Its fields are for reading; it changes only through its verbs, and a verb
// that is not allowed changes nothing. A Job is a value of its reader: not safe for concurrent use.
//
// Verbs of the worker that carries the job take its Epoch and fail with ErrLeaseLost when another has taken over. Every
// verb fails with ErrJobFinal on a finished job and with ErrIllegalMove where the state does not allow it. Times never
// run backward: a clock behind the job's last change is read as that change's time.
type Job struct {
	ID       JobID
	ServerID ServerID
	BatchID  BatchID
	OriginID JobID // the job this one was made from; empty when none
	Command  Command
	Priority Priority
	Timeout  time.Duration
	Retry    Retry

	Status  Status
	Phase   Phase
	Reason  Reason
	Message string // the failure in words; empty when none

	Attempt  int // number of the current or last attempt; 0 before the first claim
	Failures int // attempts that count against Retry.MaxAttempts
	Epoch    int64
	Worker   WorkerID // who carries the current attempt, or carried the last; empty while detached
	Process  *Process // of the current attempt, once the server said so
	Exit     *Exit
	Receipt  *Receipt // of the last time its processes were ended

	CancelRequested bool

	CreatedAt    time.Time
	UpdatedAt    time.Time
	StartedAt    time.Time // of the current attempt; zero until its command started
	FinishedAt   time.Time
	DeadlineAt   time.Time // zero only when final
	NextActionAt time.Time // zero only when final

	Output  Offsets // stored bytes of the current attempt; moved by the output store alone
	LastSeq Seq     // the newest stored chunk; moved by the output store alone

	Revision int64 // raised by every save; the repository's guard against lost updates

	ended *Attempt
}

// NewJob returns a pending job. Fails with the field's code when server, priority, timeout or retry are out of range.
func NewJob(id JobID, server ServerID, command Command, priority Priority, timeout time.Duration, retry Retry, at time.Time) (*Job, error) {
	if id == "" {
		return nil, Invalid("id", "a job needs an id")
	}
	if server == "" {
		return nil, Invalid("server_id", "server_id is missing; name the server to run on")
	}
	if command.Kind == "" {
		return nil, Invalid("command", "a job needs a command or a script")
	}
	if err := priority.Check(); err != nil {
		return nil, err
	}
	if err := CheckTimeout(timeout); err != nil {
		return nil, err
	}
	if err := retry.Check(); err != nil {
		return nil, err
	}
	return &Job{
		ID: id, ServerID: server, Command: command, Priority: priority, Timeout: timeout, Retry: retry,
		Status: StatusQueued, Phase: PhasePending,
		CreatedAt: at, UpdatedAt: at, DeadlineAt: at.Add(QueueTimeout), NextActionAt: at,
	}, nil
}

// RepeatOf notes which job a new one was made from.
func (j *Job) RepeatOf(origin JobID) { j.OriginID = origin }

// State returns status and phase together.
func (j *Job) State() State { return State{j.Status, j.Phase} }

// AttemptID names the current attempt.
func (j *Job) AttemptID() AttemptID { return AttemptID{j.ID, j.Attempt} }

// Ticket is the job's place in the queue as it stands now. A job that is offered again after a change of hands has a new one.
func (j *Job) Ticket() Ticket {
	return Ticket{ID: fmt.Sprintf("%s.%d.%d", j.ID, j.Attempt, j.Epoch), Job: j.ID, Priority: j.Priority}
}

// InFlight reports whether the job takes one of its server's places: its ticket is in the queue, or it is running.
func (j *Job) InFlight() bool { return j.Status == StatusRunning || j.Phase == PhaseEnqueued }

// Mode is how the current attempt's command hangs together with its connection; unknown before it started.
func (j *Job) Mode() Mode {
	if j.Process == nil {
		return ModeUnknown
	}
	return j.Process.Mode
}

// TimeLeft returns how much of its time the current attempt has left. The whole timeout before its command started.
func (j *Job) TimeLeft(at time.Time) time.Duration {
	if j.StartedAt.IsZero() {
		return j.Timeout
	}
	return j.StartedAt.Add(j.Timeout).Sub(at)
}

// Offer says that the job's ticket goes to the queue.
func (j *Job) Offer(at time.Time) error {
	return j.move(enqueued, at, func(at time.Time) { j.NextActionAt = at.Add(ReofferAfter) })
}

// Hold says that the job's server or batch is full.
func (j *Job) Hold(at time.Time) error {
	return j.move(held, at, func(at time.Time) { j.NextActionAt = at.Add(HeldRecheck) })
}

// Release makes a held, waiting or enqueued job pending, to be offered (again).
func (j *Job) Release(at time.Time) error {
	if j.Status == StatusRunning {
		return j.illegal(pending)
	}
	return j.move(pending, at, func(at time.Time) { j.NextActionAt = at })
}

// Claim gives a queued job to a worker as a new attempt, and raises the epoch.
func (j *Job) Claim(worker WorkerID, at time.Time) error {
	return j.move(claimed, at, func(at time.Time) {
		j.Attempt++
		j.Epoch++
		j.Worker = worker
		j.Process, j.Exit, j.Receipt, j.ended = nil, nil, nil, nil
		j.Reason, j.Message = ReasonNone, ""
		j.StartedAt = time.Time{}
		j.Output = Offsets{}
		j.setDeadline(at)
	})
}

// Attach gives a detached job to a worker, and raises the epoch. What the server knows of it decides what comes next.
func (j *Job) Attach(worker WorkerID, at time.Time) error {
	if j.Phase != PhaseDetached {
		return j.illegal(executing)
	}
	next := starting
	if j.Process != nil {
		next = executing
	}
	return j.move(next, at, func(at time.Time) {
		j.Epoch++
		j.Worker = worker
		j.NextActionAt = j.DeadlineAt
	})
}

// Starting says that the start is about to be sent to the server; from here on only the server knows whether it happened.
func (j *Job) Starting(epoch int64, at time.Time) error {
	return j.carry(epoch, starting, at, j.setDeadline)
}

// Started says that the server has started the command. It does nothing to a job whose end is already under way, but
// to keep what the server said.
func (j *Job) Started(epoch int64, p Process, at time.Time) error {
	note := func(at time.Time) {
		j.Process = &p
		j.StartedAt = at
		j.setDeadline(at)
	}
	if j.Phase == PhaseStarting || j.Phase == PhaseClaimed { // the latter is refused: nothing was sent
		return j.carry(epoch, executing, at, note)
	}
	if err := j.own(epoch); err != nil {
		return err
	}
	if j.Process != nil {
		return nil
	}
	at = j.after(at)
	note(at)
	j.UpdatedAt = at
	return nil
}

// RequestCancel asks for the job's end. A queued job is canceled at once; a running one is marked, and its worker ends
// its processes. Asking twice is asking once.
func (j *Job) RequestCancel(reason Reason, at time.Time) error {
	switch {
	case j.Status.Final():
		return ErrJobFinal
	case j.Status == StatusQueued:
		j.CancelRequested = true
		return j.finish(canceled, reason, "", at)
	case j.CancelRequested:
		return nil
	}
	j.CancelRequested = true
	j.Reason = reason
	j.UpdatedAt = j.after(at)
	return nil
}

// Canceling says that the job's processes are being ended because someone asked.
//
// A worker may hear of the request before its copy of the job does. Such a copy moves too; its save is refused as stale, and
// the verb is then applied to the newer one.
func (j *Job) Canceling(epoch int64, at time.Time) error { return j.carry(epoch, canceling, at, nil) }

// TimingOut says that the job's processes are being ended because its time is up.
func (j *Job) TimingOut(epoch int64, at time.Time) error { return j.carry(epoch, timingOut, at, nil) }

// Collecting says that the exit is known and output is still being fetched.
func (j *Job) Collecting(epoch int64, exit Exit, at time.Time) error {
	return j.carry(epoch, collecting, at, func(time.Time) { j.Exit = &exit })
}

// Ended keeps the receipt of how the job's processes were ended. What an earlier one of this attempt has seen stays seen: who
// takes an end over finds nothing left of what the one before has ended.
func (j *Job) Ended(epoch int64, r Receipt, at time.Time) error {
	if err := j.own(epoch); err != nil {
		return err
	}
	if j.Receipt != nil {
		r.Ended = max(r.Ended, j.Receipt.Ended)
	}
	j.Receipt = &r
	j.UpdatedAt = j.after(at)
	return nil
}

// Exited finishes the attempt with what the command itself returned: completed on code 0, else failed, or another
// attempt where the policy says so. An exit that was seen wins over a cancel or a timeout under way, unless it came from
// the ending of the processes, which a receipt with ended processes shows. wait is the backoff should there be another attempt.
func (j *Job) Exited(epoch int64, exit Exit, wait time.Duration, at time.Time) error {
	if err := j.own(epoch); err != nil {
		return err
	}
	if !j.State().CanBecome(completed) {
		return j.illegal(completed)
	}
	was := j.Exit
	j.Exit = &exit
	err := func() error {
		if exit.Code == 0 && exit.Signal == "" {
			return j.finish(completed, ReasonNone, "", at)
		}
		if j.Receipt != nil && j.Receipt.Ended > 0 {
			switch j.Phase {
			case PhaseCanceling:
				return j.finish(canceled, j.Reason, "", at)
			case PhaseTimingOut:
				return j.fail(Failure{Reason: ReasonTimeout, Message: j.timeoutMessage()}, wait, at)
			}
		}
		if exit.Signal != "" {
			return j.fail(Failure{Reason: ReasonSignal, Message: "the command was ended by signal " + exit.Signal}, wait, at)
		}
		return j.fail(Failure{Reason: ReasonExitNonzero, Message: fmt.Sprintf("the command exited with code %d", exit.Code)}, wait, at)
	}()
	if err != nil {
		j.Exit = was
	}
	return err
}

// Killed finishes a job whose processes were ended before they returned an exit: canceled or timed out, as was asked.
func (j *Job) Killed(epoch int64, wait time.Duration, at time.Time) error {
	if err := j.own(epoch); err != nil {
		return err
	}
	switch j.Phase {
	case PhaseCanceling:
		return j.finish(canceled, j.Reason, "", at)
	case PhaseTimingOut:
		return j.fail(Failure{Reason: ReasonTimeout, Message: j.timeoutMessage()}, wait, at)
	}
	return j.illegal(canceled)
}

// Failed ends the attempt with a failure: another attempt follows where the policy says so and nobody asked to cancel,
// else the job is failed, or canceled when that was asked and the command was never started. wait is the backoff.
func (j *Job) Failed(epoch int64, f Failure, wait time.Duration, at time.Time) error {
	if err := j.own(epoch); err != nil {
		return err
	}
	return j.fail(f, wait, at)
}

// Unclaim puts an attempt that is proven not started back, through no fault of the job or its server: it does not count.
func (j *Job) Unclaim(epoch int64, at time.Time) error {
	if err := j.own(epoch); err != nil {
		return err
	}
	if j.Process != nil {
		return j.illegal(pending)
	}
	if j.CancelRequested {
		return j.finish(canceled, j.Reason, "", at)
	}
	return j.move(pending, at, func(at time.Time) {
		j.Epoch++
		j.DeadlineAt = at.Add(QueueTimeout)
		j.NextActionAt = at
	})
}

// Detach says that no worker is attached any more, and raises the epoch, so that whatever the old one still writes is
// refused. A job that was only claimed goes back to the queue: nothing was sent to its server. One whose end was under way
// gets a receipt that says so: what comes of it then came of that end.
func (j *Job) Detach(at time.Time) error {
	if j.Status.Final() {
		return ErrJobFinal
	}
	if j.Phase == PhaseClaimed {
		return j.Unclaim(j.Epoch, at)
	}
	ending := j.Phase == PhaseCanceling || j.Phase == PhaseTimingOut
	return j.move(detached, at, func(at time.Time) {
		j.Epoch++
		j.Worker = ""
		if ending && j.Receipt == nil {
			j.Receipt = &Receipt{Way: "interrupted", Ended: 1} // the command itself, as far as is known
		}
		j.NextActionAt = at
	})
}

// Reoffer says that a detached job was offered to the workers again.
func (j *Job) Reoffer(at time.Time) error {
	if j.Phase != PhaseDetached {
		return j.illegal(detached)
	}
	j.UpdatedAt = j.after(at)
	j.NextActionAt = j.UpdatedAt.Add(ReofferAfter)
	return nil
}

// Expire ends a job that is past its deadline with nobody working on it: in the queue too long, or detached and out of
// reach for LostAfter. A job that a worker carries is that worker's to end; it fails with ErrIllegalMove.
func (j *Job) Expire(at time.Time) error {
	switch {
	case j.Status.Final():
		return ErrJobFinal
	case at.Before(j.DeadlineAt):
		return j.illegal(failed)
	case j.Status == StatusQueued:
		return j.finish(failed, ReasonQueueTimeout, fmt.Sprintf("no worker took the job within %s", QueueTimeout), at)
	case j.Phase != PhaseDetached || at.Before(j.DeadlineAt.Add(LostAfter)):
		return j.illegal(failed)
	}
	j.Receipt = &Receipt{Way: "unreachable"}
	if j.CancelRequested {
		return j.finish(canceled, j.Reason, "the server could not be reached to end the processes; they may be alive", at)
	}
	return j.finish(failed, ReasonLost, "the server could not be reached to learn how the command ended", at)
}

// KillConfirmed reports whether the job's processes are known to be gone; nil when nobody had to end them.
func (j *Job) KillConfirmed() *bool {
	if j.Receipt == nil {
		return nil
	}
	c := j.Receipt.Confirmed
	return &c
}

// EndedAttempt returns the record of the attempt that a verb has just ended, nil when none did. An attempt that was put
// back because it was never started leaves no record.
func (j *Job) EndedAttempt() *Attempt { return j.ended }

func (j *Job) fail(f Failure, wait time.Duration, at time.Time) error {
	if f.NotStarted && j.CancelRequested {
		return j.finish(canceled, j.Reason, "", at)
	}
	if !j.CancelRequested && j.Failures+1 < j.Retry.MaxAttempts && j.Retry.allows(f.Reason, f.NotStarted) {
		return j.move(backoff, at, func(at time.Time) {
			j.Epoch++
			j.Failures++
			j.Reason, j.Message = f.Reason, f.Message
			j.endAttempt(at)
			j.DeadlineAt = at.Add(QueueTimeout)
			j.NextActionAt = at.Add(wait)
		})
	}
	return j.finish(failed, f.Reason, f.Message, at)
}

func (j *Job) finish(to State, reason Reason, message string, at time.Time) error {
	return j.move(to, at, func(at time.Time) {
		if to == failed {
			j.Failures++
		}
		j.Reason, j.Message = reason, message
		j.FinishedAt = at
		j.DeadlineAt, j.NextActionAt = time.Time{}, time.Time{}
		if j.Status == StatusRunning {
			j.endAttempt(at)
		}
	})
}

func (j *Job) timeoutMessage() string {
	return fmt.Sprintf("the command ran longer than its timeout of %s", j.Timeout)
}

func (j *Job) endAttempt(at time.Time) {
	j.ended = &Attempt{
		Number: j.Attempt, Worker: j.Worker, Reason: j.Reason, Message: j.Message, Exit: j.Exit,
		StartedAt: j.StartedAt, FinishedAt: at,
	}
}

func (j *Job) setDeadline(at time.Time) {
	j.DeadlineAt = at.Add(j.Timeout)
	j.NextActionAt = j.DeadlineAt
}

func (j *Job) own(epoch int64) error {
	switch {
	case j.Status.Final():
		return ErrJobFinal
	case j.Epoch != epoch || j.Status != StatusRunning:
		return ErrLeaseLost
	}
	return nil
}

func (j *Job) carry(epoch int64, to State, at time.Time, change func(at time.Time)) error {
	if err := j.own(epoch); err != nil {
		return err
	}
	return j.move(to, at, change)
}

func (j *Job) move(to State, at time.Time, change func(at time.Time)) error {
	if j.Status.Final() {
		return ErrJobFinal
	}
	if !j.State().CanBecome(to) {
		return j.illegal(to)
	}
	at = j.after(at)
	j.ended = nil
	if change != nil {
		change(at)
	}
	j.Status, j.Phase = to.Status, to.Phase
	j.UpdatedAt = at
	return nil
}

func (j *Job) illegal(to State) error {
	if j.Status.Final() {
		return ErrJobFinal
	}
	return ErrIllegalMove.Withf("job %s is %s and cannot become %s", j.ID, j.State(), to)
}

func (j *Job) after(at time.Time) time.Time {
	if at.Before(j.UpdatedAt) {
		return j.UpdatedAt
	}
	return at
}
