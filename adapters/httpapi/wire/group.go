package wire

import (
	"encoding/hex"

	"github.com/heysubinoy/remora/domain"
)

// Groups is the answer of GET /batches/:id/groups.
type Groups struct {
	BatchID    string        `json:"batch_id"`
	Groups     []Group       `json:"groups"`     // finished jobs, the largest group first
	Unfinished []GroupMember `json:"unfinished"` // queued and running ones
}

// Group is the servers on which a batch ended alike, exit and every byte of output.
type Group struct {
	Size         int           `json:"size"`
	JobID        string        `json:"job_id"` // one of them; its output is the output of all
	Status       string        `json:"status"`
	Reason       *string       `json:"reason"`
	ExitCode     *int          `json:"exit_code"`
	Signal       *string       `json:"signal"`
	ExitStatus   *int          `json:"exit_status"`
	StdoutBytes  int64         `json:"stdout_bytes"`
	StderrBytes  int64         `json:"stderr_bytes"`
	StdoutSHA256 string        `json:"stdout_sha256"`
	StderrSHA256 string        `json:"stderr_sha256"`
	Servers      []GroupMember `json:"servers"` // by name
}

// GroupMember is a job of a batch by its server.
type GroupMember struct {
	ServerID string `json:"server_id"`
	Name     string `json:"name"`
	JobID    string `json:"job_id"`
	Status   string `json:"status"`
}

// GroupsOf returns the groups of a batch.
func GroupsOf(id domain.BatchID, g domain.Groups) Groups {
	w := Groups{BatchID: string(id), Groups: make([]Group, 0, len(g.Finished)), Unfinished: members(g.Unfinished)}
	for _, group := range g.Finished {
		o := group.Outcome
		var exit Job
		if o.Exited {
			exit.setExit(&o.Exit)
		}
		w.Groups = append(w.Groups, Group{
			Size: len(group.Results), JobID: string(group.Results[0].Job), Status: string(o.Status), Reason: orNull(o.Reason),
			ExitCode: exit.ExitCode, Signal: exit.Signal, ExitStatus: exit.ExitStatus,
			StdoutBytes: o.Output.Stdout, StderrBytes: o.Output.Stderr, StdoutSHA256: o.Stdout.String(), StderrSHA256: o.Stderr.String(),
			Servers: members(group.Results),
		})
	}
	return w
}

func members(results []domain.Result) []GroupMember {
	list := make([]GroupMember, 0, len(results))
	for _, r := range results {
		list = append(list, GroupMember{ServerID: string(r.Server), Name: r.Name, JobID: string(r.Job), Status: string(r.Status)})
	}
	return list
}

// Domain returns the groups that GroupsOf was given.
func (w Groups) Domain() domain.Groups {
	var g domain.Groups
	for _, group := range w.Groups {
		o := domain.Outcome{
			Status: domain.Status(group.Status), Reason: orEmpty[domain.Reason](group.Reason), Exited: group.ExitStatus != nil,
			Exit:   domain.Exit{Code: orZero(group.ExitStatus), Signal: orEmpty[string](group.Signal)},
			Output: domain.Offsets{Stdout: group.StdoutBytes, Stderr: group.StderrBytes},
			Stdout: digest(group.StdoutSHA256), Stderr: digest(group.StderrSHA256),
		}
		g.Finished = append(g.Finished, domain.Group{Outcome: o, Results: results(group.Servers, o)})
	}
	for _, m := range w.Unfinished {
		g.Unfinished = append(g.Unfinished, results([]GroupMember{m}, domain.Outcome{Status: domain.Status(m.Status)})...)
	}
	return g
}

func results(list []GroupMember, o domain.Outcome) []domain.Result {
	var all []domain.Result
	for _, m := range list {
		all = append(all, domain.Result{Job: domain.JobID(m.JobID), Server: domain.ServerID(m.ServerID), Name: m.Name, Outcome: o})
	}
	return all
}

func digest(text string) (d domain.Digest) {
	_, _ = hex.Decode(d[:], []byte(text)) // what is no digest equals none
	return d
}
