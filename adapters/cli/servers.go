package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

func (a *app) serversCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "servers", Aliases: []string{"server"}, Short: "Add, change, test and trust servers",
		Long:    "Servers are the machines that jobs run on, reached over SSH.",
		Example: "  remora servers add web deploy@10.0.0.5 --key ~/.ssh/id_ed25519\n  remora servers trust web\n  remora servers test web",
		Args:    cobra.ArbitraryArgs,
		RunE:    group,
	}
	c.AddCommand(a.serversAddCommand(), a.serversListCommand(), a.serversGetCommand(), a.serversEditCommand(),
		a.serversRemoveCommand(), a.serversTestCommand(), a.serversStatusCommand(), a.serversTrustCommand(), a.serversImportCommand())
	return c
}

func (a *app) serversListCommand() *cobra.Command {
	var q ports.ServerQuery
	var active, inactive bool
	c := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List servers",
		Long:    "Ls lists servers by name.",
		Example: "  remora servers ls\n  remora servers ls --tag production -o json",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := exclusive(c, "active", "inactive"); err != nil {
				return err
			}
			if active || inactive {
				q.Active = &active
			}
			s, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			found, err := listServers(c.Context(), s.Servers, q)
			if err != nil {
				return err
			}
			return a.print(serversOf(found), func(w io.Writer) {
				row(w, "NAME", "ADDRESS", "AUTH", "TAGS", "HOST KEY", "ACTIVE", "STATUS")
				for _, s := range found {
					v := serverOf(s)
					row(w, s.Name, address(s.User, s.Hostname, s.Port), authText(s), strings.Join(s.Tags, ","), v.HostKey.State, yesNo(s.Active), v.Status)
				}
			})
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVarP(&q.Tag, "tag", "t", "", "only servers with this tag")
	f.StringVar(&q.Search, "search", "", "only servers with this in name or hostname")
	f.BoolVar(&active, "active", false, "only active servers")
	f.BoolVar(&inactive, "inactive", false, "only servers that are not active")
	return c
}

