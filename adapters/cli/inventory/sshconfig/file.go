// Package sshconfig reads OpenSSH's client configuration as ssh does: the first value that fits counts, Include with its
// patterns, Host with wildcards and negation, Match as far as it can be told without running anything.
package sshconfig

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/heysubinoy/remora/adapters/cli/inventory"
)

// Env is what surrounds a configuration.
type Env struct {
	Home string // of the user; Include's relative paths start in its .ssh
	User string // who runs ssh
	// Read returns a file's text.
	Read func(name string) ([]byte, error)
	// Glob returns the names that a pattern of paths fits, sorted; none is no error.
	Glob func(pattern string) ([]string, error)
}

// Limits of Include.
const (
	maxDepth = 16
	maxFiles = 1000
)

// directive is a line of a file.
type directive struct {
	at      inventory.Place
	word    string // the keyword as written
	keyword string // in lower case
	args    []string
	rest    string        // the arguments as they stand there
	files   [][]directive // what Include brings
}

type parser struct {
	env   Env
	files int
	notes *inventory.Inventory
}

// parse reads a file with all that it includes.
func (p *parser) parse(name string, text []byte, depth int) ([]directive, error) {
	if p.files++; p.files > maxFiles {
		return nil, inventory.Refuse(inventory.Place{File: name}, "more than %d files are included", maxFiles)
	}
	if len(text) > inventory.MaxFileBytes {
		return nil, inventory.Refuse(inventory.Place{File: name}, "the file is larger than %d MiB", inventory.MaxFileBytes>>20)
	}
	var all []directive
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		d := directive{at: inventory.Place{File: name, Line: n}}
		if strings.ContainsRune(line, 0) {
			return nil, inventory.Refuse(d.at, "the line holds a NUL byte; this is no ssh configuration")
		}
		line = strings.TrimRight(line, blanks+"\f")
		word, rest, ok := keyword(line)
		if !ok {
			return nil, inventory.Refuse(d.at, "a quote is not closed")
		}
		if word == "" || word[0] == '#' {
			continue
		}
		if rest == "" {
			return nil, inventory.Refuse(d.at, "%s has no value", word)
		}
		d.word, d.keyword, d.rest = word, strings.ToLower(word), rest
		if d.keyword != "match" { // which is split in its own way
			if d.args, ok = words(rest); !ok {
				return nil, inventory.Refuse(d.at, "a quote is not closed")
			}
		}
		if err := p.check(&d, word, depth); err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

// single are the keywords of which we use the value, and which have one.
var single = []string{"hostname", "user", "port", "identityfile", "proxyjump"}

func (p *parser) check(d *directive, word string, depth int) error {
	for _, k := range single {
		if d.keyword == k && len(d.args) != 1 {
			return inventory.Refuse(d.at, "%s takes one value, and here are %d", word, len(d.args))
		}
	}
	switch d.keyword {
	case "host", "include":
		for _, a := range d.args {
			if a == "" {
				return inventory.Refuse(d.at, "%s has an empty value", word)
			}
		}
		if len(d.args) == 0 {
			return inventory.Refuse(d.at, "%s has no value", word)
		}
	case "port":
		if _, err := inventory.Port(d.args[0]); err != nil {
			return inventory.Refuse(d.at, "%v", err)
		}
	case "proxyjump":
		if _, err := inventory.Hops(d.args[0]); err != nil {
			return inventory.Refuse(d.at, "%v", err)
		}
	case "match":
		return checkMatch(d)
	}
	if d.keyword == "include" {
		return p.include(d, depth)
	}
	return nil
}

func (p *parser) include(d *directive, depth int) error {
	if depth >= maxDepth {
		return inventory.Refuse(d.at, "Include goes deeper than %d files; does a file include itself?", maxDepth)
	}
	for _, arg := range d.args {
		pattern := arg
		switch {
		case strings.HasPrefix(pattern, "~/"):
			pattern = path.Join(p.env.Home, pattern[2:])
		case strings.HasPrefix(pattern, "~"):
			p.notes.Omit(d.at, "", "Include "+arg, "the home of another user is not looked for")
			continue
		case !strings.HasPrefix(pattern, "/"):
			pattern = path.Join(p.env.Home, ".ssh") + "/" + pattern
		}
		names, err := p.env.Glob(pattern)
		if err != nil {
			return inventory.Refuse(d.at, "Include %s: %v", arg, err)
		}
		if len(names) == 0 {
			p.notes.Omit(d.at, "", "Include "+arg, "no file is named so ("+pattern+")")
		}
		for _, name := range names {
			text, err := p.env.Read(name)
			if errors.Is(err, fs.ErrNotExist) {
				p.notes.Omit(d.at, "", "Include "+arg, "the file "+name+" is not there")
				continue
			}
			if err != nil {
				return inventory.Refuse(d.at, "Include %s: %v", arg, err)
			}
			file, err := p.parse(name, text, depth+1)
			if err != nil {
				return err
			}
			d.files = append(d.files, file)
		}
	}
	return nil
}
