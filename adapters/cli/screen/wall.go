package screen

import (
	"bytes"
	"hash/fnv"
	"io"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/heysubinoy/remora/domain"
)

// maxLine is how much of a line without an end is held back; then what is there goes out as a line of its own.
const maxLine = 64 << 10

// maxName is how far names are padded; a longer name is printed whole.
const maxName = 24

// Face is one place that output goes to.
type Face struct {
	To       io.Writer
	Terminal bool // what a terminal must not see is dropped
	Color    bool // names are printed in the server's colour
}

// Lane takes the output of one server. Not safe for concurrent use; the lanes of one Wall may be used at once.
type Lane interface {
	// Write takes the next bytes of a stream. The error is the writer's.
	Write(s domain.Stream, data []byte) error
	// Flush prints what is held back, so that something else can be printed on lines of its own.
	Flush() error
}

// Wall joins many servers' output: every line goes out whole, behind its server's name.
type Wall struct {
	mu    sync.Mutex
	out   Face
	err   Face
	width int
}

// NewWall returns a wall for servers of the given names.
func NewWall(out, err Face, names []string) *Wall {
	w := &Wall{out: out, err: err}
	for _, n := range names {
		if c := utf8.RuneCountInString(Line(n)); c > w.width && c <= maxName {
			w.width = c
		}
	}
	return w
}

// Lane returns the lane of one server.
func (w *Wall) Lane(name string) Lane {
	return &wallLane{
		out: half{wall: w, face: w.out, prefix: w.prefix(name, w.out.Color)},
		err: half{wall: w, face: w.err, prefix: w.prefix(name, w.err.Color)},
	}
}

func (w *Wall) prefix(name string, color bool) []byte {
	shown := Line(name)
	pad := strings.Repeat(" ", max(0, w.width-utf8.RuneCountInString(shown)))
	if color {
		return []byte(Paint(name, shown) + pad + " | ")
	}
	return []byte(shown + pad + " | ")
}

// palette holds the foreground colours that are legible on dark and light grounds.
var palette = []string{"36", "33", "32", "35", "34", "96", "93", "92", "95", "94"}

// Paint returns text in the colour that belongs to name, the same in every run.
func Paint(name, text string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return "\x1b[" + palette[h.Sum32()%uint32(len(palette))] + "m" + text + reset
}

type wallLane struct{ out, err half }

// Write implements Lane.
func (l *wallLane) Write(s domain.Stream, data []byte) error {
	if s == domain.Stderr {
		return l.err.write(data)
	}
	return l.out.write(data)
}

// Flush implements Lane.
func (l *wallLane) Flush() error {
	if err := l.out.flush(); err != nil {
		return err
	}
	return l.err.flush()
}

// half is one stream of a lane.
type half struct {
	wall   *Wall
	face   Face
	prefix []byte
	filter Filter
	line   []byte // begun and not ended
}

func (h *half) write(data []byte) error {
	if h.face.Terminal {
		h.line = h.filter.Append(h.line, data)
	} else {
		h.line = append(h.line, data...)
	}
	var ready []byte
	rest := h.line
	for {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 && len(rest) <= maxLine {
			break
		}
		if end >= 0 && end <= maxLine {
			ready = h.appendLine(ready, rest[:end])
			rest = rest[end+1:]
			continue
		}
		cut := cutAt(rest)
		ready = h.appendLine(ready, rest[:cut])
		rest = rest[cut:]
	}
	h.line = append(h.line[:0], rest...)
	return h.put(ready)
}

// cutAt returns where to cut a line that is too long: not within a character.
func cutAt(p []byte) int {
	for cut := maxLine; cut > maxLine-utf8.UTFMax; cut-- {
		if cut == len(p) || utf8.RuneStart(p[cut]) {
			return cut
		}
	}
	return maxLine
}

func (h *half) flush() error {
	if h.face.Terminal {
		h.line = h.filter.Flush(h.line)
	}
	if len(h.line) == 0 {
		return nil
	}
	ready := h.appendLine(nil, h.line)
	h.line = h.line[:0]
	return h.put(ready)
}

// appendLine adds one line behind its prefix. On a terminal nothing in it may step back into the prefix, and its colour
// ends with it.
func (h *half) appendLine(dst, line []byte) []byte {
	dst = append(dst, h.prefix...)
	if !h.face.Terminal {
		dst = append(dst, line...)
		return append(dst, '\n')
	}
	line = bytes.TrimRight(line, "\r")
	line = line[bytes.LastIndexByte(line, '\r')+1:]
	for _, c := range line {
		if c != '\b' {
			dst = append(dst, c)
		}
	}
	if bytes.IndexByte(line, esc) >= 0 {
		dst = append(dst, reset...)
	}
	return append(dst, '\n')
}

func (h *half) put(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	h.wall.mu.Lock()
	defer h.wall.mu.Unlock()
	_, err := h.face.To.Write(p)
	return err
}

// Bold returns text that stands out.
func Bold(text string) string { return "\x1b[1m" + text + reset }

// PaintDiff returns a line of a unified diff in the colour that is usual for it.
func PaintDiff(line string) string {
	code := ""
	switch {
	case strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "---"):
		code = "1"
	case strings.HasPrefix(line, "+"):
		code = "32"
	case strings.HasPrefix(line, "-"):
		code = "31"
	case strings.HasPrefix(line, "@@"):
		code = "36"
	}
	if code == "" || strings.IndexByte(line, esc) >= 0 {
		return line
	}
	return "\x1b[" + code + "m" + line + reset
}
