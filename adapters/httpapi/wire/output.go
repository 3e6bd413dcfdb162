package wire

import (
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Bounds of one GET /jobs/:id/logs.
const (
	MaxWait       = 30 * time.Second
	MaxChunks     = 1000
	DefaultChunks = 200
)

// Chunk is a piece of output, in GET /jobs/:id/logs and in the output events of the stream.
type Chunk struct {
	Seq     int64     `json:"seq"`
	Stream  string    `json:"stream"`
	Attempt int       `json:"attempt"`
	Offset  int64     `json:"offset"` // of its first byte in the stream of this attempt
	Time    time.Time `json:"time"`
	Text    string    `json:"text"`
	Base64  []byte    `json:"base64,omitempty"` // the bytes, where they are not valid UTF-8
}

// ChunkOf returns a chunk's shape.
func ChunkOf(c *domain.Chunk) Chunk {
	w := Chunk{Seq: int64(c.Seq), Stream: c.Stream.String(), Attempt: c.Attempt, Offset: c.Offset, Time: c.At.UTC()}
	w.Text, w.Base64 = text(c.Data)
	return w
}

// Domain returns the chunk that ChunkOf was given.
func (w Chunk) Domain() domain.Chunk {
	stream := domain.Stdout
	if w.Stream == domain.Stderr.String() {
		stream = domain.Stderr
	}
	return domain.Chunk{
		Seq: domain.Seq(w.Seq), Attempt: w.Attempt, Stream: stream, Offset: w.Offset, At: w.Time.UTC(), Data: dataOf(w.Text, w.Base64),
	}
}

// Logs is the answer of GET /jobs/:id/logs. Chunks, Next and Final are there when since was given; Texts are left out
// with tail=false.
type Logs struct {
	JobID      string       `json:"job_id"`
	Status     string       `json:"status"`
	Command    string       `json:"command"`
	Args       string       `json:"args"`
	ExitCode   *int         `json:"exit_code"`
	Signal     *string      `json:"signal"`
	StartedAt  *time.Time   `json:"started_at"`
	FinishedAt *time.Time   `json:"finished_at"`
	Duration   *int64       `json:"duration"`
	Timeout    Seconds      `json:"timeout"`
	CreatedAt  time.Time    `json:"created_at"`
	UpdatedAt  time.Time    `json:"updated_at"`
	Metadata   LogsMetadata `json:"metadata"`
	*Texts
	*Chunks
}

// LogsMetadata counts a job's output.
type LogsMetadata struct {
	StdoutLength int64 `json:"stdout_length"`
	StderrLength int64 `json:"stderr_length"`
	HasOutput    bool  `json:"has_output"`
	HasErrors    bool  `json:"has_errors"`
}

// Chunks is the part of Logs that goes on from a cursor.
type Chunks struct {
	Chunks []Chunk `json:"chunks"`
	Next   int64   `json:"next"`  // ask with since for what comes after
	Final  bool    `json:"final"` // nothing will come after
}

// LogsOf returns the output of a job, with the texts of its ends if tail is set.
func LogsOf(d ports.JobDetail, tail bool) Logs {
	j := JobOf(&d.Job, nil)
	l := Logs{
		JobID: j.ID, Status: j.Status, Command: j.Command, Args: j.Args, ExitCode: j.ExitCode, Signal: j.Signal,
		StartedAt: j.StartedAt, FinishedAt: j.FinishedAt, Duration: j.Duration, Timeout: j.Timeout,
		CreatedAt: j.CreatedAt, UpdatedAt: j.UpdatedAt,
		Metadata: LogsMetadata{
			StdoutLength: j.StdoutBytes, StderrLength: j.StderrBytes, HasOutput: j.StdoutBytes > 0, HasErrors: j.StderrBytes > 0,
		},
	}
	if tail {
		t := TextsOf(d)
		l.Texts = &t
	}
	return l
}

// ChunksOf returns the shape of a page of chunks.
func ChunksOf(p ports.OutputPage) *Chunks {
	w := &Chunks{Chunks: make([]Chunk, 0, len(p.Chunks)), Next: int64(p.Next), Final: p.Final}
	for i := range p.Chunks {
		w.Chunks = append(w.Chunks, ChunkOf(&p.Chunks[i]))
	}
	return w
}

// Page returns the page that ChunksOf was given.
func (w Chunks) Page() ports.OutputPage {
	p := ports.OutputPage{Next: domain.Seq(w.Next), Final: w.Final}
	for _, c := range w.Chunks {
		p.Chunks = append(p.Chunks, c.Domain())
	}
	return p
}

// The events of GET /jobs/:id/stream. Status and complete carry a Job without texts, output a Chunk.
const (
	EventStatus   = "status"
	EventOutput   = "output"
	EventComplete = "complete"
)
