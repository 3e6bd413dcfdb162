package screen

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
)

func filtered(pieces ...string) string {
	var f Filter
	var out []byte
	for _, p := range pieces {
		out = f.Append(out, []byte(p))
	}
	return string(f.Flush(out))
}

func TestFilter(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"plain text":                   {"héllo, 世界\tx\r\n", "héllo, 世界\tx\r\n"},
		"colours stay":                 {"\x1b[1;31mred\x1b[0m \x1b[38:2::1:2:3mx\x1b[m", "\x1b[1;31mred\x1b[0m \x1b[38:2::1:2:3mx\x1b[m"},
		"cursor and erase go":          {"a\x1b[2J\x1b[H\x1b[10;10Hb\x1b[?1049hc", "abc"},
		"private sgr-like goes":        {"\x1b[>4;2mx\x1b[?4mx", "xx"},
		"title goes":                   {"\x1b]0;owned\x07a\x1b]2;owned\x1b\\b", "ab"},
		"clipboard write goes":         {"\x1b]52;c;Zm9v\x07x", "x"},
		"device control goes":          {"\x1bP$q\"p\x1b\\x\x1b_apc\x1b\\y\x1b^pm\x1b\\z\x1bXsos\x1b\\", "xyz"},
		"reset and charset go":         {"\x1bcx\x1b(0y\x1b#8z\x1b7\x1b8", "xyz"},
		"bell and shifts go":           {"a\x07b\x0ec\x0fd\x00e\x7ff", "abcdef"},
		"C1 as characters":             {"a\u009b2Jb\u009b31mc\u009d0;t\u009cd\u0085e", "ab\x1b[31mcde"},
		"broken characters":            {"a\xffb\x9bc", "a\uFFFDb\uFFFDc"},
		"an open string ends its line": {"a\x1b]0;never ended\nb", "a\nb"},
		"a newline ends a sequence":    {"a\x1b[12\nb\x1b\nc", "a\nb\nc"},
		"escape within escape":         {"\x1b[3\x1b[31mx\x1b\x1b[32my", "\x1b[31mx\x1b[32my"},
		"endless parameters":           {"\x1b[" + strings.Repeat("1;", 500) + "mx", "x"},
		"a cut character":              {"a\xe4\xb8", "a\uFFFD"},
		"cancel in a string":           {"\x1b]0;x\x18y", "y"},
		"escape in a string restarts":  {"\x1b]0;x\x1b[31my", "\x1b[31my"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, filtered(c.in))
			for i := range len(c.in) {
				require.Equal(t, c.want, filtered(c.in[:i], c.in[i:]), "cut at %d", i)
			}
		})
	}
}

var sgr = regexp.MustCompile(`\x1b\[[0-9:;]*m`)

// safe fails when p has anything that a terminal would obey, but for colours, tab, newline, carriage return and backspace.
func safe(t *testing.T, p []byte) {
	t.Helper()
	require.True(t, utf8.Valid(p), "%q", p)
	for _, r := range string(sgr.ReplaceAll(p, nil)) {
		if strings.ContainsRune("\t\n\r\b", r) {
			continue
		}
		require.False(t, r < 0x20 || r >= 0x7f && r < 0xa0, "%q in %q", r, p)
	}
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{"plain", "\x1b[31mred\x1b[0m", "\x1b]0;t\x07", "\u009b2J", "\x1b\x1b[", "\xe4\xb8\xad\xff", "\x1bP\x1b\x1b\\\n"} {
		f.Add([]byte(s), uint(3))
	}
	f.Fuzz(func(t *testing.T, in []byte, cut uint) {
		var whole Filter
		out := whole.Flush(whole.Append(nil, in))
		safe(t, out)
		require.Equal(t, bytes.Count(in, []byte("\n")), bytes.Count(out, []byte("\n")), "lines stay lines")

		var pieces Filter
		at := int(cut % uint(len(in)+1))
		again := pieces.Append(nil, in[:at])
		again = pieces.Flush(pieces.Append(again, in[at:]))
		require.Equal(t, string(out), string(again), "the cut shows")

		var twice Filter
		require.Equal(t, string(out), string(twice.Flush(twice.Append(nil, out))), "not the same the second time")
		safe(t, []byte(Clean(string(in))))
		require.NotContains(t, Line(string(in)), "\n")
	})
}

func TestWall_LinesOfManyServersStayWhole(t *testing.T) {
	var out, err lockedBuffer
	const servers, lines = 16, 200
	names := make([]string, servers)
	for i := range names {
		names[i] = fmt.Sprintf("web-%d", i)
	}
	w := NewWall(Face{To: &out}, Face{To: &err}, names)
	var all sync.WaitGroup
	for _, name := range names {
		lane := w.Lane(name)
		all.Go(func() {
			for i := range lines {
				for _, piece := range []string{"line ", fmt.Sprint(i), " of ", name, "\nnext", "\n"} {
					if lane.Write(domain.Stdout, []byte(piece)) != nil || lane.Write(domain.Stderr, []byte(piece)) != nil {
						return
					}
				}
			}
		})
	}
	all.Wait()
	for _, b := range []*lockedBuffer{&out, &err} {
		got := map[string][]string{}
		for line := range strings.Lines(b.String()) {
			name, text, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " | ")
			require.True(t, ok, "%q", line)
			name = strings.TrimRight(name, " ")
			got[name] = append(got[name], text)
		}
		for _, name := range names {
			require.Len(t, got[name], 2*lines)
			for i := range lines {
				require.Equal(t, fmt.Sprintf("line %d of %s", i, name), got[name][2*i])
				require.Equal(t, "next", got[name][2*i+1])
			}
		}
	}
}

