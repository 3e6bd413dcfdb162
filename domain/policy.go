package domain

import "time"

// Priority orders jobs: 1 to 10, 10 is the most urgent.
type Priority int

// DefaultPriority is taken where none is given; MaxPriority is the most urgent.
const (
	DefaultPriority Priority = 5
	MaxPriority     Priority = 10
)

// Check fails with priority_invalid outside 1 to 10.
func (p Priority) Check() error {
	if p < 1 || p > 10 {
		return Invalid("priority", "priority %d is out of range; 1 is the least urgent, 10 the most", int(p))
	}
	return nil
}

// Limits of a job's time on its server, and of its time in the queue.
const (
	MinTimeout   = time.Second
	MaxTimeout   = 2_592_000 * time.Second
	QueueTimeout = 7 * 24 * time.Hour
)

// CheckTimeout fails with timeout_invalid outside MinTimeout to MaxTimeout.
func CheckTimeout(d time.Duration) error {
	if d < MinTimeout || d > MaxTimeout {
		return Invalid("timeout", "timeout is out of range; give 1 to 2592000 seconds")
	}
	return nil
}

// RetryMode says which failed attempts are tried again.
type RetryMode string

// The retry modes.
const (
	RetryNever       RetryMode = "never"
	RetrySafe        RetryMode = "safe"          // only attempts proven not started
	RetryOnFailure   RetryMode = "on_failure"    // also those that ran and failed
	RetryAtLeastOnce RetryMode = "at_least_once" // also those whose fate is unknown
)

// Retry is a job's retry policy.
type Retry struct {
	Mode        RetryMode
	MaxAttempts int // 1 to 100
}

// DefaultRetry is taken where none is given.
func DefaultRetry() Retry { return Retry{Mode: RetrySafe, MaxAttempts: 3} }

// Check fails with retry_invalid on an unknown mode or attempts outside 1 to 100.
func (r Retry) Check() error {
	switch r.Mode {
	case RetryNever, RetrySafe, RetryOnFailure, RetryAtLeastOnce:
	default:
		return Invalid("retry", "retry mode %q is unknown; use never, safe, on_failure or at_least_once", r.Mode)
	}
	if r.MaxAttempts < 1 || r.MaxAttempts > 100 {
		return Invalid("retry", "retry max_attempts %d is out of range; give 1 to 100", r.MaxAttempts)
	}
	return nil
}

// allows reports whether an attempt that ended with reason may be followed by another. A login or a host key that was
// refused is never tried in a loop; nor is what would fail the same way again.
func (r Retry) allows(reason Reason, notStarted bool) bool {
	switch reason {
	case ReasonAuth, ReasonHostKeyUnknown, ReasonHostKeyMismatch, ReasonCredentialNeeded, ReasonPolicyDenied,
		ReasonOutputLimit, ReasonQueueTimeout, ReasonStartFailed, ReasonInternal:
		return false
	}
	switch {
	case r.Mode == RetryNever:
		return false
	case notStarted:
		return true
	case reason == ReasonLost || reason == ReasonServerRebooted:
		return r.Mode == RetryAtLeastOnce
	default:
		return r.Mode == RetryOnFailure || r.Mode == RetryAtLeastOnce
	}
}

// The bounds of the wait between attempts.
const (
	MinBackoff = 5 * time.Second
	MaxBackoff = 5 * time.Minute
)

// Backoff returns how long to wait after the given number of failures: full jitter over an interval that doubles from
// MinBackoff to MaxBackoff. random is in [0,1).
func (r Retry) Backoff(failures int, random float64) time.Duration {
	ceiling := MinBackoff
	for i := 1; i < failures && ceiling < MaxBackoff; i++ {
		ceiling *= 2
	}
	return time.Duration(random * float64(min(ceiling, MaxBackoff)))
}
