package domain

import (
	"regexp"
	"strconv"
	"strings"
)

var (
	labelShape = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$`)
	digits     = regexp.MustCompile(`^[0-9]+$`)
	group      = regexp.MustCompile(`^[0-9A-Fa-f]{1,4}$`)
	zone       = regexp.MustCompile(`^[A-Za-z0-9._-]{1,32}$`)
)

// checkHostname fails with hostname_invalid unless h is a host name in ASCII, an IPv4 or an IPv6 address.
func checkHostname(h string) error {
	if err := checkLine("hostname", h, MaxHostnameBytes); err != nil {
		return err
	}
	switch {
	case strings.ContainsFunc(h, func(r rune) bool { return r > 0x7e }):
		return Invalid("hostname", "hostname %q has letters beyond ASCII; give its ASCII form, which begins with xn--", h)
	case strings.ContainsAny(h, "[]"):
		return Invalid("hostname", "hostname %q stands in brackets; give the IPv6 address without them, and the port as port", h)
	case strings.Contains(h, ":") && isIPv6(h), !strings.Contains(h, ":") && isHostname(h):
		return nil
	}
	return Invalid("hostname", "hostname %q is neither a host name nor an IP address", h)
}

// isHostname reports whether h is made of labels. One whose last label is a number is an IPv4 address or none at all:
// some resolvers take 10.1 for 10.0.0.1, and 010.0.0.1 for 8.0.0.1.
func isHostname(h string) bool {
	labels := strings.Split(strings.TrimSuffix(h, "."), ".")
	for _, l := range labels {
		if !labelShape.MatchString(l) {
			return false
		}
	}
	return !digits.MatchString(labels[len(labels)-1]) || isIPv4(h)
}

func isIPv4(h string) bool {
	parts := strings.Split(h, ".")
	for _, p := range parts {
		n, err := strconv.Atoi(p)
		if err != nil || n > 255 || p != strconv.Itoa(n) {
			return false
		}
	}
	return len(parts) == 4
}

func isIPv6(h string) bool {
	address, z, zoned := strings.Cut(h, "%")
	if zoned && !zone.MatchString(z) {
		return false
	}
	before, after, short := strings.Cut(address, "::")
	n, ok := groups(before, !short)
	m, okToo := groups(after, true)
	if !short {
		return ok && n == 8
	}
	return ok && okToo && n+m < 8
}

// groups counts the groups of a part of an IPv6 address; at its end an IPv4 address may stand for two.
func groups(part string, end bool) (n int, ok bool) {
	if part == "" {
		return 0, true
	}
	list := strings.Split(part, ":")
	for i, g := range list {
		switch {
		case group.MatchString(g):
			n++
		case end && i == len(list)-1 && isIPv4(g):
			n += 2
		default:
			return 0, false
		}
	}
	return n, true
}
