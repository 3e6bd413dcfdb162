package sqlstore

import (
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/heysubinoy/remora/domain"
)

// maxTitle is how much of a command lists sort by, in bytes.
const maxTitle = 256

// stamp is a time in a row: NULL is the zero time.
type stamp struct{ time.Time }

// Scan implements sql.Scanner.
func (s *stamp) Scan(value any) error {
	switch v := value.(type) {
	case nil:
		s.Time = time.Time{}
	case int64:
		s.Time = time.UnixMicro(v).UTC()
	case time.Time:
		s.Time = v.UTC()
	default:
		return fmt.Errorf("sqlstore: a time in the database is a %T", value)
	}
	return nil
}

// nested is a value that a row holds as JSON: NULL is nil.
type nested[T any] struct{ value *T }

// Scan implements sql.Scanner.
func (n *nested[T]) Scan(value any) error {
	n.value = nil
	switch v := value.(type) {
	case nil:
		return nil
	case string:
		return json.Unmarshal([]byte(v), &n.value)
	case []byte:
		return json.Unmarshal(v, &n.value)
	default:
		return fmt.Errorf("sqlstore: a JSON value in the database is a %T", value)
	}
}

// encoded returns a value as JSON for a row, nil as NULL.
func encoded[T any](v *T) any {
	if v == nil {
		return nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		panic("sqlstore: rows are made of plain fields: " + err.Error())
	}
	return string(text)
}

// text returns free text as PostgreSQL takes it: valid UTF-8 without NUL. What comes from a server may be neither.
func text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
}

// stateColumns are what verbs look at and change.
const stateColumns = `id, server_id, batch_id, priority, timeout_ns, retry_mode, retry_attempts,
	status, phase, reason, message, attempt, failures, epoch, worker, process, exit_code, exit_signal, receipt, cancel_requested,
	created_at, updated_at, started_at, finished_at, deadline_at, next_action_at, stdout_bytes, stderr_bytes, last_seq, revision`

const jobColumns = stateColumns + `, origin_id, kind, line, args, argv, script, shell`

// jobRow is a row of jobs. Columns that were not asked for stay zero.
type jobRow struct {
	ID              string
	ServerID        string `db:"server_id"`
	BatchID         string `db:"batch_id"`
	OriginID        string `db:"origin_id"`
	Kind            string
	Line            string
	Args            string
	Argv            nested[[]string]
	Script          string
	Shell           string
	Priority        int
	TimeoutNS       int64  `db:"timeout_ns"`
	RetryMode       string `db:"retry_mode"`
	RetryAttempts   int    `db:"retry_attempts"`
	Status          string
	Phase           string
	Reason          string
	Message         string
	Attempt         int
	Failures        int
	Epoch           int64
	Worker          string
	Process         nested[processJSON]
	ExitCode        sql.NullInt64 `db:"exit_code"`
	ExitSignal      string        `db:"exit_signal"`
	Receipt         nested[receiptJSON]
	CancelRequested bool  `db:"cancel_requested"`
	CreatedAt       stamp `db:"created_at"`
	UpdatedAt       stamp `db:"updated_at"`
	StartedAt       stamp `db:"started_at"`
	FinishedAt      stamp `db:"finished_at"`
	DeadlineAt      stamp `db:"deadline_at"`
	NextActionAt    stamp `db:"next_action_at"`
	StdoutBytes     int64 `db:"stdout_bytes"`
	StderrBytes     int64 `db:"stderr_bytes"`
	LastSeq         int64 `db:"last_seq"`
	Revision        int64
}

type processJSON struct {
	PID       int       `json:"pid"`
	StartedAt time.Time `json:"started_at"`
	Boot      string    `json:"boot"`
	Mode      string    `json:"mode"`
}

type receiptJSON struct {
	Confirmed bool            `json:"confirmed"`
	Way       string          `json:"way"`
	Ended     int             `json:"ended"`
	TookNS    int64           `json:"took_ns"`
	Left      []remainingJSON `json:"left"`
}

type remainingJSON struct {
	PID     int    `json:"pid"`
	Command string `json:"command"`
}

