package bootstrap

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/heysubinoy/remora/domain"
)

// reader turns text into settings. It goes on after a mistake, so that all of them are told at once.
type reader struct {
	get      func(string) string
	source   func(string) Source
	shown    []Setting
	mistakes []error
}

// Source says where a setting comes from.
type Source string

// The sources.
const (
	SourceDefault     Source = "default"
	SourceFile        Source = ".env"
	SourceEnvironment Source = "environment"
)

// Setting is a setting in force, for people: of a secret the value is "[secret]".
type Setting struct {
	Name   string
	Value  string
	Source Source
}

var (
	sslModes  = []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}
	queueName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)
	sizeShape = regexp.MustCompile(`^([0-9]+) ?([KMGT]i?B|B|)$`)
)

// samples are secrets that stand in somebody's example. Whoever starts with one has not chosen a secret.
var samples = []string{
	"your-secret-key", "your-secret-key-here", "your-super-secret-key", "your_secret_key", "secret-key", "secret", "supersecret",
	"password", "password123", "your-password", "your_password", "passw0rd", "changeme", "change-me", "change_me", "changeit",
	"admin", "admin123", "example", "replace-me", "remora_password", "postgres_password",
}

// sample reports whether a secret is one of the known samples.
func sample(secret string) bool {
	return slices.Contains(samples, strings.ToLower(strings.TrimSpace(secret)))
}

func (r *reader) fail(err error) {
	if err != nil {
		r.mistakes = append(r.mistakes, err)
	}
}

func (r *reader) mistake(name, value, allowed string) {
	r.fail(fmt.Errorf("%s=%q: %s", name, value, allowed))
}

// hidden is a mistake in a setting whose value must not be shown.
func (r *reader) hidden(name, allowed string) { r.fail(fmt.Errorf("%s: %s", name, allowed)) }

func (r *reader) notSample(name, secret string) {
	if sample(secret) {
		r.hidden(name, "its password is a known sample; choose a secret of your own, as \"openssl rand -hex 24\" prints one")
	}
}

func (r *reader) show(name, value string) {
	r.shown = append(r.shown, Setting{Name: name, Value: value, Source: r.source(name)})
}

func (r *reader) peek(name string) string { return strings.TrimSpace(r.get(name)) }

func (r *reader) text(name, def string) string {
	v := r.peek(name)
	if v == "" {
		v = def
	}
	r.show(name, v)
	return v
}

func (r *reader) secret(name string) domain.Secret {
	s := domain.NewSecret(r.get(name))
	text := ""
	if !s.Empty() {
		text = s.String()
	}
	r.show(name, text)
	return s
}

// oneOfTwo says that a secret and the file of it cannot both be given.
func (r *reader) oneOfTwo(name, file string) {
	if r.peek(name) != "" && r.peek(file) != "" {
		r.hidden(name, file+" is set too; keep one of them")
	}
}

// browserURL is an address that browsers are to ask; empty means where their page came from.
func (r *reader) browserURL(name string) {
	v := r.text(name, "")
	u, err := url.Parse(v)
	if v != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.User != nil) {
		r.hidden(name, "give an address as https://remora.example.org, or nothing for the page's own origin")
	}
}

// longSecret is a secret that guards something by itself: long enough, and nobody's example.
func (r *reader) longSecret(name string) domain.Secret {
	s := domain.NewSecret(strings.TrimSpace(r.secret(name).Reveal()))
	switch {
	case s.Empty():
	case sample(s.Reveal()):
		r.hidden(name, "it is a known sample; choose a secret of your own, as \"openssl rand -hex 32\" prints one")
	case len(s.Reveal()) < leastToken:
		r.hidden(name, fmt.Sprintf("it has %d characters; give at least %d, as \"openssl rand -hex 32\" prints them", len(s.Reveal()), leastToken))
	}
	return s
}

