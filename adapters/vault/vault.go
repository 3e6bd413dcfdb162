// Package vault seals the credentials that Remora stores: AES-256-GCM under a key made for each secret, which is wrapped
// by the master key. Both are bound to what the credential may be used for, so that a row that was copied or changed in
// the database opens for nobody. It knows the master key and where its file lies, and nothing of where sealed credentials
// are kept.
package vault

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// A sealed credential is, in this order:
//
//	version   1 byte, 1
//	key id    8 bytes, derived from the master key
//	wrapped   60 bytes, nonce ‖ AES-256-GCM of the secret's own key under the wrapping key
//	body      nonce ‖ AES-256-GCM of the credential under the secret's own key
//	checksum  4 bytes, CRC32C of all before
//
// The header (version and key id) and the binding are the additional data of both encryptions. The checksum proves
// nothing to an enemy; it tells a key id that was damaged from one that belongs to another master key.
const (
	version     = 1
	keyBytes    = 32
	keyIDBytes  = 8
	headerBytes = 1 + keyIDBytes
	gcmBytes    = 12 + 16 // nonce and tag
	wrapBytes   = keyBytes + gcmBytes
	sumBytes    = crc32.Size
	leastBytes  = headerBytes + wrapBytes + gcmBytes + sumBytes
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errDamaged is what Open answers to anything it did not seal for this binding.
var errDamaged = &domain.Error{
	Kind: domain.KindInternal, Code: "credential_damaged",
	Message: "the stored credential was changed or belongs to something else; give the credential again",
}

// Vault seals with one master key. Safe for concurrent use. The zero Vault is sealed.
type Vault struct {
	keyID [keyIDBytes]byte
	wrap  cipher.AEAD // nil when sealed
}

var _ ports.Vault = (*Vault)(nil)

// New returns the vault of a master key of 32 random bytes. Fails with master_key_invalid on another length.
func New(masterKey []byte) (*Vault, error) {
	if len(masterKey) != keyBytes {
		return nil, domain.Invalid("master_key", "the master key is %d bytes; it must be %d", len(masterKey), keyBytes)
	}
	wrapKey, err := hkdf.Key(sha256.New, masterKey, nil, "remora vault 1 wrap", keyBytes)
	if err != nil {
		return nil, domain.Internal("derive the wrapping key", err)
	}
	id, err := hkdf.Key(sha256.New, masterKey, nil, "remora vault 1 key id", keyIDBytes)
	if err != nil {
		return nil, domain.Internal("derive the key id", err)
	}
	wrap, err := newAEAD(wrapKey)
	if err != nil {
		return nil, err
	}
	return &Vault{keyID: [keyIDBytes]byte(id), wrap: wrap}, nil
}

// Sealed returns a vault without a master key: every call fails with ErrVaultSealed, and nothing is ever stored plain.
func Sealed() *Vault { return &Vault{} }

// Format keeps key material out of every log: the ciphers would print their key schedule.
func (v *Vault) Format(f fmt.State, _ rune) {
	if v == nil || v.wrap == nil {
		_, _ = f.Write([]byte("vault(sealed)"))
		return
	}
	_, _ = fmt.Fprintf(f, "vault(key %x)", v.keyID[:])
}

// Seal implements ports.Vault.
func (v *Vault) Seal(c domain.Credential, b domain.Binding) (domain.Sealed, error) {
	if v.wrap == nil {
		return nil, domain.ErrVaultSealed
	}
	own := make([]byte, keyBytes)
	_, _ = rand.Read(own) // never fails: it ends the process instead
	body, err := newAEAD(own)
	if err != nil {
		return nil, err
	}
	plain := encode(c)
	out := make([]byte, 0, leastBytes+len(plain))
	out = append(out, version)
	out = append(out, v.keyID[:]...)
	bound := additional(out, b)
	out = v.wrap.Seal(out, nil, own, bound)
	out = body.Seal(out, nil, plain, bound)
	clear(own)
	clear(plain)
	return binary.BigEndian.AppendUint32(out, crc32.Checksum(out, castagnoli)), nil
}

// Open implements ports.Vault.
func (v *Vault) Open(s domain.Sealed, b domain.Binding) (domain.Credential, error) {
	if v.wrap == nil {
		return domain.Credential{}, domain.ErrVaultSealed
	}
	if len(s) < leastBytes {
		return domain.Credential{}, errDamaged.Because(fmt.Errorf("%d bytes, at least %d are expected", len(s), leastBytes))
	}
	content, sum := s[:len(s)-sumBytes], s[len(s)-sumBytes:]
	if crc32.Checksum(content, castagnoli) != binary.BigEndian.Uint32(sum) {
		return domain.Credential{}, errDamaged.Because(errors.New("checksum differs"))
	}
	if content[0] != version {
		return domain.Credential{}, errDamaged.Because(fmt.Errorf("format version %d is unknown", content[0]))
	}
	header := content[:headerBytes]
	if !bytes.Equal(header[1:], v.keyID[:]) {
		return domain.Credential{}, domain.ErrVaultSealed.Because(fmt.Errorf("sealed with master key %x, this one is %x", header[1:], v.keyID[:]))
	}
	bound := additional(header, b)
	own, err := v.wrap.Open(nil, nil, content[headerBytes:headerBytes+wrapBytes], bound)
	if err != nil {
		return domain.Credential{}, errDamaged.Because(err)
	}
	body, err := newAEAD(own)
	clear(own)
	if err != nil {
		return domain.Credential{}, err
	}
	plain, err := body.Open(nil, nil, content[headerBytes+wrapBytes:], bound)
	if err != nil {
		return domain.Credential{}, errDamaged.Because(err)
	}
	defer clear(plain)
	return decode(plain)
}

// newAEAD returns AES-256-GCM that makes its nonce by itself and puts it before the ciphertext.
func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, domain.Internal("set up AES", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, domain.Internal("set up AES-GCM", err)
	}
	return aead, nil
}

// additional is the data that both encryptions are bound to. Each part goes in with its length, so that no two bindings
// look alike.
func additional(header []byte, b domain.Binding) []byte {
	out := append([]byte("remora credential\x00"), header...)
	for _, part := range []string{b.Kind, b.ID, b.Use} {
		out = appendPart(out, part)
	}
	return out
}

func encode(c domain.Credential) []byte {
	var out []byte
	for _, part := range []domain.Secret{c.Password, c.PrivateKey, c.Passphrase} {
		out = appendPart(out, part.Reveal())
	}
	return out
}

func decode(plain []byte) (domain.Credential, error) {
	var parts [3]domain.Secret
	for i := range parts {
		if len(plain) < 4 || uint64(len(plain)-4) < uint64(binary.BigEndian.Uint32(plain)) {
			return domain.Credential{}, errDamaged.Because(errors.New("a part is cut short"))
		}
		n := binary.BigEndian.Uint32(plain)
		parts[i] = domain.NewSecret(string(plain[4 : 4+n]))
		plain = plain[4+n:]
	}
	if len(plain) != 0 {
		return domain.Credential{}, errDamaged.Because(errors.New("there is more after the last part"))
	}
	return domain.Credential{Password: parts[0], PrivateKey: parts[1], Passphrase: parts[2]}, nil
}

func appendPart(out []byte, part string) []byte {
	out = binary.BigEndian.AppendUint32(out, uint32(len(part)))
	return append(out, part...)
}
