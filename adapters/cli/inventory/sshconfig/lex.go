package sshconfig

import (
	"strings"

	"github.com/heysubinoy/remora/adapters/cli/inventory"
)

const blanks = " \t\r\n"

// keyword cuts the first word off a line, which ends at a blank or at one equals sign, and the blanks around them. ok is
// false where a quote is not closed.
func keyword(line string) (word, rest string, ok bool) {
	line = strings.TrimLeft(line, blanks)
	if strings.HasPrefix(line, `"`) {
		word, rest, ok = strings.Cut(line[1:], `"`)
		return word, strings.TrimLeft(rest, blanks), ok
	}
	i := strings.IndexAny(line, blanks+`"=`)
	if i < 0 {
		return line, "", true
	}
	word, rest = line[:i], line[i:]
	rest = strings.TrimLeft(rest, blanks)
	if strings.HasPrefix(rest, "=") {
		rest = strings.TrimLeft(rest[1:], blanks)
	}
	return word, rest, true
}

// words splits arguments as ssh does: at blanks outside of single or double quotes; a backslash takes the special meaning
// from a quote, a backslash and, outside of quotes, a blank; a word that begins with # ends the line. ok is false where a
// quote is not closed.
func words(s string) (all []string, ok bool) {
	for i := 0; i < len(s); i++ {
		if s[i] == ' ' || s[i] == '\t' {
			continue
		}
		if s[i] == '#' {
			break
		}
		var word strings.Builder
		var quote byte
		for ; i < len(s); i++ {
			c := s[i]
			switch {
			case c == '\\':
				if i+1 < len(s) && (strings.IndexByte(`'"\`, s[i+1]) >= 0 || quote == 0 && s[i+1] == ' ') {
					i++
				}
				word.WriteByte(s[i])
			case quote == 0 && (c == '"' || c == '\''):
				quote = c
			case quote != 0 && c == quote:
				quote = 0
			default:
				word.WriteByte(c)
			}
			if quote == 0 && i+1 < len(s) && (s[i+1] == ' ' || s[i+1] == '\t') {
				break
			}
		}
		if quote != 0 {
			return nil, false
		}
		all = append(all, word.String())
	}
	return all, true
}

// matchList matches a list of patterns with commas between: one must match, and none of those with ! before them may.
func matchList(s, list string) bool {
	found := false
	for p := range strings.SplitSeq(list, ",") {
		p, negated := strings.CutPrefix(p, "!")
		if inventory.MatchPattern(s, p) {
			if negated {
				return false
			}
			found = true
		}
	}
	return found
}
