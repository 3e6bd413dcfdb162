package sshexec

import (
	"crypto/dsa" //nolint:staticcheck // named only to refuse it
	"crypto/x509"
	"encoding/pem"
	"errors"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/ssh"

	"github.com/heysubinoy/remora/domain"
)

// The errors of keys.
var (
	ErrKeyEncrypted    = &domain.Error{Kind: domain.KindUnprocessable, Code: "key_encrypted", Message: "the private key is encrypted; give its passphrase"}
	ErrPassphraseWrong = &domain.Error{Kind: domain.KindUnprocessable, Code: "passphrase_wrong", Message: "the passphrase does not open the private key"}

	errKeyPublic = &domain.Error{Kind: domain.KindUnprocessable, Code: "key_public",
		Message: "this is a public key; give the private one, which is in the file of the same name without .pub"}
	errKeyCertificate = &domain.Error{Kind: domain.KindUnprocessable, Code: "key_certificate",
		Message: "this is a certificate; give the private key that belongs to it"}
	errKeyPutty = &domain.Error{Kind: domain.KindUnprocessable, Code: "key_putty",
		Message: "this is a PuTTY key (.ppk); convert it with: puttygen KEY.ppk -O private-openssh -o KEY"}
	errKeyWeak = &domain.Error{Kind: domain.KindUnprocessable, Code: "key_weak", Message: "the key is too weak; make an ed25519 key"}
)

// minRSABits is the shortest RSA key that is taken.
const minRSABits = 2048

// Lines that tell what it is instead of a private key.
var (
	publicLine = regexp.MustCompile(`(?m)^(ssh-(rsa|dss|ed25519)|ecdsa-sha2-\S+|sk-\S+@openssh\.com) AAAA|^-+ ?BEGIN (SSH2 |RSA |EC )?PUBLIC KEY`)
	certLine   = regexp.MustCompile(`(?m)^\S+-cert-v0[01]@openssh\.com AAAA|^-----BEGIN (X509 |TRUSTED )?CERTIFICATE`)
	puttyLine  = regexp.MustCompile(`(?m)^PuTTY-User-Key-File-[0-9]`)
)

// readSigner opens a private key to log in with.
func readSigner(key, passphrase domain.Secret) (ssh.Signer, error) {
	raw, err := openKey(key, passphrase)
	if err != nil {
		return nil, err
	}
	return signerOf(raw)
}

// openKey reads a private key of any form, with its passphrase where it has one.
func openKey(key, passphrase domain.Secret) (any, error) {
	block, err := findKey(key.Reveal())
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(block)
	raw, err := ssh.ParseRawPrivateKey(text)
	_, encrypted := errors.AsType[*ssh.PassphraseMissingError](err)
	switch {
	case encrypted && passphrase.Empty(), block.Type == pkcs8Encrypted && passphrase.Empty():
		return nil, ErrKeyEncrypted
	case block.Type == pkcs8Encrypted:
		raw, err = openPKCS8(block.Bytes, []byte(passphrase.Reveal()))
	case encrypted:
		raw, err = ssh.ParseRawPrivateKeyWithPassphrase(text, []byte(passphrase.Reveal()))
		// What another passphrase makes of an older form is noise, which is told by any of many errors.
		if err != nil && (block.Type != "OPENSSH PRIVATE KEY" || errors.Is(err, x509.IncorrectPasswordError)) {
			err = ErrPassphraseWrong.Because(err)
		}
	}
	if _, told := errors.AsType[*domain.Error](err); told {
		return nil, err
	}
	if err != nil {
		return nil, domain.ErrKeyUnreadable.Because(err)
	}
	return raw, nil
}

// findKey returns the one private key in a text; what openssl puts beside it is passed over.
func findKey(text string) (*pem.Block, error) {
	if !utf8.ValidString(text) {
		return nil, domain.ErrKeyUnreadable.Withf("this is not a private key in PEM or OpenSSH form: it is not text (a file in UTF-16 or DER is not)")
	}
	text = strings.TrimPrefix(text, "\ufeff")
	var found *pem.Block
	for rest := []byte(strings.TrimLeft(text, " \t\r\n")); ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		if !strings.HasSuffix(b.Type, "PRIVATE KEY") {
			continue
		}
		if found != nil {
			return nil, domain.ErrKeyUnreadable.Withf("there are several private keys in it; give one")
		}
		found = b
	}
	switch {
	case found != nil:
		return found, nil
	case puttyLine.MatchString(text):
		return nil, errKeyPutty
	case certLine.MatchString(text):
		return nil, errKeyCertificate
	case publicLine.MatchString(text):
		return nil, errKeyPublic
	case strings.Contains(text, "PRIVATE KEY-----"):
		return nil, domain.ErrKeyUnreadable.Withf("the private key is cut short or was changed: it has no whole block from BEGIN to END")
	}
	return nil, domain.ErrKeyUnreadable.Withf("this is not a private key in PEM or OpenSSH form; its first line would be -----BEGIN … PRIVATE KEY-----")
}

// signerOf returns what signs with a key. RSA keys sign with SHA-2 only.
func signerOf(raw any) (ssh.Signer, error) {
	if _, old := raw.(*dsa.PrivateKey); old {
		return nil, domain.ErrKeyUnreadable.Withf("DSA keys are refused: they are too weak; make an ed25519 key")
	}
	s, err := ssh.NewSignerFromKey(raw)
	if err != nil {
		return nil, domain.ErrKeyUnreadable.Withf("keys of this kind cannot log in; make an ed25519 key").Because(err)
	}
	if s.PublicKey().Type() != ssh.KeyAlgoRSA {
		return s, nil
	}
	a, ok := s.(ssh.AlgorithmSigner)
	if !ok {
		return nil, domain.ErrKeyUnreadable.Withf("this RSA key cannot sign with SHA-2")
	}
	if s, err = ssh.NewSignerWithAlgorithms(a, []string{ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512}); err != nil {
		return nil, domain.ErrKeyUnreadable.Because(err)
	}
	return s, nil
}
