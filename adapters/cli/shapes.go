package cli

import (
	"math"
	"time"
	"unicode/utf8"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// The shapes of -o json, -o yaml and remora-client. Their names are those of the REST API.

type serverRefShape struct {
	ID       domain.ServerID `json:"id"`
	Name     string          `json:"name"`
	Hostname string          `json:"hostname"`
	Port     int             `json:"port"`
	User     string          `json:"user"`
}

type retryShape struct {
	Mode        domain.RetryMode `json:"mode"`
	MaxAttempts int              `json:"max_attempts"`
}

// outputShape is what a single job tells of its output; lists have none of it.
type outputShape struct {
	Stdout          string `json:"stdout"`
	Stderr          string `json:"stderr"`
	Output          string `json:"output"`
	Error           string `json:"error"`
	StdoutTruncated bool   `json:"stdout_truncated"`
	StderrTruncated bool   `json:"stderr_truncated"`
}

type jobShape struct {
	ID       domain.JobID    `json:"id"`
	ServerID domain.ServerID `json:"server_id"`
	Server   serverRefShape  `json:"server"`
	commandShape
	Status     domain.Status   `json:"status"`
	Phase      *string         `json:"phase"`
	Reason     *string         `json:"reason"`
	Message    *string         `json:"message"`
	Priority   domain.Priority `json:"priority"`
	Timeout    int64           `json:"timeout"`
	ExitCode   *int            `json:"exit_code"`   // null unless the command exited
	Signal     *string         `json:"signal"`      // null unless a signal ended it
	ExitStatus *int            `json:"exit_status"` // what a shell would call $?
	*outputShape
	StdoutBytes     int64          `json:"stdout_bytes"`
	StderrBytes     int64          `json:"stderr_bytes"`
	Attempt         int            `json:"attempt"`
	Retry           retryShape     `json:"retry"`
	CreatedAt       *time.Time     `json:"created_at"`
	UpdatedAt       *time.Time     `json:"updated_at"`
	StartedAt       *time.Time     `json:"started_at"`
	FinishedAt      *time.Time     `json:"finished_at"`
	Duration        *time.Duration `json:"duration"`
	BatchID         *string        `json:"batch_id"`
	OriginJobID     *string        `json:"origin_job_id"`
	CancelRequested bool           `json:"cancel_requested"`
	KillConfirmed   *bool          `json:"kill_confirmed"`
	Receipt         *receiptShape  `json:"receipt"`
}

// receiptShape is what is known after the job's processes were ended.
type receiptShape struct {
	Confirmed bool          `json:"confirmed"`
	Way       string        `json:"way"`
	Ended     int           `json:"ended"`
	Took      time.Duration `json:"took"`
	Left      []leftShape   `json:"left"`
}

// leftShape is a process that outlived the end of its job.
type leftShape struct {
	PID     int    `json:"pid"`
	Command string `json:"command"`
}

// commandShape is what a job or a batch runs.
type commandShape struct {
	Kind           string   `json:"kind"`
	Command        string   `json:"command"` // for people; argv and scripts are exact in fields of their own
	Args           string   `json:"args"`
	Argv           []string `json:"argv"`
	OriginalScript *string  `json:"original_script"`
	Shell          *string  `json:"shell"`
}

func whatRuns(c domain.Command) commandShape {
	s := commandShape{
		Kind: string(c.Kind), Command: c.Text(), Args: c.Args, Argv: c.Argv, OriginalScript: maybe(c.Script), Shell: maybe(c.Shell),
	}
	switch c.Kind {
	case domain.KindShellLine:
		s.Command = c.Line
	case domain.KindScript:
		s.Command = c.Shell
	case domain.KindArgv: // argv says it
	}
	return s
}

// jobInList returns the shape of a job without output.
func jobInList(d ports.JobDetail) jobShape {
	j := &d.Job
	s := jobShape{
		ID: j.ID, ServerID: j.ServerID, Server: serverRefShape(d.Server),
		commandShape: whatRuns(j.Command),
		Status:       j.Status, Phase: maybe(string(j.Phase)), Reason: maybe(string(j.Reason)), Message: maybe(j.Message),
		Priority: j.Priority, Timeout: int64(j.Timeout / time.Second),
		StdoutBytes: j.Output.Stdout, StderrBytes: j.Output.Stderr,
		Attempt: j.Attempt, Retry: retryShape(j.Retry),
		CreatedAt: maybeTime(j.CreatedAt), UpdatedAt: maybeTime(j.UpdatedAt),
		StartedAt: maybeTime(j.StartedAt), FinishedAt: maybeTime(j.FinishedAt),
		BatchID: maybe(string(j.BatchID)), OriginJobID: maybe(string(j.OriginID)),
		CancelRequested: j.CancelRequested, KillConfirmed: j.KillConfirmed(),
	}
	if e := j.Exit; e != nil {
		s.ExitStatus, s.Signal = &e.Code, maybe(e.Signal)
		if e.Signal == "" {
			s.ExitCode = &e.Code
		}
	}
	if d, ok := ran(j); ok {
		s.Duration = &d
	}
	if r := j.Receipt; r != nil {
		s.Receipt = &receiptShape{Confirmed: r.Confirmed, Way: r.Way, Ended: r.Ended, Took: r.Took, Left: []leftShape{}}
		for _, p := range r.Left {
			s.Receipt.Left = append(s.Receipt.Left, leftShape(p))
		}
	}
	return s
}

// wholeJob returns the shape of a job with the tails of its output.
func wholeJob(d ports.JobDetail) jobShape {
	s := jobInList(d)
	o := &outputShape{
		Stdout: string(d.Stdout.Data), Stderr: string(d.Stderr.Data), Output: string(d.Stdout.Data), Error: d.Job.Message,
		StdoutTruncated: d.Stdout.Truncated, StderrTruncated: d.Stderr.Truncated,
	}
	if o.Error == "" {
		o.Error = o.Stderr
	}
	s.outputShape = o
	return s
}

type paginationShape struct {
	Limit      int     `json:"limit"`
	Total      int64   `json:"total"`
	Capped     bool    `json:"total_capped,omitempty"` // there are more
	HasNext    bool    `json:"has_next"`
	NextCursor *string `json:"next_cursor"`
}

// paginationOf says where in a list n things are of which at most limit were asked for; all of them have no limit.
func paginationOf(n, limit int, total int64, next string) paginationShape {
	if limit == math.MaxInt {
		limit = n
	}
	return paginationShape{limit, total, false, next != "", maybe(next)}
}

type jobsShape struct {
	Jobs       []jobShape      `json:"jobs"`
	Pagination paginationShape `json:"pagination"`
}

func jobsInList(page ports.JobPage, limit int) jobsShape {
	s := jobsShape{Jobs: []jobShape{}, Pagination: paginationOf(len(page.Jobs), limit, page.Total, page.Next)}
	s.Pagination.Capped = page.Capped
	for _, d := range page.Jobs {
		s.Jobs = append(s.Jobs, jobInList(d))
	}
	return s
}

type hostKeyShape struct {
	Fingerprint *string    `json:"fingerprint"`
	Type        *string    `json:"type"`
	PinnedAt    *time.Time `json:"pinned_at"`
	State       string     `json:"state"`
}

type serverShape struct {
	ID               domain.ServerID      `json:"id"`
	Name             string               `json:"name"`
	Hostname         string               `json:"hostname"`
	Port             int                  `json:"port"`
	User             string               `json:"user"`
	AuthType         domain.AuthType      `json:"auth_type"`
	IsActive         bool                 `json:"is_active"`
	Tags             []string             `json:"tags"`
	HostKey          hostKeyShape         `json:"host_key"`
	HostKeyPolicy    domain.HostKeyPolicy `json:"host_key_policy"`
	ProxyJump        *string              `json:"proxy_jump"`
	MaxSessions      int                  `json:"max_sessions"`
	HasPassword      bool                 `json:"has_password"`
	HasCredential    bool                 `json:"has_credential"`
	CredentialNeeded bool                 `json:"credential_needed"`
	KeyFingerprint   *string              `json:"key_fingerprint"`
	KeyType          *string              `json:"key_type"`
	PEMFile          *string              `json:"pem_file"`
	Mode             *string              `json:"mode"`
	ModeCause        *string              `json:"mode_cause"`
	Status           string               `json:"status"`
	LastCheck        *checkShape          `json:"last_check"`
	CreatedAt        *time.Time           `json:"created_at"`
	UpdatedAt        *time.Time           `json:"updated_at"`
}

// checkShape is the outcome of the last connection test.
type checkShape struct {
	Connected bool      `json:"connected"`
	Message   string    `json:"message"`
	LatencyMS float64   `json:"latency_ms"`
	CheckedAt time.Time `json:"checked_at"`
}

type serversShape struct {
	Servers []serverShape `json:"servers"`
}

func serverOf(s domain.Server) serverShape {
	v := serverShape{
		ID: s.ID, Name: s.Name, Hostname: s.Hostname, Port: s.Port, User: s.User, AuthType: s.Auth, IsActive: s.Active,
		Tags: append([]string{}, s.Tags...), HostKey: hostKeyOf(s.HostKey), HostKeyPolicy: s.HostKeyPolicy, MaxSessions: s.MaxSessions,
		ProxyJump: maybe(string(s.ProxyJump)), PEMFile: maybe(s.KeyName),
		Status:           checkStatus(s.LastCheck),
		HasPassword:      s.Auth == domain.AuthPassword && s.HasCredential,
		HasCredential:    s.HasCredential,
		CredentialNeeded: s.CredentialNeeded, Mode: maybe(string(s.Mode)), ModeCause: maybe(s.ModeCause),
		CreatedAt: maybeTime(s.CreatedAt), UpdatedAt: maybeTime(s.UpdatedAt),
	}
	if s.Key != nil {
		v.KeyFingerprint, v.KeyType = maybe(s.Key.Fingerprint), maybe(s.Key.Type)
	}
	if c := s.LastCheck; c != nil {
		v.LastCheck = &checkShape{Connected: c.Connected, Message: c.Message, LatencyMS: millis(c.Latency), CheckedAt: c.At.UTC()}
	}
	return v
}

func serversOf(servers []domain.Server) serversShape {
	s := serversShape{Servers: []serverShape{}}
	for _, v := range servers {
		s.Servers = append(s.Servers, serverOf(v))
	}
	return s
}

func hostKeyOf(k *domain.HostKey) hostKeyShape {
	if k == nil {
		return hostKeyShape{State: "unknown"}
	}
	return hostKeyShape{Fingerprint: maybe(k.Fingerprint), Type: maybe(k.Type), PinnedAt: maybeTime(k.PinnedAt), State: "pinned"}
}

func checkStatus(c *domain.Check) string {
	switch {
	case c == nil:
		return "unknown"
	case c.Connected:
		return "connected"
	}
	return "disconnected"
}

type testShape struct {
	ServerID  domain.ServerID `json:"server_id"`
	Server    string          `json:"server"`
	Status    string          `json:"status"`
	Message   string          `json:"message"`
	Step      *string         `json:"step"`
	Reason    *string         `json:"reason"`
	LatencyMS float64         `json:"latency_ms"`
	HostKey   *seenShape      `json:"host_key"`
	Mode      *string         `json:"mode"`
	ModeCause *string         `json:"mode_cause"`
}

// seenShape is a host key as a server showed it, and whether it is the confirmed one: pinned, unknown or changed.
type seenShape struct {
	Fingerprint string `json:"fingerprint"`
	Type        string `json:"type"`
	State       string `json:"state"`
}

func testOf(s domain.Server, r ports.TestReport) testShape {
	v := testShape{
		ServerID: s.ID, Server: s.Name, Status: "connection_successful", Message: r.Message, Step: maybe(string(r.Step)),
		Reason: maybe(string(r.Reason)), LatencyMS: millis(r.Latency), Mode: maybe(string(r.Mode)), ModeCause: maybe(r.Cause),
	}
	if !r.OK {
		v.Status = "connection_failed"
	}
	if k := r.Seen; k != nil {
		v.HostKey = &seenShape{Fingerprint: k.Fingerprint, Type: k.Type, State: "pinned"}
		switch {
		case s.HostKey != nil && s.HostKey.Fingerprint != k.Fingerprint:
			v.HostKey.State = "changed"
		case s.HostKey == nil && (!r.OK || s.HostKeyPolicy != domain.HostKeyAcceptNew):
			v.HostKey.State = "unknown"
		}
	}
	return v
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

type chunkShape struct {
	Seq     domain.Seq `json:"seq"`
	Attempt int        `json:"attempt"`
	Stream  string     `json:"stream"`
	Offset  int64      `json:"offset"`
	Time    time.Time  `json:"time"`
	Text    string     `json:"text"`
	Base64  []byte     `json:"base64,omitempty"` // the bytes, where they are not valid UTF-8
}

func chunkOf(c domain.Chunk) chunkShape {
	s := chunkShape{Seq: c.Seq, Attempt: c.Attempt, Stream: c.Stream.String(), Offset: c.Offset, Time: c.At.UTC(), Text: string(c.Data)}
	if !utf8.Valid(c.Data) {
		s.Base64 = c.Data
	}
	return s
}

// ran returns how long the command of a finished job ran.
func ran(j *domain.Job) (time.Duration, bool) {
	if j.StartedAt.IsZero() || j.FinishedAt.IsZero() {
		return 0, false
	}
	return j.FinishedAt.Sub(j.StartedAt), true
}

func maybe(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func maybeTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
