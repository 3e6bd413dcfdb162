package ansible

import (
	"errors"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/cli/inventory"
)

func TestRead_SaysWhereItIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"a b\n":                              `i:1: "b" after the host a is not variable=value`,
		"\n[web db]\n":                       "i:2: [web db] is not [group]",
		"[web:hosts2]\n":                     "hosts2 is not children or vars",
		"[web:vars]\nx=1\n":                  "i:1: [web:vars] is for a group that is nowhere declared",
		"[a]\n[b:children]\nc\n":             "i:3: [b:children] names the group c, which is nowhere declared",
		"[a:children]\nb\n[b:children]\na\n": "would be its own parent",
		"[a]\n[a:vars]\nnothing\n":           `i:3: "nothing" in [a:vars] is not variable=value`,
		"web[1:3\n":                          "the range in",
		"web[5]\n":                           "it is not begin:end or begin:end:step",
		"web[01:5]\n":                        "padded with zeros",
		"web[1:999999999]\n":                 "more than 100000 hosts",
		"web[1:1000][1:1000]\n":              "more than 100000 hosts",
		"web[a:5]\n":                         "neither numbers nor single letters",
		"web[1:9:0]\n":                       "its step",
		"web 'x=1\n":                         "i:1: a quote is not closed",
		"a:70000\n":                          `port "70000" is out of range`,
		"a:\n":                               "ends with a colon",
		"---\n":                              "begins a YAML file",
		"a\xff\n":                            "is not UTF-8",
		"\"\" x=1\n":                         "a host has no name",
		"[g]\n[g:vars]\nansible_group_priority=x\n": "i:3: ansible_group_priority",
	} {
		_, err := ReadINI("i", []byte(text), Env{User: "me"})
		requireRefusal(t, text, want, err)
	}
	for text, want := range map[string]string{
		"":                                   "y: the file is empty",
		"- a\n":                              "y:1: an inventory in YAML is a mapping of groups",
		"all:\n  hosts:\n    - a\n":          "y:3: hosts of the group all is no mapping",
		"all:\n  hosts:\n    a: [1]\n":       "y:3: what stands under the host a is no mapping",
		"all:\n\thosts:\n":                   "y:2: this is no YAML",
		"plugin: aws_ec2\n":                  "y:1: this configures Ansible's inventory plugin aws_ec2",
		"a: {}\n---\nb: {}\n":                "y:2: a second document",
		"all:\n  hosts:\n    10:\n":          `y:3: the name of a host is text; put "10" in quotes`,
		"1: {}\n":                            `the name of a group is text; put "1" in quotes`,
		"all:\n  hosts:\n    ? [a]\n    : 1": "a key is no plain text",
		"a:\n  children:\n    a:\n":          "y:3: the group a would be its own parent",
		"a: &a\n  <<: *a\n":                  "y",
		"all:\n  hosts:\n    web[1:]:\n":     "y:3: the range [1:]",
	} {
		_, err := ReadYAML("y", []byte(text), Env{User: "me"})
		requireRefusal(t, text, want, err)
	}
	beside := fstest.MapFS{"group_vars/all.yml": {Data: []byte("a: [\n")}}
	_, err := ReadINI("dir/i", []byte("a\n"), Env{Beside: beside})
	requireRefusal(t, "group_vars", "dir/group_vars/all.yml:", err)
}

func requireRefusal(t *testing.T, text, want string, err error) {
	t.Helper()
	bad, ok := errors.AsType[*inventory.Error](err)
	require.True(t, ok, "%q: %v", text, err)
	require.Contains(t, bad.Error(), want, text)
}

func TestReadYAML_AliasesAndVaults(t *testing.T) {
	inv, err := ReadYAML("y", []byte(`
x-common: &common
  ansible_user: ops
  ansible_port: 2200
all:
  vars: &all {ansible_user: root}
  children:
    web:
      hosts:
        a:
          <<: *common
          ansible_port: 2201
        b: *common
        c:
          <<: [{ansible_port: 1}, *common]
        d:
          ansible_host: !vault |
            $ANSIBLE_VAULT;1.1;AES256
            6161
        e: {ansible_ssh_private_key_file: "{{ keys }}/e"}
`), Env{User: "me"})
	require.NoError(t, err)
	got := map[string][]any{}
	for _, s := range inv.Servers {
		got[s.Name] = []any{s.User, s.Port}
		require.Equal(t, []string{"web"}, s.Tags)
	}
	require.Equal(t, map[string][]any{"a": {"ops", 2201}, "b": {"ops", 2200}, "c": {"ops", 1}, "e": {"root", 0}}, got)
	var why []string
	for _, o := range inv.Omitted {
		why = append(why, o.Server+" "+o.What+": "+o.Why)
	}
	require.Contains(t, why, "d the server: ansible_host (y:17) is encrypted with Ansible Vault")
	require.Contains(t, why, "e the key file: ansible_ssh_private_key_file (y:20) is a template, which only Ansible can fill in: {{ keys }}/e")
}

func FuzzReadINI(f *testing.F) {
	f.Add("[web]\na[1:3]:22 x='1 2' # c\n[p:children]\nweb\n[p:vars]\nansible_port = 22 # x\nansible_ssh_common_args=-o ProxyJump=b,c -J d\n")
	f.Fuzz(func(t *testing.T, text string) { sound(t, ReadINI, text) })
}

func FuzzReadYAML(f *testing.F) {
	f.Add("a: &x\n  hosts:\n    h[1:3]: {ansible_host: 1.2.3.4, ansible_port: 22}\n  vars: {ansible_user: u}\nb:\n  children:\n    c: *x\n  <<: *x\n")
	f.Fuzz(func(t *testing.T, text string) { sound(t, ReadYAML, text) })
}

// sound reads a text, and says that what came of it hangs together.
func sound(t *testing.T, read func(string, []byte, Env) (inventory.Inventory, error), text string) {
	inv, err := read("f", []byte(text), Env{User: "me", Home: "/home/me"})
	if err != nil {
		if _, ok := errors.AsType[*inventory.Error](err); !ok {
			t.Fatalf("%v does not say where", err)
		}
		return
	}
	seen := map[string]bool{"": true}
	for _, s := range inv.Servers {
		if s.Name == "" || s.Hostname == "" || s.Port < 0 || s.Port > 65535 || seen[s.Name] || !seen[s.Jump] {
			t.Fatalf("%+v of %q", s, text)
		}
		seen[s.Name] = true
	}
}
