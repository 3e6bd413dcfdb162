package ansible

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/heysubinoy/remora/adapters/cli/inventory"
)

// maxNodes bounds what a YAML file may unfold to by its aliases.
const maxNodes = 2_000_000

type yamlReader struct {
	*tree
	file  string
	nodes int
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// document returns the root of a YAML text, nil for an empty one.
func (r *yamlReader) document(text []byte) (*yaml.Node, error) {
	var doc yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	err := d.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		at := inventory.Place{File: r.file}
		problem := err.Error()
		if m := yamlLine.FindStringSubmatch(problem); m != nil {
			at.Line, _ = strconv.Atoi(m[1])
			problem = m[2]
		}
		return nil, inventory.Refuse(at, "this is no YAML: %s", problem)
	}
	var second yaml.Node
	if d.Decode(&second) == nil {
		return nil, inventory.Refuse(r.place(&second), "a second document begins here; an inventory is one")
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	return r.plain(doc.Content[0]), nil
}

func (r *yamlReader) place(n *yaml.Node) inventory.Place {
	return inventory.Place{File: r.file, Line: n.Line}
}

// plain follows an alias.
func (r *yamlReader) plain(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// pair is a key of a mapping with its value.
type pair struct{ key, value *yaml.Node }

// pairs returns a mapping's pairs, with those that << merges in, each key once: of two the later counts, of merged ones the
// first, and what stands in the mapping itself before both.
func (r *yamlReader) pairs(n *yaml.Node) ([]pair, error) { return r.unfold(n, 0) }

func (r *yamlReader) unfold(n *yaml.Node, depth int) ([]pair, error) {
	if depth > maxNesting {
		return nil, inventory.Refuse(r.place(n), "<< merges in more than %d mappings one into the other", maxNesting)
	}
	var own, merged []pair
	for i := 0; i+1 < len(n.Content); i += 2 {
		if r.nodes++; r.nodes > maxNodes {
			return nil, inventory.Refuse(r.place(n), "the file unfolds to more than %d entries", maxNodes)
		}
		key, v := r.plain(n.Content[i]), r.plain(n.Content[i+1])
		if key.Tag != "!!merge" {
			own = append(own, pair{key, v})
			continue
		}
		from := []*yaml.Node{v}
		if v.Kind == yaml.SequenceNode {
			from = v.Content
		}
		for _, m := range from {
			if m = r.plain(m); m.Kind != yaml.MappingNode {
				return nil, inventory.Refuse(r.place(m), "<< merges in what is no mapping")
			}
			more, err := r.unfold(m, depth+1)
			if err != nil {
				return nil, err
			}
			merged = append(more, merged...)
		}
	}
	index := map[string]int{}
	var all []pair
	for _, p := range append(merged, own...) {
		if p.key.Kind != yaml.ScalarNode {
			return nil, inventory.Refuse(r.place(p.key), "a key is no plain text")
		}
		if i, ok := index[p.key.Value]; ok {
			all[i].value = p.value
			continue
		}
		index[p.key.Value] = len(all)
		all = append(all, p)
	}
	return all, nil
}

func null(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// readYAML reads an inventory in YAML.
func (t *tree) readYAML(name string, text []byte) error {
	r := &yamlReader{tree: t, file: name}
	root, err := r.document(text)
	switch {
	case err != nil:
		return err
	case root == nil || null(root):
		return inventory.Refuse(inventory.Place{File: name}, "the file is empty")
	case root.Kind != yaml.MappingNode:
		return inventory.Refuse(r.place(root), "an inventory in YAML is a mapping of groups, and this is none")
	}
	groups, err := r.pairs(root)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if g.key.Value == "plugin" && g.value.Kind == yaml.ScalarNode && !null(g.value) {
			return inventory.Refuse(r.place(g.key), "this configures Ansible's inventory plugin %s, which only Ansible can run; "+
				"give what `ansible-inventory --list --yaml` prints", g.value.Value)
		}
		if err := r.readGroup(g, 0); err != nil {
			return err
		}
	}
	return nil
}

// maxNesting bounds how deep groups stand in each other.
const maxNesting = 100

func (r *yamlReader) readGroup(g pair, depth int) error {
	if err := r.groupKey(g.key); err != nil {
		return err
	}
	if depth > maxNesting {
		return inventory.Refuse(r.place(g.key), "groups stand more than %d deep in each other", maxNesting)
	}
	if !null(g.value) && g.value.Kind != yaml.MappingNode {
		r.notes.Omit(r.place(g.key), "", "the group "+g.key.Value, "it is no mapping with hosts, children or vars")
		return nil
	}
	r.group(g.key.Value)
	if null(g.value) {
		return nil
	}
	parts, err := r.pairs(g.value)
	if err != nil {
		return err
	}
	for _, part := range parts {
		if err := r.readPart(g.key.Value, part, depth); err != nil {
			return err
		}
	}
	return nil
}

func (r *yamlReader) groupKey(key *yaml.Node) error {
	if key.ShortTag() != "!!str" || key.Value == "" {
		return inventory.Refuse(r.place(key), "the name of a group is text; put %q in quotes", key.Value)
	}
	return nil
}

// readPart reads the hosts, children or vars of a group.
func (r *yamlReader) readPart(group string, part pair, depth int) error {
	known := part.key.Value == "hosts" || part.key.Value == "children" || part.key.Value == "vars"
	entries := []pair{}
	switch {
	case null(part.value):
		return nil
	case known && part.value.Kind == yaml.ScalarNode && part.value.ShortTag() == "!!str":
		entries = append(entries, pair{part.value, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: part.value.Line}})
	case part.value.Kind != yaml.MappingNode && known:
		return inventory.Refuse(r.place(part.value), "%s of the group %s is no mapping; write each entry with a colon behind it", part.key.Value, group)
	case !known:
		r.notes.Omit(r.place(part.key), "", part.key.Value+" of the group "+group, "a group has hosts, children and vars")
		return nil
	default:
		var err error
		if entries, err = r.pairs(part.value); err != nil {
			return err
		}
	}
	for _, e := range entries {
		var err error
		switch part.key.Value {
		case "vars":
			err = r.set(group, e.key.Value, r.value(e.value))
		case "children":
			if err = r.readGroup(e, depth+1); err == nil && r.groups[e.key.Value] != nil {
				err = r.child(group, e.key.Value, r.place(e.key))
			}
		case "hosts":
			err = r.readHost(group, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *yamlReader) readHost(group string, e pair) error {
	at := r.place(e.key)
	if e.key.ShortTag() != "!!str" {
		return inventory.Refuse(at, "the name of a host is text; put %q in quotes", e.key.Value)
	}
	names, port, err := pattern(e.key.Value, inventory.MaxServers)
	if err != nil {
		return inventory.Refuse(at, "%v", err)
	}
	var own []pair
	switch {
	case null(e.value):
	case e.value.Kind != yaml.MappingNode:
		return inventory.Refuse(r.place(e.value), "what stands under the host %s is no mapping of variables", e.key.Value)
	default:
		if own, err = r.pairs(e.value); err != nil {
			return err
		}
	}
	for _, name := range names {
		if err := r.host(name, group, port, at); err != nil {
			return err
		}
		for _, v := range own {
			if err := r.set(name, v.key.Value, r.value(v.value)); err != nil {
				return err
			}
		}
	}
	return nil
}

// value returns what a variable holds.
func (r *yamlReader) value(n *yaml.Node) value {
	v := value{text: n.Value, at: r.place(n), plain: n.Kind == yaml.ScalarNode}
	v.vault = n.Tag == "!vault" || n.Tag == "!vault-encrypted" || strings.HasPrefix(n.Value, "$ANSIBLE_VAULT;")
	switch n.ShortTag() {
	case "!!null":
		v.text = ""
	case "!!bool":
		v.text = "False"
		if b, _ := strconv.ParseBool(strings.ToLower(n.Value)); b {
			v.text = "True"
		}
	}
	return v
}

// readVars reads a file of group_vars or host_vars.
func (t *tree) readVars(name string, text []byte) (vars, error) {
	if bytes.HasPrefix(text, []byte("$ANSIBLE_VAULT;")) {
		t.notes.Omit(inventory.Place{File: name}, "", "the variables in it", "the file is encrypted with Ansible Vault")
		return nil, nil
	}
	r := &yamlReader{tree: t, file: name}
	root, err := r.document(text)
	if err != nil || root == nil || null(root) {
		return nil, err
	}
	if root.Kind != yaml.MappingNode {
		return nil, inventory.Refuse(r.place(root), "a file of variables is a mapping, and this is none")
	}
	all, err := r.pairs(root)
	if err != nil {
		return nil, err
	}
	found := vars{}
	for _, p := range all {
		found[p.key.Value] = r.value(p.value)
	}
	return found, nil
}
