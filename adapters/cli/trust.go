package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/heysubinoy/remora/domain"
)

// codeHostKeyUnseen says that a server could not be asked for its key.
const codeHostKeyUnseen = "host_key_unseen"

func (a *app) serversTrustCommand() *cobra.Command {
	var fingerprint string
	c := &cobra.Command{
		Use: "trust SERVER", Short: "Confirm a server's host key",
		Long: `Trust confirms that a host key is the server's own; until then nothing is sent to it. On a terminal it shows the key that
the server shows now and asks. With --fingerprint it confirms that one and does not ask.

Compare the fingerprint with what this prints on the server itself, seen on its console or told by who runs it:
  ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`,
		Example: `  remora servers trust web
  remora servers trust web --fingerprint SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU`,
		Args:              exactly("SERVER"),
		ValidArgsFunction: onlyFirst(a.serverNames),
		RunE: func(c *cobra.Command, args []string) error {
			if c.Flags().Changed("fingerprint") {
				if err := domain.CheckFingerprint(fingerprint); err != nil {
					return usage("--fingerprint: %v", err)
				}
			}
			return a.trust(c.Context(), args[0], fingerprint)
		},
	}
	c.Flags().StringVar(&fingerprint, "fingerprint", "", "the key to confirm, as SHA256:…")
	return c
}

func (a *app) trust(ctx context.Context, ref, fingerprint string) error {
	s, server, err := a.server(ctx, ref)
	if err != nil {
		return err
	}
	if fingerprint == "" {
		if fingerprint, err = a.confirmKey(ctx, s, server); err != nil || fingerprint == "" {
			return err
		}
	}
	after, err := s.Access.Trust(ctx, server.ID, fingerprint)
	if err != nil {
		return err
	}
	a.note("%s is trusted with host key %s", after.Name, fingerprint)
	if after.CredentialNeeded {
		a.note("its stored credential was for another host key; `remora servers edit %s --key FILE` or `--password-stdin` gives it anew", quote(after.Name))
	}
	if a.global.form != formTable {
		return a.printServer(after)
	}
	return nil
}

// confirmKey shows the key that the server shows and returns its fingerprint once a person said that it is right; empty
// when there is nothing to do.
func (a *app) confirmKey(ctx context.Context, s Services, server domain.Server) (string, error) {
	report, err := s.Access.Test(ctx, server.ID)
	if err != nil {
		return "", err
	}
	seen := report.Seen
	if seen == nil {
		return "", &domain.Error{Kind: domain.KindUnavailable, Code: codeHostKeyUnseen,
			Message: server.Name + " showed no host key: " + report.Message}
	}
	if server.HostKey != nil && server.HostKey.Fingerprint == seen.Fingerprint {
		a.note("%s is trusted already, with host key %s", server.Name, seen.Fingerprint)
		return "", nil
	}
	if !a.tty.in {
		a.hostKeyHint(server, seen)
		return "", usage("there is no terminal to ask on; confirm the key with --fingerprint")
	}
	if server.HostKey != nil {
		a.say("The host key of %s has CHANGED. Unless you know why, somebody may be in between.", server.Name)
		a.say("  confirmed: %s", keyText(server.HostKey))
	}
	a.say("%s (%s) shows the host key\n  %s", server.Name, address(server.User, server.Hostname, server.Port), keyText(seen))
	answer, err := a.ask(ctx, "Is it this server's own? Type yes to confirm:")
	if err != nil {
		return "", err
	}
	if !strings.EqualFold(answer, "yes") {
		a.note("not confirmed; nothing was changed")
		return "", exit(exitFailed)
	}
	return seen.Fingerprint, nil
}
