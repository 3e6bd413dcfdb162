package sshconfig

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/cli/inventory"
)

// shelf is an environment whose files are in memory.
func shelf(files map[string]string) Env {
	return Env{
		Home: "/home/me", User: "me",
		Read: func(name string) ([]byte, error) {
			if text, ok := files[name]; ok {
				return []byte(text), nil
			}
			return nil, fs.ErrNotExist
		},
		Glob: func(pattern string) (names []string, err error) {
			for name := range files {
				if inventory.MatchPattern(name, pattern) {
					names = append(names, name)
				}
			}
			return names, nil
		},
	}
}

func TestParse_SaysWhereItIsWrong(t *testing.T) {
	files := map[string]string{"/home/me/.ssh/again": "Include again\n", "/home/me/.ssh/bad": "Host b\n  Port 0\n"}
	for text, want := range map[string]string{
		"Host a\n  Port 70000\n":         `c:2: port "70000" is out of range`,
		"Host a\n  Port 22 23\n":         "c:2: Port takes one value, and here are 2",
		"Host a\n\n  User \"x\n":         "c:3: a quote is not closed",
		"Host\n":                         "c:1: Host has no value",
		"Host a \"\"\n":                  "c:1: Host has an empty value",
		"User # nobody\n":                "c:1: User takes one value, and here are 0",
		"Match planet earth\n":           `c:1: the condition "planet" of Match is unknown`,
		"Match host\n":                   "c:1: the condition host of Match has no value",
		"Match all user x\n":             "c:1: Match all stands with other conditions",
		"ProxyJump a@\n":                 `c:1: the hop "a@" names no host`,
		"ProxyJump $(id)\n":              "names no host",
		"# fine\nInclude bad\n":          `/home/me/.ssh/bad:2: port "0" is out of range`,
		"Include again\n":                "/home/me/.ssh/again:1: Include goes deeper than 16 files; does a file include itself?",
		"Host a\n  HostName x\x00y\n":    "c:2: the line holds a NUL byte",
		"\"Host a\n":                     "c:1: a quote is not closed",
		"Host a\n  IdentityFile a b\n":   "c:2: IdentityFile takes one value",
		"Host a\n  ProxyJump b:99999\n":  `c:2: the hop "b:99999": port "99999" is out of range`,
		"Host a\n  ProxyJump [::1\n":     `c:2: the hop "[::1" is not [user@]host[:port]`,
		"Host a\n  ProxyJump b:\n":       "has no port after the colon",
		"Host a\n  ProxyJump one,,two\n": `the hop "" names no host`,
	} {
		_, err := Parse("c", []byte(text), shelf(files))
		bad, ok := errors.AsType[*inventory.Error](err)
		require.True(t, ok, "%q: %v", text, err)
		require.Contains(t, bad.Error(), want, text)
	}
}

func read(t *testing.T, files map[string]string, text string) (inventory.Inventory, string) {
	t.Helper()
	c, err := Parse("c", []byte(text), shelf(files))
	require.NoError(t, err)
	inv := c.Inventory()
	var b strings.Builder
	for _, o := range inv.Omitted {
		b.WriteString(o.At.String() + " " + o.Server + " " + o.What + ": " + o.Why + "\n")
	}
	return inv, b.String()
}