func (r *reader) matching(name, def string, shape *regexp.Regexp, allowed string) string {
	v := r.text(name, def)
	if !shape.MatchString(v) {
		r.mistake(name, v, "give "+allowed)
	}
	return v
}

func (r *reader) oneOf(name, def string, allowed ...string) string {
	v := r.text(name, def)
	if v != def && !slices.Contains(allowed, v) {
		r.mistake(name, v, "use "+strings.Join(allowed, ", "))
	}
	return v
}

func (r *reader) addr(name, def string) string {
	v := r.text(name, def)
	host, port, err := net.SplitHostPort(v)
	n, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || strings.ContainsAny(host, " /@") {
		r.mistake(name, v, "give HOST:PORT with a port of 0 to 65535, as "+def)
		return ""
	}
	return net.JoinHostPort(host, strconv.FormatUint(n, 10))
}

// optionalAddr is addr for what need not be there.
func (r *reader) optionalAddr(name, example string) string {
	if r.peek(name) == "" {
		return r.text(name, "")
	}
	return r.addr(name, example)
}

func (r *reader) integer(name, def string, least, most int) int {
	v := r.text(name, def)
	n, err := strconv.Atoi(v)
	if err != nil || n < least || n > most {
		r.mistake(name, v, fmt.Sprintf("give a whole number from %d to %d", least, most))
	}
	return n
}

func (r *reader) duration(name, def string, least, most time.Duration) time.Duration {
	v := r.text(name, def)
	d, err := time.ParseDuration(v)
	if err != nil || d < least || d > most {
		r.mistake(name, v, fmt.Sprintf("give a time with its unit from %s to %s, as 500ms, 30s or 5m", least, most))
	}
	return d
}

// seconds is a duration that people also give in whole seconds elsewhere.
func (r *reader) seconds(name, def string, least, most time.Duration) time.Duration {
	d := r.duration(name, def, least, most)
	if d%time.Second != 0 {
		r.mistake(name, r.peek(name), "give whole seconds")
	}
	return d
}

func (r *reader) size(name, def string, least, most int64) int64 {
	v := r.text(name, def)
	n, err := parseSize(v)
	if err != nil || n < least || n > most {
		r.mistake(name, v, fmt.Sprintf("give %d to %d bytes, with or without a unit: B, KiB, MiB, GiB, KB, MB, GB", least, most))
		return least
	}
	return n
}

func (r *reader) list(name, def string, check func(string) string) []string {
	v := r.text(name, def)
	var items []string
	for item := range strings.SplitSeq(v, ",") {
		item = strings.TrimSpace(item)
		if item == "" || slices.Contains(items, item) {
			continue
		}
		if allowed := check(item); allowed != "" {
			r.mistake(name, item, allowed)
			continue
		}
		items = append(items, item)
	}
	return items
}

func checkShell(s string) string {
	if !path.IsAbs(s) || path.Clean(s) != s {
		return "give absolute paths of shells, with commas between them, as /bin/bash,/bin/sh"
	}
	return ""
}

// checkOrigin accepts exactly what a browser sends as Origin, because the two are compared as text.
func checkOrigin(s string) string {
	const allowed = "give exact origins with commas between them, as https://remora.example.org or http://localhost:3000: " +
		"scheme and host in lower case, no path, no wildcard"
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Contains(s, "*") {
		return allowed
	}
	if s != u.Scheme+"://"+strings.ToLower(u.Host) {
		return allowed
	}
	return ""
}

func parseSize(text string) (int64, error) {
	m := sizeShape.FindStringSubmatch(text)
	if m == nil {
		return 0, errors.New("not a size")
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return 0, err
	}
	base := int64(1000)
	if strings.Contains(m[2], "i") {
		base = 1024
	}
	for range strings.IndexByte("BKMGT", (m[2] + "B")[0]) {
		if n > math.MaxInt64/base {
			return 0, errors.New("too big")
		}
		n *= base
	}
	return n, nil
}
