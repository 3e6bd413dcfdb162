package cli

import (
	"context"
	"errors"
	"net"
	"os"
	"os/user"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// codeKeyEncrypted says that a private key needs its passphrase.
const codeKeyEncrypted = "key_encrypted"

// credentialOptions are the ways to give a credential; none of them is a secret in a flag.
type credentialOptions struct {
	key             string
	stored          string
	passwordStdin   bool
	passphraseStdin bool
}

func (o *credentialOptions) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.key, "key", "", "log in with the private key in this file")
	f.StringVar(&o.stored, "stored-key", "", "log in with the stored key of this name (remora keys)")
	f.BoolVar(&o.passwordStdin, "password-stdin", false, "log in with the password on stdin")
	f.BoolVar(&o.passphraseStdin, "passphrase-stdin", false, "the key's passphrase is on stdin")
}

func (o *credentialOptions) check(c *cobra.Command) error {
	if err := exclusive(c, "key", "stored-key", "password-stdin"); err != nil {
		return err
	}
	if o.passphraseStdin && o.key == "" {
		return usage("--passphrase-stdin is for a key; use it with --key FILE")
	}
	return nil
}

// read returns the credential that the flags name; ask says whether a password is asked for where they name none.
func (o *credentialOptions) read(ctx context.Context, a *app, who string, ask bool) (auth domain.AuthType, c domain.Credential, err error) {
	switch {
	case o.key != "":
		c.PrivateKey, err = readKey(o.key)
		if err == nil && o.passphraseStdin {
			c.Passphrase, err = a.secretFromStdin(ctx, "passphrase", "--passphrase-stdin")
		}
		return domain.AuthKey, c, err
	case o.stored != "":
		return domain.AuthKey, c, nil
	case o.passwordStdin:
		c.Password, err = a.secretFromStdin(ctx, "password", "--password-stdin")
		return domain.AuthPassword, c, err
	case ask:
		c.Password, err = a.askSecret(ctx, "Password of "+who, "password", "--password-stdin, or use --key FILE")
		return domain.AuthPassword, c, err
	}
	return "", c, nil
}

// withPassphrase calls send, and once more with a passphrase when the key turns out to need one and there is a person to ask.
func (a *app) withPassphrase(ctx context.Context, c domain.Credential, send func(domain.Credential) (domain.Server, error)) (domain.Server, error) {
	server, err := send(c)
	e, ok := errors.AsType[*domain.Error](err)
	if !ok || e.Code != codeKeyEncrypted || !a.tty.in || !c.Passphrase.Empty() {
		return server, err
	}
	c.Passphrase, err = a.askSecret(ctx, "Passphrase of the key", "passphrase", "--passphrase-stdin")
	if err != nil {
		return server, err
	}
	return send(c)
}

func readKey(path string) (domain.Secret, error) { return readKeyFile("--key", path) }

