package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

func (a *app) loginCommand() *cobra.Command {
	return &cobra.Command{
		Use: "login [URL]", Short: "Keep an API's address and your token",
		Long: `Login asks for the API's address and a token, without echo, and tries them. When the API knows the token, both are kept in the
config file, $XDG_CONFIG_HOME/remora/config.yaml (0600), and every later command uses them. Without a terminal the token is read
from stdin, and the address is URL, --url or REMORA_URL.`,
		Example: "  remora login\n  remora login https://remora.example.org < token.txt",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				a.global.url = args[0]
			}
			return a.login(c.Context())
		},
	}
}

func (a *app) login(ctx context.Context) error {
	path := a.configPath()
	if path == "" || a.Connect == nil {
		return usage("there is no place for a config file: neither XDG_CONFIG_HOME nor HOME is set")
	}
	address, err := a.loginAddress(ctx)
	if err != nil {
		return err
	}
	token, err := a.loginToken(ctx)
	if err != nil {
		return err
	}
	s, err := a.Connect(ctx, address, token, a.reach)
	if err != nil {
		return err
	}
	a.services, a.address = &s, address
	who, err := s.Account.Who(ctx)
	if err != nil {
		return err
	}
	if err := writeConfig(path, configFile{URL: address, Token: token.Reveal()}); err != nil {
		return domain.Internal("the config file cannot be written", err)
	}
	a.note("signed in to %s as %s (%s); kept in %s", address, quote(who.Principal.Name), who.Principal.Role, path)
	for _, name := range []string{"REMORA_URL", "REMORA_TOKEN"} {
		if a.Getenv(name) != "" {
			a.note("%s is set and comes before the config file", name)
		}
	}
	if !local(address) && address[:5] == "http:" {
		a.note("the address is not https: whoever is between you and the API can read the token")
	}
	return nil
}

func (a *app) loginAddress(ctx context.Context) (string, error) {
	given := first(a.global.url, a.Getenv("REMORA_URL"))
	if given == "" && a.tty.in {
		file, _, err := a.readConfig()
		if err != nil {
			return "", err
		}
		usual := first(file.URL, defaultURL)
		if given, err = a.ask(ctx, "Address of the API ["+usual+"]:"); err != nil {
			return "", err
		}
		given = first(given, usual)
	}
	return checkURL(first(given, defaultURL))
}

func (a *app) loginToken(ctx context.Context) (domain.Secret, error) {
	if a.global.tokenFile != "" {
		return readToken(a.global.tokenFile)
	}
	if a.tty.in {
		return a.askSecret(ctx, "Token", "token", "`remora login URL`")
	}
	return a.secretFromStdin(ctx, "token", "`remora login`")
}

// writeConfig puts a config file in place of the old one, whole or not at all, readable by its owner alone.
func writeConfig(path string, c configFile) (err error) {
	text, err := yaml.Marshal(c)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".config.*") // 0600
	if err != nil {
		return err
	}
	_, err = tmp.Write(text)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}

func (a *app) dashboardCommand() *cobra.Command {
	return &cobra.Command{
		Use: "dashboard", Short: "Print an address that signs a browser in",
		Long: `Dashboard prints an address to stdout that signs a browser in as you, once and within 15 minutes. Who opens it first is signed
in: do not pass it on.`,
		Example: "  remora dashboard\n  remora dashboard -o json | jq -r .url",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			code, err := s.Account.Code(c.Context())
			if err != nil {
				return err
			}
			return a.printCode(code)
		},
	}
}

type codeShape struct {
	URL       string    `json:"url"`
	ExpiresAt time.Time `json:"expires_at"`
}

func (a *app) printCode(code ports.SignInCode) error {
	err := a.print(codeShape{code.URL.Reveal(), code.ExpiresAt.UTC()}, func(w io.Writer) { row(w, code.URL.Reveal()) })
	if err == nil && a.tty.out {
		a.note("it signs a browser in once, until %s", code.ExpiresAt.Local().Format("15:04"))
	}
	return err
}
