package cli

import (
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

type batchShape struct {
	ID                domain.BatchID  `json:"id"`
	OriginBatchID     *string         `json:"origin_batch_id"`
	Kind              string          `json:"kind"`
	Command           string          `json:"command"`
	Args              string          `json:"args"`
	Argv              []string        `json:"argv"`
	OriginalScript    *string         `json:"original_script"`
	Shell             *string         `json:"shell"`
	Priority          domain.Priority `json:"priority"`
	Timeout           int64           `json:"timeout"`
	Retry             retryShape      `json:"retry"`
	MaxParallel       int             `json:"max_parallel"`
	StopAfterFailures int             `json:"stop_after_failures"`
	CreatedAt         *time.Time      `json:"created_at"`
	StoppedAt         *time.Time      `json:"stopped_at"`
	StopReason        *string         `json:"stop_reason"`
	Counts            countsShape     `json:"counts"`
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
	sample := jobInList(ports.JobDetail{Job: domain.Job{Command: b.Command}})
	s := batchShape{
		ID: b.ID, OriginBatchID: maybe(string(b.OriginID)), Kind: sample.Kind, Command: sample.Command, Args: sample.Args, Argv: sample.Argv,
		OriginalScript: sample.OriginalScript, Shell: sample.Shell, Priority: b.Priority, Timeout: int64(b.Timeout / time.Second),
		Retry: retryShape(b.Retry), MaxParallel: b.MaxParallel, StopAfterFailures: b.StopAfterFailures,
		CreatedAt: maybeTime(b.CreatedAt), StoppedAt: maybeTime(b.StoppedAt), StopReason: maybe(string(b.StopReason)),
		Counts: countsShape{t.Total(), t.Queued, t.Running, t.Completed, t.Failed, t.Canceled},
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

type groupShape struct {
	Status      domain.Status `json:"status"`
	Reason      *string       `json:"reason"`
	ExitCode    *int          `json:"exit_code"`
	Signal      *string       `json:"signal"`
	StdoutBytes int64         `json:"stdout_bytes"`
	StderrBytes int64         `json:"stderr_bytes"`
	Servers     string        `json:"servers"` // folded
	Jobs        []memberShape `json:"jobs"`
}

// memberShape is one job of a group; the first stands for all of them.
type memberShape struct {
	JobID    domain.JobID    `json:"job_id"`
	ServerID domain.ServerID `json:"server_id"`
	Server   string          `json:"server"`
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
			Status: g.Status, Reason: maybe(string(g.Reason)), StdoutBytes: g.Output.Stdout, StderrBytes: g.Output.Stderr,
			Servers: namesOf(g.Results), Jobs: membersOf(g.Results),
		}
		if g.Exited {
			v.Signal = maybe(g.Exit.Signal)
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
		members = append(members, memberShape{r.Job, r.Server, r.Name})
	}
	return members
}
