package screen

import (
	"bytes"
	"io"
	"regexp"

	"github.com/heysubinoy/remora/domain"
)

// Raw passes one server's output through as it is, byte for byte where it does not go to a terminal.
type Raw struct {
	out, err rawHalf
	begun    bool // a terminal shows a line that is not ended
	last     byte // of what was written
}

var _ Lane = (*Raw)(nil)

type rawHalf struct {
	face    Face
	filter  Filter
	colored bool
}

// NewRaw returns a lane without prefixes.
func NewRaw(out, err Face) *Raw {
	return &Raw{out: rawHalf{face: out}, err: rawHalf{face: err}}
}

// Write implements Lane.
func (r *Raw) Write(s domain.Stream, data []byte) error {
	h := &r.out
	if s == domain.Stderr {
		h = &r.err
	}
	if len(data) > 0 {
		r.last = data[len(data)-1]
	}
	if !h.face.Terminal {
		_, err := h.face.To.Write(data)
		return err
	}
	return r.show(h, h.filter.Append(nil, data))
}

// Flush implements Lane. On a terminal it ends colour and line.
func (r *Raw) Flush() error {
	for _, h := range []*rawHalf{&r.out, &r.err} {
		if !h.face.Terminal {
			continue
		}
		if err := r.show(h, h.filter.Flush(nil)); err != nil {
			return err
		}
		if h.colored {
			h.colored = false
			if _, err := io.WriteString(h.face.To, reset); err != nil {
				return err
			}
		}
	}
	if !r.begun {
		return nil
	}
	r.begun = false
	h := r.err
	if !h.face.Terminal {
		h = r.out
	}
	_, err := io.WriteString(h.face.To, "\n")
	return err
}

// End flushes, and ends the line where that is not a terminal's, so that something else can follow on a line of its own.
func (r *Raw) End() error {
	last := r.last
	if err := r.Flush(); err != nil {
		return err
	}
	if r.out.face.Terminal || last == 0 || last == '\n' {
		return nil
	}
	_, err := io.WriteString(r.out.face.To, "\n")
	return err
}

func (r *Raw) show(h *rawHalf, p []byte) error {
	if len(p) == 0 {
		return nil
	}
	h.colored = h.colored || bytes.IndexByte(p, esc) >= 0
	if text := trailingSGR.ReplaceAll(p, nil); len(text) > 0 {
		r.begun = text[len(text)-1] != '\n'
	}
	_, err := h.face.To.Write(p)
	return err
}

// trailingSGR are colours at the end of a text: what is before them says whether its line is ended.
var trailingSGR = regexp.MustCompile(`(\x1b\[[0-9:;]*m)+$`)