func authText(s domain.Server) string {
	if s.CredentialNeeded {
		return string(s.Auth) + " (needed anew)"
	}
	return string(s.Auth)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (a *app) serversGetCommand() *cobra.Command {
	return &cobra.Command{
		Use: "get SERVER", Aliases: []string{"show"}, Short: "Show a server",
		Long:              "Get shows a server. Passwords and keys are never shown to anybody.",
		Example:           "  remora servers get web\n  remora servers get web -o yaml",
		Args:              exactly("SERVER"),
		ValidArgsFunction: onlyFirst(a.serverNames),
		RunE: func(c *cobra.Command, args []string) error {
			_, server, err := a.server(c.Context(), args[0])
			if err != nil {
				return err
			}
			return a.printServer(server)
		},
	}
}

// server connects and finds a server.
func (a *app) server(ctx context.Context, ref string) (Services, domain.Server, error) {
	s, err := a.connect(ctx)
	if err != nil {
		return s, domain.Server{}, err
	}
	server, err := findServer(ctx, s.Servers, ref)
	return s, server, err
}

func (a *app) printServer(s domain.Server) error {
	return a.print(serverOf(s), func(w io.Writer) {
		field(w, "ID", string(s.ID))
		field(w, "Name", s.Name)
		field(w, "Address", address(s.User, s.Hostname, s.Port))
		field(w, "Auth", authText(s))
		if s.Key != nil {
			field(w, "Login key", s.Key.Fingerprint+" ("+s.Key.Type+")")
		}
		if s.KeyName != "" {
			field(w, "Stored key", s.KeyName)
		}
		if s.ProxyJump != "" {
			field(w, "Reached through", string(s.ProxyJump))
		}
		field(w, "Active", yesNo(s.Active))
		field(w, "Tags", strings.Join(s.Tags, ","))
		if s.HostKey != nil {
			field(w, "Host key", keyText(s.HostKey)+", pinned "+a.when(s.HostKey.PinnedAt))
		} else {
			field(w, "Host key", "unknown")
		}
		field(w, "Host keys", string(s.HostKeyPolicy))
		field(w, "Sessions", fmt.Sprintf("at most %d", s.MaxSessions))
		if s.Mode != domain.ModeUnknown {
			field(w, "Commands", strings.TrimSuffix(string(s.Mode)+": "+s.ModeCause, ": "))
		}
		if s.LastCheck != nil {
			field(w, "Last check", checkStatus(s.LastCheck)+" "+a.when(s.LastCheck.At)+": "+s.LastCheck.Message)
		}
		field(w, "Created", a.when(s.CreatedAt))
	})
}

func (a *app) serversRemoveCommand() *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use: "rm SERVER…", Aliases: []string{"remove", "delete"}, Short: "Remove servers",
		Long:              "Rm removes servers with their credentials. One that has finished jobs needs --force, which deletes them with their output.",
		Example:           "  remora servers rm web\n  remora servers rm --force web",
		Args:              atLeast("SERVER"),
		ValidArgsFunction: a.serverNames,
		RunE: func(c *cobra.Command, args []string) error {
			for _, ref := range args {
				s, server, err := a.server(c.Context(), ref)
				if err != nil {
					return err
				}
				deleted, err := s.Servers.Delete(c.Context(), server.ID, force)
				if err != nil {
					return fmt.Errorf("%s: %w", server.Name, err)
				}
				text := ""
				if deleted > 0 {
					text = " with " + count(int(deleted), "job")
				}
				a.note("removed %s%s", server.Name, text)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&force, "force", false, "with its finished jobs and their output")
	return c
}

func (a *app) serversTestCommand() *cobra.Command {
	return &cobra.Command{
		Use: "test SERVER…", Short: "Log in to servers and tell how far it got",
		Long: `Test logs in to servers over SSH and tells how far it got, without running anything of yours. Under --accept-new it pins
the host key. It exits with 6 when one cannot be used.`,
		Example:           "  remora servers test web\n  remora servers test web db -o json",
		Args:              atLeast("SERVER"),
		ValidArgsFunction: a.serverNames,
		RunE:              func(c *cobra.Command, args []string) error { return a.testServers(c.Context(), args) },
	}
}

// testsAtOnce bounds how many servers are tested at the same time.
const testsAtOnce = 16

func (a *app) testServers(ctx context.Context, refs []string) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	sel := selection{servers: refs}
	servers, err := sel.pick(ctx, s.Servers)
	if err != nil {
		return err
	}
	reports := make([]ports.TestReport, len(servers))
	errs := make([]error, len(servers))
	places := make(chan struct{}, testsAtOnce)
	var all sync.WaitGroup
	for i, server := range servers {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			reports[i], errs[i] = s.Access.Test(ctx, server.ID)
		})
	}
	all.Wait()
	shapes := []testShape{}
	code := exitDone
	for i, server := range servers {
		if errs[i] != nil {
			return errs[i]
		}
		shapes = append(shapes, testOf(server, reports[i]))
		if !reports[i].OK {
			code = exitUnavailable
		}
	}
	var data any = map[string]any{"servers": shapes}
	if len(shapes) == 1 {
		data = shapes[0]
	}
	err = a.print(data, func(w io.Writer) {
		row(w, "NAME", "RESULT", "STEP", "LATENCY", "MODE", "MESSAGE")
		for i, v := range shapes {
			result := "ok"
			if !reports[i].OK {
				result = "failed"
			}
			row(w, v.Server, result, string(reports[i].Step), short(reports[i].Latency), string(reports[i].Mode), v.Message)
		}
	})
	if err != nil {
		return err
	}
	for i, r := range reports {
		if r.Seen != nil && (r.Reason == domain.ReasonHostKeyUnknown || r.Reason == domain.ReasonHostKeyMismatch) {
			a.hostKeyHint(servers[i], r.Seen)
		}
	}
	return exit(code)
}
