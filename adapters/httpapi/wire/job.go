package wire

import (
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Job is a job as every answer shows it. Texts of its output are only in the answer about a single job.
type Job struct {
	ID             string     `json:"id"`
	Kind           string     `json:"kind"`
	Command        string     `json:"command"` // for people; argv and scripts are exact in fields of their own
	Args           string     `json:"args"`
	Argv           []string   `json:"argv"`
	OriginalScript *string    `json:"original_script"`
	Shell          *string    `json:"shell"`
	ServerID       string     `json:"server_id"`
	Server         *ServerRef `json:"server,omitempty"`

	Status   string  `json:"status"`
	Phase    *string `json:"phase"`
	Reason   *string `json:"reason"`
	Message  *string `json:"message"` // the failure in words
	Priority int     `json:"priority"`
	Timeout  Seconds `json:"timeout"`

	ExitCode   *int    `json:"exit_code"`   // null unless the command exited
	Signal     *string `json:"signal"`      // null unless a signal ended it
	ExitStatus *int    `json:"exit_status"` // what a shell would call $?: the code, or 128+n

	StdoutBytes int64 `json:"stdout_bytes"`
	StderrBytes int64 `json:"stderr_bytes"`
	LastSeq     int64 `json:"last_seq"`

	Attempt  int      `json:"attempt"`
	Failures int      `json:"failures"`
	Retry    Retry    `json:"retry"`
	WorkerID *string  `json:"worker_id"`
	Process  *Process `json:"process"`

	CreatedAt    time.Time  `json:"created_at"`
	UpdatedAt    time.Time  `json:"updated_at"`
	StartedAt    *time.Time `json:"started_at"`
	FinishedAt   *time.Time `json:"finished_at"`
	DeadlineAt   *time.Time `json:"deadline_at"`
	NextActionAt *time.Time `json:"next_action_at"`
	Duration     *int64     `json:"duration"` // nanoseconds from start to end

	BatchID     *string `json:"batch_id"`
	OriginJobID *string `json:"origin_job_id"`

	CancelRequested bool     `json:"cancel_requested"`
	KillConfirmed   *bool    `json:"kill_confirmed"`
	Receipt         *Receipt `json:"receipt"`

	Epoch    int64 `json:"epoch"`
	Revision int64 `json:"revision"`

	*Texts
}

// Texts are the ends of a job's output as text.
type Texts struct {
	Stdout          string `json:"stdout"`
	Stderr          string `json:"stderr"`
	Output          string `json:"output"` // the same as stdout
	Error           string `json:"error"`  // the failure in words, else stderr
	StdoutTruncated bool   `json:"stdout_truncated"`
	StderrTruncated bool   `json:"stderr_truncated"`
	StdoutBase64    []byte `json:"stdout_base64,omitempty"` // the bytes, where the text does not say them exactly
	StderrBase64    []byte `json:"stderr_base64,omitempty"`
}

// ServerRef is the summary of a job's server.
type ServerRef struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Hostname string `json:"hostname"`
	Port     int    `json:"port"`
	User     string `json:"user"`
}

// Retry is a job's retry policy.
type Retry struct {
	Mode        string `json:"mode"`
	MaxAttempts int    `json:"max_attempts"`
}

// Process is what the server said when it started the command.
type Process struct {
	PID       int       `json:"pid"`
	StartedAt time.Time `json:"started_at"`
	BootID    *string   `json:"boot_id"`
	Mode      *string   `json:"mode"`
}

// Receipt says what is known after the job's processes were ended.
type Receipt struct {
	Confirmed bool        `json:"confirmed"`
	Way       string      `json:"way"`
	Ended     int         `json:"ended"`
	Took      int64       `json:"took"` // nanoseconds
	Left      []Remaining `json:"left"`
}

// Remaining is a process that is still alive.
type Remaining struct {
	PID     int    `json:"pid"`
	Command string `json:"command"`
}

