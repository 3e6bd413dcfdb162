package domain

import "time"

// Stream is one of a job's two outputs.
type Stream uint8

// The streams.
const (
	Stdout Stream = 1
	Stderr Stream = 2
)

// String returns "stdout" or "stderr".
func (s Stream) String() string {
	if s == Stderr {
		return "stderr"
	}
	return "stdout"
}

// Seq numbers a job's chunks from 1, over all its attempts and both streams; 0 is before the first. It is the cursor of
// everybody who follows output.
type Seq int64

// Offsets counts the bytes of the two streams of one attempt.
type Offsets struct {
	Stdout int64
	Stderr int64
}

// Of returns the count of one stream.
func (o Offsets) Of(s Stream) int64 {
	if s == Stderr {
		return o.Stderr
	}
	return o.Stdout
}

// Plus returns o with n more bytes of s.
func (o Offsets) Plus(s Stream, n int) Offsets {
	if s == Stderr {
		o.Stderr += int64(n)
	} else {
		o.Stdout += int64(n)
	}
	return o
}

// Total returns the bytes of both streams.
func (o Offsets) Total() int64 { return o.Stdout + o.Stderr }

// Chunk is a piece of output as it was stored. Data is bytes, of any value. Where the output is valid UTF-8 a chunk
// ends between characters.
type Chunk struct {
	Seq     Seq
	Attempt int
	Stream  Stream
	Offset  int64 // of Data[0] in its stream of this attempt
	At      time.Time
	Data    []byte
}
