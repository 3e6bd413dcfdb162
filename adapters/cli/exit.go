package cli

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/heysubinoy/remora/domain"
)

// The exit codes.
const (
	exitDone            = 0
	exitFailed          = 1 // a job failed, or something that should not happen
	exitUsage           = 2
	exitUnauthenticated = 3
	exitNotFound        = 4
	exitConflict        = 5
	exitUnavailable     = 6
	exitTimeout         = 7
	exitInterrupted     = 130
)

// codeAPIUnreachable is the client's: nobody answers where the API is looked for.
const codeAPIUnreachable = "api_unreachable"

// exitCodes says which exit code belongs to which kind of error.
var exitCodes = map[domain.Kind]int{
	domain.KindInternal:        exitFailed,
	domain.KindInvalid:         exitUsage,
	domain.KindUnauthenticated: exitUnauthenticated,
	domain.KindDenied:          exitUnauthenticated,
	domain.KindNotFound:        exitNotFound,
	domain.KindConflict:        exitConflict,
	domain.KindTooLarge:        exitUsage,
	domain.KindUnsupported:     exitUsage,
	domain.KindUnprocessable:   exitUsage,
	domain.KindExhausted:       exitUnavailable,
	domain.KindUnavailable:     exitUnavailable,
	domain.KindTimeout:         exitTimeout,
	domain.KindCanceled:        exitInterrupted,
}

// ExitCode returns the exit code that belongs to an error: 0 for nil, 1 for one of no known kind.
func ExitCode(err error) int {
	if err == nil {
		return exitDone
	}
	if code, ok := exitCodes[domain.KindOf(err)]; ok {
		return code
	}
	return exitFailed
}

// exitError ends the program with a code when everything was said.
type exitError struct{ code int }

// Error implements error.
func (e *exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// exit returns an error that ends the program with a code in silence; nil for 0.
func exit(code int) error {
	if code == exitDone {
		return nil
	}
	return &exitError{code}
}

// usage says that the command line cannot be understood.
func usage(format string, args ...any) error {
	return &domain.Error{Kind: domain.KindInvalid, Code: "usage_invalid", Message: fmt.Sprintf(format, args...)}
}

// hints say what to do about an error, where its own text does not.
var hints = map[string]string{
	domain.ErrUnauthenticated.Code:    "`remora login` keeps one, or give it with --token-file or REMORA_TOKEN",
	domain.ErrTokenNotFound.Code:      "`remora token ls` lists them",
	domain.ErrLastAdmin.Code:          "`remora token add NAME --role admin` does that",
	domain.ErrServerNotFound.Code:     "`remora servers ls` lists them",
	domain.ErrJobNotFound.Code:        "`remora jobs ls` lists them",
	domain.ErrServerNameTaken.Code:    "choose another name, or change that server with `remora servers edit`",
	domain.ErrServerHasJobs.Code:      "cancel those that are active; --force deletes finished ones with their output",
	domain.ErrServerInactive.Code:     "`remora servers edit NAME --active` does that",
	domain.ErrCredentialNeeded.Code:   "`remora servers edit NAME --key FILE` or `--password-stdin` gives it",
	domain.ErrHostKeyUnknown.Code:     "`remora servers trust NAME` shows it and asks",
	domain.ErrVaultSealed.Code:        "see REMORA_MASTER_KEY_FILE of the API",
	domain.ErrKeyUnreadable.Code:      "give a private key in PEM or OpenSSH form, not the .pub file",
	domain.ErrStorageUnavailable.Code: "`remora health` tells when it is back",
	domain.ErrQueueUnavailable.Code:   "`remora health` tells when it is back",
	codeHostKeyUnseen:                 "`remora servers test NAME` tells how far it gets",
	codeKeyEncrypted:                  "give its passphrase with --passphrase-stdin",
}

// explain returns what a person is told about an error: what happened; what to do.
func (a *app) explain(err error) string {
	text := err.Error()
	e, ok := errors.AsType[*domain.Error](err)
	if !ok {
		return text
	}
	program := a.services == nil && e.Kind == domain.KindUnavailable // it has no API to ask
	if hint := hints[e.Code]; hint != "" && !program && !strings.HasSuffix(text, "?") {
		if a.program == clientProgram { // its flag has another name
			hint = strings.Replace(hint, "--token-file", "-token", 1)
		}
		told, _, _ := strings.Cut(hint, " with --") // the error may have said what, and not how
		return strings.TrimSuffix(text, "; "+told) + "; " + hint
	}
	if e.Code == codeAPIUnreachable && a.address != "" && !strings.Contains(text, "remora up") && !strings.HasSuffix(text, "?") {
		return fmt.Sprintf("%s; is the API at %s running? `remora up` starts one here", text, a.address)
	}
	return text
}

// handover keeps what is to be said when the program leaves while a command is still at work.
type handover struct {
	mu    sync.Mutex
	lines func() []string
}

// set says what to ask; lines must not wait for anything that a stuck command may hold.
func (h *handover) set(lines func() []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = lines
}

func (h *handover) speak(note func(string, ...any)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	note("left without waiting")
	if h.lines == nil {
		return
	}
	for _, l := range h.lines() {
		note("%s", l)
	}
}
