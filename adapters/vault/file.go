package vault

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/heysubinoy/remora/domain"
)

// maxFileBytes is far more than any file of one secret line holds.
const maxFileBytes = 4096

// ReadKeyFile reads a master key: 32 bytes in base64 on one line, in a file that only its owner may read. The error
// names the file and says what to do; it is fs.ErrNotExist when there is none.
func ReadKeyFile(path string) ([]byte, error) {
	line, err := ReadSecretFile(path)
	if err != nil {
		return nil, err
	}
	key, err := ParseKey(line)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

// ParseKey reads a master key as its file holds it. The error says what to do and never shows the text.
func ParseKey(text domain.Secret) ([]byte, error) {
	key, err := base64.StdEncoding.Strict().DecodeString(text.Reveal())
	if err != nil || len(key) != keyBytes {
		// The decoder's own error would print a part of the key.
		return nil, fmt.Errorf("not a master key; it must be %d random bytes in base64 on one line, as \"openssl rand -base64 32\" prints them", keyBytes)
	}
	return key, nil
}

// MakeKeyFile makes a random master key and its file, as MakeSecretFile does, and returns the key.
func MakeKeyFile(path string) ([]byte, error) {
	key := make([]byte, keyBytes)
	_, _ = rand.Read(key) // never fails: it ends the process instead
	if err := MakeSecretFile(path, domain.NewSecret(base64.StdEncoding.EncodeToString(key))); err != nil {
		return nil, err
	}
	return key, nil
}

// ReadSecretFile reads the one line of a file that only its owner may read. The error names the file and never shows
// what is in it; it is fs.ErrNotExist when there is none.
func ReadSecretFile(path string) (domain.Secret, error) {
	f, err := os.Open(path)
	if err != nil {
		return domain.Secret{}, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	switch {
	case err != nil:
		return domain.Secret{}, err
	case !info.Mode().IsRegular():
		return domain.Secret{}, fmt.Errorf("%s: not a regular file", path)
	case info.Mode().Perm()&0o077 != 0:
		return domain.Secret{}, fmt.Errorf("%s: others may read this secret (mode %04o); run: chmod 600 %s", path, info.Mode().Perm(), path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return domain.Secret{}, fmt.Errorf("%s: %w", path, err)
	}
	line := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	switch {
	case len(text) > maxFileBytes:
		return domain.Secret{}, fmt.Errorf("%s: longer than %d bytes; it must hold one line", path, maxFileBytes)
	case strings.TrimSpace(line) == "":
		return domain.Secret{}, fmt.Errorf("%s: empty; it must hold one line", path)
	case strings.ContainsAny(line, "\r\n"):
		return domain.Secret{}, fmt.Errorf("%s: more than one line", path)
	}
	return domain.NewSecret(line), nil
}

// MakeSecretFile stores one line in a new file that only its owner may read. When it returns, the file survives a crash;
// before, nobody sees a part of it. Fails with fs.ErrExist when there is a file, and leaves that as it is.
func MakeSecretFile(path string, line domain.Secret) (err error) {
	dir := filepath.Dir(path)
	// os.CreateTemp opens with O_EXCL and mode 0600.
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(tmp.Name())) }()
	_, err = tmp.WriteString(line.Reveal() + "\n")
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	// A link, unlike a rename, never replaces what another process made meanwhile.
	if err = os.Link(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
