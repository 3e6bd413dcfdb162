package sshconfig

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/cli/inventory"
)

// files is how many configurations are made up and held against ssh itself.
const files = 50

// disk returns the environment of a home directory on disk.
func disk(t *testing.T, home string) Env {
	t.Helper()
	me, err := user.Current()
	require.NoError(t, err)
	return Env{Home: home, User: me.Username, Read: os.ReadFile, Glob: Glob}
}

// TestLookup_SaysWhatSSHSays makes configurations up, and asks us and ssh -G about every host in them.
func TestLookup_SaysWhatSSHSays(t *testing.T) {
	ssh, err := exec.LookPath("ssh")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("ssh is missing; .ci/deps.sh installs it")
		}
		t.Skip("ssh is not installed (openssh-client)")
	}
	for seed := range uint64(files) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			t.Parallel()
			home := t.TempDir()
			g := &writer{rng: rand.New(rand.NewPCG(seed, 1)), home: home}
			main := g.files(t)
			text, err := os.ReadFile(main)
			require.NoError(t, err)
			c, err := Parse(main, text, disk(t, home))
			require.NoError(t, err)
			all, _, _ := names(c.lines)
			require.NotEmpty(t, all)
			g.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			for _, host := range append(all[:min(len(all), 10)], "nobody.example.com", "web-99", "10.0.0.7", "UPPER.Example.COM") {
				want := sshG(t, ssh, home, main, host)
				got, err := c.Lookup(host)
				require.NoError(t, err)
				at := fmt.Sprintf("%s in %s\n%s", host, main, g.all())
				require.Equal(t, want["hostname"], []string{got.Hostname}, at)
				require.Equal(t, want["user"], []string{first(got.User, c.env.User)}, at)
				require.Equal(t, want["port"], []string{strconv.Itoa(max(got.Port, 22*isZero(got.Port)))}, at)
				require.Equal(t, hops(t, want["proxyjump"]...), hops(t, some(got.Jump)...), at)
				require.Equal(t, want["proxycommand"], some(got.Command), at)
				if len(got.Keys) > 0 {
					require.Equal(t, want["identityfile"], got.Keys, at)
				} else {
					require.Contains(t, want["identityfile"], "~/.ssh/id_rsa", at)
				}
			}
		})
	}
}

func isZero(n int) int {
	if n == 0 {
		return 1
	}
	return 0
}

func some(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// hops reads a ProxyJump; ssh prints a port whether one was written or not.
func hops(t *testing.T, jump ...string) (all []inventory.Hop) {
	t.Helper()
	for _, j := range jump {
		found, err := inventory.Hops(j)
		require.NoError(t, err)
		all = append(all, found...)
	}
	for i := range all {
		if all[i].Port == 22 {
			all[i].Port = 0
		}
	}
	return all
}

// sshG returns what ssh -G prints, by keyword.
func sshG(t *testing.T, ssh, home, config, host string) map[string][]string {
	t.Helper()
	cmd := exec.Command(ssh, "-G", "-F", config, "--", host)
	cmd.Env = []string{"HOME=" + home, "PATH=/usr/bin:/bin"}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "ssh -G %s: %s", host, stderr.String())
	said := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		k, v, _ := strings.Cut(strings.TrimSpace(line), " ")
		said[k] = append(said[k], v)
	}
	if said["proxycommand"] != nil && said["proxycommand"][0] == "none" {
		delete(said, "proxycommand")
	}
	return said
}

// writer makes configurations up.
type writer struct {
	rng     *rand.Rand
	home    string
	written map[string]string
	n       int
}

func (w *writer) one(of ...string) string { return of[w.rng.IntN(len(of))] }

func (w *writer) maybe(percent int) bool { return w.rng.IntN(100) < percent }

func (w *writer) all() string {
	var b strings.Builder
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for n := range w.written {
			if !yield(n) {
				return
			}
		}
	}) {
		fmt.Fprintf(&b, "==> %s\n%s", name, w.written[name])
	}
	return b.String()
}

// files writes a configuration and returns its name.
func (w *writer) files(t *testing.T) string {
	w.written = map[string]string{}
	w.write(t, filepath.Join(w.home, "config"), w.body(t, 0))
	return filepath.Join(w.home, "config")
}

func (w *writer) write(t *testing.T, name, text string) {
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o700))
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	w.written[name] = text
}

func (w *writer) body(t *testing.T, depth int) string {
	var b strings.Builder
	for range w.rng.IntN(3) {
		w.option(t, &b, depth)
	}
	for range 3 + w.rng.IntN(6) {
		switch {
		case w.maybe(15):
			b.WriteString("\n" + w.keyword("Match") + " " + w.condition() + "\n")
		default:
			b.WriteString("\n" + w.keyword("Host") + w.one(" ", "  ", "\t", " = ", "=") + w.hosts() + w.one("", "", " # who is that", "  ") + "\n")
		}
		for range 1 + w.rng.IntN(5) {
			w.option(t, &b, depth)
		}
	}
	if w.maybe(40) {
		b.WriteString("\nHost *\n")
		for range 1 + w.rng.IntN(3) {
			w.option(t, &b, depth)
		}
	}
	return b.String()
}

