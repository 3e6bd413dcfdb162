package cli

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// globalFlags are known to every command.
type globalFlags struct {
	url       string
	token     string // remora-client only; a flag value can be seen by others on the machine
	tokenFile string
	form      string
	color     string
}

const rootLong = `Remora runs commands and scripts on many servers over SSH, shows their output live and keeps the history.

The API's address comes from --url, REMORA_URL or the config file, else it is ` + defaultURL + `. The token comes from
--token-file, REMORA_TOKEN or the config file, else, for an API on this machine, from $REMORA_DATA_DIR/admin.token or
./data/admin.token. The config file is $XDG_CONFIG_HOME/remora/config.yaml, with url, token_file and token.

Data goes to stdout, everything else to stderr. Colours are used on a terminal; NO_COLOR, CLICOLOR_FORCE and TERM=dumb
are honoured.

Exit codes: 0 done, 1 a job failed or an internal error, 2 usage or invalid input, 3 not signed in or not allowed,
4 not found, 5 conflict, 6 unavailable, 7 timed out, 130 interrupted. ` + "`remora run`" + ` on one server exits with the command's
own code.`

const rootExample = `  remora up --demo
  remora servers add web deploy@10.0.0.5 --key ~/.ssh/id_ed25519
  remora servers trust web
  remora run -s web -- uptime
  remora run -t production --parallel 10 --script upgrade.sh
  remora jobs logs -f 0192f0c1-7d3e-7b0a-9c55-3f6a1d2b4c5e`

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:     "remora",
		Short:   "Run commands on many servers over SSH",
		Long:    rootLong,
		Example: rootExample,
		Args:    cobra.ArbitraryArgs,
		RunE:    group,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			return a.global.check()
		},
		Version: a.Version,
	}
	a.dress(root)
	f := root.PersistentFlags()
	f.SortFlags = false
	f.StringVar(&a.global.url, "url", "", "address of the API (default REMORA_URL, the config file, "+defaultURL+")")
	f.StringVar(&a.global.tokenFile, "token-file", "", "file with the token to sign in with")
	f.StringVarP(&a.global.form, "output", "o", formTable, "form of data on stdout: table, json or yaml")
	f.StringVar(&a.global.color, "color", "auto", "colours: auto, always or never")
	fixed(root, "output", formTable, formJSON, formYAML)
	fixed(root, "color", "auto", "always", "never")
	root.AddCommand(a.upCommand(), a.apiCommand(), a.workerCommand(), a.queueCommand(), a.webCommand(),
		a.runCommand(), a.jobsCommand(), a.batchesCommand(), a.serversCommand(), a.keysCommand(), a.systemCommand(), a.healthCommand(),
		a.loginCommand(), a.dashboardCommand(), a.tokenCommand(), a.configCommand(),
		a.backupCommand(), a.restoreCommand(), a.versionCommand(), a.completionCommand(), a.manCommand())
	root.SetHelpCommand(&cobra.Command{
		Use: "help [COMMAND]", Short: "Tell about a command", Example: "  remora help run",
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(about, rest)
			}
			return about.Help()
		},
	})
	return root
}

// dress gives a root what every root has: the program's streams and its way to speak.
func (a *app) dress(root *cobra.Command) {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetVersionTemplate(a.program + " {{.Version}}\n")
	root.SetIn(a.Stdin)
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	root.SetFlagErrorFunc(flagError)
}

func (g *globalFlags) check() error {
	if !slices.Contains([]string{formTable, formJSON, formYAML}, g.form) {
		return usage("--output %q is unknown; use table, json or yaml", g.form)
	}
	if !slices.Contains([]string{"auto", "always", "never"}, g.color) {
		return usage("--color %q is unknown; use auto, always or never", g.color)
	}
	return nil
}

// group is what a command does that only holds others.
func group(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return unknownCommand(c, args)
	}
	return c.Help()
}

func unknownCommand(parent *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usage("there is no such command; see `%s --help`", parent.CommandPath())
	}
	var names []string
	for _, c := range parent.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
			names = append(names, c.Aliases...)
		}
	}
	if near := nearest(args[0], names); near != "" {
		return usage("unknown command %q for %q; did you mean %q?", args[0], parent.CommandPath(), near)
	}
	return usage("unknown command %q for %q; see `%s --help`", args[0], parent.CommandPath(), parent.CommandPath())
}

func flagError(c *cobra.Command, err error) error {
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		var names []string
		c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := nearest(unknown.GetSpecifiedName(), names); near != "" && unknown.GetSpecifiedShortnames() == "" {
			return usage("%v; did you mean --%s?", err, near)
		}
	}
	return usage("%v; see `%s --help`", err, c.CommandPath())
}

// nearest returns the candidate that a mistyped word most likely meant, or nothing.
func nearest(word string, candidates []string) string {
	best, distance := "", max(1, min(2, len(word)/2))+1
	for _, c := range candidates {
		d := edits(word, c)
		if strings.HasPrefix(c, word) && len(word) >= 2 {
			d = 1
		}
		if d < distance {
			best, distance = c, d
		}
	}
	return best
}

// edits counts the letters to add, drop, change or swap with their neighbour to make b of a.
func edits(a, b string) int {
	table := make([][]int, len(a)+1)
	for i := range table {
		table[i] = make([]int, len(b)+1)
		table[i][0] = i
	}
	for j := range table[0] {
		table[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := table[i-1][j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			table[i][j] = min(change, table[i-1][j]+1, table[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				table[i][j] = min(table[i][j], table[i-2][j-2]+1)
			}
		}
	}
	return table[len(a)][len(b)]
}

// exactly and atLeast check how many arguments there are and say which is missing.
func exactly(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return usage("%s is missing; usage: %s", names[len(args)], c.UseLine())
		}
		if len(args) > len(names) {
			return usage("%q is one argument too many; usage: %s", args[len(names)], c.UseLine())
		}
		return nil
	}
}

func atLeast(name string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usage("%s is missing; usage: %s", name, c.UseLine())
		}
		return nil
	}
}

// exclusive says that of some flags only one may be given.
func exclusive(c *cobra.Command, flags ...string) error {
	var given []string
	for _, f := range flags {
		if c.Flags().Changed(f) {
			given = append(given, "--"+f)
		}
	}
	if len(given) > 1 {
		return usage("%s cannot be used together", strings.Join(given, " and "))
	}
	return nil
}

// fixed completes a flag with fixed values.
func fixed(c *cobra.Command, flag string, values ...string) {
	err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	mustBeFlag(flag, err)
}

// mustBeFlag stops a program whose own commands do not fit together.
func mustBeFlag(flag string, err error) {
	if err != nil {
		panic("cli: the flag " + flag + " is not one of its command: " + err.Error())
	}
}
