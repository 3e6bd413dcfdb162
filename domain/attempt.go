package domain

import "time"

// Attempt is one try at starting a job that has ended; a job's running attempt is part of the Job.
type Attempt struct {
	Number     int
	Worker     WorkerID
	Reason     Reason // ReasonNone when it completed
	Message    string
	Exit       *Exit
	StartedAt  time.Time // zero when the command never started
	FinishedAt time.Time
}

// Exit is how a command ended: with a code, or by a signal.
type Exit struct {
	Code   int    // 0 to 255; what the shell reports, 128+n, when Signal is set
	Signal string // without SIG: "KILL"; empty when it exited
}

// Mode is how a command hangs together with its connection.
type Mode string

// The modes.
const (
	ModeUnknown  Mode = ""
	ModeDurable  Mode = "durable"  // runs in its run directory and outlives connection and worker
	ModeAttached Mode = "attached" // bound to the channel, for servers that cannot do better
)

// Process is what the server said when it started a command.
type Process struct {
	PID       int
	StartedAt time.Time // when the worker heard of it
	Boot      string    // the server's boot id; empty where it has none
	Mode      Mode
}

// Receipt is what is known after a job's processes were ended.
type Receipt struct {
	Confirmed bool          // nothing was left, seen twice in a row
	Way       string        // how they were found: "session+group+descent+cookie", "attached", …
	Ended     int           // processes seen at the first look
	Took      time.Duration // from the first signal to the last look
	Left      []Remaining   // what is still alive
}

// Remaining is a process that outlived its end.
type Remaining struct {
	PID     int
	Command string
}

// Failure is why an attempt did not end by itself.
type Failure struct {
	Reason     Reason
	Message    string // for people: what happened, to what, what to do
	NotStarted bool   // proven: this attempt's command has not been and will never be started
}

// Error returns the message.
func (f *Failure) Error() string { return f.Message }
