package inventory

import (
	"fmt"
	"slices"
	"strings"
)

// Entry is a server before its hops were turned into names.
type Entry struct {
	Server
	Hops []Hop
}

// maxJumps bounds how many servers may stand between us and one.
const maxJumps = 16

// Join turns hops into names and adds the servers, each after the one that it jumps through. A hop that is none of the
// entries becomes a server of its own, from what lookup says of it. What goes round in a circle is omitted.
func (i *Inventory) Join(entries []Entry, lookup func(host string) (Entry, error)) {
	j := &joiner{
		inventory: i, entries: map[string]*Entry{}, state: map[string]joinState{}, jumps: map[string]string{}, ways: map[way]string{}, lookup: lookup,
	}
	for n := range entries {
		j.entries[entries[n].Name] = &entries[n]
	}
	for n := range entries {
		if err := j.add(&entries[n], 0); err != nil {
			i.Omit(entries[n].At, entries[n].Name, "the server", err.Error())
		}
	}
}

type joinState int

const (
	unseen joinState = iota
	adding
	refused
)

// way is what makes two hops one server.
type way struct {
	hostname, user string
	port           int
	jump           string
}

type joiner struct {
	inventory *Inventory
	entries   map[string]*Entry
	state     map[string]joinState
	jumps     map[string]string // of the servers that were added
	ways      map[way]string
	lookup    func(string) (Entry, error)
}

// add adds an entry after those that it jumps through.
func (j *joiner) add(e *Entry, depth int) error {
	if _, done := j.jumps[e.Name]; done {
		return nil
	}
	switch j.state[e.Name] {
	case adding:
		return fmt.Errorf("the way to %s goes round in a circle", e.Name)
	case refused:
		return fmt.Errorf("the way to it leads through %s, which was not taken", e.Name)
	case unseen:
	}
	j.state[e.Name] = adding
	jump, err := j.walk(e.Hops, depth+1)
	if err != nil {
		j.state[e.Name] = refused
		return err
	}
	s := e.Server
	s.Jump = jump
	j.put(s)
	return nil
}

// walk returns the name of the last hop's server; empty without hops.
func (j *joiner) walk(hops []Hop, depth int) (name string, err error) {
	if depth > maxJumps {
		return "", fmt.Errorf("the way to it is longer than %d jumps", maxJumps)
	}
	for _, h := range hops {
		if name, err = j.through(h, name, depth); err != nil {
			return "", err
		}
	}
	return name, nil
}

// through returns the name of the server that a hop is, itself reached through the one named before. The first hop of a way,
// with none before, is reached as its own entry says.
func (j *joiner) through(h Hop, before string, depth int) (string, error) {
	e, err := j.find(h.Host)
	if err != nil {
		return "", err
	}
	if j.entries[e.Name] == e && (h.User == "" || h.User == e.User) && (h.Port == 0 || h.Port == e.PortOr22()) {
		if err := j.add(e, depth); err != nil {
			return "", err
		}
		if before == "" || j.jumps[e.Name] == before {
			return e.Name, nil
		}
	}
	s := e.Server
	if h.User != "" {
		s.User = h.User
	}
	if h.Port != 0 {
		s.Port = h.Port
	}
	s.Jump = before
	if before == "" {
		if s.Jump, err = j.walk(e.Hops, depth+1); err != nil {
			return "", err
		}
	}
	if name, ok := j.ways[wayOf(s)]; ok {
		return name, nil
	}
	s.Name = j.free(h, before)
	j.put(s)
	return s.Name, nil
}

// find returns the entry of a name, else what lookup says of it.
func (j *joiner) find(host string) (*Entry, error) {
	if e := j.entries[host]; e != nil {
		return e, nil
	}
	found, err := j.lookup(host)
	if err != nil {
		return nil, err
	}
	if e := j.entries[found.Name]; e != nil {
		return e, nil
	}
	return &found, nil
}

func wayOf(s Server) way { return way{s.Hostname, s.User, s.PortOr22(), s.Jump} }

// free returns a name for a hop that no other server has.
func (j *joiner) free(h Hop, before string) string {
	name := h.Host
	if h.User != "" && j.taken(name) {
		name = h.User + "@" + name
	}
	if h.Port != 0 && j.taken(name) {
		name = fmt.Sprintf("%s:%d", name, h.Port)
	}
	if before != "" && j.taken(name) {
		name += "-via-" + before
	}
	for base, n := name, 2; j.taken(name); n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	return name
}

func (j *joiner) taken(name string) bool {
	_, added := j.jumps[name]
	return added || j.entries[name] != nil
}

func (j *joiner) put(s Server) {
	s.Tags, s.Keys = slices.Clone(s.Tags), slices.Clone(s.Keys)
	j.inventory.Servers = append(j.inventory.Servers, s)
	j.jumps[s.Name] = s.Jump
	if _, ok := j.ways[wayOf(s)]; !ok {
		j.ways[wayOf(s)] = s.Name
	}
}

// ProxyCommandHops reads the one use of ProxyCommand that is a jump: ssh -W %h:%p [user@]host, with -p, -l and -q.
func ProxyCommandHops(command string) ([]Hop, bool) {
	words := strings.Fields(command)
	if len(words) > 0 && words[0] == "exec" {
		words = words[1:]
	}
	if len(words) == 0 || words[0] != "ssh" && words[0] != "/usr/bin/ssh" {
		return nil, false
	}
	var h Hop
	forwards := false
	for n := 1; n < len(words); n++ {
		w := strings.Trim(words[n], `"'`)
		value := func(flag string) string {
			if w == flag && n+1 < len(words) {
				n++
				return strings.Trim(words[n], `"'`)
			}
			return strings.TrimPrefix(w, flag)
		}
		var err error
		switch {
		case w == "-q" || w == "-x" || w == "-T" || w == "-a":
		case strings.HasPrefix(w, "-W"):
			forwards = value("-W") == "%h:%p" || strings.EqualFold(strings.Trim(words[n], `"'`), "[%h]:%p")
		case strings.HasPrefix(w, "-p"):
			h.Port, err = Port(value("-p"))
		case strings.HasPrefix(w, "-l"):
			h.User = value("-l")
		case !strings.HasPrefix(w, "-") && h.Host == "":
			var at Hop
			if at, err = hop(w); err == nil {
				h.Host = at.Host
				if at.User != "" {
					h.User = at.User
				}
				if at.Port != 0 {
					h.Port = at.Port
				}
			}
		default:
			return nil, false
		}
		if err != nil {
			return nil, false
		}
	}
	return []Hop{h}, forwards && h.Host != ""
}
