package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/heysubinoy/remora/adapters/cli/inventory"
	"github.com/heysubinoy/remora/adapters/cli/inventory/ansible"
	"github.com/heysubinoy/remora/adapters/cli/inventory/knownhosts"
	"github.com/heysubinoy/remora/adapters/cli/inventory/sshconfig"
	"github.com/heysubinoy/remora/domain"
)

type importOptions struct {
	format          string
	dryRun          bool
	update          bool
	withKeys        bool
	key             string
	passwordStdin   bool
	passphraseStdin bool
	knownHosts      string
	acceptNew       bool
	tags            []string
	except          []string
}

func (a *app) serversImportCommand() *cobra.Command {
	var o importOptions
	c := &cobra.Command{
		Use: "import FILE", Short: "Add servers from an OpenSSH configuration or an Ansible inventory",
		Long: `Import adds the servers of an OpenSSH client configuration (with its Includes) or of an Ansible inventory in INI or YAML
(with group_vars and host_vars beside it), and lists what was taken and what was not and why. FILE - is stdin.

Every name after Host becomes a server, with what ssh itself would use for it; every host of an inventory becomes one, with
its groups as tags. ProxyJump becomes the jump server, which is added before those behind it. Nothing is run and no template
filled in: what only ssh or Ansible could tell is listed as not taken.

Servers that exist are left as they are, so that a file can be imported again; --update brings those up to date, and keeps
tags that were added since. --dry-run changes nothing.

Remora logs in with --with-keys (each server's own IdentityFile, else ssh's default keys), with --key FILE, or with the
password on stdin. --known-hosts pins the host keys that your known_hosts knows, hashed names too; nothing is sent to a
server whose key nobody has confirmed.`,
		Example: `  remora servers import ~/.ssh/config --dry-run
  remora servers import ~/.ssh/config --with-keys --known-hosts ~/.ssh/known_hosts --except 'github.com'
  remora servers import inventory/hosts.yml --key ~/.ssh/deploy --tag production
  remora servers import hosts --format ansible-ini --update -o json`,
		Args: exactly("FILE"),
		RunE: func(c *cobra.Command, args []string) error { return a.importServers(c, o, args[0]) },
	}
	var formats []string
	for _, f := range inventory.Formats() {
		formats = append(formats, string(f))
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&o.format, "format", "", "how FILE is written: "+strings.Join(formats, ", ")+" (default: told by its name or content)")
	f.BoolVar(&o.dryRun, "dry-run", false, "only say what would be done")
	f.BoolVar(&o.update, "update", false, "bring servers that exist up to date with FILE")
	f.BoolVar(&o.withKeys, "with-keys", false, "log in with the private keys that FILE names")
	f.StringVar(&o.key, "key", "", "log in with the private key in this file, where FILE names none")
	f.BoolVar(&o.passwordStdin, "password-stdin", false, "log in with the password on stdin")
	f.BoolVar(&o.passphraseStdin, "passphrase-stdin", false, "the keys' passphrase is on stdin")
	f.StringVar(&o.knownHosts, "known-hosts", "", "pin the host keys that this known_hosts file has")
	f.BoolVar(&o.acceptNew, "accept-new", false, "pin the first host key that a server shows, where none is known")
	f.StringArrayVarP(&o.tags, "tag", "t", nil, "a tag for all of them; may be repeated")
	f.StringArrayVar(&o.except, "except", nil, "leave out servers of this name; * and ? stand for anything; may be repeated")
	fixed(c, "format", formats...)
	return c
}

func (o *importOptions) check(c *cobra.Command, file string) error {
	if o.format != "" && !slices.Contains(inventory.Formats(), inventory.Format(o.format)) {
		return usage("--format %q is unknown; use ssh-config, ansible-ini or ansible-yaml", o.format)
	}
	if err := errors.Join(exclusive(c, "with-keys", "password-stdin"), exclusive(c, "key", "password-stdin")); err != nil {
		return err
	}
	if o.passphraseStdin && o.key == "" && !o.withKeys {
		return usage("--passphrase-stdin is for keys; use it with --with-keys or --key FILE")
	}
	if file == "-" && (o.passwordStdin || o.passphraseStdin) {
		return usage("FILE - and a secret cannot both come from stdin")
	}
	if !o.dryRun && !o.withKeys && o.key == "" && !o.passwordStdin {
		return usage("how shall Remora log in? Give --with-keys, --key FILE or --password-stdin; --dry-run shows what would be done")
	}
	return nil
}

