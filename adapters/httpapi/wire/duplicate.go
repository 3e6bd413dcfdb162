package wire

import (
	"encoding/json"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// DuplicateJob is the body of POST /jobs/:id/duplicate: what the new job does differently.
type DuplicateJob struct {
	ServerID *string      `json:"server_id,omitempty"`
	Command  *string      `json:"command,omitempty"`
	Argv     *[]string    `json:"argv,omitempty"`
	Script   *string      `json:"script,omitempty"`
	Args     *string      `json:"args,omitempty"`
	Shell    *string      `json:"shell,omitempty"`
	Timeout  *json.Number `json:"timeout,omitempty"`
	Priority *int         `json:"priority,omitempty"`
	Retry    *RetryInput  `json:"retry,omitempty"`
}

// Duplicated is the answer of POST /jobs/:id/duplicate and /jobs/:id/rerun.
type Duplicated struct {
	Message  string `json:"message"`
	Original Job    `json:"original_job"`
	New      Job    `json:"new_job"`
}

// Change returns what is asked for. A field with the wrong value is refused with its code.
func (b DuplicateJob) Change() (ports.Change, error) {
	c := ports.Change{Command: b.Command, Script: b.Script, Args: b.Args, Shell: b.Shell}
	if b.Argv != nil {
		c.Argv = append([]string{}, *b.Argv...)
	}
	if b.ServerID != nil {
		if !IsID(*b.ServerID) {
			return c, domain.Invalid("server_id", "server_id is not an id; ids look like 018f3c1e-7a52-7c3e-9b1d-2f4a5c6d7e8f")
		}
		id := domain.ServerID(*b.ServerID)
		c.ServerID = &id
	}
	if b.Timeout != nil {
		d, err := seconds("timeout", *b.Timeout)
		if err != nil {
			return c, err
		}
		c.Timeout = &d
	}
	if b.Priority != nil {
		p := domain.Priority(*b.Priority)
		c.Priority = &p
	}
	var err error
	c.Retry, err = b.Retry.retry()
	return c, err
}

// DuplicateJobOf returns the body that asks for c.
func DuplicateJobOf(c ports.Change) DuplicateJob {
	b := DuplicateJob{Command: c.Command, Script: c.Script, Args: c.Args, Shell: c.Shell, Retry: retryInputOf(c.Retry)}
	if c.Argv != nil {
		b.Argv = &c.Argv
	}
	if c.ServerID != nil {
		id := string(*c.ServerID)
		b.ServerID = &id
	}
	if c.Timeout != nil {
		b.Timeout = secondsOf(*c.Timeout)
	}
	if c.Priority != nil {
		p := int(*c.Priority)
		b.Priority = &p
	}
	return b
}

// DuplicatedOf returns the answer.
func DuplicatedOf(c ports.Copy) Duplicated {
	return Duplicated{
		Message: "the job was submitted once more", Original: JobOf(&c.Original.Job, &c.Original.Server), New: JobWithTexts(c.New),
	}
}

// Copy returns what the answer was made of.
func (d Duplicated) Copy() ports.Copy {
	return ports.Copy{Original: d.Original.Detail(), New: d.New.Detail()}
}
