package sshexec

import (
	"crypto/rsa"
	"encoding/pem"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// KeyReader reads private keys and host keys. The zero value is ready.
type KeyReader struct{}

var _ ports.KeyReader = KeyReader{}

// ReadKey implements ports.KeyReader.
func (r KeyReader) ReadKey(key, passphrase domain.Secret) (domain.KeyInfo, error) {
	_, info, err := r.Unlock(key, passphrase)
	return info, err
}

// Unlock implements ports.KeyReader.
func (KeyReader) Unlock(key, passphrase domain.Secret) (domain.Secret, domain.KeyInfo, error) {
	raw, err := openKey(key, passphrase)
	if err != nil {
		return domain.Secret{}, domain.KeyInfo{}, err
	}
	if k, ok := raw.(*rsa.PrivateKey); ok && k.N.BitLen() < minRSABits {
		return domain.Secret{}, domain.KeyInfo{}, errKeyWeak.Withf(
			"the RSA key has %d bits, which is too weak; make one of at least %d, or an ed25519 key", k.N.BitLen(), minRSABits)
	}
	s, err := signerOf(raw)
	if err != nil {
		return domain.Secret{}, domain.KeyInfo{}, err
	}
	block, err := ssh.MarshalPrivateKey(raw, "")
	if err != nil {
		return domain.Secret{}, domain.KeyInfo{}, domain.ErrKeyUnreadable.Because(err)
	}
	info := domain.KeyInfo{Fingerprint: ssh.FingerprintSHA256(s.PublicKey()), Type: s.PublicKey().Type()}
	return domain.NewSecret(string(pem.EncodeToMemory(block))), info, nil
}

// ReadHostKey implements ports.KeyReader.
func (KeyReader) ReadHostKey(text string) (domain.HostKey, error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "SHA256:") {
		text = strings.TrimRight(text, "=")
		if domain.CheckFingerprint(text) == nil {
			return domain.HostKey{Fingerprint: text}, nil
		}
		return domain.HostKey{}, hostKeyInvalid("a fingerprint is SHA256: and 43 base64 characters, as ssh-keygen -l prints it")
	}
	marker, _, key, _, rest, err := ssh.ParseKnownHosts([]byte(text))
	switch {
	case err != nil:
		// without its leading names the line is a public key, which is just as good
		key, _, _, rest, err = ssh.ParseAuthorizedKey([]byte(text))
		if err != nil {
			return domain.HostKey{}, hostKeyInvalid("give a SHA256:… fingerprint or a line of known_hosts")
		}
	case marker != "":
		return domain.HostKey{}, hostKeyInvalid("lines with @%s are not supported; give the host's own key", marker)
	}
	if len(strings.TrimSpace(string(rest))) > 0 {
		return domain.HostKey{}, hostKeyInvalid("give one line, not several")
	}
	return seenKey(key), nil
}

func hostKeyInvalid(format string, args ...any) error {
	return domain.Invalid("host_key", "the host key cannot be read: "+format, args...)
}

func seenKey(key ssh.PublicKey) domain.HostKey {
	return domain.HostKey{Fingerprint: ssh.FingerprintSHA256(key), Type: key.Type()}
}
