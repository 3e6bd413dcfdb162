package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/heysubinoy/remora/adapters/cli/screen"
	"github.com/heysubinoy/remora/domain"
)

func (a *app) upCommand() *cobra.Command {
	var o UpOptions
	c := &cobra.Command{
		Use:   "up [--demo]",
		Short: "Run everything in one process",
		Long: `Up runs the API, the queue and a worker in one process, on SQLite, with all secrets made at the first start.
Settings come from the environment and from .env in the working directory.

With --demo it also starts three SSH servers on the loopback interface that run commands as the current user, registers
them and removes them at the end.

The first SIGINT or SIGTERM stops in an orderly way: commands that run on servers go on there and are found again at the
next start. The second one leaves at once.`,
		Example: `  remora up
  remora up --demo
  SERVER_ADDR=127.0.0.1:9090 remora up`,
		Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			if a.Up == nil {
				return errNotPart
			}
			return stopped(c.Context(), a.Up(c.Context(), o))
		},
	}
	c.Flags().BoolVar(&o.Demo, "demo", false, "with three demo servers")
	return c
}

func (a *app) apiCommand() *cobra.Command {
	return program("api", "Run the API server", a.API, `Api serves the REST API and hands jobs to the queue. Settings come from the environment and from .env in the working
directory; those of a separate service have no generated secrets.`, "  DATABASE_URL=postgres://remora@db/remora remora api")
}

func (a *app) webCommand() *cobra.Command {
	run := func(ctx context.Context) error {
		s, err := a.settings()
		if err != nil {
			return err
		}
		return a.Web(ctx, s.url)
	}
	if a.Web == nil {
		run = nil
	}
	return program("web", "Run the web server before an API", run, `Web serves browsers where they do not reach the API itself: it passes on what they ask, under its own address. The API's address
is --url or REMORA_URL, its own SERVER_ADDR.`, "  SERVER_ADDR=0.0.0.0:3000 REMORA_URL=http://api:8080 remora web")
}

// alive is a subcommand for supervisors: it exits with 0 while a program is there, else with 6.
func (a *app) alive(what string, check func(context.Context) error) *cobra.Command {
	return program("health", "Tell whether the "+what+" is there", check, "Health exits with 0 while the "+what+
		" with these settings is there and can work, and with 6 when it is not. It is for supervisors.", "  remora "+what+" health")
}

// serviceRoot is the command of a service that is a program of its own.
func (a *app) serviceRoot(service string) (*cobra.Command, error) {
	for _, c := range []*cobra.Command{a.apiCommand(), a.workerCommand(), a.queueCommand()} {
		if c.Name() != service {
			continue
		}
		walk(c, func(sub *cobra.Command) {
			sub.Example = strings.ReplaceAll(sub.Example, "remora "+service, a.program)
		})
		c.Use, c.Version = a.program, a.Version
		a.dress(c)
		return c, nil
	}
	return nil, usage("there is no service %q; use api, worker or queue", service)
}

func walk(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, sub := range c.Commands() {
		walk(sub, visit)
	}
}

func (a *app) workerCommand() *cobra.Command {
	c := program("worker", "Run a worker", a.Worker, `Worker takes jobs from the queue and carries them to their servers. Any number of workers may run. The first SIGTERM
stops it without a job being lost: it takes nothing new, stores all output and leaves commands running on their servers
for another worker.`, "  WORKER_CONCURRENCY=100 remora worker")
	c.AddCommand(a.alive("worker", a.WorkerHealth))
	return c
}

func (a *app) queueCommand() *cobra.Command {
	c := program("queue", "Run the NetQueue broker", a.Queue, `Queue runs NetQueue, which says what job runs next. Its log is in NETQUEUE_DIR.`,
		"  NETQUEUE_DIR=/var/lib/remora/netqueue remora queue\n  remora queue repair /var/lib/remora/netqueue")
	c.AddCommand(a.alive("queue", a.QueueHealth), &cobra.Command{
		Use:   "repair DIR",
		Short: "Mend a damaged queue log",
		Long: `Repair mends the log of a queue that refuses to start because its log is damaged, and says what it did. No queue may
have the directory open. What was in the damaged part is offered again from the database.`,
		Example: "  remora queue repair /var/lib/remora/netqueue",
		Args:    exactly("DIR"),
		RunE: func(c *cobra.Command, args []string) error {
			if a.RepairQueue == nil {
				return errNotPart
			}
			report, err := a.RepairQueue(c.Context(), args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.Stdout, screen.Clean(report))
			return err
		},
	})
	return c
}