func TestInventory_Ways(t *testing.T) {
	inv, omitted := read(t, nil, `
Host last
  ProxyJump first,ops@middle:2200
Host middle
  HostName 10.0.0.2
  ProxyJump first
Host first
  HostName 10.0.0.1
  User ops
Host other
  ProxyJump ssh://first:22
Host old
  ProxyCommand ssh -q -W %h:%p ops@middle
Host a
  ProxyJump b
Host b
  ProxyJump a
Host selfish
  ProxyJump selfish
Host far
  ProxyJump unnamed.example.com
Host direct
  ProxyJump none
`)
	jump := map[string]string{}
	seen := map[string]bool{"": true}
	for _, s := range inv.Servers {
		require.True(t, seen[s.Jump], "%s comes before its jump server %s", s.Name, s.Jump)
		seen[s.Name] = true
		jump[s.Name] = s.Jump
	}
	require.Equal(t, map[string]string{
		"first": "", "middle": "first", "ops@middle": "first", "last": "ops@middle", "ops@middle-2": "first", "other": "first",
		"old": "ops@middle-2", "unnamed.example.com": "", "far": "unnamed.example.com", "direct": "",
	}, jump)
	for _, s := range inv.Servers {
		if s.Name == "ops@middle" {
			require.Equal(t, []any{"10.0.0.2", "ops", 2200}, []any{s.Hostname, s.User, s.Port})
		}
	}
	for _, name := range []string{"a", "b", "selfish"} {
		require.Contains(t, omitted, " "+name+" the server: the way to ")
	}
}

func TestInventory_SaysWhatWasNotTaken(t *testing.T) {
	files := map[string]string{"/home/me/.ssh/inner": "Host never\n  User x\n"}
	inv, omitted := read(t, files, `IgnoreUnknown Sparkle
Include nowhere
Host one *.example.com !two
  HostNmae 10.0.0.1
  ForwardAgent yes
  Compression yes
  LocalForward 80 x:80
  IdentityFile ~/keys/%h-%i
  IdentityFile ${SECRET}/k
  IdentityFile ${HOME}/k$x
Host one
  Include inner
Match host one exec "true"
  User other
Match tagged x
  User other
Host two
  ProxyCommand nc %h %p
Host three
  HostName %x
`)
	require.Len(t, inv.Servers, 1)
	require.Equal(t, []string{"/home/me/k$x"}, inv.Servers[0].Keys)
	require.Equal(t, "me", inv.Servers[0].User)
	for _, want := range []string{
		"c:2  Include nowhere: no file is named so (/home/me/.ssh/nowhere)",
		"c:3  Host *.example.com: a pattern names no server",
		"c:4 one HostNmae: ssh knows no such option",
		"c:5 one ForwardAgent: Remora uses and forwards no agent",
		"c:7 one LocalForward: Remora forwards no ports",
		"one IdentityFile ~/keys/%h-%i: the token %i is not known here",
		"one IdentityFile ${SECRET}/k: the variable SECRET is not looked up",
		"/home/me/.ssh/inner:1 never the server: ssh never reaches this Host line",
		"c:13  the lines after Match: whether Match exec fits cannot be told",
		"c:15  the lines after Match: whether Match tagged fits cannot be told",
		"c:17 two the server: c:18: it is reached by a ProxyCommand",
		`c:19 three the server: c:20: HostName %x: "%x" is no token`,
	} {
		require.Contains(t, omitted, want)
	}
	require.NotContains(t, omitted, "Compression")
}

func FuzzParse(f *testing.F) {
	f.Add("Host a b*\n  HostName %h.x\n  Port 22\nMatch final host a,!b user x\n ProxyJump a@b:1,c\nInclude x y*\n")
	f.Add("Match !exec \"a b\" all\n\"Host\" = 'a b' #\n\tIdentityFile ~/x\\ y${Z}%d\n")
	f.Fuzz(func(t *testing.T, text string) {
		files := map[string]string{"/home/me/.ssh/x": text, "/home/me/.ssh/y1": "Host y\n ProxyJump a\n"}
		c, err := Parse("c", []byte(text), shelf(files))
		if err != nil {
			if _, ok := errors.AsType[*inventory.Error](err); !ok {
				t.Fatalf("%v does not say where", err)
			}
			return
		}
		inv := c.Inventory()
		seen := map[string]bool{"": true}
		for _, s := range inv.Servers {
			if s.Name == "" || s.Hostname == "" || s.Port < 0 || s.Port > 65535 || seen[s.Name] || !seen[s.Jump] {
				t.Fatalf("%+v of %q", s, text)
			}
			seen[s.Name] = true
		}
	})
}