func (a *app) importServers(c *cobra.Command, o importOptions, file string) error {
	ctx := c.Context()
	if err := o.check(c, file); err != nil {
		return err
	}
	i := &importer{app: a, options: o, keys: map[string]*importKey{}}
	var err error
	if i.me, i.home, err = a.whoAmI(); err != nil {
		return err
	}
	inv, err := i.read(ctx, file)
	if err != nil {
		return err
	}
	if o.knownHosts != "" {
		text, err := readSmall(o.knownHosts, "--known-hosts")
		if err != nil {
			return err
		}
		if i.known, err = knownhosts.Parse(o.knownHosts, text); err != nil {
			return usage("--known-hosts: %v", err)
		}
	}
	if i.services, err = a.connect(ctx); err != nil {
		return err
	}
	if err := i.login(ctx); err != nil {
		return err
	}
	if err := i.plan(ctx, inv); err != nil {
		return err
	}
	// What was done is told, also when the rest could not be.
	err = i.carryOut(ctx)
	if printErr := i.print(); err == nil {
		err = printErr
	}
	if err == nil && i.refused > 0 {
		return exit(exitFailed)
	}
	return err
}

// whoAmI returns the user's name and home.
func (a *app) whoAmI() (name, home string, err error) {
	me, err := user.Current()
	if err != nil {
		return "", "", usage("it is not known who you are, and so not who logs in: %v", err)
	}
	return me.Username, first(a.Getenv("HOME"), me.HomeDir), nil
}

// read reads the file with what it includes.
func (i *importer) read(ctx context.Context, file string) (inventory.Inventory, error) {
	var none inventory.Inventory
	var text []byte
	var err error
	name := file
	if file == "-" {
		var stdin string
		stdin, err = i.readStdin(ctx, "inventory", inventory.MaxFileBytes)
		text, name = []byte(stdin), "stdin"
	} else {
		text, err = readSmall(file, "servers import")
	}
	if err != nil {
		return none, err
	}
	format := inventory.Format(i.options.format)
	if format == "" {
		format = inventory.Detect(name, text)
	}
	var inv inventory.Inventory
	switch format {
	case inventory.SSHConfig:
		var config *sshconfig.Config
		config, err = sshconfig.Parse(name, text, sshconfig.Env{Home: i.home, User: i.me, Glob: sshconfig.Glob, Read: func(name string) ([]byte, error) {
			return readSmall(name, "Include")
		}})
		if err == nil {
			inv = config.Inventory()
		}
	default:
		env := ansible.Env{Home: i.home, User: i.me}
		if file != "-" {
			env.Beside = os.DirFS(filepath.Dir(file))
		}
		read := ansible.ReadINI
		if format == inventory.AnsibleYAML {
			read = ansible.ReadYAML
		}
		inv, err = read(name, text, env)
	}
	if bad, ok := errors.AsType[*inventory.Error](err); ok {
		how := ""
		if i.options.format == "" {
			how = fmt.Sprintf(" (it was read as %s; --format says another)", format)
		}
		return none, &domain.Error{Kind: domain.KindInvalid, Code: "inventory_invalid", Message: bad.Error() + how}
	}
	return inv, err
}

// readSmall reads a file that a person wrote.
func readSmall(name, what string) ([]byte, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, (&domain.Error{Kind: domain.KindInvalid, Code: "file_invalid", Message: what + ": " + err.Error()}).Because(err)
	case info.IsDir():
		return nil, usage("%s: %s is a folder; give the file in it", what, name)
	case info.Size() > inventory.MaxFileBytes:
		return nil, usage("%s: %s is larger than %d MiB", what, name, inventory.MaxFileBytes>>20)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, (&domain.Error{Kind: domain.KindInvalid, Code: "file_invalid", Message: what + ": " + err.Error()}).Because(err)
	}
	return text, nil
}