// readKeyFile reads a key; what is the flag or argument that names it.
func readKeyFile(what, path string) (domain.Secret, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxSecretBytes {
		return domain.Secret{}, usage("%s: %s is larger than a private key can be", what, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return domain.Secret{}, usage("%s: the key cannot be read: %v", what, err)
	}
	return domain.NewSecret(string(text)), nil
}

type addOptions struct {
	credentialOptions
	user      string
	port      int
	tags      []string
	hostKey   string
	acceptNew bool
	jump      string
	sessions  int
	inactive  bool
}

func (a *app) serversAddCommand() *cobra.Command {
	var o addOptions
	c := &cobra.Command{
		Use: "add NAME [USER@]HOSTNAME[:PORT]", Short: "Add a server",
		Long: `Add adds a server and prints its id. It logs in with --key FILE, or with a password that is asked for or read with
--password-stdin. Secrets are never flag values, which others on the machine could see.

Nothing is sent to a server before its host key is confirmed: give it with --host-key, confirm it later with
` + "`remora servers trust`" + `, or let the first key that it shows be pinned with --accept-new.`,
		Example: `  remora servers add web deploy@10.0.0.5 --key ~/.ssh/id_ed25519 --tag production
  remora servers add db root@db.example.com:2222 --password-stdin < password.txt
  remora servers add app deploy@10.1.0.7 --jump bastion --stored-key id_ed25519
  remora servers add web deploy@10.0.0.5 --key id --host-key SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU`,
		Args: exactly("NAME", "HOSTNAME"),
		RunE: func(c *cobra.Command, args []string) error { return a.addServer(c, o, args[0], args[1]) },
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&o.user, "user", "", "login name (default: the one before @, else yours)")
	f.IntVar(&o.port, "port", 0, "SSH port (default: the one after the colon, else 22)")
	o.credentialOptions.flags(c)
	f.StringArrayVarP(&o.tags, "tag", "t", nil, "a tag; may be repeated")
	f.StringVar(&o.hostKey, "host-key", "", "its host key: a SHA256:… fingerprint or a known_hosts line")
	f.BoolVar(&o.acceptNew, "accept-new", false, "pin the first host key it shows")
	f.StringVar(&o.jump, "jump", "", "the server it is reached through, by name or id")
	f.IntVar(&o.sessions, "max-sessions", 0, "jobs at once on it (default 8)")
	f.BoolVar(&o.inactive, "inactive", false, "take no jobs yet")
	return c
}

func (a *app) addServer(c *cobra.Command, o addOptions, name, where string) error {
	ctx := c.Context()
	if err := errors.Join(exclusive(c, "host-key", "accept-new"), o.credentialOptions.check(c)); err != nil {
		return err
	}
	n, err := o.server(c, name, where)
	if err != nil {
		return err
	}
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	if o.jump != "" {
		jump, err := findServer(ctx, s.Servers, o.jump)
		if err != nil {
			return err
		}
		n.ProxyJump = jump.ID
	}
	n.Key = o.stored
	who := address(n.User, n.Hostname, max(n.Port, 22))
	if n.Port != 0 {
		who = address(n.User, n.Hostname, n.Port)
	}
	if n.Auth, n.Credential, err = o.read(ctx, a, who, true); err != nil {
		return err
	}
	server, err := a.withPassphrase(ctx, n.Credential, func(c domain.Credential) (domain.Server, error) {
		n.Credential = c
		return s.Servers.Create(ctx, n)
	})
	if err != nil {
		return err
	}
	a.note("added %s (%s)", server.Name, who)
	if o.acceptNew {
		server = a.pinFirst(ctx, s, server)
	} else if server.HostKey == nil {
		a.note("nothing is sent to it before its host key is confirmed: remora servers trust %s", quote(server.Name))
	}
	if a.global.form != formTable {
		return a.printServer(server)
	}
	_, err = a.Stdout.Write([]byte(string(server.ID) + "\n"))
	return err
}

// server returns the server to add, without its credential.
func (o *addOptions) server(c *cobra.Command, name, where string) (ports.NewServer, error) {
	n := ports.NewServer{Name: name, Tags: o.tags, HostKey: o.hostKey, MaxSessions: o.sessions, HostKeyPolicy: domain.HostKeyConfirm}
	login, hostname, port, err := splitAddress(where)
	if err != nil {
		return n, err
	}
	if login != "" && o.user != "" && login != o.user {
		return n, usage("--user %s and %s@ in the address differ; give one of them", o.user, login)
	}
	if port != 0 && o.port != 0 && port != o.port {
		return n, usage("--port %d and :%d in the address differ; give one of them", o.port, port)
	}
	if c.Flags().Changed("port") && (o.port < 1 || o.port > 65535) {
		return n, usage("--port %d is out of range; give 1 to 65535", o.port)
	}
	n.User, n.Hostname, n.Port = first(login, o.user), hostname, max(port, o.port)
	if n.User == "" {
		me, err := user.Current()
		if err != nil {
			return n, usage("the login name is missing; give it with --user")
		}
		n.User = me.Username
	}
	if o.acceptNew {
		n.HostKeyPolicy = domain.HostKeyAcceptNew
	}
	if o.inactive {
		active := false
		n.Active = &active
	}
	return n, nil
}

// splitAddress reads [user@]hostname[:port]; an IPv6 address with a port stands in brackets.
func splitAddress(where string) (login, hostname string, port int, err error) {
	hostname = where
	if i := strings.LastIndexByte(where, '@'); i >= 0 {
		login, hostname = where[:i], where[i+1:]
	}
	if strings.HasPrefix(hostname, "[") || strings.Count(hostname, ":") == 1 {
		name, number, bad := net.SplitHostPort(hostname)
		if bad != nil {
			name, number = strings.Trim(hostname, "[]"), ""
		}
		hostname = name
		if number != "" || bad == nil {
			if port, err = strconv.Atoi(number); err != nil || port < 1 || port > 65535 {
				return "", "", 0, usage("port %q in %q is out of range; give 1 to 65535", number, where)
			}
		}
	}
	if hostname == "" || login == "" && strings.Contains(where, "@") {
		return "", "", 0, usage("%q is not an address; give [USER@]HOSTNAME[:PORT]", where)
	}
	return login, hostname, port, nil
}

// pinFirst tests a server that takes the first host key, so that it is pinned, and says which it was.
func (a *app) pinFirst(ctx context.Context, s Services, server domain.Server) domain.Server {
	report, err := s.Access.Test(ctx, server.ID)
	after, getErr := s.Servers.Get(ctx, server.ID)
	switch {
	case getErr == nil && after.HostKey != nil:
		a.note("pinned host key %s", keyText(after.HostKey))
		server = after
	case err != nil:
		a.note("its host key is not pinned yet: %v", err)
	default:
		a.note("its host key is not pinned yet: %s", report.Message)
	}
	if err == nil && !report.OK && server.HostKey != nil {
		a.note("it cannot be used yet: %s", report.Message)
	}
	return server
}
