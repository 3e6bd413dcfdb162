package cli

import (
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

type editOptions struct {
	credentialOptions
	name      string
	hostname  string
	port      int
	user      string
	tags      []string
	noTags    bool
	active    bool
	policy    string
	jump      string
	noJump    bool
	sessions  int
	askSecret bool
}

func (a *app) serversEditCommand() *cobra.Command {
	var o editOptions
	c := &cobra.Command{
		Use: "edit SERVER", Short: "Change a server",
		Long: `Edit changes what its flags name. A stored credential is only for the address, user and host key it was given for: who
changes one of those gives the credential again.`,
		Example: `  remora servers edit web --hostname 10.0.0.6 --key ~/.ssh/id_ed25519
  remora servers edit web --active=false
  remora servers edit web --password`,
		Args:              exactly("SERVER"),
		ValidArgsFunction: onlyFirst(a.serverNames),
		RunE:              func(c *cobra.Command, args []string) error { return a.editServer(c, o, args[0]) },
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&o.name, "name", "", "another name")
	f.StringVar(&o.hostname, "hostname", "", "another hostname or IP address")
	f.IntVar(&o.port, "port", 0, "another SSH port")
	f.StringVar(&o.user, "user", "", "another login name")
	o.credentialOptions.flags(c)
	f.BoolVar(&o.askSecret, "password", false, "ask for a password to log in with")
	f.StringArrayVarP(&o.tags, "tag", "t", nil, "these tags in place of the old ones; may be repeated")
	f.BoolVar(&o.noTags, "no-tags", false, "without tags")
	f.BoolVar(&o.active, "active", true, "take jobs; --active=false takes none")
	f.StringVar(&o.policy, "host-keys", "", "confirm or accept-new")
	f.StringVar(&o.jump, "jump", "", "reach it through this server, by name or id")
	f.BoolVar(&o.noJump, "no-jump", false, "reach it directly")
	f.IntVar(&o.sessions, "max-sessions", 0, "jobs at once on it")
	fixed(c, "host-keys", string(domain.HostKeyConfirm), string(domain.HostKeyAcceptNew))
	return c
}

func (a *app) editServer(c *cobra.Command, o editOptions, ref string) error {
	ctx := c.Context()
	err := errors.Join(exclusive(c, "tag", "no-tags"), exclusive(c, "jump", "no-jump"),
		exclusive(c, "key", "stored-key", "password-stdin", "password"))
	if err == nil {
		err = o.credentialOptions.check(c)
	}
	if err != nil {
		return err
	}
	named := false
	c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) { named = named || f.Changed })
	if !named {
		return usage("nothing to change is named; see `%s --help`", c.CommandPath())
	}
	change := o.change(c)
	s, server, err := a.server(ctx, ref)
	if err != nil {
		return err
	}
	if o.jump != "" {
		jump, err := findServer(ctx, s.Servers, o.jump)
		if err != nil {
			return err
		}
		change.ProxyJump = &jump.ID
	} else if o.noJump {
		change.ProxyJump = new(domain.ServerID)
	}
	auth, credential, err := o.read(ctx, a, server.Name, o.askSecret)
	if err != nil {
		return err
	}
	after, err := a.withPassphrase(ctx, credential, func(cred domain.Credential) (domain.Server, error) {
		if auth != "" {
			change.Auth, change.Credential = &auth, &cred
		}
		if o.stored != "" {
			change.Key, change.Credential = &o.stored, nil
		}
		return s.Servers.Update(ctx, server.ID, change)
	})
	if err != nil {
		return err
	}
	a.note("changed %s", after.Name)
	if after.CredentialNeeded {
		a.note("it needs its password or key anew: `remora servers edit %s` with --key FILE, --stored-key NAME, --password or --password-stdin", quote(after.Name))
	}
	if after.HostKey == nil && server.HostKey != nil {
		a.note("its host key is to be confirmed again: remora servers trust %s", quote(after.Name))
	}
	if a.global.form != formTable {
		return a.printServer(after)
	}
	return nil
}

// change returns what the flags name.
func (o *editOptions) change(c *cobra.Command) ports.ServerChange {
	var change ports.ServerChange
	given := c.Flags().Changed
	if given("name") {
		change.Name = &o.name
	}
	if given("hostname") {
		change.Hostname = &o.hostname
	}
	if given("port") {
		change.Port = &o.port
	}
	if given("user") {
		change.User = &o.user
	}
	if given("tag") || o.noTags {
		tags := append([]string{}, o.tags...)
		change.Tags = &tags
	}
	if given("active") {
		change.Active = &o.active
	}
	if given("host-keys") {
		policy := domain.HostKeyPolicy(o.policy)
		change.HostKeyPolicy = &policy
	}
	if given("max-sessions") {
		change.MaxSessions = &o.sessions
	}
	return change
}
