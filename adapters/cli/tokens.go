package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

type tokenShape struct {
	ID         domain.TokenID `json:"id"`
	Name       string         `json:"name"`
	Role       domain.Role    `json:"role"`
	CreatedAt  *time.Time     `json:"created_at"`
	ExpiresAt  *time.Time     `json:"expires_at"`
	LastUsedAt *time.Time     `json:"last_used_at"`
}

type issuedTokenShape struct {
	tokenShape
	Token string `json:"token"`
}

type tokensShape struct {
	Tokens []tokenShape `json:"tokens"`
}

func tokenOf(t domain.Token) tokenShape {
	return tokenShape{
		ID: t.ID, Name: t.Name, Role: t.Role,
		CreatedAt: maybeTime(t.CreatedAt), ExpiresAt: maybeTime(t.ExpiresAt), LastUsedAt: maybeTime(t.LastUsedAt),
	}
}

func (a *app) tokenCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "token", Aliases: []string{"tokens"}, Short: "Say who may use Remora",
		Long: `Token makes, lists and removes tokens. Each has a name and a role: a viewer may read, an operator also run, cancel and test,
an admin may do everything. Only an admin may use these commands.`,
		Example: "  remora token add ci --role operator --expires 90d\n  remora token ls\n  remora token rm ci",
		Args:    cobra.ArbitraryArgs,
		RunE:    group,
	}
	c.AddCommand(a.tokenAddCommand(), a.tokenListCommand(), a.tokenRotateCommand(), a.tokenRemoveCommand())
	return c
}

func (a *app) tokenAddCommand() *cobra.Command {
	var role, expires string
	c := &cobra.Command{
		Use: "add NAME", Short: "Make a token",
		Long:    "Add makes a token and prints it to stdout, this once: Remora keeps only what it needs to know it again.",
		Example: "  remora token add ci --role operator --expires 90d\n  remora token add screen --role viewer > screen.token",
		Args:    exactly("NAME"),
		RunE: func(c *cobra.Command, args []string) error {
			until, err := expiry(expires, a.Now())
			if err != nil {
				return err
			}
			s, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			made, err := s.Tokens.Create(c.Context(), ports.NewToken{Name: args[0], Role: domain.Role(role), ExpiresAt: until})
			if err != nil {
				return err
			}
			return a.printIssued("made", made)
		},
	}
	c.Flags().StringVar(&role, "role", string(domain.RoleViewer), "viewer, operator or admin")
	c.Flags().StringVar(&expires, "expires", "", "when it ends: after a time as 12h or 90d, or at a date as 2030-01-31; never without")
	fixed(c, "role", string(domain.RoleViewer), string(domain.RoleOperator), string(domain.RoleAdmin))
	return c
}

// printIssued shows a token's text the one time there is.
func (a *app) printIssued(what string, t ports.IssuedToken) error {
	ends := "it does not expire"
	if !t.Token.ExpiresAt.IsZero() {
		ends = "it expires at " + t.Token.ExpiresAt.UTC().Format(time.RFC3339)
	}
	err := a.print(issuedTokenShape{tokenOf(t.Token), t.Text.Reveal()}, func(w io.Writer) { row(w, t.Text.Reveal()) })
	if err == nil {
		a.note("%s the token %s with the role %s; it is shown this once, and %s", what, quote(t.Token.Name), t.Token.Role, ends)
	}
	return err
}

// expiry reads when a token ends; the zero time for never.
func expiry(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n <= 100_000 {
			return now.AddDate(0, 0, n), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(d), nil
	}
	for _, form := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(form, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usage("--expires %q is not a time to come; give one as 12h, 90d or 2030-01-31", text)
}

func (a *app) tokenListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List tokens",
		Long:    "Ls lists all tokens by name, with when each was last used, to the minute. Nobody can read a token's text again.",
		Example: "  remora token ls\n  remora token ls -o json",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			list, err := s.Tokens.List(c.Context())
			if err != nil {
				return err
			}
			shape := tokensShape{Tokens: []tokenShape{}}
			for _, t := range list {
				shape.Tokens = append(shape.Tokens, tokenOf(t))
			}
			return a.print(shape, func(w io.Writer) {
				row(w, "NAME", "ROLE", "LAST USED", "EXPIRES", "ID")
				for _, t := range list {
					row(w, t.Name, string(t.Role), dateOf(t.LastUsedAt), a.end(t), string(t.ID))
				}
			})
		},
	}
}

func dateOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04Z")
}

func (a *app) end(t domain.Token) string {
	if t.Expired(a.Now()) {
		return "expired " + dateOf(t.ExpiresAt)
	}
	return dateOf(t.ExpiresAt)
}

func (a *app) tokenRotateCommand() *cobra.Command {
	return &cobra.Command{
		Use: "rotate TOKEN", Short: "Give a token another text",
		Long: `Rotate prints a new text for a token, this once. The old one lets nobody in from then on, and browsers that were signed in
with it are signed out.`,
		Example:           "  remora token rotate ci",
		Args:              exactly("TOKEN"),
		ValidArgsFunction: a.tokenNames,
		RunE: func(c *cobra.Command, args []string) error {
			s, t, err := a.namedToken(c.Context(), args[0])
			if err != nil {
				return err
			}
			made, err := s.Tokens.Rotate(c.Context(), t.ID)
			if err != nil {
				return err
			}
			return a.printIssued("changed", made)
		},
	}
}

func (a *app) tokenRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "rm TOKEN…", Aliases: []string{"remove", "delete"}, Short: "Remove tokens",
		Long:              "Rm removes tokens, by name or id. They let nobody in from then on, and browsers that were signed in with them are signed out.",
		Example:           "  remora token rm ci",
		Args:              atLeast("TOKEN"),
		ValidArgsFunction: a.tokenNames,
		RunE: func(c *cobra.Command, args []string) error {
			for _, ref := range args {
				s, t, err := a.namedToken(c.Context(), ref)
				if err == nil {
					err = s.Tokens.Delete(c.Context(), t.ID)
				}
				if err != nil {
					return err
				}
				a.note("removed the token %s", quote(t.Name))
			}
			return nil
		},
	}
}

// namedToken finds one token by its id or name.
func (a *app) namedToken(ctx context.Context, ref string) (Services, domain.Token, error) {
	s, err := a.connect(ctx)
	if err != nil {
		return s, domain.Token{}, err
	}
	list, err := s.Tokens.List(ctx)
	if err != nil {
		return s, domain.Token{}, err
	}
	var names []string
	for _, t := range list {
		if string(t.ID) == ref || t.Name == ref {
			return s, t, nil
		}
		names = append(names, t.Name)
	}
	text := fmt.Sprintf("there is no token %q", ref)
	if near := nearest(ref, names); near != "" {
		text += fmt.Sprintf("; did you mean %q?", near)
	}
	return s, domain.Token{}, domain.ErrTokenNotFound.Withf("%s", text)
}

func (a *app) tokenNames(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	const nothing = cobra.ShellCompDirectiveNoFileComp
	s, err := a.connect(c.Context())
	if err != nil {
		return nil, nothing
	}
	list, err := s.Tokens.List(c.Context())
	if err != nil {
		return nil, nothing
	}
	var names []string
	for _, t := range list {
		names = append(names, t.Name)
	}
	return names, nothing
}
