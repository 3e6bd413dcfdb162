package cli

import (
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

type batchShape struct {
	ID            domain.BatchID `json:"id"`
	OriginBatchID *string        `json:"origin_batch_id"`
	commandShape
	Priority          domain.Priority `json:"priority"`
	Timeout           int64           `json:"timeout"`
	Retry             retryShape      `json:"retry"`
	MaxParallel       *int            `json:"max_parallel"`        // null: no bound
	StopAfterFailures *int            `json:"stop_after_failures"` // null: never
	Counts            countsShape     `json:"counts"`
	Finished          bool            `json:"finished"`
	StoppedAt         *time.Time      `json:"stopped_at"`
	StopReason        *string         `json:"stop_reason"`
	CreatedAt         *time.Time      `json:"created_at"`
	Jobs              []jobShape      `json:"jobs,omitempty"`
}

type countsShape struct {
	Total     int64 `json:"total"`
	Queued    int64 `json:"queued"`
	Running   int64 `json:"running"`
	Completed int64 `json:"completed"`
	Failed    int64 `json:"failed"`
	Canceled  int64 `json:"canceled"`
}

func batchOf(d ports.BatchDetail) batchShape {
	b, t := d.Batch, d.Tally
	s := batchShape{
		ID: b.ID, OriginBatchID: maybe(string(b.OriginID)), commandShape: whatRuns(b.Command),
		Priority: b.Priority, Timeout: int64(b.Timeout / time.Second),
		Retry: retryShape(b.Retry), MaxParallel: unlessZero(b.MaxParallel), StopAfterFailures: unlessZero(b.StopAfterFailures),
		CreatedAt: maybeTime(b.CreatedAt), StoppedAt: maybeTime(b.StoppedAt), StopReason: maybe(string(b.StopReason)),
		Finished: t.Finished(), Counts: countsShape{t.Total(), t.Queued, t.Running, t.Completed, t.Failed, t.Canceled},
	}
	for _, j := range d.Jobs.Jobs {
		s.Jobs = append(s.Jobs, jobInList(j))
	}
	return s
}

type batchesShape struct {
	Batches    []batchShape    `json:"batches"`
	Pagination paginationShape `json:"pagination"`
}

func batchesOf(page ports.BatchPage, limit int) batchesShape {
	s := batchesShape{Batches: []batchShape{}, Pagination: paginationOf(len(page.Batches), limit, page.Total, page.Next)}
	for _, d := range page.Batches {
		s.Batches = append(s.Batches, batchOf(d))
	}
	return s
}

func unlessZero(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}

type groupShape struct {
	Size         int           `json:"size"`
	JobID        domain.JobID  `json:"job_id"` // one of them; its output is the output of all
	Status       domain.Status `json:"status"`
	Reason       *string       `json:"reason"`
	ExitCode     *int          `json:"exit_code"`
	Signal       *string       `json:"signal"`
	ExitStatus   *int          `json:"exit_status"`
	StdoutBytes  int64         `json:"stdout_bytes"`
	StderrBytes  int64         `json:"stderr_bytes"`
	StdoutSHA256 string        `json:"stdout_sha256"`
	StderrSHA256 string        `json:"stderr_sha256"`
	Names        string        `json:"names"` // of the servers, folded
	Servers      []memberShape `json:"servers"`
}

// memberShape is one job of a group.
type memberShape struct {
	ServerID domain.ServerID `json:"server_id"`
	Name     string          `json:"name"`
	JobID    domain.JobID    `json:"job_id"`
	Status   domain.Status   `json:"status"`
}

type groupsShape struct {
	BatchID    *string       `json:"batch_id"`
	Groups     []groupShape  `json:"groups"`
	Unfinished []memberShape `json:"unfinished"`
}

func groupsOf(id domain.BatchID, groups domain.Groups) groupsShape {
	s := groupsShape{BatchID: maybe(string(id)), Groups: []groupShape{}, Unfinished: membersOf(groups.Unfinished)}
	for _, g := range groups.Finished {
		v := groupShape{
			Size: len(g.Results), JobID: g.Results[0].Job, Status: g.Status, Reason: maybe(string(g.Reason)),
			StdoutBytes: g.Output.Stdout, StderrBytes: g.Output.Stderr, StdoutSHA256: g.Stdout.String(), StderrSHA256: g.Stderr.String(),
			Names: namesOf(g.Results), Servers: membersOf(g.Results),
		}
		if g.Exited {
			v.ExitStatus, v.Signal = &g.Exit.Code, maybe(g.Exit.Signal)
			if g.Exit.Signal == "" {
				v.ExitCode = &g.Exit.Code
			}
		}
		s.Groups = append(s.Groups, v)
	}
	return s
}

func membersOf(results []domain.Result) []memberShape {
	members := []memberShape{}
	for _, r := range results {
		members = append(members, memberShape{r.Server, r.Name, r.Job, r.Status})
	}
	return members
}
