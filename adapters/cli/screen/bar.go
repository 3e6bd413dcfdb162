package screen

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode/utf8"
)

// eraseLine goes to the line's start and empties it.
const eraseLine = "\r\x1b[K"

// Bar is the last line of a terminal, which tells how far something got while lines scroll by above it. What goes to the
// same terminal is written through Over, in whole lines. Safe for concurrent use.
type Bar struct {
	to    io.Writer
	width func() int

	mu    sync.Mutex
	shown string
}

// NewBar returns a bar on a terminal of the given width. It shows nothing yet.
func NewBar(to io.Writer, width func() int) *Bar { return &Bar{to: to, width: width} }

// Draw shows a text in place of the one before. What does not fit on the line is left out.
func (b *Bar) Draw(text string) {
	text = Line(text)
	if width := b.width() - 1; utf8.RuneCountInString(text) > width { // in the last column a terminal may begin a new line
		text = string([]rune(text)[:max(0, width)])
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if text == b.shown {
		return
	}
	b.shown = text
	_, _ = io.WriteString(b.to, eraseLine+text)
}

// Over returns a writer that takes the bar away before it writes to w. The next Draw brings it back.
func (b *Bar) Over(w io.Writer) io.Writer { return overWriter{b, w} }

type overWriter struct {
	bar *Bar
	to  io.Writer
}

// Write implements io.Writer.
func (w overWriter) Write(p []byte) (int, error) {
	w.bar.mu.Lock()
	defer w.bar.mu.Unlock()
	if w.bar.shown == "" {
		return w.to.Write(p)
	}
	w.bar.shown = ""
	n, err := w.to.Write(append([]byte(eraseLine), p...)) // in one piece, so that nothing comes between
	return max(0, n-len(eraseLine)), err
}

// Clear takes the bar away.
func (b *Bar) Clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shown != "" {
		b.shown = ""
		_, _ = io.WriteString(b.to, eraseLine)
	}
}

// gaugeWidth is how many marks a full gauge has.
const gaugeWidth = 24

// Gauge draws done of total as a row of marks.
func Gauge(done, total int) string {
	full := gaugeWidth
	if total > 0 {
		full = min(done, total) * gaugeWidth / total
	}
	return fmt.Sprintf("[%s%s]", strings.Repeat("#", full), strings.Repeat("-", gaugeWidth-full))
}
