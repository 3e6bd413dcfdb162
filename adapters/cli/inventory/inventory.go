// Package inventory is what the files that people keep their servers in have in common: the servers that were found, and
// what was not taken and why. Its subfolders read the formats. It knows nothing of Remora's API and changes nothing.
package inventory

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Place is where something stands in a file.
type Place struct {
	File string
	Line int // from 1; 0 for the file as a whole
}

// String returns file:line.
func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return p.File + ":" + strconv.Itoa(p.Line)
}

// Server is a server as a file tells of it.
type Server struct {
	Name     string // as the file calls it
	Hostname string
	Port     int // 0 = 22
	User     string
	Tags     []string
	Keys     []string // files with a private key, in the order in which ssh tries them
	Jump     string   // name of the server to go through, which is in the same Inventory; empty for none
	At       Place
}

// PortOr22 returns the port, which is 22 where none is given.
func (s Server) PortOr22() int {
	if s.Port == 0 {
		return 22
	}
	return s.Port
}

// Omission is something that a file says and that was not taken.
type Omission struct {
	Server string // its name; empty when it is not about one server
	What   string // what was left out: a server, an option, a variable
	Why    string
	At     Place
}

// Inventory is what a file held.
type Inventory struct {
	Servers []Server // each after the one that it jumps through
	Omitted []Omission
}

// Omit notes something that was not taken, once.
func (i *Inventory) Omit(at Place, server, what, why string) {
	o := Omission{Server: server, What: what, Why: why, At: at}
	if !slices.Contains(i.Omitted, o) {
		i.Omitted = append(i.Omitted, o)
	}
}

// Error says that a file cannot be read, and where.
type Error struct {
	At      Place
	Problem string
}

// Error returns file:line: problem.
func (e *Error) Error() string { return e.At.String() + ": " + e.Problem }

// Refuse returns an *Error.
func Refuse(at Place, format string, args ...any) error {
	return &Error{At: at, Problem: fmt.Sprintf(format, args...)}
}

// Limits of what a file may hold.
const (
	MaxFileBytes = 16 << 20
	MaxServers   = 100_000
)

// Hop is one step of a ProxyJump.
type Hop struct {
	User string // empty = as the configuration says
	Host string
	Port int // 0 = as the configuration says
}

// Hops reads the value of ProxyJump, nearest hop first: [user@]host[:port] or ssh://[user@]host[:port], with commas between.
// "none" has no hops.
func Hops(text string) ([]Hop, error) {
	if strings.EqualFold(text, "none") {
		return nil, nil
	}
	var hops []Hop
	for part := range strings.SplitSeq(text, ",") {
		h, err := hop(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		hops = append(hops, h)
	}
	return hops, nil
}

func hop(text string) (Hop, error) {
	var h Hop
	rest := text
	if len(rest) > 6 && strings.EqualFold(rest[:6], "ssh://") {
		rest = strings.TrimSuffix(rest[6:], "/")
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		h.User, rest = rest[:i], rest[i+1:]
		if h.User == "" {
			return h, fmt.Errorf("the hop %q has no user before @", text)
		}
	}
	port := ""
	switch {
	case strings.HasPrefix(rest, "["):
		end := strings.IndexByte(rest, ']')
		if end < 0 || len(rest) > end+1 && rest[end+1] != ':' {
			return h, fmt.Errorf("the hop %q is not [user@]host[:port]", text)
		}
		h.Host, port = rest[1:end], strings.TrimPrefix(rest[end+1:], ":")
	case strings.Count(rest, ":") == 1:
		h.Host, port, _ = strings.Cut(rest, ":")
		if port == "" {
			return h, fmt.Errorf("the hop %q has no port after the colon", text)
		}
	default:
		h.Host = rest
	}
	if h.Host == "" || strings.ContainsAny(h.Host, " \t'\"`$\\;&<>|(){}/") || h.Host[0] == '-' {
		return h, fmt.Errorf("the hop %q names no host", text)
	}
	if port != "" {
		n, err := Port(port)
		if err != nil {
			return h, fmt.Errorf("the hop %q: %w", text, err)
		}
		h.Port = n
	}
	return h, nil
}

// Port reads a port number.
func Port(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 65535 {
		return 0, fmt.Errorf("port %q is out of range; 1 to 65535 are ports", text)
	}
	return n, nil
}

// MatchPattern matches as OpenSSH does: * and ? and nothing else; its cost is at most the product of the lengths.
func MatchPattern(s, pattern string) bool {
	var i, j int
	star, from := -1, 0
	for i < len(s) {
		switch {
		case j < len(pattern) && pattern[j] == '*':
			star, from = j, i
			j++
		case j < len(pattern) && (pattern[j] == '?' || pattern[j] == s[i]):
			i++
			j++
		case star >= 0:
			from++
			i, j = from, star+1
		default:
			return false
		}
	}
	return strings.Trim(pattern[j:], "*") == ""
}