func program(name, short string, run func(context.Context) error, long, example string) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: short, Long: long, Example: example,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(c, args)
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error {
			if run == nil {
				return errNotPart
			}
			return stopped(c.Context(), run(c.Context()))
		},
	}
}

// stopped takes a program's end for what it is: one that was asked to stop and did is done.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || domain.KindOf(err) == domain.KindCanceled) {
		return nil
	}
	return err
}

type healthShape struct {
	Status    string `json:"status"`
	Timestamp string `json:"timestamp"`
	Database  string `json:"database"`
	Queue     string `json:"queue"`
}

func (a *app) healthCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "health",
		Short:   "Tell whether the API, its database and its queue are there",
		Long:    "Health asks the API whether its database and its queue are there. It exits with 6 when one of them is away.",
		Example: "  remora health\n  remora health -o json",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			h := s.System.Health(c.Context())
			if err := c.Context().Err(); err != nil {
				return err
			}
			if e, ok := errors.AsType[*domain.Error](h.Database); ok && e.Code == codeAPIUnreachable {
				return e // nobody said anything about the database
			}
			v := healthShape{Status: "healthy", Timestamp: h.At.UTC().Format("2006-01-02T15:04:05Z07:00"), Database: part(h.Database), Queue: part(h.Queue)}
			if !h.Healthy() {
				v.Status = "degraded"
			}
			err = a.print(v, func(w io.Writer) {
				field(w, "API", a.address)
				field(w, "Status", v.Status)
				field(w, "Database", v.Database)
				field(w, "Queue", v.Queue)
			})
			if err == nil && !h.Healthy() {
				return exit(exitUnavailable)
			}
			return err
		},
	}
}

func part(err error) string {
	if err == nil {
		return "connected"
	}
	return err.Error()
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the program's version",
		Long:    "Version prints the version of this program.",
		Example: "  remora version",
		Args:    exactly(),
		RunE: func(*cobra.Command, []string) error {
			return a.print(map[string]string{"version": a.Version}, func(w io.Writer) { row(w, "remora "+a.Version) })
		},
	}
}

func (a *app) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print the completion script for bash, zsh, fish or powershell",
		Long: `Completion prints the script that makes a shell complete commands, flags and the names of servers. Where to put it:

  bash        /etc/bash_completion.d/remora
  zsh         a file _remora in a directory of $fpath
  fish        ~/.config/fish/completions/remora.fish
  powershell  sourced from $PROFILE`,
		Example:   "  source <(remora completion bash)\n  remora completion fish > ~/.config/fish/completions/remora.fish",
		Args:      exactly("SHELL"),
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		RunE: func(c *cobra.Command, args []string) error {
			switch args[0] {
			case "bash":
				if _, err := io.WriteString(a.Stdout, bashWords); err != nil {
					return err
				}
				return c.Root().GenBashCompletionV2(a.Stdout, true)
			case "zsh":
				return c.Root().GenZshCompletion(a.Stdout)
			case "fish":
				return c.Root().GenFishCompletion(a.Stdout, true)
			case "powershell":
				return c.Root().GenPowerShellCompletionWithDesc(a.Stdout)
			}
			return usage("shell %q is unknown; use bash, zsh, fish or powershell", args[0])
		},
	}
}

// bashWords stands in for what the script takes from the package bash-completion, where that is not loaded: the words of the
// line, those joined again that bash splits at = and :.
const bashWords = `# Completion of remora for bash, made by "remora completion bash".
if ! declare -F _get_comp_words_by_ref >/dev/null; then
    _get_comp_words_by_ref() {
        local i n=0
        words=() cword=0
        for ((i = 0; i < ${#COMP_WORDS[@]}; i++)); do
            if ((i > 0)) && [[ ${COMP_WORDS[i]} == [=:]* || ${COMP_WORDS[i-1]} == *[=:] ]]; then
                words[n-1]+=${COMP_WORDS[i]}
            else
                words[n++]=${COMP_WORDS[i]}
            fi
            ((i == COMP_CWORD)) && cword=$((n - 1))
        done
        cur=${words[cword]} prev=${words[cword > 0 ? cword - 1 : 0]}
    }
fi
`
