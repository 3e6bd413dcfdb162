package domain

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of a command, in bytes.
const (
	MaxCommandBytes = 64 << 10
	MaxArgsBytes    = 64 << 10
	MaxScriptBytes  = 1 << 20
)

// CommandKind is one of the three things a job can run.
type CommandKind string

// The kinds of command.
const (
	KindShellLine CommandKind = "shell_line" // a line for the login user's sh -c
	KindArgv      CommandKind = "argv"       // a program and its arguments, no shell parsing
	KindScript    CommandKind = "script"     // a text for an interpreter, with arguments
)

// Command is what a job runs. Build one with ShellLine, Argv or Script; the zero Command is invalid.
type Command struct {
	Kind   CommandKind
	Line   string   // KindShellLine: the command, without Args
	Args   string   // KindShellLine, KindScript: words in shell syntax, appended as written
	Argv   []string // KindArgv: program first
	Script string   // KindScript: the text, byte for byte
	Shell  string   // KindScript: the interpreter's path
}

// ShellLine returns the command that runs "line args" with sh -c. Fails with command_invalid or args_invalid.
func ShellLine(line, args string) (Command, error) {
	if strings.TrimSpace(line) == "" {
		return Command{}, Invalid("command", "command is empty; give a command to run")
	}
	if err := checkText("command", line, MaxCommandBytes); err != nil {
		return Command{}, err
	}
	if err := checkText("args", args, MaxArgsBytes); err != nil {
		return Command{}, err
	}
	return Command{Kind: KindShellLine, Line: line, Args: args}, nil
}

// Argv returns the command that runs argv[0] with the other elements as its arguments. Fails with argv_invalid.
func Argv(argv []string) (Command, error) {
	if len(argv) == 0 || argv[0] == "" {
		return Command{}, Invalid("argv", "argv is empty; its first element is the program to run")
	}
	total := 0
	for _, a := range argv {
		total += len(a) + 1
		if err := checkText("argv", a, MaxCommandBytes); err != nil {
			return Command{}, err
		}
	}
	if total > MaxCommandBytes {
		return Command{}, Invalid("argv", "argv is %d bytes in all, at most %d are allowed", total, MaxCommandBytes)
	}
	return Command{Kind: KindArgv, Argv: slices.Clone(argv)}, nil
}

// Script returns the command that gives text to the interpreter shell with args. Which shells are allowed is a setting,
// checked by the application. Fails with script_invalid, args_invalid or shell_invalid.
func Script(text, args, shell string) (Command, error) {
	if strings.TrimSpace(text) == "" {
		return Command{}, Invalid("script", "script is empty; give the text to run")
	}
	if err := checkText("script", text, MaxScriptBytes); err != nil {
		return Command{}, err
	}
	if err := checkText("args", args, MaxArgsBytes); err != nil {
		return Command{}, err
	}
	if !strings.HasPrefix(shell, "/") {
		return Command{}, Invalid("shell", "shell %q is not an absolute path", shell)
	}
	return Command{Kind: KindScript, Script: text, Args: args, Shell: shell}, nil
}

// Text returns what a person reads as the command: the line with its arguments, the words of argv, or the interpreter
// with a script's arguments.
func (c Command) Text() string {
	switch c.Kind {
	case KindArgv:
		return strings.Join(c.Argv, " ")
	case KindScript:
		return strings.TrimRight(c.Shell+" "+c.Args, " ")
	default:
		return strings.TrimRight(c.Line+" "+c.Args, " ")
	}
}

func checkText(field, s string, limit int) error {
	switch {
	case len(s) > limit:
		return Invalid(field, "%s is %d bytes, at most %d are allowed", field, len(s), limit)
	case strings.IndexByte(s, 0) >= 0:
		return Invalid(field, "%s contains a NUL byte, which no command line can carry", field)
	case !utf8.ValidString(s):
		return Invalid(field, "%s is not valid UTF-8", field)
	}
	return nil
}
