// Package ansible reads Ansible's inventories in INI and in YAML: groups with their children, ranges, variables of hosts and
// groups in Ansible's order of precedence, with those in group_vars and host_vars beside the file. It runs nothing and
// renders no templates.
package ansible

import (
	"maps"
	"slices"
	"strconv"

	"github.com/heysubinoy/remora/adapters/cli/inventory"
)

// The groups that always exist.
const (
	groupAll       = "all"
	groupUngrouped = "ungrouped"
)

type vars map[string]value

type group struct {
	name     string
	hosts    map[string]bool
	children map[string]bool
	parents  map[string]bool
	vars     vars
	files    vars // from group_vars
	priority int
	depth    int
}

type host struct {
	name   string
	vars   vars
	groups map[string]bool // the ones that name it
	at     inventory.Place
}

// tree is an inventory while it is read.
type tree struct {
	groups map[string]*group
	hosts  map[string]*host
	order  []string // of hosts
	notes  *inventory.Inventory
}

func newTree(notes *inventory.Inventory) *tree {
	t := &tree{groups: map[string]*group{}, hosts: map[string]*host{}, notes: notes}
	t.group(groupAll)
	t.group(groupUngrouped)
	return t
}

func (t *tree) group(name string) *group {
	g := t.groups[name]
	if g == nil {
		g = &group{name: name, hosts: map[string]bool{}, children: map[string]bool{}, parents: map[string]bool{}, vars: vars{}, files: vars{}, priority: 1}
		t.groups[name] = g
	}
	return g
}

// host adds a host to a group. port counts only where the host is named for the first time.
func (t *tree) host(name, group string, port int, at inventory.Place) error {
	if name == "" {
		return inventory.Refuse(at, "a host has no name")
	}
	h := t.hosts[name]
	if h == nil {
		if len(t.order) == inventory.MaxServers {
			return inventory.Refuse(at, "there are more than %d hosts", inventory.MaxServers)
		}
		h = &host{name: name, vars: vars{}, groups: map[string]bool{}, at: at}
		if port != 0 {
			h.vars["ansible_port"] = value{text: strconv.Itoa(port), plain: true, at: at}
		}
		t.hosts[name] = h
		t.order = append(t.order, name)
	}
	t.groups[group].hosts[name] = true
	h.groups[group] = true
	return nil
}

// set sets a variable; a name that a group has is that group, even where a host has it too.
func (t *tree) set(name, variable string, v value) error {
	g := t.groups[name]
	switch {
	case g != nil && variable == "ansible_group_priority":
		n, err := strconv.Atoi(v.text)
		if err != nil {
			return inventory.Refuse(v.at, "ansible_group_priority %q is not a number", v.text)
		}
		g.priority = n
	case g != nil:
		g.vars[variable] = v
	default:
		t.hosts[name].vars[variable] = v
	}
	return nil
}

// child makes a group the child of another.
func (t *tree) child(parent, child string, at inventory.Place) error {
	if parent == child || t.above(parent)[child] {
		return inventory.Refuse(at, "the group %s would be its own parent, as a child of %s", child, parent)
	}
	t.groups[parent].children[child] = true
	t.groups[child].parents[parent] = true
	return nil
}

// above returns the names of all groups that a group is in.
func (t *tree) above(name string) map[string]bool {
	found := map[string]bool{}
	for next := []string{name}; len(next) > 0; {
		g := t.groups[next[0]]
		next = next[1:]
		for p := range g.parents {
			if !found[p] {
				found[p] = true
				next = append(next, p)
			}
		}
	}
	return found
}

// settle puts what belongs to no group into ungrouped, and says how deep each group is.
func (t *tree) settle() {
	for _, h := range t.hosts {
		in := t.groupsOf(h)
		delete(in, groupAll)
		delete(in, groupUngrouped)
		if len(in) > 0 {
			delete(h.groups, groupUngrouped)
		} else {
			h.groups[groupUngrouped] = true
		}
	}
	for name, g := range t.groups {
		if name != groupAll && len(g.parents) == 0 {
			g.parents[groupAll] = true
			t.groups[groupAll].children[name] = true
		}
	}
	depths := map[string]int{groupAll: 0}
	var depth func(name string) int
	depth = func(name string) int {
		if d, ok := depths[name]; ok {
			return d
		}
		d := 0
		for p := range t.groups[name].parents {
			d = max(d, depth(p)+1)
		}
		depths[name] = d
		return d
	}
	for name, g := range t.groups {
		g.depth = depth(name)
	}
}

// groupsOf returns the names of all groups that a host is in.
func (t *tree) groupsOf(h *host) map[string]bool {
	in := map[string]bool{}
	for g := range h.groups {
		in[g] = true
		maps.Copy(in, t.above(g))
	}
	return in
}

// varsOf returns a host's variables: those of all, of its groups from the outermost in, then group_vars in the same order,
// then its own.
func (t *tree) varsOf(h *host, own vars) vars {
	var groups []*group
	for name := range t.groupsOf(h) {
		if name != groupAll {
			groups = append(groups, t.groups[name])
		}
	}
	slices.SortFunc(groups, func(a, b *group) int {
		switch {
		case a.depth != b.depth:
			return a.depth - b.depth
		case a.priority != b.priority:
			return a.priority - b.priority
		case a.name < b.name:
			return -1
		}
		return 1
	})
	all := vars{}
	outermost := t.groups[groupAll]
	maps.Copy(all, outermost.vars)
	maps.Copy(all, outermost.files)
	for _, g := range groups {
		maps.Copy(all, g.vars)
		maps.Copy(all, g.files)
	}
	maps.Copy(all, outermost.files)
	for _, g := range groups {
		maps.Copy(all, g.files)
	}
	maps.Copy(all, h.vars)
	maps.Copy(all, own)
	return all
}
