package sshexec

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" //nolint:gosec // how some keys are encrypted that people have
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // as above; HMAC with it is not broken
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"

	"github.com/heysubinoy/remora/domain"
)

// pkcs8Encrypted is the PEM type of RFC 5958's EncryptedPrivateKeyInfo, as openssl and ssh-keygen -m PKCS8 write it.
const pkcs8Encrypted = "ENCRYPTED PRIVATE KEY"

// maxIterations bounds what a key asks of us: openssl and ssh-keygen take 2,048 by default.
const maxIterations = 5_000_000

var (
	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
)

// pkcs8Hashes are the pseudo-random functions of PBKDF2, by the last part of 1.2.840.113549.2.
var pkcs8Hashes = map[string]func() hash.Hash{
	"": sha1.New, "1.2.840.113549.2.7": sha1.New, "1.2.840.113549.2.8": sha256.New224, "1.2.840.113549.2.9": sha256.New,
	"1.2.840.113549.2.10": sha512.New384, "1.2.840.113549.2.11": sha512.New,
}

// pkcs8Ciphers are the encryption schemes, all in CBC.
var pkcs8Ciphers = map[string]struct {
	keyBytes int
	block    func(key []byte) (cipher.Block, error)
}{
	"2.16.840.1.101.3.4.1.2": {16, aes.NewCipher}, "2.16.840.1.101.3.4.1.22": {24, aes.NewCipher},
	"2.16.840.1.101.3.4.1.42": {32, aes.NewCipher}, "1.2.840.113549.3.7": {24, des.NewTripleDESCipher},
}

type encryptedKey struct {
	Algorithm pkix.AlgorithmIdentifier
	Data      []byte
}

type pbes2 struct{ Derivation, Scheme pkix.AlgorithmIdentifier }

type pbkdf2Params struct {
	Salt       []byte
	Iterations int
	KeyBytes   int                      `asn1:"optional"`
	Hash       pkix.AlgorithmIdentifier `asn1:"optional"`
}

// openPKCS8 decrypts a private key by PBES2 with PBKDF2, the one way that is in use. Fails with ErrPassphraseWrong.
func openPKCS8(der, passphrase []byte) (any, error) {
	var k encryptedKey
	if err := parseAll(der, &k); err != nil {
		return nil, err
	}
	plain, err := k.decrypt(passphrase)
	if err != nil {
		return nil, err
	}
	// What another passphrase makes of the data is noise: nearly never padded well, and never a key.
	n := len(plain)
	pad := int(plain[n-1])
	if pad < 1 || pad > n || pad > aes.BlockSize {
		return nil, ErrPassphraseWrong
	}
	raw, err := x509.ParsePKCS8PrivateKey(plain[:n-pad])
	if err != nil {
		var inner struct {
			Version   int
			Algorithm pkix.AlgorithmIdentifier
			Key       []byte
		}
		if _, noise := asn1.Unmarshal(plain[:n-pad], &inner); noise != nil {
			return nil, ErrPassphraseWrong.Because(err)
		}
		return nil, err
	}
	return raw, nil
}

func (k *encryptedKey) decrypt(passphrase []byte) ([]byte, error) {
	var scheme pbes2
	var kdf pbkdf2Params
	if !k.Algorithm.Algorithm.Equal(oidPBES2) {
		return nil, unsupported("the encryption %s", k.Algorithm.Algorithm)
	}
	if err := parseAll(k.Algorithm.Parameters.FullBytes, &scheme); err != nil {
		return nil, err
	}
	if !scheme.Derivation.Algorithm.Equal(oidPBKDF2) {
		return nil, unsupported("the key derivation %s", scheme.Derivation.Algorithm)
	}
	if err := parseAll(scheme.Derivation.Parameters.FullBytes, &kdf); err != nil {
		return nil, err
	}
	prf, known := pkcs8Hashes[kdf.Hash.Algorithm.String()]
	c, knownToo := pkcs8Ciphers[scheme.Scheme.Algorithm.String()]
	var iv []byte
	switch err := parseAll(scheme.Scheme.Parameters.FullBytes, &iv); {
	case !known || !knownToo:
		return nil, unsupported("the cipher %s with %s", scheme.Scheme.Algorithm, kdf.Hash.Algorithm)
	case err != nil:
		return nil, err
	case kdf.Iterations < 1 || kdf.Iterations > maxIterations:
		return nil, unsupported("%d iterations, where at most %d are computed,", kdf.Iterations, maxIterations)
	}
	key, err := pbkdf2.Key(prf, string(passphrase), kdf.Salt, kdf.Iterations, c.keyBytes)
	if err != nil {
		return nil, err
	}
	block, err := c.block(key)
	if err != nil {
		return nil, err
	}
	if len(iv) != block.BlockSize() || len(k.Data) == 0 || len(k.Data)%block.BlockSize() != 0 {
		return nil, errors.New("the encrypted data is not whole blocks")
	}
	plain := make([]byte, len(k.Data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, k.Data)
	return plain, nil
}

func parseAll(der []byte, v any) error {
	rest, err := asn1.Unmarshal(der, v)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes too many", len(rest))
	}
	return err
}

func unsupported(format string, args ...any) error {
	return domain.ErrKeyUnreadable.Withf("the private key uses %s which is not supported; write it anew with: ssh-keygen -p -f KEY", fmt.Sprintf(format, args...))
}