func (w *writer) keyword(k string) string {
	return w.one(k, k, strings.ToLower(k), strings.ToUpper(k))
}

func (w *writer) name() string {
	return w.one("web", "db", "cache", "app", "bastion", "gw", "build") + w.one("", "-", ".") + w.one("1", "2", "3", "04", "eu", "prod.example.com", "x")
}

func (w *writer) hosts() string {
	var all []string
	for range 1 + w.rng.IntN(3) {
		switch {
		case w.maybe(15):
			all = append(all, w.one("web*", "*.example.com", "db?", "*", "?b-*", "10.0.0.*", "*-prod*"))
		case w.maybe(15):
			all = append(all, "!"+w.one("web*", w.name(), "*.example.com", "db?", "bastion*"))
		case w.maybe(8):
			all = append(all, `"`+w.name()+`"`)
		default:
			all = append(all, w.name())
		}
	}
	return strings.Join(all, w.one(" ", "  ", "\t"))
}

func (w *writer) condition() string {
	me := w.one("root", "nobody", "*", "ro*", "!root,*")
	return w.one(
		"all", "host "+w.list(), "originalhost "+w.list(), "host "+w.list()+" user "+w.one("deploy", "root", "d*", "*"),
		"!host "+w.list(), "localuser "+me, "user "+w.one("deploy,admin", "*,!root")+" originalhost "+w.list(), "final host "+w.list(),
		"final all", "canonical host *", "host=\""+w.list()+"\"", "!final host "+w.list(), "exec false", "originalhost "+w.list()+" exec \"exit 1\"",
	)
}

func (w *writer) list() string {
	return w.one("web*", "db*,!db-1", "*.example.com", w.name(), w.name()+","+w.name(), "10.*", "*", "!bastion*,*", "WEB*", "192.168.1.?")
}

func (w *writer) option(t *testing.T, b *strings.Builder, depth int) {
	line := func(k, v string) {
		b.WriteString(w.one("", " ", "    ", "\t") + w.keyword(k) + w.one(" ", "  ", "\t", "=", " = ", " =") + v + w.one("", "", "", " ", "\t") + "\n")
	}
	switch w.rng.IntN(13) {
	case 0, 1:
		line("HostName", w.one("10.0.0.7", "%h.example.com", "WEB.Example.com", "192.168.1.9", "fe80::1", `"quoted.example.com"`, "a%%b.example.com", "%h"))
	case 2, 3:
		line("User", w.one("deploy", "admin", `"with blank"`, "ops # not part of it", `o\'hara`, "'single'"))
	case 4, 5:
		line("Port", w.one("22", "2222", "2201", `"8022"`))
	case 6, 7:
		line("IdentityFile", w.one("~/.ssh/id_web", "/etc/keys/%h", "%d/.ssh/id_%r", `"~/my keys/id"`, "none", `~/back\\slash`))
	case 8:
		line("ProxyJump", w.one("bastion-1", "admin@gw.eu:2222", "gw1,ops@gw2", "none", "ssh://jump@far.example.com:2022", "root@hop.example.com"))
	case 9:
		line("ProxyCommand", w.one("none", "ssh -W %h:%p gw1", "nc -X 5 %h %p"))
	case 10:
		line(w.one("ForwardAgent", "Compression", "BatchMode"), w.one("yes", "no"))
	case 11:
		b.WriteString(w.one("# a comment", "   # another", "", "   ") + "\n")
	case 12:
		if depth < 3 {
			w.include(t, b, depth)
		}
	}
}

func (w *writer) include(t *testing.T, b *strings.Builder, depth int) {
	w.n++
	dir := fmt.Sprintf("conf%d", w.n)
	ssh := filepath.Join(w.home, ".ssh")
	count := 1 + w.rng.IntN(2)
	for i := range count {
		w.write(t, filepath.Join(ssh, dir, fmt.Sprintf("%02d-part.conf", i)), w.body(t, depth+1+w.rng.IntN(2)))
	}
	w.write(t, filepath.Join(ssh, dir, ".hidden.conf"), "User hidden\nPort 666\n")
	b.WriteString("Include " + w.one(
		dir+"/*.conf", filepath.Join(ssh, dir)+"/*", "~/.ssh/"+dir+"/[0-9]*.conf", dir+"/0?-part.conf nothing/*", `"`+dir+`/00-part.conf" none`,
		dir+"/[!a-z]*.conf", dir+"/*",
	) + "\n")
}
