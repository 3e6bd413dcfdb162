package cli

import (
	"context"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/heysubinoy/remora/adapters/cli/screen"
	"github.com/heysubinoy/remora/domain"
)

// terminals says which of the three streams a person sits at.
type terminals struct {
	in, out, err bool
	inFD         int
}

func detectTerminals(cfg Config) terminals {
	var t terminals
	if f, ok := cfg.Stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		t.in, t.inFD = true, int(f.Fd())
	}
	t.out = isTerminal(cfg.Stdout)
	t.err = isTerminal(cfg.Stderr)
	return t
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// The size of a terminal that does not tell its own.
const (
	usualWidth  = 80
	usualHeight = 24
)

// size returns the size of the terminal that output goes to.
func (a *app) size() (width, height int) {
	for _, w := range []io.Writer{a.Stdout, a.Stderr} {
		if f, ok := w.(*os.File); ok {
			if width, height, err := term.GetSize(int(f.Fd())); err == nil && width > 0 && height > 0 {
				return width, height
			}
		}
	}
	return usualWidth, usualHeight
}

func (a *app) width() int {
	width, _ := a.size()
	return width
}

// colors reports whether names are printed in colour on a stream that is a terminal or not.
func (a *app) colors(terminal bool) bool {
	switch a.global.color {
	case "always":
		return true
	case "never":
		return false
	}
	switch force := a.Getenv("CLICOLOR_FORCE"); {
	case a.Getenv("NO_COLOR") != "":
		return false
	case force != "" && force != "0":
		return true
	}
	return terminal && a.Getenv("TERM") != "dumb"
}

// faces returns where output goes.
func (a *app) faces() (out, err screen.Face) {
	return screen.Face{To: a.Stdout, Terminal: a.tty.out, Color: a.colors(a.tty.out)},
		screen.Face{To: a.Stderr, Terminal: a.tty.err, Color: a.colors(a.tty.err)}
}

// await runs a read that knows no context. When ctx ends first the read goes on until its source ends; the program is
// about to end then.
func await[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	c := make(chan result, 1)
	go func() {
		v, err := read()
		c <- result{v, err}
	}()
	select {
	case r := <-c:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, errInterrupted
	}
}

// readStdin returns all of stdin, which may hold at most limit bytes of what.
func (a *app) readStdin(ctx context.Context, what string, limit int) (string, error) {
	data, err := await(ctx, func() ([]byte, error) { return io.ReadAll(io.LimitReader(a.Stdin, int64(limit)+1)) })
	if err != nil {
		return "", err
	}
	if len(data) > limit {
		return "", &domain.Error{Kind: domain.KindTooLarge, Code: what + "_too_large", Message: "the " + what + " on stdin is longer than allowed"}
	}
	return string(data), nil
}

// maxSecretBytes bounds a password, a passphrase or a private key.
const maxSecretBytes = 64 << 10

// secretFromStdin returns stdin as a secret, without the newline at its end. flag is named when there is nothing.
func (a *app) secretFromStdin(ctx context.Context, what, flag string) (domain.Secret, error) {
	text, err := a.readStdin(ctx, what, maxSecretBytes)
	if err != nil {
		return domain.Secret{}, err
	}
	text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	if text == "" {
		return domain.Secret{}, usage("%s: there is no %s on stdin", flag, what)
	}
	return domain.NewSecret(text), nil
}

// askSecret asks for a secret without echo. Without a terminal it fails, naming the flag to use instead.
func (a *app) askSecret(ctx context.Context, prompt, what, flag string) (domain.Secret, error) {
	if !a.tty.in {
		return domain.Secret{}, usage("there is no terminal to ask for the %s; give it on stdin with %s", what, flag)
	}
	// Raw before the prompt: who types at its first sight must not see it. ReadPassword then sets what it needs itself.
	before, err := term.MakeRaw(a.tty.inFD)
	if err != nil {
		return domain.Secret{}, domain.Internal("turning the terminal's echo off", err)
	}
	_, _ = io.WriteString(a.Stderr, screen.Line(prompt)+": ")
	text, err := await(ctx, func() ([]byte, error) { return term.ReadPassword(a.tty.inFD) })
	_ = term.Restore(a.tty.inFD, before) // also when interrupted, or the user's shell would go on without echo
	_, _ = io.WriteString(a.Stderr, "\n")
	if err != nil {
		return domain.Secret{}, err
	}
	if len(text) == 0 {
		return domain.Secret{}, usage("no %s was given", what)
	}
	return domain.NewSecret(string(text)), nil
}

// ask prints a question and returns the line that answers it.
func (a *app) ask(ctx context.Context, question string) (string, error) {
	_, _ = io.WriteString(a.Stderr, screen.Line(question)+" ")
	return await(ctx, func() (string, error) {
		var line []byte
		one := make([]byte, 1)
		for {
			n, err := a.Stdin.Read(one)
			if n == 1 && one[0] != '\n' {
				line = append(line, one[0])
			}
			if err == io.EOF || n == 1 && one[0] == '\n' {
				return strings.TrimSpace(string(line)), nil
			}
			if err != nil {
				return "", err
			}
		}
	})
}
