package cli

import (
	"context"
	"crypto/rand"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// defaultParallel is on how many servers one `remora run` is at work at once unless told otherwise.
const defaultParallel = 50

const runLong = `Run starts a command on servers, shows the output as it comes and ends with a summary on stderr.

The command is what follows --:
  one argument         a shell line, run as written by the login user's sh -c
  several arguments    a program and its arguments, run without any shell: no word is split or expanded again
  --shell-line         all arguments, joined with blanks, are one shell line, as ssh does it
  --script FILE        the file's text is given to --shell (the API's default: /bin/bash) and the arguments are the script's own,
                       each arriving as it is; FILE - is stdin

With one server its stdout and stderr go to stdout and stderr byte for byte. With several, every line goes out whole
behind its server's name; a line without an end is cut after 64 KiB. On a terminal, control sequences other than colours
are dropped. With -o json or -o yaml there is no live output, but the finished jobs with the last 256 KiB of their output.

Ctrl-C ends the commands on the servers, waits for the answers and says what is left alive; a second Ctrl-C leaves at
once. A reader of stdout that goes away counts as Ctrl-C. With --detach the ids of the jobs are printed and nothing is
awaited.

Exit code: on one server the command's own (128+n for signal n), 7 when it timed out; 1 when any job failed; 130 after
Ctrl-C.`

const runExample = `  remora run -s web -- uptime
  remora run -s web -- 'ls /var/log | wc -l'
  remora run -s web -- ls -l '/srv/my files'
  remora run -t production -t eu --parallel 5 -- sudo systemctl restart app
  remora run --all --script check.sh -- --verbose
  echo 'print(6 * 7)' | remora run -s web --script - --shell /usr/bin/python3
  remora run -s web --detach --timeout 2h -- ./backup.sh`

type runOptions struct {
	selection
	script    string
	shell     string
	shellLine bool
	timeout   time.Duration
	priority  int
	retry     string
	attempts  int
	parallel  int
	stopAfter int
	group     bool
	diff      bool
	detach    bool
	quiet     bool
}

func (a *app) runCommand() *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:     "run [-s SERVER… | -t TAG… | --all] [flags] -- COMMAND…",
		Short:   "Run a command or a script on servers and show the output live",
		Long:    runLong,
		Example: runExample,
		Args:    cobra.ArbitraryArgs,
		RunE:    func(c *cobra.Command, args []string) error { return a.run(c, o, args) },
	}
	f := c.Flags()
	f.SetInterspersed(false) // what follows the command's first word is the command's
	f.SortFlags = false
	o.flags(c)
	o.complete(c, a)
	f.StringVar(&o.script, "script", "", "run the script in FILE, - for stdin")
	f.StringVar(&o.shell, "shell", "", "absolute path of the script's interpreter")
	f.BoolVar(&o.shellLine, "shell-line", false, "take all arguments as one shell line")
	f.Var((*timeoutFlag)(&o.timeout), "timeout", "how long the command may run: seconds, or like 90s, 5m, 2h (default: the API's, 300s)")
	f.IntVar(&o.priority, "priority", 0, "1 to 10, 10 is the most urgent (default 5)")
	f.StringVar(&o.retry, "retry", "", "when to try again: never, safe (not started: the default), on_failure or at_least_once")
	f.IntVar(&o.attempts, "max-attempts", domain.DefaultRetry().MaxAttempts, "how many tries at most")
	f.IntVar(&o.parallel, "parallel", defaultParallel, "on how many servers at once; 0 = on all")
	f.IntVar(&o.stopAfter, "stop-after", 0, "start nothing more once so many have failed (default: never)")
	f.BoolVar(&o.group, "group", false, "at the end, print equal outputs once under the names of their servers")
	f.BoolVar(&o.diff, "diff", false, "with --group, show how each group differs from the largest")
	f.BoolVar(&o.detach, "detach", false, "print the jobs' ids and do not wait")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "no summary of what went well")
	fixed(c, "retry", retryModes...)
	mustBeFlag("shell", c.RegisterFlagCompletionFunc("shell", cobra.FixedCompletions(
		[]string{"/bin/bash", "/bin/sh", "/usr/bin/zsh", "/usr/bin/python3"}, cobra.ShellCompDirectiveNoFileComp)))
	return c
}

func (a *app) run(c *cobra.Command, o runOptions, args []string) error {
	ctx := c.Context()
	if err := o.check(c); err != nil {
		return err
	}
	submission, err := a.submission(ctx, o, args)
	if err != nil {
		return err
	}
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	servers, err := o.pick(ctx, s.Servers)
	if err != nil {
		return err
	}
	r := newRunner(a, s, o, submission, servers)
	if o.detach {
		return r.detach(ctx)
	}
	return r.run(ctx)
}

