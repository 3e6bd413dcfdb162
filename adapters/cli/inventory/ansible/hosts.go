package ansible

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"github.com/heysubinoy/remora/adapters/cli/inventory"
)

var (
	bracketed = regexp.MustCompile(`^\[(.+)\]:([0-9]+)$`)
	withPort  = regexp.MustCompile(`^((?:[^:\[\]]|\[[^\]]*\])*):([0-9]+)$`)
	span      = regexp.MustCompile(`(?i)^\[(?:[a-z]:[a-z]|[0-9]+:[0-9]+)(?::[0-9]+)?\]`)
)

// pattern reads what stands for one or more hosts: a name or an address, with ranges and a port. Where what stands before the
// colon cannot be a host's, all of it is the name.
func pattern(text string, limit int) (names []string, port int, err error) {
	name := text
	digits := ""
	for _, shape := range []*regexp.Regexp{bracketed, withPort} {
		if m := shape.FindStringSubmatch(name); m != nil {
			name, digits = m[1], m[2]
		}
	}
	if digits == "" || !hostLike(name) {
		name = text
		if strings.HasSuffix(text, ":") {
			return nil, 0, fmt.Errorf("the host %q ends with a colon, and no port follows", text)
		}
	} else if port, err = inventory.Port(digits); err != nil {
		return nil, 0, err
	}
	if strings.TrimSpace(name) == "---" {
		return nil, 0, fmt.Errorf("--- begins a YAML file, and this one is read as INI; say --format ansible-yaml")
	}
	names, err = expand(name, limit)
	return names, port, err
}

// hostLike reports whether a text, which may hold ranges, is a host name or an address.
func hostLike(text string) bool {
	if _, err := netip.ParseAddr(text); err == nil {
		return true
	}
	for text != "" {
		n, last := 0, rune(0)
		for text != "" && text[0] != '.' {
			if m := span.FindString(text); m != "" {
				text, last = text[len(m):], ']'
			} else {
				r := []rune(text)[0]
				word := r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r)
				if !word && (r != '-' || n == 0) {
					return false
				}
				text, last = text[len(string(r)):], r
			}
			n++
		}
		if n == 0 || last == '-' || last == '_' {
			return false
		}
		if text != "" {
			if text = text[1:]; text == "" {
				return false
			}
		}
	}
	return true
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// expand returns the names that a pattern with ranges stands for: web[01:50:2] and [a:f].
func expand(text string, limit int) ([]string, error) {
	open := strings.IndexByte(text, '[')
	if open < 0 {
		return []string{text}, nil
	}
	head, rest := text[:open], text[open+1:]
	inside, tail, ok := strings.Cut(rest, "]")
	if !ok {
		return nil, fmt.Errorf("the range in %q is not closed", text)
	}
	steps, err := sequence(inside, limit)
	if err != nil {
		return nil, fmt.Errorf("the range [%s] in %q: %w", inside, text, err)
	}
	tails, err := expand(tail, limit)
	if err != nil {
		return nil, err
	}
	if len(steps)*len(tails) > limit {
		return nil, fmt.Errorf("%q stands for more than %d hosts", text, limit)
	}
	all := make([]string, 0, len(steps)*len(tails))
	for _, s := range steps {
		for _, t := range tails {
			all = append(all, head+s+t)
		}
	}
	return all, nil
}

// sequence returns what begin:end or begin:end:step counts.
func sequence(text string, limit int) (all []string, err error) {
	bounds := strings.Split(text, ":")
	if len(bounds) != 2 && len(bounds) != 3 {
		return nil, fmt.Errorf("it is not begin:end or begin:end:step")
	}
	begin, end, step := bounds[0], bounds[1], 1
	if len(bounds) == 3 {
		if step, err = strconv.Atoi(bounds[2]); err != nil || step < 1 {
			return nil, fmt.Errorf("its step %q is not a number from 1 on", bounds[2])
		}
	}
	if begin == "" {
		begin = "0"
	}
	if end == "" {
		return nil, fmt.Errorf("it has no end")
	}
	padded := len(begin) > 1 && begin[0] == '0'
	if padded && len(begin) != len(end) {
		return nil, fmt.Errorf("its begin is padded with zeros, and its end is not as long")
	}
	if i, j := strings.Index(letters, begin), strings.Index(letters, end); i >= 0 && j >= 0 && len(begin) == 1 && len(end) == 1 {
		if i > j {
			return nil, fmt.Errorf("it ends before it begins")
		}
		for ; i <= j; i += step {
			all = append(all, letters[i:i+1])
		}
		return all, nil
	}
	i, err := strconv.Atoi(begin)
	j, err2 := strconv.Atoi(end)
	if err != nil || err2 != nil || i < 0 || j < 0 {
		return nil, fmt.Errorf("it counts neither numbers nor single letters")
	}
	for ; i <= j; i += step {
		if len(all) == limit {
			return nil, fmt.Errorf("it stands for more than %d hosts", limit)
		}
		n := strconv.Itoa(i)
		if padded {
			n = fmt.Sprintf("%0*d", len(begin), i)
		}
		all = append(all, n)
	}
	return all, nil
}
