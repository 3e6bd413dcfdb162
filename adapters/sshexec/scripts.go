package sshexec

import (
	"crypto/rand"
	_ "embed" // for the scripts
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/heysubinoy/remora/domain"
)

//go:embed scripts/launch.sh
var launchFile string

//go:embed scripts/job.sh
var jobFile string

//go:embed scripts/follow.sh
var followFile string

//go:embed scripts/attach.sh
var attachFile string

//go:embed scripts/attached.sh
var attachedFile string

//go:embed scripts/kill.sh
var killFile string

//go:embed scripts/kill.awk
var killAwkFile string

//go:embed scripts/remove.sh
var removeFile string

//go:embed scripts/probe.sh
var probeFile string

// The texts as they are sent.
var (
	launchText   = strip(launchFile)
	jobText      = strip(jobFile)
	followText   = strip(followFile)
	attachText   = strip(attachFile)
	attachedText = strip(attachedFile)
	killText     = strip(killFile)
	killAwkText  = strip(killAwkFile)
	removeText   = strip(removeFile)
	probeText    = strip(probeFile)
)

// strip takes the comments out: they need not travel, and may hold quotes.
func strip(file string) string {
	var b strings.Builder
	for line := range strings.Lines(file) {
		if !strings.HasPrefix(line, "#") && line != "\n" {
			b.WriteString(line)
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// quote makes one word of s for every POSIX shell, byte for byte.
func quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// newToken names one run of a text; nothing that a login shell prints can be mistaken for it.
func newToken() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return "remora-" + hex.EncodeToString(b[:])
}

// shLine is the exec string that runs a text. The texts hold no single quotes, so that sh, bash, zsh and fish read it alike.
func shLine(prefix, text, token string, args ...string) string {
	words := make([]string, 0, len(args)+6)
	words = append(words, "exec")
	if prefix != "" {
		words = append(words, prefix)
	}
	words = append(words, "sh", "-c", quote(text), token)
	for _, a := range args {
		words = append(words, quote(a))
	}
	return strings.Join(words, " ")
}

func launchLine(token, id, code string) string {
	return shLine("", launchText, token, id, strconv.Itoa(len(code)), followText, jobText, strconv.Itoa(plainLines(code)))
}

// plainLines counts the lines of a short text that any shell's read gives back as it was; 0 for every other text.
func plainLines(code string) int {
	if len(code) > 2<<10 || !strings.HasSuffix(code, "\n") {
		return 0
	}
	for i := range len(code) {
		if c := code[i]; c != '\n' && c != '\t' && (c < ' ' || c > '~') {
			return 0
		}
	}
	return strings.Count(code, "\n")
}

func attachLine(token, id string, from domain.Offsets, patience int) string {
	return shLine("", attachText, token, id, itoa(from.Stdout), itoa(from.Stderr), strconv.Itoa(patience), followText)
}

// attachedLine puts the cookie into the environment of the command's own shell, too.
func attachedLine(token, id string, size int) string {
	return shLine("env REMORA_ATTEMPT="+id, attachedText, token, strconv.Itoa(size))
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// durableCode is the file cmd of a run directory.
func durableCode(c domain.Command) string {
	switch c.Kind {
	case domain.KindArgv:
		return argvCode(c.Argv)
	case domain.KindScript:
		return "printf %s " + quote(c.Script) + " >\"$remora_run/script\" || { echo \"the script could not be written to $remora_run\" >\"$remora_run/nostart\"; exit 126; }\n" +
			"exec " + quote(c.Shell) + " \"$remora_run/script\" " + c.Args + "\n"
	default:
		code := lineCode(c)
		if !strings.HasSuffix(code, "\\") { // after which a newline would mean something
			code += "\n"
		}
		return code
	}
}

// needs is the interpreter that must be on the server before anything is started, as a line for launch.sh.
func needs(c domain.Command) string {
	if c.Kind != domain.KindScript || strings.Contains(c.Shell, "\n") {
		return "-\n"
	}
	return c.Shell + "\n"
}

// attachedCode is what a channel evaluates: it says run, then it is the command.
func attachedCode(c domain.Command, token string) string {
	run := "remora_boot=-; [ -r /proc/sys/kernel/random/boot_id ] && read -r remora_boot </proc/sys/kernel/random/boot_id; echo " +
		token + " run $remora_boot $$; unset remora_boot remora_code\n"
	switch c.Kind {
	case domain.KindArgv:
		return run + argvCode(c.Argv)
	case domain.KindScript:
		return "[ -x " + quote(c.Shell) + " ] || { echo " + token + " nostart; echo " + quote(noShell(c.Shell)) + "; exit 0; }\n" + run +
			"printf %s " + quote(c.Script) + " | { exec 3<&0 </dev/null; exec " + quote(c.Shell) + " /dev/fd/3 " + c.Args + "\n}\n"
	default:
		return run + lineCode(c)
	}
}

func lineCode(c domain.Command) string {
	if c.Args == "" {
		return c.Line
	}
	return c.Line + " " + c.Args
}

func argvCode(argv []string) string {
	words := make([]string, len(argv))
	for i, a := range argv {
		words[i] = quote(a)
	}
	return "set -- " + strings.Join(words, " ") + "\nexec \"$@\"\n"
}

func noShell(shell string) string { return "the server has no executable " + shell }
