package domain

import (
	"strconv"
	"strings"
)

// The identifiers. Jobs, servers, batches, workers and tokens are UUIDv7 in lower-case text.
type (
	// JobID names a job.
	JobID string
	// ServerID names a server.
	ServerID string
	// BatchID names a batch; empty means none.
	BatchID string
	// WorkerID names one run of a worker process; empty means none.
	WorkerID string
	// TokenID names a token; empty means none.
	TokenID string
)

// AttemptID names one try at starting a job, on the server too: it is the run directory's name.
type AttemptID struct {
	Job    JobID
	Number int // from 1
}

// String returns "job-number".
func (a AttemptID) String() string { return string(a.Job) + "-" + strconv.Itoa(a.Number) }

// ParseAttemptID is the reverse of AttemptID.String.
func ParseAttemptID(s string) (AttemptID, bool) {
	i := strings.LastIndexByte(s, '-')
	if i <= 0 {
		return AttemptID{}, false
	}
	n, err := strconv.Atoi(s[i+1:])
	if err != nil || n < 1 {
		return AttemptID{}, false
	}
	return AttemptID{Job: JobID(s[:i]), Number: n}, true
}