func TestWall_Prefix(t *testing.T) {
	var out bytes.Buffer
	w := NewWall(Face{To: &out}, Face{To: &out}, []string{"a", "bcd", strings.Repeat("n", maxName+1)})
	a, b := w.Lane("a"), w.Lane("bcd")
	require.NoError(t, a.Write(domain.Stdout, []byte("one\ntw")))
	require.NoError(t, b.Write(domain.Stderr, []byte("\x1b[2Jkept\r\n")))
	require.NoError(t, a.Flush())
	require.NoError(t, a.Flush())
	require.Equal(t, "a   | one\nbcd | \x1b[2Jkept\r\na   | tw\n", out.String(), "a file gets the bytes as they are")
}

func TestWall_OnATerminal(t *testing.T) {
	var out bytes.Buffer
	w := NewWall(Face{To: &out, Terminal: true}, Face{To: &out, Terminal: true, Color: true}, []string{"a"})
	lane := w.Lane("a")
	require.NoError(t, lane.Write(domain.Stdout, []byte(" 10%\r 20%\r 30%\r\n\x1b[31mred\nb\b\b\b\b\b\bx\n")))
	require.NoError(t, lane.Write(domain.Stderr, []byte("\x1b[2Jgone\xff")))
	require.NoError(t, lane.Flush())
	require.Equal(t, "a |  30%\na | \x1b[31mred\x1b[0m\na | bx\n"+Paint("a", "a")+" | gone\uFFFD\n", out.String())
}

func TestWall_LongLinesAreCutBetweenCharacters(t *testing.T) {
	var out bytes.Buffer
	w := NewWall(Face{To: &out}, Face{To: &out}, []string{"a"})
	lane := w.Lane("a")
	text := "x" + strings.Repeat("é", maxLine)
	for piece := text; piece != ""; {
		n := min(len(piece), 1000)
		require.NoError(t, lane.Write(domain.Stdout, []byte(piece[:n])))
		piece = piece[n:]
	}
	exact := strings.Repeat("y", maxLine)
	require.NoError(t, lane.Write(domain.Stdout, []byte("\n"+exact)))
	require.NoError(t, lane.Write(domain.Stdout, []byte("\n")))
	var got strings.Builder
	var longest int
	for line := range strings.Lines(out.String()) {
		line = strings.TrimPrefix(strings.TrimSuffix(line, "\n"), "a | ")
		require.True(t, utf8.ValidString(line))
		longest = max(longest, len(line))
		got.WriteString(line)
	}
	require.Equal(t, text+exact, got.String())
	require.Equal(t, maxLine, longest)
	require.NotContains(t, out.String(), "a | \n", "a line of exactly the limit is not cut")
}

func TestRaw_BytesStayBytes(t *testing.T) {
	var out, err bytes.Buffer
	r := NewRaw(Face{To: &out}, Face{To: &err})
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	require.NoError(t, r.Write(domain.Stdout, all))
	require.NoError(t, r.Write(domain.Stderr, all))
	require.NoError(t, r.Flush())
	require.Equal(t, all, out.Bytes())
	require.Equal(t, all, err.Bytes())
}

func TestRaw_OnATerminal(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"ended line":          {"a\n", "a\n"},
		"begun line":          {"a", "a\n"},
		"open colour":         {"\x1b[31ma\n", "\x1b[31ma\n\x1b[0m"},
		"reset after newline": {"\x1b[31ma\n\x1b[0m", "\x1b[31ma\n\x1b[0m\x1b[0m"},
		"progress":            {"1%\r2%\r", "1%\r2%\r\n"},
		"no cursor moves":     {"a\x1b[2Jb\n", "ab\n"},
		"nothing":             {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			r := NewRaw(Face{To: &out, Terminal: true}, Face{To: &out, Terminal: true})
			require.NoError(t, r.Write(domain.Stdout, []byte(c.in)))
			require.NoError(t, r.Flush())
			require.Equal(t, c.want, out.String())
		})
	}
}

func TestRaw_OneTerminalOneFile(t *testing.T) {
	var out, err bytes.Buffer
	r := NewRaw(Face{To: &out, Terminal: true}, Face{To: &err})
	require.NoError(t, r.Write(domain.Stdout, []byte("a")))
	require.NoError(t, r.Write(domain.Stderr, []byte("\x1b[2J")))
	require.NoError(t, r.Flush())
	require.Equal(t, "a\n", out.String())
	require.Equal(t, "\x1b[2J", err.String(), "a file gets no line end of ours")
}

func TestWriteErrorsAreReturned(t *testing.T) {
	bad := Face{To: brokenWriter{}}
	require.ErrorIs(t, NewRaw(bad, bad).Write(domain.Stdout, []byte("x")), errBroken)
	lane := NewWall(bad, bad, nil).Lane("a")
	require.NoError(t, lane.Write(domain.Stdout, []byte("x")))
	require.ErrorIs(t, lane.Flush(), errBroken)
	require.ErrorIs(t, lane.Write(domain.Stderr, []byte("x\n")), errBroken)
}

var errBroken = fmt.Errorf("broken")

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