func (r *jobRow) job() *domain.Job {
	j := &domain.Job{
		ID: domain.JobID(r.ID), ServerID: domain.ServerID(r.ServerID), BatchID: domain.BatchID(r.BatchID), OriginID: domain.JobID(r.OriginID),
		Command:  domain.Command{Kind: domain.CommandKind(r.Kind), Line: r.Line, Args: r.Args, Script: r.Script, Shell: r.Shell},
		Priority: domain.Priority(r.Priority), Timeout: time.Duration(r.TimeoutNS),
		Retry:  domain.Retry{Mode: domain.RetryMode(r.RetryMode), MaxAttempts: r.RetryAttempts},
		Status: domain.Status(r.Status), Phase: domain.Phase(r.Phase), Reason: domain.Reason(r.Reason), Message: r.Message,
		Attempt: r.Attempt, Failures: r.Failures, Epoch: r.Epoch, Worker: domain.WorkerID(r.Worker),
		Exit: exit(r.ExitCode, r.ExitSignal), CancelRequested: r.CancelRequested,
		CreatedAt: r.CreatedAt.Time, UpdatedAt: r.UpdatedAt.Time, StartedAt: r.StartedAt.Time, FinishedAt: r.FinishedAt.Time,
		DeadlineAt: r.DeadlineAt.Time, NextActionAt: r.NextActionAt.Time,
		Output:  domain.Offsets{Stdout: r.StdoutBytes, Stderr: r.StderrBytes},
		LastSeq: domain.Seq(r.LastSeq), Revision: r.Revision,
	}
	if r.Argv.value != nil {
		j.Command.Argv = *r.Argv.value
	}
	if p := r.Process.value; p != nil {
		j.Process = &domain.Process{PID: p.PID, StartedAt: p.StartedAt.UTC(), Boot: p.Boot, Mode: domain.Mode(p.Mode)}
	}
	if p := r.Receipt.value; p != nil {
		j.Receipt = &domain.Receipt{Confirmed: p.Confirmed, Way: p.Way, Ended: p.Ended, Took: time.Duration(p.TookNS)}
		for _, left := range p.Left {
			j.Receipt.Left = append(j.Receipt.Left, domain.Remaining(left))
		}
	}
	return j
}

func exit(code sql.NullInt64, signal string) *domain.Exit {
	if !code.Valid {
		return nil
	}
	return &domain.Exit{Code: int(code.Int64), Signal: signal}
}

// exitColumns are exit_code and exit_signal.
func exitColumns(e *domain.Exit) (code any, signal string) {
	if e == nil {
		return nil, ""
	}
	return e.Code, text(e.Signal)
}

func processColumn(p *domain.Process) any {
	if p == nil {
		return nil
	}
	return encoded(&processJSON{PID: p.PID, StartedAt: p.StartedAt.UTC(), Boot: text(p.Boot), Mode: string(p.Mode)})
}

func receiptColumn(r *domain.Receipt) any {
	if r == nil {
		return nil
	}
	row := receiptJSON{Confirmed: r.Confirmed, Way: text(r.Way), Ended: r.Ended, TookNS: int64(r.Took)}
	for _, left := range r.Left {
		row.Left = append(row.Left, remainingJSON{PID: left.PID, Command: text(left.Command)})
	}
	return encoded(&row)
}

func argvColumn(argv []string) any {
	if argv == nil {
		return nil
	}
	return encoded(&argv)
}

// title returns the beginning of a command, whole characters.
func title(c domain.Command) string {
	t := c.Text()
	if len(t) <= maxTitle {
		return t
	}
	end := maxTitle
	for end > 0 && !utf8.RuneStart(t[end]) {
		end--
	}
	return t[:end]
}

// folded returns a text as searches compare it, whatever the case. The databases' own rules for case differ, and know
// ASCII alone in some set-ups.
func folded(s string) string { return strings.ToLower(s) }

// textID is where a folded command is kept for searches. Two texts of one number, which nobody meets by chance, would be found
// by the words of the first.
func textID(folded string) int64 {
	sum := sha256.Sum256([]byte(folded))
	return int64(binary.BigEndian.Uint64(sum[:8]) >> 1)
}

func foldedCommand(c domain.Command) string { return folded(c.Text() + "\n" + c.Script) }
