package ansible

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/heysubinoy/remora/adapters/cli/inventory"
)

// value is what a variable holds, as far as we have to know.
type value struct {
	text  string
	plain bool // text, a number, true or false: something that text says
	vault bool // encrypted
	at    inventory.Place
}

// templated reports whether only Ansible could tell the value.
func (v value) templated() bool {
	return strings.Contains(v.text, "{{") || strings.Contains(v.text, "{%")
}

// literal reads a value of an INI inventory: a Python literal, else the text as it stands.
func literal(text string, at inventory.Place) value {
	v := value{text: text, plain: true, at: at, vault: strings.HasPrefix(text, "$ANSIBLE_VAULT;")}
	code := strings.TrimLeft(text, " \t")
	if code == "" {
		return v
	}
	if code[0] == '"' || code[0] == '\'' {
		if s, rest, ok := pythonString(code); ok && nothing(rest) {
			v.text = s
		}
		return v
	}
	if strings.ContainsRune("[{(", rune(code[0])) {
		v.plain = false
		return v
	}
	word, rest, _ := strings.Cut(code, "#")
	word = strings.TrimRight(word, " \t")
	if word == code || nothing("#"+rest) {
		if n, ok := pythonNumber(word); ok {
			v.text = n
		} else if word == "True" || word == "False" || word == "None" {
			v.text = word
		}
	}
	return v
}

// nothing reports whether only blanks and a comment follow.
func nothing(rest string) bool {
	rest = strings.TrimLeft(rest, " \t")
	return rest == "" || rest[0] == '#'
}

func pythonNumber(word string) (string, bool) {
	digits := strings.TrimLeft(word, "+- ")
	if len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9' && strings.Trim(digits, "0_") != "" {
		return "", false // 010 is no number there
	}
	if n, err := strconv.ParseInt(strings.TrimPrefix(word, "+"), 0, 64); err == nil {
		return strconv.FormatInt(n, 10), true
	}
	return "", false
}

// pythonString reads a string in single or double quotes, and returns what follows.
func pythonString(code string) (s, rest string, ok bool) {
	quote := code[0]
	var b strings.Builder
	for i := 1; i < len(code); i++ {
		switch c := code[i]; {
		case c == quote:
			return b.String(), code[i+1:], true
		case c == '\\' && i+1 < len(code):
			i++
			if j := strings.IndexByte(`\'"nrt`, code[i]); j >= 0 {
				b.WriteByte("\\'\"\n\r\t"[j])
			} else {
				b.WriteByte('\\')
				b.WriteByte(code[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}

// split splits a line as Python's shlex does: blanks between words, quotes, backslashes, and # before a comment wherever it
// stands outside of quotes.
func split(line string) (all []string, err error) {
	var word strings.Builder
	begun := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; c {
		case ' ', '\t', '\r', '\n':
			if begun {
				all = append(all, word.String())
				word.Reset()
				begun = false
			}
		case '#':
			i = len(line)
		case '\\':
			if i++; i == len(line) {
				return nil, fmt.Errorf("nothing follows the backslash at the end")
			}
			word.WriteByte(line[i])
			begun = true
		case '\'', '"':
			begun = true
			end := false
			for i++; i < len(line); i++ {
				if line[i] == c {
					end = true
					break
				}
				if c == '"' && line[i] == '\\' && i+1 < len(line) {
					i++
					if line[i] != '"' && line[i] != '\\' {
						word.WriteByte('\\')
					}
				}
				word.WriteByte(line[i])
			}
			if !end {
				return nil, fmt.Errorf("a quote is not closed")
			}
		default:
			word.WriteByte(c)
			begun = true
		}
	}
	if begun {
		all = append(all, word.String())
	}
	return all, nil
}
