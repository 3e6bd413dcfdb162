package ansible

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/heysubinoy/remora/adapters/cli/inventory"
)

// Env is what surrounds an inventory.
type Env struct {
	Home string // of the user
	User string // who would run Ansible
	// Beside is the folder that the inventory is in, with group_vars and host_vars; nil for none.
	Beside fs.FS
}

// ReadINI reads an inventory in INI. Fails with *inventory.Error, which says where.
func ReadINI(name string, text []byte, env Env) (inventory.Inventory, error) {
	return read(name, text, env, (*tree).readINI)
}

// ReadYAML reads an inventory in YAML, or in JSON of the same form. Fails with *inventory.Error, which says where.
func ReadYAML(name string, text []byte, env Env) (inventory.Inventory, error) {
	return read(name, text, env, (*tree).readYAML)
}

func read(name string, text []byte, env Env, how func(*tree, string, []byte) error) (inventory.Inventory, error) {
	var inv inventory.Inventory
	t := newTree(&inv)
	if len(text) > inventory.MaxFileBytes {
		return inv, inventory.Refuse(inventory.Place{File: name}, "the file is larger than %d MiB", inventory.MaxFileBytes>>20)
	}
	if err := how(t, name, text); err != nil {
		return inv, err
	}
	t.settle()
	err := t.adopt(name, env) // which adds to inv
	return inv, err
}

// adopt turns what was read into servers, with the variables beside the file.
func (t *tree) adopt(name string, env Env) error {
	b := &beside{files: env.Beside, prefix: path.Dir(name), tree: t}
	if b.has("group_vars") {
		for _, g := range slices.Sorted(maps.Keys(t.groups)) {
			found, err := b.vars("group_vars", g)
			if err != nil {
				return err
			}
			t.groups[g].files = found
		}
	}
	ownFiles := b.has("host_vars")
	a := &adopter{env: env, inv: t.notes, byAddress: map[string]string{}}
	for _, name := range t.order {
		h := t.hosts[name]
		var own vars
		if ownFiles {
			var err error
			if own, err = b.vars("host_vars", name); err != nil {
				return err
			}
		}
		a.adopt(t, h, t.varsOf(h, own))
	}
	t.notes.Join(a.entries, a.hop)
	return nil
}

// adopter turns hosts with their variables into servers.
type adopter struct {
	env       Env
	inv       *inventory.Inventory
	entries   []inventory.Entry
	byAddress map[string]string // names of servers by hostname, the first of each
}

// overSSH are the values of ansible_connection that mean SSH.
var overSSH = []string{"ssh", "smart", "paramiko", "paramiko_ssh", "ansible.builtin.ssh", "ansible.builtin.paramiko_ssh"}

// notTaken are variables that Remora has no place for, with the reason.
var notTaken = []struct{ name, why string }{
	{"ansible_password", "passwords that stand in a file are not taken; --password-stdin or `remora servers edit NAME --password` gives one"},
	{"ansible_ssh_pass", "passwords that stand in a file are not taken; --password-stdin or `remora servers edit NAME --password` gives one"},
	{"ansible_ssh_password", "passwords that stand in a file are not taken; --password-stdin or `remora servers edit NAME --password` gives one"},
	{"ansible_become", "a job runs as the user that logs in; write sudo into the command"},
	{"ansible_paramiko_proxy_command", "Remora runs no ProxyCommand; give ProxyJump"},
}

func (a *adopter) adopt(t *tree, h *host, v vars) {
	connection, err := v.text("ansible_connection")
	switch {
	case err != nil:
		a.refuse(h, err.Error())
		return
	case connection == "local":
		a.refuse(h, "ansible_connection is local: it is the machine that Ansible runs on")
		return
	case connection != "" && !slices.Contains(overSSH, connection):
		a.refuse(h, fmt.Sprintf("ansible_connection is %s, and Remora speaks SSH", connection))
		return
	}
	e, err := a.entry(h, v)
	if err != nil {
		a.refuse(h, err.Error())
		return
	}
	for _, n := range notTaken {
		if x, ok := v[n.name]; ok && x.text != "False" && x.text != "" {
			a.inv.Omit(x.at, h.name, n.name, n.why)
		}
	}
	for g := range t.groupsOf(h) {
		if g != groupAll && g != groupUngrouped {
			e.Tags = append(e.Tags, g)
		}
	}
	slices.Sort(e.Tags)
	if _, ok := a.byAddress[e.Hostname]; !ok {
		a.byAddress[e.Hostname] = e.Name
	}
	a.entries = append(a.entries, e)
}

func (a *adopter) refuse(h *host, why string) { a.inv.Omit(h.at, h.name, "the server", why) }

// text returns a variable's value, or the first of several names that has one. Fails where only Ansible could tell it.
func (v vars) text(names ...string) (string, error) {
	for _, name := range names {
		x, ok := v[name]
		switch {
		case !ok:
			continue
		case x.vault:
			return "", fmt.Errorf("%s (%s) is encrypted with Ansible Vault", name, x.at)
		case x.templated():
			return "", fmt.Errorf("%s (%s) is a template, which only Ansible can fill in: %s", name, x.at, x.text)
		case !x.plain:
			return "", fmt.Errorf("%s (%s) is a list or a mapping", name, x.at)
		}
		return x.text, nil
	}
	return "", nil
}

