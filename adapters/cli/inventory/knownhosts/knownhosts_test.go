package knownhosts

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/cli/inventory"
)

// Keys of nobody: a blob says its type, and no more is looked at.
const (
	ed25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6nD5Aj3GDnNxe1Rr7Nm0h2dYyQHnWbmV0JYFQDQyJx"
	rsa     = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAQDf"
)

const file = "# mine\n\nplain.example.com,10.0.0.1 " + rsa + "\nplain.example.com " + ed25519 + " a comment\n[port.example.com]:2222 " + ed25519 +
	"\n*.wild.example.com,!not.wild.example.com " + ed25519 + "\n@cert-authority * " + rsa + "\nbad.example.com " + ed25519 +
	"\n@revoked bad.example.com " + ed25519 + "\nold.example.com " + rsa + "\n"

func TestFind(t *testing.T) {
	h, err := Parse("known_hosts", []byte(file))
	require.NoError(t, err)
	for name, want := range map[string]string{
		"plain.example.com": ed25519, "PLAIN.example.com": ed25519, "10.0.0.1": rsa, "a.wild.example.com": ed25519, "not.wild.example.com": "",
		"port.example.com": "", "nobody": "", "bad.example.com": "", "old.example.com": rsa,
	} {
		got := h.Find(name, 22)
		if want != "" {
			want = strings.ToLower(name) + " " + want
		}
		require.Equal(t, want, got, name)
	}
	require.Equal(t, "[port.example.com]:2222 "+ed25519, h.Find("port.example.com", 2222))
	require.Empty(t, h.Find("plain.example.com", 2222))
}

func TestParse_SaysWhereItIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"a ssh-rsa\n":                      "k:1: a line has names, a type and a key",
		"\na ssh-rsa !!!\n":                "k:2: the key is not base64",
		"a ssh-rsa AAAA\n":                 "k:1: the key is cut off",
		"a ssh-rsa " + ed25519[12:] + "\n": "k:1: the line says ssh-rsa, and its key is another type's",
		"a 1024 35 1234567890\n":           "protocol 1",
	} {
		_, err := Parse("k", []byte(text))
		bad, ok := errors.AsType[*inventory.Error](err)
		require.True(t, ok, text)
		require.Contains(t, bad.Error(), want)
	}
}

// TestFind_SaysWhatSSHKeygenSays hashes a file's names with ssh-keygen, and asks both who is in it.
func TestFind_SaysWhatSSHKeygenSays(t *testing.T) {
	program, err := exec.LookPath("ssh-keygen")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("ssh-keygen is missing; .ci/deps.sh installs it")
		}
		t.Skip("ssh-keygen is not installed (openssh-client)")
	}
	path := filepath.Join(t.TempDir(), "known_hosts")
	names := map[string]int{"plain.example.com": 22, "10.0.0.1": 22, "port.example.com": 2222, "nobody.example.com": 22, "a.wild.example.com": 22}
	var text strings.Builder
	for _, kind := range []string{"ed25519", "rsa"} {
		key := filepath.Join(t.TempDir(), kind)
		require.NoError(t, exec.Command(program, "-q", "-t", kind, "-N", "", "-f", key).Run())
		public, err := os.ReadFile(key + ".pub")
		require.NoError(t, err)
		text.WriteString("plain.example.com,10.0.0.1 " + string(public) + "[port.example.com]:2222 " + string(public) + "*.wild.example.com " + string(public))
	}
	require.NoError(t, os.WriteFile(path, []byte(text.String()), 0o600))
	require.NoError(t, exec.Command(program, "-q", "-H", "-f", path).Run())
	hashed, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(hashed), "|1|")
	h, err := Parse(path, hashed)
	require.NoError(t, err)
	for name, port := range names {
		asked := name
		if port != 22 {
			asked = "[" + name + "]:2222"
		}
		out, _ := exec.Command(program, "-F", asked, "-f", path).Output() // it fails where there is none
		found := h.Find(name, port)
		require.Equal(t, len(out) > 0, found != "", name)
		if found != "" {
			words := strings.Fields(found)
			require.Contains(t, string(out), words[1]+" "+words[2], name)
			require.Equal(t, "ssh-ed25519", words[1], "the better of two")
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(file)
	f.Add("|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= " + ed25519 + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := Parse("k", []byte(text))
		if err != nil {
			if _, ok := errors.AsType[*inventory.Error](err); !ok {
				t.Fatalf("%v does not say where", err)
			}
			return
		}
		_ = h.Find("plain.example.com", 22)
		_ = h.Find("::1", 2222)
	})
}
