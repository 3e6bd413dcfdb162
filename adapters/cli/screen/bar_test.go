package screen

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// glass is a terminal that knows carriage return, newline and the erasing of a line: what it shows is what a person sees.
type glass struct {
	mu     sync.Mutex
	lines  []string
	line   []rune
	column int
}

// Write implements io.Writer.
func (g *glass) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for rest := []rune(string(p)); len(rest) > 0; {
		if tail, ok := strings.CutPrefix(string(rest), "\x1b[K"); ok {
			g.line, rest = g.line[:g.column], []rune(tail)
			continue
		}
		switch r := rest[0]; r {
		case '\n':
			g.lines, g.line, g.column = append(g.lines, string(g.line)), nil, 0
		case '\r':
			g.column = 0
		default:
			g.line = append(g.line[:g.column], append([]rune{r}, g.line[min(len(g.line), g.column+1):]...)...)
			g.column++
		}
		rest = rest[1:]
	}
	return len(p), nil
}

func TestBar_StandsBelowTheLines(t *testing.T) {
	g := new(glass)
	b := NewBar(g, func() int { return 40 })
	out, err := b.Over(g), b.Over(g)
	b.Draw("1 of 2")
	require.Equal(t, "1 of 2", string(g.line))
	_, _ = io.WriteString(out, "web | one\n")
	require.Empty(t, string(g.line))
	b.Draw("1 of 2")
	_, _ = io.WriteString(err, "db | two\n")
	b.Draw("2 of 2, and a text that is much too long for this terminal")
	require.Equal(t, []string{"web | one", "db | two"}, g.lines)
	require.Len(t, g.line, 39)
	b.Draw("x\x1b[2J\ny")
	require.Equal(t, "x[2J y", string(g.line))
	b.Clear()
	b.Clear()
	require.Empty(t, string(g.line))
	require.Equal(t, []string{"web | one", "db | two"}, g.lines)
}

func TestBar_ManyWritersAndDraws(t *testing.T) {
	g := new(glass)
	b := NewBar(g, func() int { return 80 })
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			w := b.Over(g)
			for n := range 200 {
				line := fmt.Sprintf("line %d of %d\n", n, i)
				written, err := io.WriteString(w, line)
				if err != nil || written != len(line) {
					t.Errorf("%d bytes of %d: %v", written, len(line), err)
				}
			}
		})
		all.Go(func() {
			for n := range 200 {
				b.Draw(Gauge(n, 200))
			}
		})
	}
	all.Wait()
	b.Clear()
	require.Len(t, g.lines, 1600)
	for _, line := range g.lines {
		require.Regexp(t, `^line \d+ of \d$`, line)
	}
}

func TestBar_WriterErrorsAreTheWriters(t *testing.T) {
	b := NewBar(new(bytes.Buffer), func() int { return 80 })
	b.Draw("x")
	n, err := b.Over(brokenWriter{}).Write([]byte("text"))
	require.ErrorIs(t, err, errBroken)
	require.Zero(t, n)
}

func TestGauge(t *testing.T) {
	require.Equal(t, "["+strings.Repeat("-", 24)+"]", Gauge(0, 3))
	require.Equal(t, "["+strings.Repeat("#", 8)+strings.Repeat("-", 16)+"]", Gauge(1, 3))
	require.Equal(t, "["+strings.Repeat("#", 24)+"]", Gauge(3, 3))
	require.Equal(t, "["+strings.Repeat("#", 24)+"]", Gauge(0, 0))
}