// entry returns the server that a host's variables tell of. Ansible takes the older names, with ssh in them, first.
func (a *adopter) entry(h *host, v vars) (inventory.Entry, error) {
	e := inventory.Entry{Server: inventory.Server{Name: h.name, Hostname: h.name, At: h.at}}
	hostname, err := v.text("ansible_ssh_host", "ansible_host")
	if err != nil {
		return e, err
	}
	if hostname != "" {
		e.Hostname = hostname
	}
	port, err := v.text("ansible_ssh_port", "ansible_port")
	if err != nil {
		return e, err
	}
	if port != "" {
		if e.Port, err = inventory.Port(port); err != nil {
			return e, err
		}
	}
	if e.User, err = v.text("ansible_ssh_user", "ansible_user"); err != nil {
		return e, err
	}
	// A key that cannot be told is no reason to leave the server out: it can be given.
	key, err := v.text("ansible_ssh_private_key_file", "ansible_private_key_file")
	if err != nil {
		a.inv.Omit(h.at, h.name, "the key file", err.Error())
	} else if key != "" {
		e.Keys = append(e.Keys, key)
	}
	if err := a.arguments(&e, v); err != nil {
		return e, err
	}
	if e.User == "" {
		e.User = a.env.User
	}
	for i, k := range e.Keys {
		if strings.HasPrefix(k, "~/") {
			e.Keys[i] = path.Join(a.env.Home, k[2:])
		}
	}
	return e, nil
}

// harmless are options of ssh that make no difference to a job, or that Remora has a rule of its own for.
var harmless = []string{
	"stricthostkeychecking", "userknownhostsfile", "globalknownhostsfile", "controlmaster", "controlpersist", "controlpath", "serveraliveinterval",
	"serveralivecountmax", "connecttimeout", "connectionattempts", "identitiesonly", "preferredauthentications", "loglevel", "batchmode",
	"compression", "tcpkeepalive", "passwordauthentication", "pubkeyauthentication", "kbdinteractiveauthentication", "checkhostip",
}

// flags are ssh's one-letter options of the same sort.
var flags = []string{"-q", "-v", "-t", "-T", "-x", "-a", "-C"}

// arguments reads what ssh is called with beside the variables. What a variable says counts before what an argument says, and
// the first of several arguments before the others.
func (a *adopter) arguments(e *inventory.Entry, v vars) error {
	jumped := false
	for _, name := range []string{"ansible_ssh_common_args", "ansible_ssh_extra_args"} {
		text, err := v.text(name)
		if err != nil {
			return err
		}
		words, err := split(text)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for len(words) > 0 {
			var option, argument string
			option, argument, words = next(words)
			done, err := a.argument(e, option, argument, &jumped)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if !done {
				a.inv.Omit(v[name].at, e.Name, strings.TrimSpace("-o "+option+"="+argument), "an argument of ssh that Remora has no place for")
			}
		}
	}
	return nil
}

// short are ssh's one-letter options that stand for one with a name.
var short = map[byte]string{'J': "ProxyJump", 'p': "Port", 'l': "User", 'i': "IdentityFile"}

// next takes the next option off ssh's arguments.
func next(words []string) (option, argument string, rest []string) {
	w, rest := words[0], words[1:]
	if len(w) < 2 || w[0] != '-' {
		return w, "", rest
	}
	argument = w[2:]
	if strings.IndexByte("BbcDEeFIiJLlmOopQRSWw", w[1]) >= 0 && argument == "" && len(rest) > 0 {
		argument, rest = rest[0], rest[1:]
	}
	if name := short[w[1]]; name != "" {
		return name, argument, rest
	}
	if w[1] != 'o' {
		return w[:2], argument, rest
	}
	cut := strings.IndexAny(argument, "= \t")
	if cut < 0 {
		return argument, "", rest
	}
	return argument[:cut], strings.TrimLeft(argument[cut:], "= \t"), rest
}

func (a *adopter) argument(e *inventory.Entry, option, argument string, jumped *bool) (done bool, err error) {
	switch strings.ToLower(option) {
	case "proxyjump":
		if *jumped {
			return true, nil
		}
		*jumped = true
		e.Hops, err = inventory.Hops(argument)
	case "proxycommand":
		if *jumped || strings.EqualFold(argument, "none") {
			*jumped = true
			return true, nil
		}
		*jumped = true
		hops, ok := inventory.ProxyCommandHops(argument)
		if !ok {
			return true, fmt.Errorf("it is reached by a ProxyCommand, which Remora does not run; give ProxyJump")
		}
		e.Hops = hops
	case "port":
		if e.Port == 0 {
			e.Port, err = inventory.Port(argument)
		}
	case "user":
		if e.User == "" {
			e.User = argument
		}
	case "identityfile":
		e.Keys = append(e.Keys, argument)
	default:
		return slices.Contains(harmless, strings.ToLower(option)) || slices.Contains(flags, option), nil
	}
	return true, err
}

// hop tells of a jump's server: the one of that name or address, else one as it stands there.
func (a *adopter) hop(host string) (inventory.Entry, error) {
	if name, ok := a.byAddress[host]; ok {
		host = name
	}
	return inventory.Entry{Server: inventory.Server{Name: host, Hostname: host, User: a.env.User}}, nil
}
