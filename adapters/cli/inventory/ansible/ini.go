package ansible

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/heysubinoy/remora/adapters/cli/inventory"
)

var (
	section   = regexp.MustCompile(`^\[([^:\]\s]+)(?::(\w+))?\]\s*(?:#.*)?$`)
	groupName = regexp.MustCompile(`^([^:\]\s]+)\s*(?:#.*)?$`)
)

// promise is a group that was named before it was declared.
type promise struct {
	at      inventory.Place
	parents []string // as a child of these; none for a [group:vars]
}

type iniReader struct {
	*tree
	promised map[string]*promise
	order    []string // of the promises
}

// readINI reads an inventory in INI.
func (t *tree) readINI(name string, text []byte) error {
	r := &iniReader{tree: t, promised: map[string]*promise{}}
	current, kind := groupUngrouped, "hosts"
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		at := inventory.Place{File: name, Line: n}
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if !utf8.ValidString(line) {
			return inventory.Refuse(at, "the line is not UTF-8")
		}
		var err error
		m := section.FindStringSubmatch(line)
		switch {
		case m != nil:
			if current, kind = m[1], m[2]; kind == "" {
				kind = "hosts"
			}
			err = r.section(current, kind, at)
		case line[0] == '[' && strings.HasSuffix(line, "]"):
			err = inventory.Refuse(at, "%s is not [group], [group:children] or [group:vars]; there are no blanks in it", line)
		case kind == "hosts":
			err = r.hostLine(line, current, at)
		case kind == "vars":
			err = r.varLine(line, current, at)
		default:
			err = r.childLine(line, current, at)
		}
		if err != nil {
			return err
		}
	}
	for _, g := range r.order {
		p := r.promised[g]
		switch {
		case p == nil:
		case p.parents == nil:
			return inventory.Refuse(p.at, "[%s:vars] is for a group that is nowhere declared", g)
		default:
			return inventory.Refuse(p.at, "[%s:children] names the group %s, which is nowhere declared", p.parents[len(p.parents)-1], g)
		}
	}
	return nil
}

func (r *iniReader) promise(name string, p *promise) {
	r.promised[name] = p
	r.order = append(r.order, name)
}

func (r *iniReader) section(name, kind string, at inventory.Place) error {
	if kind != "hosts" && kind != "children" && kind != "vars" {
		return inventory.Refuse(at, "[%s:%s]: %s is not children or vars", name, kind, kind)
	}
	p := r.promised[name]
	if r.groups[name] == nil {
		if kind == "vars" && p == nil {
			r.promise(name, &promise{at: at})
		}
		r.group(name)
	}
	if p == nil || kind == "vars" {
		return nil
	}
	return r.keep(name)
}

// keep declares a promised group a child of those that wait for it.
func (r *iniReader) keep(name string) error {
	p := r.promised[name]
	delete(r.promised, name)
	for _, parent := range p.parents {
		if err := r.child(parent, name, p.at); err != nil {
			return err
		}
		if above := r.promised[parent]; above != nil && above.parents != nil {
			if err := r.keep(parent); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *iniReader) hostLine(line, group string, at inventory.Place) error {
	words, err := split(line)
	if err != nil {
		return inventory.Refuse(at, "%v", err)
	}
	if len(words) == 0 {
		return inventory.Refuse(at, "the line names no host")
	}
	names, port, err := pattern(words[0], inventory.MaxServers)
	if err != nil {
		return inventory.Refuse(at, "%v", err)
	}
	for _, name := range names {
		if err := r.host(name, group, port, at); err != nil {
			return err
		}
	}
	for _, w := range words[1:] {
		k, v, ok := strings.Cut(w, "=")
		if !ok {
			return inventory.Refuse(at, "%q after the host %s is not variable=value", w, words[0])
		}
		for _, name := range names {
			if err := r.set(name, k, literal(v, at)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *iniReader) varLine(line, group string, at inventory.Place) error {
	k, v, ok := strings.Cut(line, "=")
	if !ok {
		return inventory.Refuse(at, "%q in [%s:vars] is not variable=value", line, group)
	}
	return r.set(group, strings.TrimSpace(k), literal(strings.TrimSpace(v), at))
}

func (r *iniReader) childLine(line, group string, at inventory.Place) error {
	m := groupName.FindStringSubmatch(line)
	if m == nil {
		return inventory.Refuse(at, "%q in [%s:children] is not the name of a group", line, group)
	}
	child := m[1]
	if r.groups[child] != nil {
		return r.child(group, child, at)
	}
	if p := r.promised[child]; p != nil {
		p.parents = append(p.parents, group)
	} else {
		r.promise(child, &promise{at: at, parents: []string{group}})
	}
	return nil
}
