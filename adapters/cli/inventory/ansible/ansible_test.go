package ansible

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/cli/inventory"
)

// files is how many inventories of each format are made up and held against Ansible itself.
const files = 50

// TestReadINI_SaysWhatAnsibleSays makes inventories up, and asks us and ansible-inventory about every host in them.
func TestReadINI_SaysWhatAnsibleSays(t *testing.T) {
	compare(t, "hosts.ini", (*author).ini, ReadINI)
}

// TestReadYAML_SaysWhatAnsibleSays does the same for YAML.
func TestReadYAML_SaysWhatAnsibleSays(t *testing.T) {
	compare(t, "hosts.yml", (*author).yaml, ReadYAML)
}

func compare(t *testing.T, name string, write func(*author) string, read func(string, []byte, Env) (inventory.Inventory, error)) {
	program, err := exec.LookPath("ansible-inventory")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("ansible-inventory is missing; .ci/deps.sh installs it")
		}
		t.Skip("ansible-inventory is not installed (ansible-core)")
	}
	for seed := range uint64(files) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			a := &author{rng: rand.New(rand.NewPCG(seed, 2)), dir: dir}
			file := filepath.Join(dir, name)
			text := write(a)
			a.put(t, name, text)
			a.beside(t)
			want := list(t, program, file, text)

			inv, err := read(file, []byte(text), Env{Home: "/home/me", User: "me", Beside: os.DirFS(dir)})
			require.NoError(t, err, text)
			holds(t, want, inv, text+a.more)
		})
	}
}

// listed is what ansible-inventory prints.
type listed struct {
	vars   map[string]map[string]any  // of hosts
	groups map[string]map[string]bool // of hosts, with those around them, all and ungrouped left out
}

func list(t *testing.T, program, file, text string) listed {
	t.Helper()
	cmd := exec.Command(program, "-i", file, "--list")
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"HOME=" + cmd.Dir, "PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "ANSIBLE_INVENTORY_UNPARSED_FAILED=1",
		"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED=1", "ANSIBLE_LOCALHOST_WARNING=0"}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s\n%s", stderr.String(), text)
	var raw map[string]struct {
		Hosts    []string
		Children []string
		Hostvars map[string]map[string]any
	}
	d := json.NewDecoder(bytes.NewReader(out))
	d.UseNumber()
	require.NoError(t, d.Decode(&raw))
	l := listed{vars: raw["_meta"].Hostvars, groups: map[string]map[string]bool{}}
	var members func(group string) []string
	members = func(group string) []string {
		all := slices.Clone(raw[group].Hosts)
		for _, c := range raw[group].Children {
			all = append(all, members(c)...)
		}
		return all
	}
	for group := range raw {
		for _, h := range members(group) {
			if l.groups[h] == nil {
				l.groups[h] = map[string]bool{}
			}
			if group != "all" && group != "ungrouped" {
				l.groups[h][group] = true
			}
		}
	}
	require.NotEmpty(t, l.groups)
	return l
}

// said returns a variable as text, from the first of the names that has one.
func (l listed) said(host string, names ...string) string {
	for _, n := range names {
		switch v := l.vars[host][n].(type) {
		case nil:
		case bool:
			return map[bool]string{true: "True", false: "False"}[v]
		default:
			return fmt.Sprint(v)
		}
	}
	return ""
}

// holds compares what we took with what Ansible says.
func holds(t *testing.T, want listed, got inventory.Inventory, text string) {
	t.Helper()
	omitted := map[string]string{}
	for _, o := range got.Omitted {
		if o.What == "the server" {
			omitted[o.Server] = o.Why
		}
	}
	found := map[string]inventory.Server{}
	for _, s := range got.Servers {
		found[s.Name] = s
	}
	for host, groups := range want.groups {
		s, ok := found[host]
		about := fmt.Sprintf("%s in\n%s", host, text)
		switch connection := want.said(host, "ansible_connection"); {
		case connection == "local" || connection == "winrm":
			require.Contains(t, omitted[host], connection, about)
			continue
		case strings.Contains(want.said(host, "ansible_ssh_user", "ansible_user"), "{{"):
			require.Contains(t, omitted[host], "template", about)
			continue
		}
		require.True(t, ok, "%s was not taken: %s", about, omitted[host])
		tags := []string{}
		for g := range groups {
			tags = append(tags, g)
		}
		slices.Sort(tags)
		require.Equal(t, tags, append([]string{}, s.Tags...), about)
		require.Equal(t, orElse(want.said(host, "ansible_ssh_host", "ansible_host"), host), s.Hostname, about)
		require.Equal(t, orElse(want.said(host, "ansible_ssh_port", "ansible_port"), "0"), strconv.Itoa(s.Port), about)
		require.Equal(t, orElse(want.said(host, "ansible_ssh_user", "ansible_user"), "me"), s.User, about)
		if key := want.said(host, "ansible_ssh_private_key_file"); key != "" {
			require.Equal(t, []string{strings.Replace(key, "~/", "/home/me/", 1)}, s.Keys, about)
		} else {
			require.Empty(t, s.Keys, about)
		}
		if want.said(host, "ansible_ssh_common_args") != "" {
			require.NotEmpty(t, s.Jump, about)
		} else {
			require.Empty(t, s.Jump, about)
		}
	}
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// author makes inventories up.
type author struct {
	rng    *rand.Rand
	dir    string
	groups []string
	hosts  []string
	more   string // files beside
}

func (a *author) one(of ...string) string { return of[a.rng.IntN(len(of))] }

func (a *author) maybe(percent int) bool { return a.rng.IntN(100) < percent }

func (a *author) put(t *testing.T, name, text string) {
	require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(a.dir, name)), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o644))
	a.more += "\n==> " + name + "\n" + text
}