// JobOf returns a job without texts and, where ref is nil, without its server's summary.
func JobOf(j *domain.Job, ref *domain.ServerRef) Job {
	w := Job{
		ID: string(j.ID), Kind: string(j.Command.Kind), ServerID: string(j.ServerID),
		Status: string(j.Status), Phase: orNull(j.Phase), Reason: orNull(j.Reason), Message: orNull(j.Message),
		Priority: int(j.Priority), Timeout: Seconds(j.Timeout),
		StdoutBytes: j.Output.Stdout, StderrBytes: j.Output.Stderr, LastSeq: int64(j.LastSeq),
		Attempt: j.Attempt, Failures: j.Failures, WorkerID: orNull(j.Worker),
		Retry:     Retry{Mode: string(j.Retry.Mode), MaxAttempts: j.Retry.MaxAttempts},
		CreatedAt: j.CreatedAt.UTC(), UpdatedAt: j.UpdatedAt.UTC(),
		StartedAt: timeOrNull(j.StartedAt), FinishedAt: timeOrNull(j.FinishedAt),
		DeadlineAt: timeOrNull(j.DeadlineAt), NextActionAt: timeOrNull(j.NextActionAt),
		BatchID: orNull(j.BatchID), OriginJobID: orNull(j.OriginID),
		CancelRequested: j.CancelRequested, KillConfirmed: j.KillConfirmed(), Receipt: receiptOf(j.Receipt),
		Epoch: j.Epoch, Revision: j.Revision,
	}
	if ref != nil {
		r := ServerRef{ID: string(ref.ID), Name: ref.Name, Hostname: ref.Hostname, Port: ref.Port, User: ref.User}
		w.Server = &r
	}
	if p := j.Process; p != nil {
		w.Process = &Process{PID: p.PID, StartedAt: p.StartedAt.UTC(), BootID: orNull(p.Boot), Mode: orNull(p.Mode)}
	}
	if !j.StartedAt.IsZero() && !j.FinishedAt.IsZero() {
		d := int64(j.FinishedAt.Sub(j.StartedAt))
		w.Duration = &d
	}
	w.setCommand(j.Command)
	w.setExit(j.Exit)
	return w
}

// JobWithTexts returns a single job with everything.
func JobWithTexts(d ports.JobDetail) Job {
	w := JobOf(&d.Job, &d.Server)
	t := TextsOf(d)
	w.Texts = &t
	return w
}

// TextsOf returns the ends of a job's output.
func TextsOf(d ports.JobDetail) Texts {
	t := Texts{StdoutTruncated: d.Stdout.Truncated, StderrTruncated: d.Stderr.Truncated}
	t.Stdout, t.StdoutBase64 = tailText(d.Stdout.Data, d.Stdout.Truncated)
	t.Stderr, t.StderrBase64 = tailText(d.Stderr.Data, d.Stderr.Truncated)
	t.Output, t.Error = t.Stdout, t.Stderr
	if d.Job.Message != "" {
		t.Error = d.Job.Message
	}
	return t
}

func (w *Job) setCommand(c domain.Command) {
	switch c.Kind {
	case domain.KindArgv:
		w.Command, w.Argv = c.Text(), c.Argv
	case domain.KindScript:
		script, shell := c.Script, c.Shell
		w.Command, w.Args, w.OriginalScript, w.Shell = c.Shell, c.Args, &script, &shell
	default:
		w.Command, w.Args = c.Line, c.Args
	}
}

func (w *Job) setExit(e *domain.Exit) {
	if e == nil {
		return
	}
	status := e.Code
	w.ExitStatus = &status
	if e.Signal != "" {
		signal := e.Signal
		w.Signal = &signal
		return
	}
	w.ExitCode = &status
}