// importShape is what an import did.
type importShape struct {
	DryRun   bool            `json:"dry_run"`
	Servers  []importedShape `json:"servers"`
	NotTaken []omittedShape  `json:"not_taken"`
}

type importedShape struct {
	Name      string          `json:"name"`
	Result    string          `json:"result"`
	ID        domain.ServerID `json:"id,omitempty"`
	Hostname  string          `json:"hostname"`
	Port      int             `json:"port"`
	User      string          `json:"user"`
	Tags      []string        `json:"tags"`
	ProxyJump *string         `json:"proxy_jump"` // the name of a server
	Key       *string         `json:"key"`        // the file it was read from
	HostKey   *string         `json:"host_key"`   // the fingerprint that was pinned
	Source    string          `json:"source"`     // file:line
	Notes     []string        `json:"notes"`
}

type omittedShape struct {
	Server *string `json:"server"`
	What   string  `json:"what"`
	Why    string  `json:"why"`
	Source string  `json:"source"`
}

func (i *importer) print() error {
	v := importShape{DryRun: i.options.dryRun, Servers: []importedShape{}, NotTaken: []omittedShape{}}
	for _, r := range i.rows {
		s := importedShape{
			Name: r.server.Name, Result: r.result, ID: r.id, Hostname: r.server.Hostname, Port: r.server.PortOr22(), User: r.server.User,
			Tags: append([]string{}, r.server.Tags...), ProxyJump: maybe(r.server.Jump), Key: maybe(r.keyFile), HostKey: maybe(r.hostKey()),
			Source: r.server.At.String(), Notes: append([]string{}, r.notes...),
		}
		v.Servers = append(v.Servers, s)
	}
	for _, o := range i.omitted {
		v.NotTaken = append(v.NotTaken, omittedShape{Server: maybe(o.Server), What: o.What, Why: o.Why, Source: o.At.String()})
	}
	err := i.app.print(v, func(w io.Writer) {
		row(w, "NAME", "RESULT", "ADDRESS", "TAGS", "THROUGH", "KEY", "HOST KEY", "NOTE")
		for n, s := range v.Servers {
			r := i.rows[n]
			pinned := "unknown"
			if r.pin != "" {
				pinned = "known"
			}
			row(w, s.Name, s.Result, address(s.User, s.Hostname, s.Port), strings.Join(s.Tags, ","), r.server.Jump, i.tilde(r.keyFile), pinned, strings.Join(s.Notes, "; "))
		}
	})
	if err == nil && i.form() == formTable && len(i.omitted) > 0 {
		_, _ = fmt.Fprintln(i.Stdout)
		err = i.app.print(nil, func(w io.Writer) {
			row(w, "NOT TAKEN", "SERVER", "WHERE", "WHY")
			for _, o := range i.omitted {
				row(w, o.What, o.Server, i.tilde(o.At.String()), o.Why)
			}
		})
	}
	i.summary()
	return err
}

// tilde shortens a path for people.
func (i *importer) tilde(file string) string {
	if rest, ok := strings.CutPrefix(file, i.home+"/"); ok {
		return "~/" + rest
	}
	return file
}

func (i *importer) form() string { return i.global.form }

// summary says in a line on stderr how it went.
func (i *importer) summary() {
	counts := map[string]int{}
	var order []string
	for _, r := range i.rows {
		if counts[r.result] == 0 {
			order = append(order, r.result)
		}
		counts[r.result]++
	}
	var parts []string
	for _, o := range order {
		parts = append(parts, fmt.Sprintf("%d %s", counts[o], o))
	}
	if len(parts) == 0 {
		parts = append(parts, "no server was found")
	}
	i.note("%s", strings.Join(parts, ", "))
}
