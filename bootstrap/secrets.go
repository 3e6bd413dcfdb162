package bootstrap

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/heysubinoy/remora/adapters/vault"
	"github.com/heysubinoy/remora/application"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Origin says where the secrets come from that the parts of Remora share.
type Origin int

// The origins.
const (
	Named Origin = iota // from files that the settings name: services apart from each other must be given the same
	Made                // a file that no setting names is made in the data directory, and found there the next time
)

// leastToken is the fewest characters of a token that is given to us.
const leastToken = 32

// Vault returns the vault of the master key. The error names the setting and the file.
func (c Config) Vault(o Origin) (*vault.Vault, error) {
	if !c.MasterKey.Empty() {
		key, err := vault.ParseKey(c.MasterKey)
		if err != nil {
			return nil, naming("REMORA_MASTER_KEY", err)
		}
		return vault.New(key)
	}
	key, err := fromFile(c, o, secretFile{
		setting: "REMORA_MASTER_KEY_FILE", named: c.MasterKeyFile, name: "master.key",
		advice: "openssl rand -base64 32",
	}, vault.ReadKeyFile, vault.MakeKeyFile)
	if err != nil {
		return nil, err
	}
	return vault.New(key)
}

// QueueToken returns the secret that workers, API and NetQueue share. The error names the setting and the file.
func (c Config) QueueToken(o Origin) (domain.Secret, error) {
	if !c.NetQueueToken.Empty() {
		return c.NetQueueToken, nil
	}
	file := secretFile{
		setting: "NETQUEUE_TOKEN_FILE", named: c.NetQueueTokenFile, name: "queue.token",
		advice: "openssl rand -hex 32",
	}
	token, err := fromFile(c, o, file, vault.ReadSecretFile, func(path string) (domain.Secret, error) {
		token := domain.NewSecret(rand.Text() + rand.Text())
		return token, vault.MakeSecretFile(path, token)
	})
	if err != nil {
		return domain.Secret{}, err
	}
	return token, checkToken(file.setting, file.path(c), token)
}

// SessionKey returns the secret under which browsers' sessions are kept: every API server of an installation has the same.
// The error names the setting, and the file where it is made.
func (c Config) SessionKey(o Origin) (domain.Secret, error) {
	const setting = "SESSION_SECRET"
	if !c.SessionSecret.Empty() {
		return c.SessionSecret, nil
	}
	if o == Named {
		return domain.Secret{}, errors.New(setting + " is not set: API servers share this secret; make it once with \"openssl rand -hex 32\"")
	}
	file := secretFile{setting: setting, name: "session.secret"}
	key, err := fromFile(c, o, file, vault.ReadSecretFile, func(path string) (domain.Secret, error) {
		key := domain.NewSecret(rand.Text() + rand.Text())
		return key, vault.MakeSecretFile(path, key)
	})
	if err != nil {
		return domain.Secret{}, err
	}
	return key, checkToken(setting, file.path(c), key)
}

// AdminToken returns the token of the first administrator, which is made when the data directory holds none yet; made
// says so, and is the one time to show it.
func (c Config) AdminToken() (token domain.Secret, made bool, err error) {
	path := c.AdminTokenFile()
	token, err = fromFile(c, Made, secretFile{setting: "REMORA_DATA_DIR", name: filepath.Base(path)}, vault.ReadSecretFile,
		func(path string) (domain.Secret, error) {
			token := application.NewTokenText()
			err := vault.MakeSecretFile(path, token)
			made = err == nil
			return token, err
		})
	if err != nil {
		return domain.Secret{}, false, err
	}
	return token, made, checkToken("REMORA_DATA_DIR", path, token)
}

// AdminTokenFile is where clients on the same machine find the first administrator's token.
func (c Config) AdminTokenFile() string { return filepath.Join(c.DataDir, "admin.token") }

type secretFile struct {
	setting string // that names the file
	named   string // what it names; empty when it does not
	name    string // of the file in the data directory
	advice  string // the command that makes one
}

func (f secretFile) path(c Config) string {
	if f.named != "" {
		return f.named
	}
	return filepath.Join(c.DataDir, f.name)
}

// fromFile reads a secret, and makes it first where it may. A file that a setting names is never made: its absence is a
// wrong path or a volume that is not there, and a new secret in its place would shut out what the old one protects.
func fromFile[T any](c Config, o Origin, f secretFile, read, make func(string) (T, error)) (T, error) {
	var none T
	path := f.path(c)
	if f.named != "" || o == Named {
		if f.named == "" {
			return none, fmt.Errorf("%s is not set: separate services share this secret; make it once with \"%s\", in a file of mode 0600 that every service can read, and name that file", f.setting, f.advice)
		}
		secret, err := read(path)
		if errors.Is(err, fs.ErrNotExist) {
			return none, fmt.Errorf("%s=%q: there is no such file; make it with \"%s\" and mode 0600, or name the right one", f.setting, path, f.advice)
		}
		return secret, naming(f.setting, err)
	}
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return none, naming("REMORA_DATA_DIR", err)
	}
	secret, err := read(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return secret, naming(f.setting, err)
	}
	secret, err = make(path)
	if errors.Is(err, fs.ErrExist) { // another process was quicker
		secret, err = read(path)
	}
	return secret, naming(f.setting, err)
}

func naming(setting string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", setting, err)
}

func checkToken(setting, path string, token domain.Secret) error {
	switch {
	case len(token.Reveal()) < leastToken:
		return fmt.Errorf("%s: %s holds %d characters; a token has at least %d", setting, path, len(token.Reveal()), leastToken)
	case sample(token.Reveal()):
		return fmt.Errorf("%s: %s holds a known sample; make a token of your own", setting, path)
	}
	return nil
}

// checkMasterKey fails with settings_invalid when the master key is not the one that sealed what the database holds. It may
// not start: what it sealed would be lost to the right one.
func checkMasterKey(ctx context.Context, c Config, kept ports.MasterKeyCheck, v ports.Vault) error {
	err := application.CheckMasterKey(ctx, kept, v)
	if err == nil || domain.KindOf(err) == domain.KindCanceled || errors.Is(err, domain.ErrStorageUnavailable) {
		return err
	}
	file := secretFile{named: c.MasterKeyFile, name: "master.key"}.path(c)
	return settingsInvalid(fmt.Errorf(
		"REMORA_MASTER_KEY_FILE=%q: this is not the master key that sealed the keys and passwords in this database; name the right file, or put the right key back from its copy",
		file))
}
