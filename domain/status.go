package domain

import "slices"

// Status is where a job is in its life, as the outside sees it. There are five, for ever.
type Status string

// The five statuses.
const (
	StatusQueued    Status = "queued"    // waiting for a worker
	StatusRunning   Status = "running"   // with a worker, or alive on its server
	StatusCompleted Status = "completed" // ended with exit code 0
	StatusFailed    Status = "failed"    // ended otherwise; Reason says how
	StatusCanceled  Status = "canceled"  // ended because someone asked
)

// Statuses lists every status in the order of a job's life.
func Statuses() []Status {
	return []Status{StatusQueued, StatusRunning, StatusCompleted, StatusFailed, StatusCanceled}
}

// Final reports whether a job with this status can never change again.
func (s Status) Final() bool {
	return s == StatusCompleted || s == StatusFailed || s == StatusCanceled
}

// Phase is the finer state inside queued and running. A finished job has PhaseNone.
type Phase string

// The phases of a queued job, then those of a running one.
const (
	PhaseNone Phase = ""

	PhasePending  Phase = "pending"  // committed, not yet offered to the queue
	PhaseEnqueued Phase = "enqueued" // its ticket is in the queue
	PhaseBackoff  Phase = "backoff"  // waits for its next attempt
	PhaseHeld     Phase = "held"     // its server or its batch is full

	PhaseClaimed    Phase = "claimed"    // a worker has it, nothing was sent to the server
	PhaseStarting   Phase = "starting"   // the start was sent, its outcome is unknown
	PhaseExecuting  Phase = "executing"  // the server has started it
	PhaseDetached   Phase = "detached"   // no worker is attached; the process may be alive
	PhaseCanceling  Phase = "canceling"  // its processes are being ended because someone asked
	PhaseTimingOut  Phase = "timing_out" // its processes are being ended because its time is up
	PhaseCollecting Phase = "collecting" // the exit is known, the output is not complete
)

// State is a status with its phase.
type State struct {
	Status Status
	Phase  Phase
}

// States lists every state a job can be in.
func States() []State {
	return []State{
		{StatusQueued, PhasePending},
		{StatusQueued, PhaseEnqueued},
		{StatusQueued, PhaseBackoff},
		{StatusQueued, PhaseHeld},
		{StatusRunning, PhaseClaimed},
		{StatusRunning, PhaseStarting},
		{StatusRunning, PhaseExecuting},
		{StatusRunning, PhaseDetached},
		{StatusRunning, PhaseCanceling},
		{StatusRunning, PhaseTimingOut},
		{StatusRunning, PhaseCollecting},
		{StatusCompleted, PhaseNone},
		{StatusFailed, PhaseNone},
		{StatusCanceled, PhaseNone},
	}
}

// String returns "status/phase", or the status alone when it is final.
func (s State) String() string {
	if s.Phase == PhaseNone {
		return string(s.Status)
	}
	return string(s.Status) + "/" + string(s.Phase)
}

// moves is the whole state machine, by phase; final states are keyed by their status. TestMoves draws it.
var moves = map[State][]State{
	pending:    {enqueued, held, claimed, failed, canceled},
	enqueued:   {pending, claimed, failed, canceled},
	backoff:    {pending, failed, canceled},
	held:       {pending, failed, canceled},
	claimed:    {pending, backoff, starting, detached, failed, canceled},
	starting:   {pending, backoff, executing, detached, canceling, timingOut, collecting, completed, failed, canceled},
	executing:  {backoff, detached, canceling, timingOut, collecting, completed, failed, canceled},
	detached:   {pending, backoff, starting, executing, canceling, timingOut, collecting, failed, canceled},
	canceling:  {detached, collecting, completed, failed, canceled},
	timingOut:  {backoff, detached, canceling, collecting, completed, failed, canceled},
	collecting: {backoff, detached, completed, failed, canceled},
}

var (
	pending    = State{StatusQueued, PhasePending}
	enqueued   = State{StatusQueued, PhaseEnqueued}
	backoff    = State{StatusQueued, PhaseBackoff}
	held       = State{StatusQueued, PhaseHeld}
	claimed    = State{StatusRunning, PhaseClaimed}
	starting   = State{StatusRunning, PhaseStarting}
	executing  = State{StatusRunning, PhaseExecuting}
	detached   = State{StatusRunning, PhaseDetached}
	canceling  = State{StatusRunning, PhaseCanceling}
	timingOut  = State{StatusRunning, PhaseTimingOut}
	collecting = State{StatusRunning, PhaseCollecting}
	completed  = State{StatusCompleted, PhaseNone}
	failed     = State{StatusFailed, PhaseNone}
	canceled   = State{StatusCanceled, PhaseNone}
)

// CanBecome reports whether a job may move from s to next.
func (s State) CanBecome(next State) bool { return slices.Contains(moves[s], next) }

// Reason says why a job failed or was canceled; a completed job has none.
type Reason string

// The reasons of failed, then those of canceled.
const (
	ReasonNone Reason = ""

	ReasonExitNonzero      Reason = "exit_nonzero"
	ReasonSignal           Reason = "signal"
	ReasonTimeout          Reason = "timeout"
	ReasonQueueTimeout     Reason = "queue_timeout"
	ReasonConnect          Reason = "connect"
	ReasonAuth             Reason = "auth"
	ReasonHostKeyUnknown   Reason = "host_key_unknown"
	ReasonHostKeyMismatch  Reason = "host_key_mismatch"
	ReasonStartFailed      Reason = "start_failed"
	ReasonServerRebooted   Reason = "server_rebooted"
	ReasonLost             Reason = "lost"
	ReasonOutputLimit      Reason = "output_limit"
	ReasonCredentialNeeded Reason = "credential_needed"
	ReasonPolicyDenied     Reason = "policy_denied"
	ReasonInternal         Reason = "internal"

	ReasonUser  Reason = "user"
	ReasonBatch Reason = "batch"
)

// FailureReasons lists the reasons a failed job may have.
func FailureReasons() []Reason {
	return []Reason{
		ReasonExitNonzero, ReasonSignal, ReasonTimeout, ReasonQueueTimeout, ReasonConnect, ReasonAuth,
		ReasonHostKeyUnknown, ReasonHostKeyMismatch, ReasonStartFailed, ReasonServerRebooted, ReasonLost,
		ReasonOutputLimit, ReasonCredentialNeeded, ReasonPolicyDenied, ReasonInternal,
	}
}

// CancelReasons lists the reasons a canceled job may have.
func CancelReasons() []Reason { return []Reason{ReasonUser, ReasonBatch} }
