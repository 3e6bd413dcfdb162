package wire

import (
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// The statuses of a TestReport.
const (
	TestSuccessful = "connection_successful"
	TestFailed     = "connection_failed"
)

// TestReport is the answer of POST /servers/:id/test, with 200 or 503. A failed one is an Error too.
type TestReport struct {
	ServerID  string   `json:"server_id"`
	Status    string   `json:"status"`
	Message   string   `json:"message"`
	LatencyMS Millis   `json:"latency_ms"`
	HostKey   *SeenKey `json:"host_key"` // the key the server showed; null when it got not so far
	Mode      *string  `json:"mode"`
	ModeCause *string  `json:"mode_cause"`
	*Failure
}

// Failure is what a failed TestReport says more.
type Failure struct {
	Error     string  `json:"error"`
	Code      string  `json:"code"`
	Step      string  `json:"step"`
	Hop       *string `json:"hop"` // the id of the jump server at which it failed; null for the server itself
	Reason    string  `json:"reason"`
	RequestID string  `json:"request_id"`
}

// SeenKey is a host key as a server showed it.
type SeenKey struct {
	Fingerprint string `json:"fingerprint"`
	Type        string `json:"type"`
}

// TestReportOf returns a report's shape.
func TestReportOf(r ports.TestReport, requestID string) TestReport {
	w := TestReport{
		ServerID: string(r.Server), Status: TestSuccessful, Message: r.Message, LatencyMS: Millis(r.Latency),
		Mode: orNull(r.Mode), ModeCause: orNull(r.Cause),
	}
	if r.Seen != nil {
		w.HostKey = &SeenKey{Fingerprint: r.Seen.Fingerprint, Type: r.Seen.Type}
	}
	if !r.OK {
		w.Status = TestFailed
		w.Failure = &Failure{
			Error: r.Message, Code: testCode(r.Reason), Step: string(r.Step), Hop: orNull(r.Hop), Reason: string(r.Reason), RequestID: requestID,
		}
	}
	return w
}

// testCode makes a noun_problem of a reason.
func testCode(r domain.Reason) string {
	switch r {
	case domain.ReasonConnect, domain.ReasonAuth:
		return string(r) + "_failed"
	case domain.ReasonNone:
		return TestFailed
	}
	return string(r)
}

// Domain returns the report that TestReportOf was given, its latency to the microsecond.
func (w TestReport) Domain() ports.TestReport {
	r := ports.TestReport{
		Server: domain.ServerID(w.ServerID), OK: w.Status == TestSuccessful, Message: w.Message, Latency: time.Duration(w.LatencyMS),
		Mode: orEmpty[domain.Mode](w.Mode), Cause: orEmpty[string](w.ModeCause),
	}
	if w.HostKey != nil {
		r.Seen = &domain.HostKey{Fingerprint: w.HostKey.Fingerprint, Type: w.HostKey.Type}
	}
	if w.Failure != nil {
		r.Step, r.Reason, r.Hop = ports.TestStep(w.Step), domain.Reason(w.Reason), orEmpty[domain.ServerID](w.Hop)
	}
	return r
}

// Health is the answer of GET /health, with 200 or 503.
type Health struct {
	Status    string    `json:"status"` // healthy or degraded
	Timestamp time.Time `json:"timestamp"`
	Database  string    `json:"database"` // connected or disconnected
	Queue     string    `json:"queue"`
	Version   string    `json:"version,omitempty"`
}

// Probe is the answer of GET /live and GET /ready.
type Probe struct {
	Status string `json:"status"`
}

// HealthOf returns the shape of a health. Why something is away is only logged: anybody may ask.
func HealthOf(h ports.Health, version string) Health {
	w := Health{Status: "healthy", Timestamp: h.At.UTC(), Database: "connected", Queue: "connected", Version: version}
	if !h.Healthy() {
		w.Status = "degraded"
	}
	if h.Database != nil {
		w.Database = "disconnected"
	}
	if h.Queue != nil {
		w.Queue = "disconnected"
	}
	return w
}

// Domain returns a health with the errors that belong to its words.
func (w Health) Domain() ports.Health {
	h := ports.Health{At: w.Timestamp.UTC()}
	if w.Database != "connected" {
		h.Database = domain.ErrStorageUnavailable
	}
	if w.Queue != "connected" {
		h.Queue = domain.ErrQueueUnavailable
	}
	return h
}
