package wire

import (
	"encoding/json"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// SubmitBatch is the body of POST /jobs/bulk: what to run, as POST /jobs or POST /jobs/script takes it, and on which servers.
type SubmitBatch struct {
	Command *string   `json:"command,omitempty"`
	Argv    *[]string `json:"argv,omitempty"`
	Script  *string   `json:"script,omitempty"`
	Args    *string   `json:"args,omitempty"`
	Shell   *string   `json:"shell,omitempty"`

	ServerIDs *[]string `json:"server_ids,omitempty"`
	Tags      *[]string `json:"tags,omitempty"` // a server needs all of them
	All       *bool     `json:"all,omitempty"`

	MaxParallel       *int `json:"max_parallel,omitempty"`
	StopAfterFailures *int `json:"stop_after_failures,omitempty"`

	Timeout  *json.Number `json:"timeout,omitempty"`
	Priority *int         `json:"priority,omitempty"`
	Retry    *RetryInput  `json:"retry,omitempty"`
}

// Submission returns what is asked for. Only what a BatchSubmission cannot say is refused here.
func (b SubmitBatch) Submission() (ports.BatchSubmission, error) {
	var s ports.BatchSubmission
	var err error
	if s.Submission, err = b.what(); err != nil {
		return s, err
	}
	if err := b.where(&s); err != nil {
		return s, err
	}
	for _, limit := range []struct {
		name  string
		given *int
		to    *int
	}{{"max_parallel", b.MaxParallel, &s.MaxParallel}, {"stop_after_failures", b.StopAfterFailures, &s.StopAfterFailures}} {
		if limit.given != nil {
			if *limit.given < 1 || *limit.given > domain.MaxBatchServers {
				return s, domain.Invalid(limit.name, "%s %d is out of range; give 1 to %d, or leave it out", limit.name, *limit.given, domain.MaxBatchServers)
			}
			*limit.to = *limit.given
		}
	}
	return s, terms(&s.Submission, b.Timeout, b.Priority, b.Retry)
}

func (b SubmitBatch) what() (ports.Submission, error) {
	s := ports.Submission{
		Command: orEmpty[string](b.Command), Script: orEmpty[string](b.Script), Args: orEmpty[string](b.Args), Shell: orEmpty[string](b.Shell),
	}
	if b.Argv != nil {
		s.Argv = *b.Argv
	}
	given := 0
	for _, there := range []bool{b.Command != nil, b.Argv != nil, b.Script != nil} {
		if there {
			given++
		}
	}
	switch {
	case given > 1:
		return s, domain.Invalid("command", "give one of command, argv and script, not several")
	case b.Script != nil && s.Script == "":
		return s, domain.Invalid("script", "script is empty; give the text to run")
	case b.Shell != nil && s.Shell == "":
		return s, domain.Invalid("shell", "shell is empty; give an interpreter's path, or leave it out")
	case b.Argv != nil && b.Args != nil:
		return s, domain.Invalid("args", "args belongs to command and script; put every argument into argv")
	case b.Argv != nil:
		_, err := domain.Argv(s.Argv)
		return s, err
	case b.Script == nil && s.Command == "":
		return s, domain.Invalid("command", "command is missing or empty; give a command, argv or a script")
	}
	return s, nil
}

func (b SubmitBatch) where(s *ports.BatchSubmission) error {
	if b.ServerIDs != nil {
		for _, id := range *b.ServerIDs {
			if !IsID(id) {
				return domain.Invalid("server_ids", "server_ids holds %q, which is not an id; ids look like 018f3c1e-7a52-7c3e-9b1d-2f4a5c6d7e8f", short(id))
			}
			s.ServerIDs = append(s.ServerIDs, domain.ServerID(id))
		}
	}
	if b.Tags != nil {
		s.Tags = *b.Tags
		for _, tag := range s.Tags {
			if tag == "" {
				return domain.Invalid("tags", "tags holds an empty tag; every tag must be one that servers have")
			}
		}
	}
	s.All = b.All != nil && *b.All
	return nil
}

// SubmitBatchOf returns the body that asks for s.
func SubmitBatchOf(s ports.BatchSubmission) SubmitBatch {
	b := SubmitBatch{
		Command: orNull(s.Command), Script: orNull(s.Script), Args: orNull(s.Args), Shell: orNull(s.Shell), Retry: retryInputOf(s.Retry),
	}
	if s.Argv != nil {
		b.Argv = &s.Argv
	}
	if s.ServerIDs != nil {
		ids := texts(s.ServerIDs)
		b.ServerIDs = &ids
	}
	if s.Tags != nil {
		b.Tags = &s.Tags
	}
	if s.All {
		b.All = &s.All
	}
	b.MaxParallel, b.StopAfterFailures = orNone(s.MaxParallel), orNone(s.StopAfterFailures)
	if s.Timeout != 0 {
		b.Timeout = secondsOf(s.Timeout)
	}
	b.Priority = orNone(int(s.Priority))
	return b
}

// Batch is a batch as every answer shows it.
type Batch struct {
	ID             string   `json:"id"`
	Kind           string   `json:"kind"`
	Command        string   `json:"command"`
	Args           string   `json:"args"`
	Argv           []string `json:"argv"`
	OriginalScript *string  `json:"original_script"`
	Shell          *string  `json:"shell"`

	Priority          int     `json:"priority"`
	Timeout           Seconds `json:"timeout"`
	Retry             Retry   `json:"retry"`
	MaxParallel       *int    `json:"max_parallel"`        // null: no bound
	StopAfterFailures *int    `json:"stop_after_failures"` // null: never

	Counts        Counts     `json:"counts"`
	Finished      bool       `json:"finished"`
	StoppedAt     *time.Time `json:"stopped_at"`  // since then nothing of it is started
	StopReason    *string    `json:"stop_reason"` // user: it was canceled; batch: too many of its jobs had failed
	CreatedAt     time.Time  `json:"created_at"`
	OriginBatchID *string    `json:"origin_batch_id"`
}

// Counts are a batch's jobs by status.
type Counts struct {
	Total     int64 `json:"total"`
	Queued    int64 `json:"queued"`
	Running   int64 `json:"running"`
	Completed int64 `json:"completed"`
	Failed    int64 `json:"failed"`
	Canceled  int64 `json:"canceled"`
}

// BatchOf returns a batch with its counts.
func BatchOf(d ports.BatchDetail) Batch {
	var command Job
	b, t := d.Batch, d.Tally
	command.setCommand(b.Command)
	return Batch{
		ID: string(b.ID), Kind: string(b.Command.Kind), Command: command.Command, Args: command.Args, Argv: command.Argv,
		OriginalScript: command.OriginalScript, Shell: command.Shell,
		Priority: int(b.Priority), Timeout: Seconds(b.Timeout), Retry: Retry{Mode: string(b.Retry.Mode), MaxAttempts: b.Retry.MaxAttempts},
		MaxParallel: orNone(b.MaxParallel), StopAfterFailures: orNone(b.StopAfterFailures),
		Counts: Counts{
			Total: t.Total(), Queued: t.Queued, Running: t.Running, Completed: t.Completed, Failed: t.Failed, Canceled: t.Canceled,
		},
		Finished: t.Finished(), StoppedAt: timeOrNull(b.StoppedAt), StopReason: orNull(b.StopReason),
		CreatedAt: b.CreatedAt.UTC(), OriginBatchID: orNull(b.OriginID),
	}
}

// Detail returns what the batch was made of.
func (w Batch) Detail() ports.BatchDetail {
	command := Job{Kind: w.Kind, Command: w.Command, Args: w.Args, Argv: w.Argv, OriginalScript: w.OriginalScript, Shell: w.Shell}
	return ports.BatchDetail{
		Batch: domain.Batch{
			ID: domain.BatchID(w.ID), OriginID: orEmpty[domain.BatchID](w.OriginBatchID), Command: command.command(),
			Priority: domain.Priority(w.Priority), Timeout: time.Duration(w.Timeout),
			Retry:       domain.Retry{Mode: domain.RetryMode(w.Retry.Mode), MaxAttempts: w.Retry.MaxAttempts},
			MaxParallel: orZero(w.MaxParallel), StopAfterFailures: orZero(w.StopAfterFailures),
			CreatedAt: w.CreatedAt.UTC(), StoppedAt: timeOrZero(w.StoppedAt), StopReason: orEmpty[domain.Reason](w.StopReason),
		},
		Tally: domain.Tally{
			Queued: w.Counts.Queued, Running: w.Counts.Running, Completed: w.Counts.Completed, Failed: w.Counts.Failed, Canceled: w.Counts.Canceled,
		},
	}
}

// BatchSubmitted is the answer of POST /jobs/bulk and /batches/:id/rerun.
type BatchSubmitted struct {
	Batch Batch `json:"batch"`
	Jobs  []Job `json:"jobs"`
}

// BatchSubmittedOf returns a new batch with all of its jobs.
func BatchSubmittedOf(d ports.BatchDetail) BatchSubmitted {
	return BatchSubmitted{Batch: BatchOf(d), Jobs: jobsOf(d.Jobs)}
}

// Detail returns what it was made of.
func (w BatchSubmitted) Detail() ports.BatchDetail {
	d := w.Batch.Detail()
	d.Jobs = ports.JobPage{Jobs: details(w.Jobs), Total: int64(len(w.Jobs))}
	return d
}

// BatchWithJobs is the answer of GET /batches/:id.
type BatchWithJobs struct {
	Batch      Batch      `json:"batch"`
	Jobs       []Job      `json:"jobs"`
	Pagination Pagination `json:"pagination"`
}

// BatchWithJobsOf returns the answer to q.
func BatchWithJobsOf(d ports.BatchDetail, q ports.JobQuery) BatchWithJobs {
	w := BatchWithJobs{Batch: BatchOf(d), Jobs: jobsOf(d.Jobs), Pagination: pageOf(q.Limit, q.Page, q.Cursor, d.Jobs.Next, d.Jobs.Total)}
	w.Pagination.Capped = d.Jobs.Capped
	return w
}

// Detail returns what it was made of.
func (w BatchWithJobs) Detail() ports.BatchDetail {
	d := w.Batch.Detail()
	d.Jobs = ports.JobPage{Jobs: details(w.Jobs), Total: w.Pagination.Total, Capped: w.Pagination.Capped, Next: orEmpty[string](w.Pagination.NextCursor)}
	return d
}

// BatchList is the answer of GET /batches.
type BatchList struct {
	Batches    []Batch    `json:"batches"`
	Pagination Pagination `json:"pagination"`
}

// BatchListOf returns the answer to q.
func BatchListOf(p ports.BatchPage, q ports.BatchQuery) BatchList {
	l := BatchList{Batches: make([]Batch, 0, len(p.Batches)), Pagination: pageOf(q.Limit, q.Page, q.Cursor, p.Next, p.Total)}
	for _, b := range p.Batches {
		l.Batches = append(l.Batches, BatchOf(b))
	}
	return l
}

// Page returns the page that the list was made of.
func (l BatchList) Page() ports.BatchPage {
	p := ports.BatchPage{Total: l.Pagination.Total, Next: orEmpty[string](l.Pagination.NextCursor)}
	for _, b := range l.Batches {
		p.Batches = append(p.Batches, b.Detail())
	}
	return p
}

// BatchCanceled is the answer of POST /batches/:id/cancel.
type BatchCanceled struct {
	Message  string `json:"message"`
	Canceled int64  `json:"canceled"` // jobs that were queued
	Ending   int64  `json:"ending"`   // running jobs whose processes are being ended
	Batch    Batch  `json:"batch"`
}

// BatchCanceledOf says what a cancel has come to.
func BatchCanceledOf(c ports.BatchCanceled) BatchCanceled {
	message := "nothing of the batch is started any more"
	if c.Ending > 0 {
		message += "; processes of the running jobs are being ended"
	}
	return BatchCanceled{Message: message, Canceled: c.Canceled, Ending: c.Ending, Batch: BatchOf(c.BatchDetail)}
}

// Domain returns what it was made of.
func (w BatchCanceled) Domain() ports.BatchCanceled {
	return ports.BatchCanceled{BatchDetail: w.Batch.Detail(), Canceled: w.Canceled, Ending: w.Ending}
}

func jobsOf(p ports.JobPage) []Job {
	jobs := make([]Job, 0, len(p.Jobs))
	for i := range p.Jobs {
		jobs = append(jobs, JobOf(&p.Jobs[i].Job, &p.Jobs[i].Server))
	}
	return jobs
}

func details(jobs []Job) []ports.JobDetail {
	list := make([]ports.JobDetail, 0, len(jobs))
	for _, j := range jobs {
		list = append(list, j.Detail())
	}
	return list
}

func texts[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}

func orNone(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}

func orZero(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}

// OnlyFailed is the one value of only.
const OnlyFailed = "failed"

// RerunBatch is the body of POST /batches/:id/rerun, which may be left out.
type RerunBatch struct {
	Only *string `json:"only,omitempty"` // failed
}
