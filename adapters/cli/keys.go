package cli

import (
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// keyShape is a stored key in JSON and YAML.
type keyShape struct {
	Filename    string    `json:"filename"`
	Fingerprint string    `json:"fingerprint"`
	KeyType     string    `json:"key_type"`
	Size        int       `json:"size"`
	CreatedAt   time.Time `json:"created_at"`
	UsedBy      []string  `json:"used_by"`
}

func keyOf(k domain.Key) keyShape {
	return keyShape{
		Filename: k.Name, Fingerprint: k.Fingerprint, KeyType: k.Type, Size: k.Size, CreatedAt: k.CreatedAt.UTC(),
		UsedBy: append([]string{}, k.UsedBy...),
	}
}

func (a *app) keysCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "keys", Aliases: []string{"key"}, Short: "Add, list and remove stored SSH keys",
		Long: `Keys are SSH private keys that the API keeps sealed, for any number of servers to log in with. Nobody ever gets one back.
Servers take one with ` + "`remora servers add --stored-key NAME`" + `.`,
		Example: "  remora keys add ~/.ssh/id_ed25519\n  remora servers add web deploy@10.0.0.5 --stored-key id_ed25519\n  remora keys ls",
		Args:    cobra.ArbitraryArgs,
		RunE:    group,
	}
	c.AddCommand(a.keysAddCommand(), a.keysListCommand(), a.keysRemoveCommand())
	return c
}

func (a *app) keysAddCommand() *cobra.Command {
	var name string
	var passphraseStdin bool
	c := &cobra.Command{
		Use: "add FILE", Aliases: []string{"upload"}, Short: "Store a private key",
		Long: `Add stores the private key in FILE (OpenSSH or PEM; ed25519, ECDSA, or RSA of 2048 bits and more) under the file's name. A
passphrase is asked for where one is needed, and not kept: the stored key is sealed with the API's master key instead.`,
		Example: "  remora keys add ~/.ssh/id_ed25519\n  remora keys add deploy.pem --name production\n  remora keys add id_rsa --passphrase-stdin < password.txt",
		Args:    exactly("FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.addKey(c, args[0], name, passphraseStdin)
		},
	}
	c.Flags().StringVar(&name, "name", "", "the name to store it under (default: the file's)")
	c.Flags().BoolVar(&passphraseStdin, "passphrase-stdin", false, "the key's passphrase is on stdin")
	return c
}

func (a *app) addKey(c *cobra.Command, file, name string, passphraseStdin bool) error {
	ctx := c.Context()
	n := ports.NewKey{Name: name}
	if !c.Flags().Changed("name") {
		n.Name = domain.KeyNameOf(file)
	}
	if err := domain.CheckKeyName("name", n.Name); err != nil {
		return usage("%v; --name gives another", err)
	}
	var err error
	if n.Text, err = readKeyFile("keys add", file); err != nil {
		return err
	}
	if passphraseStdin {
		if n.Passphrase, err = a.secretFromStdin(ctx, "passphrase", "--passphrase-stdin"); err != nil {
			return err
		}
	}
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	k, err := s.Keys.Add(ctx, n)
	if e, ok := errors.AsType[*domain.Error](err); ok && e.Code == codeKeyEncrypted && a.tty.in && n.Passphrase.Empty() {
		if n.Passphrase, err = a.askSecret(ctx, "Passphrase of the key", "passphrase", "--passphrase-stdin"); err != nil {
			return err
		}
		k, err = s.Keys.Add(ctx, n)
	}
	if err != nil {
		return err
	}
	a.note("stored %s", k.Name)
	return a.print(keyOf(k), func(w io.Writer) { row(w, k.Fingerprint, k.Type) })
}

func (a *app) keysListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List the stored keys",
		Long:    "Ls lists the stored keys by name, with the servers that log in with each.",
		Example: "  remora keys ls\n  remora keys ls -o json",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			list, err := s.Keys.List(c.Context())
			if err != nil {
				return err
			}
			shapes := make([]keyShape, len(list))
			for i, k := range list {
				shapes[i] = keyOf(k)
			}
			return a.print(map[string]any{"files": shapes}, func(w io.Writer) {
				row(w, "NAME", "TYPE", "FINGERPRINT", "SIZE", "USED BY", "CREATED")
				for _, k := range list {
					row(w, k.Name, k.Type, k.Fingerprint, strconv.Itoa(k.Size), strings.Join(k.UsedBy, ","), a.when(k.CreatedAt))
				}
			})
		},
	}
}

func (a *app) keysRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "rm NAME…", Aliases: []string{"remove", "delete"}, Short: "Remove stored keys",
		Long:              "Rm removes stored keys. One that a server logs in with stays, and the answer names the servers.",
		Example:           "  remora keys rm id_ed25519",
		Args:              atLeast("NAME"),
		ValidArgsFunction: a.keyNames,
		RunE: func(c *cobra.Command, args []string) error {
			s, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			for _, name := range args {
				if err := s.Keys.Delete(c.Context(), name); err != nil {
					return err
				}
				a.note("removed %s", name)
			}
			return nil
		},
	}
}

// keyNames completes the name of a stored key.
func (a *app) keyNames(c *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var names []cobra.Completion
	if s, err := a.connect(c.Context()); err == nil {
		list, _ := s.Keys.List(c.Context()) // a shell shows no errors
		for _, k := range list {
			if strings.HasPrefix(k.Name, begun) {
				names = append(names, cobra.CompletionWithDesc(k.Name, k.Fingerprint))
			}
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
