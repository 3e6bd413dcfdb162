// Package knownhosts reads OpenSSH's known_hosts and finds the key that a server was seen with before.
package knownhosts

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the hash of hashed names in known_hosts is SHA-1; it protects nothing here
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/heysubinoy/remora/adapters/cli/inventory"
)

// Hosts are the lines of a known_hosts file.
type Hosts struct {
	lines []line
	exact map[string][]int // places of lines by a name that is no pattern
	rest  []int            // places of lines with patterns or hashes
}

type line struct {
	names   []string // patterns, or one that is hashed
	kind    string
	key     string // base64
	revoked bool
}

// Parse reads known_hosts. Fails with *inventory.Error, which says where.
func Parse(name string, text []byte) (*Hosts, error) {
	h := &Hosts{exact: map[string][]int{}}
	if len(text) > inventory.MaxFileBytes {
		return nil, inventory.Refuse(inventory.Place{File: name}, "the file is larger than %d MiB", inventory.MaxFileBytes>>20)
	}
	n := 0
	for raw := range strings.Lines(string(text)) {
		n++
		at := inventory.Place{File: name, Line: n}
		words := strings.Fields(raw)
		if len(words) == 0 || words[0][0] == '#' {
			continue
		}
		var l line
		switch words[0] {
		case "@cert-authority": // says who may sign host keys, not which one a server has
			continue
		case "@revoked":
			l.revoked, words = true, words[1:]
		}
		if len(words) < 3 {
			return nil, inventory.Refuse(at, "a line has names, a type and a key, and this one has less")
		}
		if digits(words[1]) && len(words) >= 4 {
			return nil, inventory.Refuse(at, "this is a key of SSH protocol 1, which nobody speaks any more")
		}
		l.names, l.kind, l.key = strings.Split(words[0], ","), words[1], words[2]
		if err := check(l.kind, l.key); err != "" {
			return nil, inventory.Refuse(at, "%s", err)
		}
		h.add(l)
	}
	return h, nil
}

func digits(s string) bool {
	_, err := strconv.Atoi(s)
	return err == nil
}

// check says what is wrong with a key; nothing when its blob is of its type.
func check(kind, key string) string {
	blob, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		return "the key is not base64"
	}
	if len(blob) < 4 || uint64(binary.BigEndian.Uint32(blob)) > uint64(len(blob)-4) {
		return "the key is cut off"
	}
	if inside := blob[4 : 4+binary.BigEndian.Uint32(blob)]; !bytes.Equal(inside, []byte(kind)) {
		return "the line says " + kind + ", and its key is another type's"
	}
	return ""
}

func (h *Hosts) add(l line) {
	i := len(h.lines)
	h.lines = append(h.lines, l)
	for _, n := range l.names {
		if strings.ContainsAny(n, "*?!|") {
			h.rest = append(h.rest, i)
			return
		}
	}
	for _, n := range l.names {
		n = strings.ToLower(n)
		h.exact[n] = append(h.exact[n], i)
	}
}

// preferred are the types of keys, the ones that are asked for first at the beginning.
var preferred = []string{"ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"}

// Find returns a known_hosts line with the key of a server, the best type of those that are known; empty when none is. A
// server on another port than 22 is known as [hostname]:port alone.
func (h *Hosts) Find(hostname string, port int) string {
	name := strings.ToLower(hostname)
	if port != 22 && port != 0 {
		name = "[" + name + "]:" + strconv.Itoa(port)
	}
	best, rank := "", len(preferred)
	var revoked []string
	for _, i := range append(append([]int{}, h.exact[name]...), h.rest...) {
		l := h.lines[i]
		if !l.fits(name) {
			continue
		}
		if l.revoked {
			revoked = append(revoked, l.key)
			continue
		}
		for r, kind := range preferred[:rank] {
			if kind == l.kind {
				best, rank = name+" "+l.kind+" "+l.key, r
			}
		}
	}
	for _, key := range revoked {
		if strings.HasSuffix(best, " "+key) {
			return ""
		}
	}
	return best
}

func (l line) fits(name string) bool {
	if strings.HasPrefix(l.names[0], "|1|") {
		return hashed(l.names[0], name)
	}
	found := false
	for _, n := range l.names {
		pattern, negated := strings.CutPrefix(strings.ToLower(n), "!")
		if inventory.MatchPattern(name, pattern) {
			if negated {
				return false
			}
			found = true
		}
	}
	return found
}

// hashed reports whether |1|salt|hash is the hash of a name.
func hashed(text, name string) bool {
	parts := strings.Split(text, "|")
	if len(parts) != 4 {
		return false
	}
	salt, err := base64.StdEncoding.DecodeString(parts[2])
	want, err2 := base64.StdEncoding.DecodeString(parts[3])
	if err != nil || err2 != nil {
		return false
	}
	mac := hmac.New(sha1.New, salt)
	mac.Write([]byte(name))
	return hmac.Equal(mac.Sum(nil), want)
}
