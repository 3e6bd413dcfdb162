package sshconfig

import (
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/heysubinoy/remora/adapters/cli/inventory"
)

// Config is a configuration that was read.
type Config struct {
	env   Env
	lines []directive
	notes inventory.Inventory // what the files as such leave out
}

// Parse reads a configuration with all that it includes. Fails with *inventory.Error, which says where.
func Parse(name string, text []byte, env Env) (*Config, error) {
	c := &Config{env: env}
	p := parser{env: env, notes: &c.notes}
	lines, err := p.parse(name, text, 0)
	c.lines = lines
	return c, err
}

// Settings are what ssh would use for a host.
type Settings struct {
	Hostname string
	User     string
	Port     int      // 0 when no line says it
	Keys     []string // IdentityFile as written, in order
	Jump     string   // ProxyJump as written; empty for none
	Command  string   // ProxyCommand as written; empty for none

	named bool                       // a Host line with exactly this name was in force
	other map[string]option          // in force, and not used by us
	doubt map[inventory.Place]string // lines of which it cannot be told whether they fit
	from  map[string]inventory.Place // where the values stand
}

// option is a line that we make no use of.
type option struct {
	keyword string // as written
	value   string // the first
	at      inventory.Place
}

// reading is one pass, or two, over the configuration for one host.
type reading struct {
	env       Env
	alias     string
	host      string // what Host patterns are held against
	final     bool
	wantFinal bool
	got       found
	s         Settings
}

// found are first values; the strings are as written.
type found struct {
	hostname, user, port, jump, command string
}

// Lookup returns what ssh would use for a host. Fails where ssh would too: HostName with an unknown token.
func (c *Config) Lookup(alias string) (Settings, error) {
	r := &reading{env: c.env, alias: alias, host: alias}
	r.s.other, r.s.doubt, r.s.from = map[string]option{}, map[inventory.Place]string{}, map[string]inventory.Place{}
	r.read(c.lines, true, false)
	if err := r.settle(); err != nil {
		return r.s, err
	}
	if r.wantFinal {
		r.final, r.host, r.got.hostname = true, r.s.Hostname, r.s.Hostname
		r.read(c.lines, true, false)
	}
	s := &r.s
	s.User = r.got.user
	s.Port, _ = strconv.Atoi(r.got.port) // checked when it was read
	if !strings.EqualFold(r.got.jump, "none") {
		s.Jump = r.got.jump
	}
	if !strings.EqualFold(r.got.command, "none") {
		s.Command = r.got.command
	}
	return *s, nil
}

// settle fixes the hostname.
func (r *reading) settle() error {
	name := r.resolved()
	if i := badToken(r.got.hostname); i != "" {
		return inventory.Refuse(r.s.from["hostname"], "HostName %s: %s is no token of HostName; it knows %%h and %%%%", r.got.hostname, i)
	}
	r.s.Hostname = strings.ToLower(name)
	return nil
}

// resolved is the host's name as far as it is known.
func (r *reading) resolved() string {
	switch {
	case r.final:
		return r.got.hostname
	case r.got.hostname == "":
		return r.alias
	}
	return strings.NewReplacer("%%", "%", "%h", r.alias).Replace(r.got.hostname)
}

func badToken(text string) string {
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			continue
		}
		if i+1 == len(text) || text[i+1] != 'h' && text[i+1] != '%' {
			return strconv.Quote(text[i:min(len(text), i+2)])
		}
		i++
	}
	return ""
}

// read goes over lines; active says whether they are in force until the first Host or Match, never that they cannot come
// into force, because the Include that brought them is not.
func (r *reading) read(lines []directive, active, never bool) {
	for i := range lines {
		d := &lines[i]
		switch d.keyword {
		case "host":
			active = !never && r.matchHost(d.args)
		case "match":
			fits, why := r.match(d)
			active = fits && !never
			if why != "" && !never {
				r.s.doubt[d.at] = why
			}
		case "include":
			for _, file := range d.files {
				r.read(file, active, never || !active)
			}
		default:
			if active {
				r.take(d)
			}
		}
	}
}

func (r *reading) matchHost(patterns []string) bool {
	found, named := false, false
	for _, p := range patterns {
		p, negated := strings.CutPrefix(p, "!")
		if !inventory.MatchPattern(r.host, p) {
			continue
		}
		if negated {
			return false
		}
		found = true
		named = named || p == r.alias
	}
	r.s.named = r.s.named || named
	return found
}

func (r *reading) take(d *directive) {
	put := func(field *string, value string) {
		if *field == "" {
			*field = value
			r.s.from[d.keyword] = d.at
		}
	}
	switch d.keyword {
	case "hostname":
		put(&r.got.hostname, d.args[0])
	case "user":
		put(&r.got.user, d.args[0])
	case "port":
		put(&r.got.port, d.args[0])
	case "identityfile":
		if !slices.Contains(r.s.Keys, d.args[0]) {
			r.s.Keys = append(r.s.Keys, d.args[0])
			r.s.from[d.keyword] = d.at
		}
	case "proxyjump": // the first of the two counts
		if r.got.command == "" {
			put(&r.got.jump, d.args[0])
		}
	case "proxycommand":
		if r.got.jump == "" || strings.EqualFold(r.got.jump, "none") {
			put(&r.got.command, d.rest)
		}
	default:
		if _, ok := r.s.other[d.keyword]; !ok {
			r.s.other[d.keyword] = option{keyword: d.word, value: first(d.args...), at: d.at}
		}
	}
}

