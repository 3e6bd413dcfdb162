package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func (a *app) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages into a directory",
		Long: `Man writes a manual page for every command into DIR, which is made if need be: remora.1, remora-run.1 and so on. They are
made from the commands' own help.`,
		Example: "  remora man /usr/local/share/man/man1\n  remora man . && man -l ./remora-run.1",
		Args:    exactly("DIR"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil { //nolint:gosec // manual pages are for everybody
				return usage("the directory cannot be made: %v", err)
			}
			var failed error
			pages := 0
			walk(c.Root(), func(c *cobra.Command) {
				if failed != nil || c.Hidden || c.Name() == "help" {
					return
				}
				failed = a.writePage(args[0], c)
				pages++
			})
			if failed != nil {
				return failed
			}
			a.note("wrote %s to %s", count(pages, "page"), args[0])
			return nil
		},
	}
}

func pageName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

func (a *app) writePage(dir string, c *cobra.Command) error {
	path := filepath.Join(dir, pageName(c)+".1")
	if err := os.WriteFile(path, []byte(a.page(c)), 0o644); err != nil { //nolint:gosec // manual pages are for everybody
		return usage("a manual page cannot be written: %v", err)
	}
	return nil
}

// page returns a command's manual page in the language of man(7).
func (a *app) page(c *cobra.Command) string {
	c.InitDefaultHelpFlag()
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s 1 \"\" %s %s\n", roffWord(strings.ToUpper(pageName(c))), roffWord("Remora "+a.Version), roffWord("Remora manual"))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roffText(pageName(c)), roffText(c.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n", roffText(c.UseLine()))
	b.WriteString(".SH DESCRIPTION\n")
	asIs(&b, first(c.Long, c.Short))
	flags(&b, "OPTIONS", c.NonInheritedFlags())
	flags(&b, "GLOBAL OPTIONS", c.InheritedFlags())
	b.WriteString(".SH EXAMPLES\n")
	asIs(&b, unindent(c.Example))
	var others []string
	if c.HasParent() {
		others = append(others, pageName(c.Parent()))
	}
	for _, sub := range c.Commands() {
		if !sub.Hidden && sub.Name() != "help" {
			others = append(others, pageName(sub))
		}
	}
	if len(others) > 0 {
		b.WriteString(".SH SEE ALSO\n")
		for i, other := range others {
			fmt.Fprintf(&b, ".BR %s (1)%s\n", roffText(other), map[bool]string{true: ","}[i < len(others)-1])
		}
	}
	return b.String()
}

// asIs writes text whose lines and blanks are as they should be.
func asIs(w io.Writer, text string) {
	_, _ = fmt.Fprintf(w, ".nf\n%s\n.fi\n", roffText(strings.TrimRight(text, "\n")))
}

func flags(w io.Writer, title string, set *pflag.FlagSet) {
	if !set.HasAvailableFlags() {
		return
	}
	_, _ = fmt.Fprintf(w, ".SH %s\n", title)
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		kind, about := pflag.UnquoteUsage(f)
		if kind != "" {
			name += " " + kind
		}
		_, _ = fmt.Fprintf(w, ".TP\n.B %s\n%s\n", roffText(name), roffText(about))
	})
}

func unindent(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimPrefix(line, "  "))
	}
	return b.String()
}

// roffText escapes what troff would take for its own.
func roffText(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

func roffWord(text string) string { return `"` + roffText(text) + `"` }
