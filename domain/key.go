package domain

import (
	"regexp"
	"strings"
	"time"
)

// MaxKeyNameBytes is the longest name of a stored key.
const MaxKeyNameBytes = 128

// Key is a stored SSH private key, known by its file name. Its text is a secret of its own, kept without a passphrase.
type Key struct {
	Name string
	KeyInfo
	Size      int // of its text as it is stored, in bytes
	CreatedAt time.Time
	UsedBy    []string // the names of the servers that log in with it, in order
}

// Binding is what a stored key's text is sealed for.
func (k *Key) Binding() Binding { return Binding{Kind: "key", ID: k.Name, Use: k.Fingerprint} }

var (
	keyNameShape = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`)
	// deviceName are the names that stand for devices on some systems, whatever follows the first dot.
	deviceName = regexp.MustCompile(`^(?i:con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)`)
)

// CheckKeyName fails with <field>_invalid unless name can be a file's name wherever the key may be put: 1 to 128 letters,
// digits, dots, dashes and underscores of ASCII, with a letter or digit at both ends, no two dots in a row, and no device's name.
func CheckKeyName(field, name string) error {
	const allowed = "give 1 to 128 letters, digits, dots, dashes and underscores, with a letter or digit at both ends"
	switch {
	case name == "":
		return Invalid(field, "the key's name is empty; %s", allowed)
	case len(name) > MaxKeyNameBytes:
		return Invalid(field, "the key's name is %d bytes long; %s", len(name), allowed)
	case strings.HasPrefix(name, "."):
		return Invalid(field, "%q cannot be a key's name, because hidden files begin with a dot; %s", name, allowed)
	case strings.Contains(name, ".."):
		return Invalid(field, "%q cannot be a key's name, because of its two dots in a row; %s", name, allowed)
	case !keyNameShape.MatchString(name):
		return Invalid(field, "%q cannot be a key's name; %s", name, allowed)
	case deviceName.MatchString(name):
		return Invalid(field, "%q cannot be a key's name, because it is a device's name on some systems; give another", name)
	}
	return nil
}

// KeyNameOf returns the name that a file's name gives its key: what follows the last slash or backslash, since some
// programs send the whole path. The name is still to be checked.
func KeyNameOf(file string) string { return file[strings.LastIndexAny(file, `/\`)+1:] }

// KeyInUse is ErrKeyInUse with the servers that log in with the key.
func KeyInUse(key string, servers []string) *Error {
	return ErrKeyInUse.Withf("the key %s cannot be deleted: it is the login key of %s; give them another first", key, some(servers)).
		WithDetails(map[string]any{"used_by": servers})
}