func (a *author) names() {
	a.groups = []string{"web", "db", "prod", "eu_west", "dc1", "ring-2", "apps"}[:3+a.rng.IntN(5)]
	a.rng.Shuffle(len(a.groups), func(i, j int) { a.groups[i], a.groups[j] = a.groups[j], a.groups[i] })
}

func (a *author) host() string {
	h := a.one("web", "db", "node", "api") + a.one("1", "-2", "3.example.com", "[01:04]", "[1:9:3]", "-[a:c]", "[0:1]-[x:y].lan", "7:2207", "[08:10].example.com:22", "4_5")
	if a.maybe(8) {
		h = a.one("10.0.0.5", "10.0.[0:1].7", "2001:db8::5", "[2001:db8::6]:2022", "localhost")
	}
	a.hosts = append(a.hosts, h)
	return h
}

// variable returns a variable with its value as INI and as YAML have it.
func (a *author) variable() (name, ini, yaml string) {
	switch a.rng.IntN(9) {
	case 0, 1:
		name, ini = "ansible_host", a.one("10.1.1.1", "real.example.com", "192.168.0.9", "fe80::2")
		return name, ini, ini
	case 2, 3:
		n := a.one("22", "2222", "2022")
		return a.one("ansible_port", "ansible_port", "ansible_ssh_port"), a.one(n, `"`+n+`"`, "'"+n+"'"), a.one(n, `"`+n+`"`)
	case 4, 5:
		n := a.one("deploy", "root", "ops")
		return a.one("ansible_user", "ansible_user", "ansible_ssh_user"), a.one(n, `"`+n+`"`), a.one(n, `"`+n+`"`, "'"+n+"'")
	case 6:
		return "ansible_ssh_private_key_file", a.one("~/.ssh/id_a", "/etc/keys/b"), a.one("~/.ssh/id_a", "/etc/keys/b")
	case 7:
		n := a.one("local", "ssh", "ssh", "smart", "winrm")
		return "ansible_connection", n, n
	}
	name = a.one("http_port", "ansible_user", "ansible_ssh_common_args", "ansible_ssh_common_args")
	switch name {
	case "http_port":
		return name, "80", "80"
	case "ansible_user":
		return name, `"{{ who }}"`, `"{{ who }}"`
	}
	n := a.one("-J jump.example.com", "-o ProxyJump=ops@gate:2200 -o StrictHostKeyChecking=no", "-o ProxyCommand=\\\"ssh -W %h:%p -q gate\\\"")
	return name, `"` + n + `"`, `"` + n + `"`
}

func (a *author) ini() string {
	a.names()
	var b strings.Builder
	line := func(format string, args ...any) {
		fmt.Fprintf(&b, format+a.one("", "", "", "  ", "\t")+"\n", args...)
		if a.maybe(12) {
			b.WriteString(a.one("\n", "# comment\n", "; comment = x\n", "   # [not:a-section]\n"))
		}
	}
	hosts := func() {
		for range 1 + a.rng.IntN(4) {
			text := a.host()
			for range a.rng.IntN(3) {
				k, v, _ := a.variable()
				text += a.one(" ", "  ", "\t") + k + "=" + v
			}
			line("%s", text+a.one("", "", " # x=1", "#glued"))
		}
	}
	if a.maybe(60) {
		hosts()
	}
	sections := slices.Clone(a.groups)
	for i, g := range a.groups {
		if i > 0 && a.maybe(60) {
			sections = append(sections, g+":children")
		}
		if a.maybe(60) {
			sections = append(sections, g+":vars")
		}
	}
	sections = append(sections, "all:vars")
	if a.maybe(20) {
		sections = append(sections, "ungrouped:vars", "ungrouped")
	}
	a.rng.Shuffle(len(sections), func(i, j int) { sections[i], sections[j] = sections[j], sections[i] })
	for _, s := range sections {
		b.WriteString("\n")
		g, kind, _ := strings.Cut(s, ":")
		line("[%s]%s", s, a.one("", "", " # here"))
		switch kind {
		case "":
			hosts()
		case "vars":
			for range 1 + a.rng.IntN(3) {
				k, v, _ := a.variable()
				line("%s%s%s", k, a.one("=", " = ", "= "), v)
			}
			if a.maybe(25) && g != "all" && g != "ungrouped" {
				line("ansible_group_priority=%s", a.one("1", "5", "10"))
			}
		case "children": // of those before it, so that nothing is its own parent
			for _, c := range a.groups[:slices.Index(a.groups, g)] {
				if a.maybe(40) {
					line("%s%s", c, a.one("", " # child"))
				}
			}
		}
	}
	return b.String()
}

