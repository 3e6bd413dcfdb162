package wire

import (
	"encoding/json"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// SubmitJob is the body of POST /jobs: a shell line with arguments, or argv.
type SubmitJob struct {
	Command  *string      `json:"command,omitempty"`
	Argv     *[]string    `json:"argv,omitempty"`
	Args     *string      `json:"args,omitempty"`
	ServerID string       `json:"server_id"`
	Timeout  *json.Number `json:"timeout,omitempty"`
	Priority *int         `json:"priority,omitempty"`
	Retry    *RetryInput  `json:"retry,omitempty"`
}

// SubmitScript is the body of POST /jobs/script.
type SubmitScript struct {
	Script   string       `json:"script"`
	Args     *string      `json:"args,omitempty"`
	Shell    *string      `json:"shell,omitempty"`
	ServerID string       `json:"server_id"`
	Timeout  *json.Number `json:"timeout,omitempty"`
	Priority *int         `json:"priority,omitempty"`
	Retry    *RetryInput  `json:"retry,omitempty"`
}

// RetryInput is a retry policy of which either half may be left to the default.
type RetryInput struct {
	Mode        *string `json:"mode,omitempty"`
	MaxAttempts *int    `json:"max_attempts,omitempty"`
}

// Submission returns what is asked for. Only what a Submission cannot say, because its zero values are defaults, is
// refused here: a zero that was written down, and a command in two forms.
func (b SubmitJob) Submission() (ports.Submission, error) {
	s := ports.Submission{Command: orEmpty[string](b.Command), Args: orEmpty[string](b.Args)}
	if b.Argv != nil {
		if b.Command != nil {
			return s, domain.Invalid("argv", "command and argv are both given; give one of them")
		}
		if b.Args != nil {
			return s, domain.Invalid("args", "args belongs to command; put every argument into argv")
		}
		s.Argv = *b.Argv
		if _, err := domain.Argv(s.Argv); err != nil {
			return s, err
		}
	} else if s.Command == "" {
		return s, domain.Invalid("command", "command is missing or empty; give a command, or argv")
	}
	return s, common(&s, b.ServerID, b.Timeout, b.Priority, b.Retry)
}

// Submission returns what is asked for, as SubmitJob.Submission does.
func (b SubmitScript) Submission() (ports.Submission, error) {
	s := ports.Submission{Script: b.Script, Args: orEmpty[string](b.Args), Shell: orEmpty[string](b.Shell)}
	if s.Script == "" {
		return s, domain.Invalid("script", "script is missing or empty; give the text to run")
	}
	if b.Shell != nil && s.Shell == "" {
		return s, domain.Invalid("shell", "shell is empty; give an interpreter's path, or leave it out")
	}
	return s, common(&s, b.ServerID, b.Timeout, b.Priority, b.Retry)
}

func common(s *ports.Submission, serverID string, timeout *json.Number, priority *int, retry *RetryInput) error {
	if serverID == "" {
		return domain.Invalid("server_id", "server_id is missing; name the server to run on")
	}
	if !IsID(serverID) {
		return domain.Invalid("server_id", "server_id is not an id; ids look like 018f3c1e-7a52-7c3e-9b1d-2f4a5c6d7e8f")
	}
	s.ServerID = domain.ServerID(serverID)
	return terms(s, timeout, priority, retry)
}

// terms are what a job, a script and a batch may be given alike.
func terms(s *ports.Submission, timeout *json.Number, priority *int, retry *RetryInput) error {
	if timeout != nil {
		d, err := seconds("timeout", *timeout)
		if err != nil {
			return err
		}
		if s.Timeout = d; d == 0 {
			return domain.CheckTimeout(d)
		}
	}
	if priority != nil {
		if s.Priority = domain.Priority(*priority); s.Priority == 0 {
			return s.Priority.Check()
		}
	}
	var err error
	s.Retry, err = retry.retry()
	return err
}

func (b *RetryInput) retry() (*domain.Retry, error) {
	if b == nil {
		return nil, nil
	}
	r := domain.DefaultRetry()
	if b.Mode != nil {
		r.Mode = domain.RetryMode(*b.Mode)
	}
	if b.MaxAttempts != nil {
		r.MaxAttempts = *b.MaxAttempts
	}
	return &r, r.Check()
}

func retryInputOf(r *domain.Retry) *RetryInput {
	if r == nil {
		return nil
	}
	mode, attempts := string(r.Mode), r.MaxAttempts
	return &RetryInput{Mode: &mode, MaxAttempts: &attempts}
}

func secondsOf(d time.Duration) *json.Number {
	b, _ := Seconds(d).MarshalJSON()
	n := json.Number(b)
	return &n
}

// SubmissionOf returns the body that asks for s, and whether it goes to POST /jobs/script.
func SubmissionOf(s ports.Submission) (body any, script bool) {
	var timeout *json.Number
	if s.Timeout != 0 {
		timeout = secondsOf(s.Timeout)
	}
	var priority *int
	if s.Priority != 0 {
		p := int(s.Priority)
		priority = &p
	}
	retry := retryInputOf(s.Retry)
	if s.Script != "" || s.Shell != "" {
		return SubmitScript{
			Script: s.Script, Args: orNull(s.Args), Shell: orNull(s.Shell), ServerID: string(s.ServerID),
			Timeout: timeout, Priority: priority, Retry: retry,
		}, true
	}
	job := SubmitJob{
		Command: orNull(s.Command), Args: orNull(s.Args), ServerID: string(s.ServerID),
		Timeout: timeout, Priority: priority, Retry: retry,
	}
	if s.Argv != nil {
		job.Argv = &s.Argv
	}
	return job, false
}

// Canceled is the answer of POST /jobs/:id/cancel.
type Canceled struct {
	Message string `json:"message"`
	Job     Job    `json:"job"`
}
