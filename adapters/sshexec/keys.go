package sshexec

import (
	"crypto/dsa" //nolint:staticcheck // named only to refuse it
	"errors"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// The errors of keys.
var (
	ErrKeyEncrypted    = &domain.Error{Kind: domain.KindUnprocessable, Code: "key_encrypted", Message: "the private key is encrypted; give its passphrase"}
	ErrPassphraseWrong = &domain.Error{Kind: domain.KindUnprocessable, Code: "passphrase_wrong", Message: "the passphrase does not open the private key"}
)

// KeyReader reads private keys and host keys. The zero value is ready.
type KeyReader struct{}

var _ ports.KeyReader = KeyReader{}

// ReadKey implements ports.KeyReader.
func (KeyReader) ReadKey(key, passphrase domain.Secret) (domain.KeyInfo, error) {
	s, err := readSigner(key, passphrase)
	if err != nil {
		return domain.KeyInfo{}, err
	}
	return domain.KeyInfo{Fingerprint: ssh.FingerprintSHA256(s.PublicKey()), Type: s.PublicKey().Type()}, nil
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

// readSigner opens a private key. RSA keys sign with SHA-2 only.
func readSigner(key, passphrase domain.Secret) (ssh.Signer, error) {
	text := []byte(key.Reveal())
	raw, err := ssh.ParseRawPrivateKey(text)
	if _, encrypted := errors.AsType[*ssh.PassphraseMissingError](err); encrypted {
		if passphrase.Empty() {
			return nil, ErrKeyEncrypted
		}
		if raw, err = ssh.ParseRawPrivateKeyWithPassphrase(text, []byte(passphrase.Reveal())); err != nil {
			return nil, ErrPassphraseWrong.Because(err)
		}
	}
	if err != nil {
		return nil, domain.ErrKeyUnreadable.Because(err)
	}
	if _, old := raw.(*dsa.PrivateKey); old {
		return nil, domain.ErrKeyUnreadable.Withf("DSA keys are refused: they are too weak; make an ed25519 key")
	}
	s, err := ssh.NewSignerFromKey(raw)
	if err != nil {
		return nil, domain.ErrKeyUnreadable.Because(err)
	}
	if s.PublicKey().Type() == ssh.KeyAlgoRSA {
		a, ok := s.(ssh.AlgorithmSigner)
		if !ok {
			return nil, domain.ErrKeyUnreadable.Withf("this RSA key cannot sign with SHA-2")
		}
		if s, err = ssh.NewSignerWithAlgorithms(a, []string{ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512}); err != nil {
			return nil, domain.ErrKeyUnreadable.Because(err)
		}
	}
	return s, nil
}