func (a *author) yaml() string {
	a.names()
	var b strings.Builder
	if a.maybe(50) {
		b.WriteString("---\n")
	}
	if a.maybe(50) {
		b.WriteString("all:\n")
		a.yamlGroup(&b, "  ", "all", len(a.groups), 0)
		for i, g := range a.groups {
			if a.maybe(30) {
				fmt.Fprintf(&b, "%s:\n", g)
				a.yamlGroup(&b, "  ", g, i, 1)
			}
		}
		return b.String()
	}
	for i, g := range a.groups {
		fmt.Fprintf(&b, "%s:\n", g)
		a.yamlGroup(&b, "    ", g, i, 0)
	}
	return b.String()
}

func (a *author) yamlGroup(b *strings.Builder, in, group string, before, depth int) {
	parts := []string{"hosts", "vars", "children"}
	a.rng.Shuffle(3, func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	for _, p := range parts {
		switch {
		case p == "hosts" && a.maybe(85):
			fmt.Fprintf(b, "%shosts:\n", in)
			seen := map[string]bool{}
			for range 1 + a.rng.IntN(3) {
				h := a.host()
				if seen[h] {
					continue
				}
				seen[h] = true
				fmt.Fprintf(b, "%s  %s:%s\n", in, quoted(h), a.one("", "", " # a host"))
				a.yamlVars(b, in+"    ", a.rng.IntN(3), false)
			}
		case p == "vars" && a.maybe(60):
			fmt.Fprintf(b, "%svars:\n", in)
			a.yamlVars(b, in+"  ", 1+a.rng.IntN(3), group != "all")
		case p == "children" && before > 0 && depth < 3 && (depth == 0 || a.maybe(60)):
			fmt.Fprintf(b, "%schildren:\n", in)
			for i, c := range a.groups[:before] {
				if depth > 0 && a.maybe(40) {
					continue
				}
				fmt.Fprintf(b, "%s  %s:\n", in, c)
				if a.maybe(60) {
					a.yamlGroup(b, in+"    ", c, i, depth+1)
				}
			}
		}
	}
}

func (a *author) yamlVars(b *strings.Builder, in string, n int, priority bool) {
	seen := map[string]bool{}
	for range n {
		k, _, v := a.variable()
		if !seen[k] {
			fmt.Fprintf(b, "%s%s: %s\n", in, k, v)
		}
		seen[k] = true
	}
	if priority && a.maybe(25) {
		fmt.Fprintf(b, "%sansible_group_priority: %s\n", in, a.one("1", "5", "10"))
	}
}

func quoted(h string) string {
	if strings.HasPrefix(h, "[") || strings.Contains(h, ":") {
		return `"` + h + `"`
	}
	return h
}

// beside writes group_vars and host_vars.
func (a *author) beside(t *testing.T) {
	body := func() string {
		var b strings.Builder
		b.WriteString("---\n")
		a.yamlVars(&b, "", 1+a.rng.IntN(3), false)
		return b.String()
	}
	if a.maybe(50) {
		for _, g := range append([]string{"all", "ungrouped"}, a.groups...) {
			if a.maybe(30) {
				a.put(t, "group_vars/"+g+a.one("", ".yml", ".yaml", "/main.yml"), body())
			}
			if a.maybe(10) {
				a.put(t, "group_vars/"+g+".json", `{"ansible_user": "from_json"}`)
			}
		}
	}
	if a.maybe(40) {
		for _, h := range []string{"web1", "db-2", "node3.example.com", "web01", "api1", "db3.example.com", "10.0.0.5"} {
			if a.maybe(50) {
				a.put(t, "host_vars/"+h+a.one(".yml", ".yaml", "/a.yml"), body())
			}
		}
	}
}
