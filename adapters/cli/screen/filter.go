// Package screen puts the output of servers on a screen or into a file: it keeps control sequences of a hostile server
// from a terminal, and joins many servers' lines without mixing them. It knows streams of bytes, and nothing of jobs.
package screen

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// maxSGR bounds what is remembered of a colour sequence; longer ones are dropped.
const maxSGR = 64

const (
	esc         = 0x1b
	reset       = "\x1b[0m"
	replacement = "\uFFFD"
)

type state uint8

const (
	ground   state = iota // text
	escaped               // after ESC
	between               // after ESC and an intermediate byte
	control               // in a CSI sequence
	swallow               // in a string sequence: OSC, DCS, SOS, PM, APC
	swallowE              // in a string sequence, after ESC
)

// Filter makes a stream of bytes safe for a terminal. What is left is valid UTF-8 with tab, newline, carriage return and
// backspace as its only control characters, and colour sequences (SGR) as its only control sequences. It does not matter
// how the stream is cut into pieces. A string sequence that is never ended is dropped up to the end of its line, so that
// it cannot hide what follows. The zero Filter is ready; not safe for concurrent use.
type Filter struct {
	state state
	seq   []byte // parameters of the current CSI sequence
	bad   bool   // the current CSI sequence is not a colour
	part  []byte // of a character that was cut
}

// Append adds the safe form of src to dst and returns it.
func (f *Filter) Append(dst, src []byte) []byte {
	if len(f.part) > 0 {
		src = append(f.part, src...)
		f.part = nil
	}
	for i := 0; i < len(src); {
		if f.state == ground {
			n := plain(src[i:])
			dst = append(dst, src[i:i+n]...)
			i += n
			if i == len(src) {
				break
			}
		}
		if src[i] < utf8.RuneSelf {
			dst = f.step(dst, rune(src[i]), src[i:i+1])
			i++
			continue
		}
		if !utf8.FullRune(src[i:]) {
			f.part = bytes.Clone(src[i:])
			break
		}
		r, n := utf8.DecodeRune(src[i:])
		text := src[i : i+n]
		if r == utf8.RuneError && n == 1 {
			text = []byte(replacement)
		}
		dst = f.step(dst, r, text)
		i += n
	}
	return dst
}

// Flush ends the stream: a character that was cut becomes a replacement character. The Filter is as new afterwards.
func (f *Filter) Flush(dst []byte) []byte {
	if len(f.part) > 0 && f.state == ground {
		dst = append(dst, replacement...)
	}
	*f = Filter{}
	return dst
}

// plain returns the length of the printable ASCII at the start of p.
func plain(p []byte) int {
	for i, c := range p {
		if c < 0x20 || c >= 0x7f {
			return i
		}
	}
	return len(p)
}

// step takes the next character in; text is how it is printed.
func (f *Filter) step(dst []byte, r rune, text []byte) []byte {
	switch f.state {
	case escaped:
		return f.afterEscape(dst, r, text)
	case between:
		return f.afterIntermediate(dst, r, text)
	case control:
		return f.inControl(dst, r, text)
	case swallow, swallowE:
		return f.inString(dst, r, text)
	default:
		return f.inText(dst, r, text)
	}
}

func (f *Filter) inText(dst []byte, r rune, text []byte) []byte {
	f.state = ground
	switch {
	case r == esc:
		f.state = escaped
	case r == 0x9b:
		f.begin()
	case r == 0x90 || r == 0x98 || r >= 0x9d && r <= 0x9f:
		f.state = swallow
	case r == '\t' || r == '\n' || r == '\r' || r == '\b':
		return append(dst, text...)
	case r < 0x20 || r >= 0x7f && r < 0xa0:
	default:
		return append(dst, text...)
	}
	return dst
}

func (f *Filter) afterEscape(dst []byte, r rune, text []byte) []byte {
	switch {
	case r == '[':
		f.begin()
	case strings.ContainsRune("]PX^_", r):
		f.state = swallow
	case r >= 0x20 && r <= 0x2f:
		f.state = between
	case r >= 0x30 && r <= 0x7e:
		f.state = ground
	default:
		return f.inText(dst, r, text)
	}
	return dst
}

func (f *Filter) afterIntermediate(dst []byte, r rune, text []byte) []byte {
	switch {
	case r >= 0x20 && r <= 0x2f:
	case r >= 0x30 && r <= 0x7e:
		f.state = ground
	default:
		return f.inText(dst, r, text)
	}
	return dst
}

func (f *Filter) begin() {
	f.state, f.seq, f.bad = control, f.seq[:0], false
}

func (f *Filter) inControl(dst []byte, r rune, text []byte) []byte {
	switch {
	case r >= '0' && r <= ';':
		if len(f.seq) == maxSGR {
			f.bad = true
			return dst
		}
		f.seq = append(f.seq, byte(r))
	case r >= 0x20 && r <= 0x3f:
		f.bad = true
	case r >= 0x40 && r <= 0x7e:
		f.state = ground
		if r == 'm' && !f.bad {
			dst = append(dst, esc, '[')
			dst = append(dst, f.seq...)
			dst = append(dst, 'm')
		}
	default:
		return f.inText(dst, r, text)
	}
	return dst
}

func (f *Filter) inString(dst []byte, r rune, text []byte) []byte {
	switch {
	case r == '\n':
		return f.inText(dst, r, text)
	case f.state == swallowE && r == '\\', r == '\a', r == 0x9c, r == 0x18, r == 0x1a:
		f.state = ground
	case f.state == swallowE:
		return f.afterEscape(dst, r, text)
	case r == esc:
		f.state = swallowE
	}
	return dst
}

// Clean returns text for people without anything that moves a terminal's cursor or changes its state; newlines and tabs
// stay.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r < 0x20 || r >= 0x7f && r < 0xa0:
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, replacement))
}

// Line returns Clean text on one line.
func Line(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		return r
	}, Clean(text))
}
