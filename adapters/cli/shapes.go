package cli

import (
	"time"

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
	ID             domain.JobID    `json:"id"`
	ServerID       domain.ServerID `json:"server_id"`
	Server         serverRefShape  `json:"server"`
	Command        string          `json:"command"`
	Args           string          `json:"args"`
	Argv           []string        `json:"argv,omitempty"`
	OriginalScript string          `json:"original_script,omitempty"`
	Shell          string          `json:"shell,omitempty"`
	Status         domain.Status   `json:"status"`
	Phase          domain.Phase    `json:"phase"`
	Reason         domain.Reason   `json:"reason"`
	Message        string          `json:"message"`
	Priority       domain.Priority `json:"priority"`
	Timeout        int64           `json:"timeout"`
	ExitCode       *int            `json:"exit_code"`
	Signal         *string         `json:"signal"`
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
	Left            []leftShape    `json:"left,omitempty"`
}

// leftShape is a process that outlived the end of its job.
type leftShape struct {
	PID     int    `json:"pid"`
	Command string `json:"command"`
}

// jobInList returns the shape of a job without output.
func jobInList(d ports.JobDetail) jobShape {
	j := &d.Job
	s := jobShape{
		ID: j.ID, ServerID: j.ServerID, Server: serverRefShape(d.Server),
		Command: j.Command.Line, Args: j.Command.Args, Argv: j.Command.Argv, OriginalScript: j.Command.Script, Shell: j.Command.Shell,
		Status: j.Status, Phase: j.Phase, Reason: j.Reason, Message: j.Message,
		Priority: j.Priority, Timeout: int64(j.Timeout / time.Second),
		StdoutBytes: j.Output.Stdout, StderrBytes: j.Output.Stderr,
		Attempt: j.Attempt, Retry: retryShape(j.Retry),
		CreatedAt: maybeTime(j.CreatedAt), UpdatedAt: maybeTime(j.UpdatedAt),
		StartedAt: maybeTime(j.StartedAt), FinishedAt: maybeTime(j.FinishedAt),
		BatchID: maybe(string(j.BatchID)), OriginJobID: maybe(string(j.OriginID)),
		CancelRequested: j.CancelRequested, KillConfirmed: j.KillConfirmed(),
	}
	if s.Command == "" {
		s.Command = j.Command.Text()
	}
	if j.Exit != nil {
		s.ExitCode, s.Signal = &j.Exit.Code, maybe(j.Exit.Signal)
	}
	if d, ok := ran(j); ok {
		s.Duration = &d
	}
	if j.Receipt != nil {
		for _, p := range j.Receipt.Left {
			s.Left = append(s.Left, leftShape(p))
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
	Limit      int    `json:"limit"`
	Total      int64  `json:"total"`
	HasNext    bool   `json:"has_next"`
	NextCursor string `json:"next_cursor"`
}

type jobsShape struct {
	Jobs       []jobShape      `json:"jobs"`
	Pagination paginationShape `json:"pagination"`
}

func jobsInList(page ports.JobPage, limit int) jobsShape {
	s := jobsShape{Jobs: []jobShape{}, Pagination: paginationShape{limit, page.Total, page.Next != "", page.Next}}
	for _, d := range page.Jobs {
		s.Jobs = append(s.Jobs, jobInList(d))
	}
	return s
}

type hostKeyShape struct {
	Fingerprint string     `json:"fingerprint"`
	Type        string     `json:"type,omitempty"`
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
	MaxSessions      int                  `json:"max_sessions"`
	Status           string               `json:"status"`
	StatusMessage    string               `json:"status_message,omitempty"`
	CheckedAt        *time.Time           `json:"checked_at"`
	HasPassword      bool                 `json:"has_password"`
	KeyFingerprint   string               `json:"key_fingerprint,omitempty"`
	KeyType          string               `json:"key_type,omitempty"`
	CredentialNeeded bool                 `json:"credential_needed"`
	CreatedAt        *time.Time           `json:"created_at"`
	UpdatedAt        *time.Time           `json:"updated_at"`
}

type serversShape struct {
	Servers []serverShape `json:"servers"`
}

func serverOf(s domain.Server) serverShape {
	v := serverShape{
		ID: s.ID, Name: s.Name, Hostname: s.Hostname, Port: s.Port, User: s.User, AuthType: s.Auth, IsActive: s.Active,
		Tags: append([]string{}, s.Tags...), HostKey: hostKeyOf(s.HostKey), HostKeyPolicy: s.HostKeyPolicy, MaxSessions: s.MaxSessions,
		Status:           checkStatus(s.LastCheck),
		HasPassword:      s.Auth == domain.AuthPassword && s.HasCredential,
		CredentialNeeded: s.CredentialNeeded,
		CreatedAt:        maybeTime(s.CreatedAt), UpdatedAt: maybeTime(s.UpdatedAt),
	}
	if s.Key != nil {
		v.KeyFingerprint, v.KeyType = s.Key.Fingerprint, s.Key.Type
	}
	if s.LastCheck != nil {
		v.StatusMessage, v.CheckedAt = s.LastCheck.Message, maybeTime(s.LastCheck.At)
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
	return hostKeyShape{Fingerprint: k.Fingerprint, Type: k.Type, PinnedAt: maybeTime(k.PinnedAt), State: "pinned"}
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
	Step      ports.TestStep  `json:"step,omitempty"`
	Code      domain.Reason   `json:"code,omitempty"`
	LatencyMS float64         `json:"latency_ms"`
	HostKey   hostKeyShape    `json:"host_key"`
	Mode      domain.Mode     `json:"mode,omitempty"`
	ModeCause string          `json:"mode_cause,omitempty"`
}

func testOf(s domain.Server, r ports.TestReport) testShape {
	v := testShape{
		ServerID: s.ID, Server: s.Name, Status: "connection_successful", Message: r.Message, Step: r.Step, Code: r.Reason,
		LatencyMS: float64(r.Latency.Microseconds()) / 1000, HostKey: hostKeyOf(r.Seen), Mode: r.Mode, ModeCause: r.Cause,
	}
	if !r.OK {
		v.Status = "connection_failed"
	}
	if r.Seen != nil && (s.HostKey == nil || s.HostKey.Fingerprint != r.Seen.Fingerprint) {
		v.HostKey.State = "unknown"
		if s.HostKey != nil {
			v.HostKey.State = "changed"
		}
	}
	return v
}

type chunkShape struct {
	Seq     domain.Seq `json:"seq"`
	Attempt int        `json:"attempt"`
	Stream  string     `json:"stream"`
	Offset  int64      `json:"offset"`
	Time    time.Time  `json:"time"`
	Text    string     `json:"text"`
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