// names returns the names of Host lines that are no patterns, in their order, each with its first place, and the patterns.
func names(lines []directive) (all []string, at map[string]inventory.Place, patterns map[string]inventory.Place) {
	at, patterns = map[string]inventory.Place{}, map[string]inventory.Place{}
	var walk func([]directive)
	walk = func(lines []directive) {
		for _, d := range lines {
			for _, file := range d.files {
				walk(file)
			}
			if d.keyword != "host" {
				continue
			}
			for _, a := range d.args {
				if strings.HasPrefix(a, "!") {
					continue
				}
				into := at
				if strings.ContainsAny(a, "*?") {
					into = patterns
				}
				if _, ok := into[a]; ok {
					continue
				}
				into[a] = d.at
				if !strings.ContainsAny(a, "*?") {
					all = append(all, a)
				}
			}
		}
	}
	walk(lines)
	return all, at, patterns
}

// Inventory returns the servers that Host lines name, in their order, jumps first, and what was not taken.
func (c *Config) Inventory() inventory.Inventory {
	inv := inventory.Inventory{Omitted: slices.Clone(c.notes.Omitted)}
	all, at, patterns := names(c.lines)
	for _, p := range slices.SortedFunc(maps.Keys(patterns), byPlace(patterns)) {
		if p != "*" {
			inv.Omit(patterns[p], "", "Host "+p, "a pattern names no server; its settings count for the servers that it fits")
		}
	}
	var entries []inventory.Entry
	for _, name := range all {
		e, err := c.entry(&inv, name, at[name])
		if err != nil {
			inv.Omit(at[name], name, "the server", err.Error())
			continue
		}
		entries = append(entries, e)
	}
	inv.Join(entries, func(host string) (inventory.Entry, error) { return c.entry(&inv, host, inventory.Place{}) })
	return inv
}

func byPlace(at map[string]inventory.Place) func(a, b string) int {
	return func(a, b string) int {
		if at[a].File != at[b].File {
			return strings.Compare(at[a].File, at[b].File)
		}
		if at[a].Line != at[b].Line {
			return at[a].Line - at[b].Line
		}
		return strings.Compare(a, b)
	}
}

// entry returns a server as the configuration has it. at is the line that names it; the zero place for a hop that none does.
func (c *Config) entry(inv *inventory.Inventory, name string, at inventory.Place) (inventory.Entry, error) {
	s, err := c.Lookup(name)
	if err != nil {
		return inventory.Entry{}, err
	}
	if at.File != "" && !s.named {
		return inventory.Entry{}, fmt.Errorf("ssh never reaches this Host line: it stands in a file that another Host or Match includes, or is negated")
	}
	for _, d := range slices.SortedFunc(maps.Keys(s.doubt), placeOrder) {
		inv.Omit(d, "", "the lines after Match", s.doubt[d])
	}
	e := inventory.Entry{Server: inventory.Server{
		Name: name, Hostname: s.Hostname, Port: s.Port, User: first(s.User, c.env.User), At: at,
	}}
	switch {
	case s.Jump != "":
		if e.Hops, err = inventory.Hops(s.Jump); err != nil {
			return e, err
		}
	case s.Command != "":
		hops, ok := inventory.ProxyCommandHops(s.Command)
		if !ok {
			return e, fmt.Errorf("%s: it is reached by a ProxyCommand, which Remora does not run; give it a ProxyJump", s.from["proxycommand"])
		}
		e.Hops = hops
	}
	for _, key := range s.Keys {
		if strings.EqualFold(key, "none") {
			continue
		}
		file, err := c.expand(key, name, &e.Server)
		if err != nil {
			inv.Omit(s.from["identityfile"], name, "IdentityFile "+key, err.Error())
			continue
		}
		e.Keys = append(e.Keys, file)
	}
	c.omitOptions(inv, name, s)
	return e, nil
}

func placeOrder(a, b inventory.Place) int {
	if a.File != b.File {
		return strings.Compare(a.File, b.File)
	}
	return a.Line - b.Line
}

// expand returns the path that IdentityFile means.
func (c *Config) expand(text, alias string, s *inventory.Server) (string, error) {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			out.WriteByte(text[i])
			continue
		}
		if i++; i == len(text) {
			return "", fmt.Errorf("it ends with %%")
		}
		switch text[i] {
		case '%':
			out.WriteByte('%')
		case 'd':
			out.WriteString(c.env.Home)
		case 'u':
			out.WriteString(c.env.User)
		case 'r':
			out.WriteString(s.User)
		case 'h':
			out.WriteString(s.Hostname)
		case 'n', 'k':
			out.WriteString(alias)
		case 'p':
			out.WriteString(strconv.Itoa(s.PortOr22()))
		default:
			return "", fmt.Errorf("the token %%%c is not known here", text[i])
		}
	}
	missing := ""
	file := os.Expand(onlyBraces(out.String()), func(name string) string {
		if name == "$" {
			return "$"
		}
		if name == "HOME" {
			return c.env.Home
		}
		missing = name
		return ""
	})
	if missing != "" {
		return "", fmt.Errorf("the variable %s is not looked up", missing)
	}
	switch {
	case file == "~" || strings.HasPrefix(file, "~/"):
		file = path.Join(c.env.Home, file[1:])
	case strings.HasPrefix(file, "~"):
		return "", fmt.Errorf("the home of another user is not looked for")
	}
	return file, nil
}

// onlyBraces leaves ${NAME} to os.Expand and keeps every other dollar sign.
func onlyBraces(text string) string {
	var b strings.Builder
	for i := range len(text) {
		b.WriteByte(text[i])
		if text[i] == '$' && (i+1 == len(text) || text[i+1] != '{') {
			b.WriteByte('$')
		}
	}
	return b.String()
}