func (o *runOptions) check(c *cobra.Command) error {
	if err := exclusive(c, "script", "shell-line"); err != nil {
		return err
	}
	for _, shown := range []string{"group", "diff"} {
		if err := exclusive(c, "detach", shown); err != nil {
			return err
		}
	}
	o.group = o.group || o.diff
	changed := c.Flags().Changed
	switch {
	case changed("script") && o.script == "":
		return usage("--script is empty; give a file, or - for stdin")
	case changed("shell") && !changed("script"):
		return usage("--shell is for scripts; use it with --script")
	case changed("priority") && domain.Priority(o.priority).Check() != nil:
		return usage("--priority %d is out of range; give 1 to 10, 10 is the most urgent", o.priority)
	case o.parallel < 0 || o.parallel > domain.MaxBatchServers:
		return usage("--parallel %d is out of range; give 1 to %d, or 0 for all at once", o.parallel, domain.MaxBatchServers)
	case o.stopAfter < 0 || o.stopAfter > domain.MaxBatchServers:
		return usage("--stop-after %d is out of range; give 1 to %d, or 0 for never", o.stopAfter, domain.MaxBatchServers)
	case changed("retry") && o.retryPolicy().Check() != nil:
		return usage("--retry: %v", o.retryPolicy().Check())
	case changed("max-attempts") && o.retryPolicy().Check() != nil:
		return usage("--max-attempts: %v", o.retryPolicy().Check())
	}
	return nil
}

// retryPolicy returns what the flags say, and the default of what they do not.
func (o *runOptions) retryPolicy() domain.Retry {
	r := domain.DefaultRetry()
	if o.retry != "" {
		r.Mode = domain.RetryMode(o.retry)
	}
	r.MaxAttempts = o.attempts
	return r
}

// submission returns what is submitted for every server.
func (a *app) submission(ctx context.Context, o runOptions, args []string) (ports.Submission, error) {
	s := ports.Submission{Timeout: o.timeout, Priority: domain.Priority(o.priority)}
	if policy := o.retryPolicy(); policy != domain.DefaultRetry() {
		s.Retry = &policy
	}
	if o.script != "" {
		text, err := a.readScript(ctx, o.script)
		s.Script, s.Args, s.Shell = text, quoteAll(args), o.shell
		return s, err
	}
	switch line := commandLine(args, o.shellLine); {
	case len(args) == 0:
		return s, usage("there is no command to run; give it after --, or use --script FILE")
	case line != "":
		s.Command = line
	default:
		s.Argv = args
	}
	return s, nil
}

// commandLine returns the shell line that words are; empty when they are a program and its arguments.
func commandLine(words []string, shellLine bool) string {
	if len(words) == 1 || shellLine {
		return strings.Join(words, " ")
	}
	return ""
}

var retryModes = []string{string(domain.RetryNever), string(domain.RetrySafe), string(domain.RetryOnFailure), string(domain.RetryAtLeastOnce)}

func (a *app) readScript(ctx context.Context, path string) (string, error) {
	if path == "-" {
		return a.readStdin(ctx, "script", domain.MaxScriptBytes)
	}
	info, err := os.Stat(path)
	if err == nil && info.Size() > domain.MaxScriptBytes {
		return "", &domain.Error{Kind: domain.KindTooLarge, Code: "script_too_large",
			Message: "the script " + path + " is larger than 1 MiB; copy it to the servers and run it there"}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", usage("the script cannot be read: %v", err)
	}
	return string(text), nil
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// quoteAll returns words in shell syntax, each arriving as it is.
func quoteAll(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = quote(w)
	}
	return strings.Join(quoted, " ")
}

func quote(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// timeoutFlag reads seconds or a duration.
type timeoutFlag time.Duration

// String implements pflag.Value.
func (t *timeoutFlag) String() string {
	if *t == 0 {
		return ""
	}
	return time.Duration(*t).String()
}

// Set implements pflag.Value.
func (t *timeoutFlag) Set(text string) error {
	d, err := time.ParseDuration(text)
	if n, bad := strconv.ParseInt(text, 10, 32); bad == nil {
		d, err = time.Duration(n)*time.Second, nil
	}
	if err != nil {
		return usage("give seconds, or a duration like 90s, 5m or 2h")
	}
	if err := domain.CheckTimeout(d); err != nil {
		return err
	}
	*t = timeoutFlag(d)
	return nil
}

// Type implements pflag.Value.
func (t *timeoutFlag) Type() string { return "duration" }

// onceKey returns a key that makes a submission happen once, however often it is sent.
func onceKey() string { return "cli-" + rand.Text() }
