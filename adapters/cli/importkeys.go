package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// importKey is a file with a private key.
type importKey struct {
	text domain.Secret
	err  error
	name string // under which it is stored; empty until it is
}

// defaultKeys are the files that ssh tries where nothing names one, in its order.
var defaultKeys = []string{"id_rsa", "id_ecdsa", "id_ed25519"}

// choose finds the key that a server is logged in to with; err says why there is none.
func (i *importer) choose(r *importRow) (key *importKey, err error) {
	var files []string
	if i.options.withKeys {
		files = slices.Clone(r.server.Keys)
		if len(files) == 0 && i.options.key == "" {
			for _, name := range defaultKeys {
				files = append(files, filepath.Join(i.home, ".ssh", name))
			}
		}
	}
	if i.options.key != "" {
		files = append(files, i.options.key)
	}
	for _, f := range files {
		k := i.keys[f]
		if k == nil {
			k = &importKey{}
			k.text, k.err = readKey(f)
			i.keys[f] = k
		}
		if k.err == nil {
			r.keyFile = f
			return k, nil
		}
		err = k.err
	}
	switch {
	case err == nil || len(r.server.Keys) == 0 && i.options.key == "":
		return key, errors.New("no key is named for it, and none of ssh's default keys is there; give --key FILE")
	default:
		return key, err
	}
}

// storedKey returns the name of the stored key that a server is logged in to with; the file is stored at its first use.
func (i *importer) storedKey(ctx context.Context, r *importRow) (string, error) {
	k, err := i.choose(r)
	if err != nil {
		return "", &domain.Error{Kind: domain.KindInvalid, Code: "private_key_invalid", Message: err.Error()}
	}
	if k.name == "" {
		k.name, k.err = i.store(ctx, r.keyFile, k.text)
	}
	return k.name, k.err
}

// store stores a key under its file's name. One that is stored already is found again: by its fingerprint, or by a name that
// says what is in it.
func (i *importer) store(ctx context.Context, file string, text domain.Secret) (string, error) {
	if known := knownFingerprint(file, text.Reveal()); known != "" {
		all, err := i.services.Keys.List(ctx)
		if err != nil {
			return "", err
		}
		if n := slices.IndexFunc(all, func(k domain.Key) bool { return k.Fingerprint == known }); n >= 0 {
			return all[n].Name, nil
		}
	}
	sum := sha256.Sum256([]byte(text.Reveal()))
	own := "key-" + hex.EncodeToString(sum[:4])
	name := domain.KeyNameOf(file)
	if domain.CheckKeyName("name", name) != nil {
		name = own
	}
	err := i.addKey(ctx, name, text)
	if errors.Is(err, domain.ErrKeyNameTaken) && name != own {
		name = own
		err = i.addKey(ctx, name, text)
	}
	if errors.Is(err, domain.ErrKeyNameTaken) { // the name is its content's
		err = nil
	}
	return name, err
}

// addKey stores a key, and asks for its passphrase when it turns out to need one and there is a person to ask.
func (i *importer) addKey(ctx context.Context, name string, text domain.Secret) error {
	_, err := i.services.Keys.Add(ctx, ports.NewKey{Name: name, Text: text, Passphrase: i.phrase})
	e, ok := errors.AsType[*domain.Error](err)
	if !ok || e.Code != codeKeyEncrypted || !i.tty.in || !i.phrase.Empty() {
		return err
	}
	phrase, err := i.askSecret(ctx, "Passphrase of "+name, "passphrase", "--passphrase-stdin")
	if err != nil {
		return err
	}
	_, err = i.services.Keys.Add(ctx, ports.NewKey{Name: name, Text: text, Passphrase: phrase})
	return err
}

// knownFingerprint returns the fingerprint of a private key as far as it can be told without its passphrase: OpenSSH's own form
// has the public key in front, and beside others may lie a .pub file. Empty where it cannot.
func knownFingerprint(file, text string) string {
	blob := publicBlob(text)
	if blob == nil {
		line, err := os.ReadFile(file + ".pub")
		words := strings.Fields(string(line))
		if err != nil || len(words) < 2 {
			return ""
		}
		if blob, err = base64.StdEncoding.DecodeString(words[1]); err != nil {
			return ""
		}
	}
	sum := sha256.Sum256(blob)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// publicBlob returns the public key in a private one of OpenSSH's form; nil in others.
func publicBlob(text string) []byte {
	block, _ := pem.Decode([]byte(text))
	const magic = "openssh-key-v1\x00"
	if block == nil || !bytes.HasPrefix(block.Bytes, []byte(magic)) {
		return nil
	}
	rest := block.Bytes[len(magic):]
	next := func() (field []byte) {
		if len(rest) < 4 || uint64(binary.BigEndian.Uint32(rest)) > uint64(len(rest)-4) {
			rest = nil
			return nil
		}
		n := binary.BigEndian.Uint32(rest)
		field, rest = rest[4:4+n], rest[4+n:]
		return field
	}
	_, _, _ = next(), next(), next() // cipher, key derivation, its options
	if len(rest) < 4 {
		return nil
	}
	rest = rest[4:] // how many keys
	return next()
}