// Detail returns what the job was made of.
func (w Job) Detail() ports.JobDetail {
	d := ports.JobDetail{Job: w.Domain()}
	if s := w.Server; s != nil {
		d.Server = domain.ServerRef{ID: domain.ServerID(s.ID), Name: s.Name, Hostname: s.Hostname, Port: s.Port, User: s.User}
	}
	if t := w.Texts; t != nil {
		d.Stdout = ports.Tail{Data: dataOf(t.Stdout, t.StdoutBase64), Truncated: t.StdoutTruncated}
		d.Stderr = ports.Tail{Data: dataOf(t.Stderr, t.StderrBase64), Truncated: t.StderrTruncated}
	}
	return d
}

// Domain returns the job that JobOf was given.
func (w Job) Domain() domain.Job {
	j := domain.Job{
		ID: domain.JobID(w.ID), ServerID: domain.ServerID(w.ServerID), BatchID: orEmpty[domain.BatchID](w.BatchID),
		OriginID: orEmpty[domain.JobID](w.OriginJobID), Command: w.command(),
		Priority: domain.Priority(w.Priority), Timeout: time.Duration(w.Timeout),
		Retry:  domain.Retry{Mode: domain.RetryMode(w.Retry.Mode), MaxAttempts: w.Retry.MaxAttempts},
		Status: domain.Status(w.Status), Phase: orEmpty[domain.Phase](w.Phase), Reason: orEmpty[domain.Reason](w.Reason),
		Message: orEmpty[string](w.Message), Attempt: w.Attempt, Failures: w.Failures, Epoch: w.Epoch,
		Worker: orEmpty[domain.WorkerID](w.WorkerID), CancelRequested: w.CancelRequested, Receipt: w.Receipt.domain(),
		CreatedAt: w.CreatedAt.UTC(), UpdatedAt: w.UpdatedAt.UTC(), StartedAt: timeOrZero(w.StartedAt),
		FinishedAt: timeOrZero(w.FinishedAt), DeadlineAt: timeOrZero(w.DeadlineAt), NextActionAt: timeOrZero(w.NextActionAt),
		Output:  domain.Offsets{Stdout: w.StdoutBytes, Stderr: w.StderrBytes},
		LastSeq: domain.Seq(w.LastSeq), Revision: w.Revision,
	}
	if p := w.Process; p != nil {
		j.Process = &domain.Process{
			PID: p.PID, StartedAt: p.StartedAt.UTC(), Boot: orEmpty[string](p.BootID), Mode: orEmpty[domain.Mode](p.Mode),
		}
	}
	if w.ExitStatus != nil {
		j.Exit = &domain.Exit{Code: *w.ExitStatus, Signal: orEmpty[string](w.Signal)}
	}
	return j
}

func (w Job) command() domain.Command {
	c := domain.Command{Kind: domain.CommandKind(w.Kind)}
	switch c.Kind {
	case domain.KindArgv:
		c.Argv = w.Argv
	case domain.KindScript:
		c.Script, c.Shell, c.Args = orEmpty[string](w.OriginalScript), orEmpty[string](w.Shell), w.Args
	default:
		c.Line, c.Args = w.Command, w.Args
	}
	return c
}

func receiptOf(r *domain.Receipt) *Receipt {
	if r == nil {
		return nil
	}
	w := Receipt{Confirmed: r.Confirmed, Way: r.Way, Ended: r.Ended, Took: int64(r.Took), Left: []Remaining{}}
	for _, p := range r.Left {
		w.Left = append(w.Left, Remaining{PID: p.PID, Command: p.Command})
	}
	return &w
}

func (w *Receipt) domain() *domain.Receipt {
	if w == nil {
		return nil
	}
	r := domain.Receipt{Confirmed: w.Confirmed, Way: w.Way, Ended: w.Ended, Took: time.Duration(w.Took)}
	for _, p := range w.Left {
		r.Left = append(r.Left, domain.Remaining{PID: p.PID, Command: p.Command})
	}
	return &r
}
