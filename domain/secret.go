package domain

import (
	"fmt"
	"unique"
)

// Secret is text that never prints: every format verb shows "[secret]". Reveal gives it to the one who needs it. Two
// secrets are == when their texts are.
type Secret struct {
	// A handle and not the text: in an unexported field of somebody's struct fmt does not call Format but prints what is here.
	text unique.Handle[string]
}

// NewSecret wraps text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{unique.Make(text)}
}

// Reveal returns the text.
func (s Secret) Reveal() string {
	if s.Empty() {
		return ""
	}
	return s.text.Value()
}

// Empty reports whether there is no text.
func (s Secret) Empty() bool { return s == Secret{} }

// String hides the text.
func (s Secret) String() string { return "[secret]" }

// Format hides the text under every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[secret]")) }

// MarshalText hides the text from every codec.
func (s Secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

// Credential is what logs in to a server: a password, or a private key with its passphrase.
type Credential struct {
	Password   Secret
	PrivateKey Secret // PEM or OpenSSH text
	Passphrase Secret
}

// Binding is what a stored credential may be used for. A credential that was sealed for one binding cannot be opened for another.
type Binding struct {
	Kind string // "server"
	ID   string
	Use  string // for a server: user, address and host key
}

// Sealed is an encrypted credential, opaque to everyone but the vault.
type Sealed []byte

// KeyInfo is what may be told about a private key.
type KeyInfo struct {
	Fingerprint string // SHA256:… of the public key
	Type        string // as in authorized_keys: ssh-ed25519, …
}
