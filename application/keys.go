package application

import (
	"context"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Keys implements ports.Keys.
type Keys struct {
	Repository ports.KeyRepository
	Vault      ports.Vault
	Reader     ports.KeyReader
	Clock      ports.Clock
}

var _ ports.Keys = (*Keys)(nil)

// Add implements ports.Keys.
func (a *Keys) Add(ctx context.Context, n ports.NewKey) (domain.Key, error) {
	if err := domain.CheckKeyName("name", n.Name); err != nil {
		return domain.Key{}, err
	}
	text, info, err := a.Reader.Unlock(n.Text, n.Passphrase)
	if err != nil {
		return domain.Key{}, err
	}
	k := domain.Key{Name: n.Name, KeyInfo: info, Size: len(text.Reveal()), CreatedAt: a.Clock.Now()}
	sealed, err := a.Vault.Seal(domain.Credential{PrivateKey: text}, k.Binding())
	if err != nil {
		return domain.Key{}, err
	}
	if err := a.Repository.Add(ctx, &k, sealed); err != nil {
		return domain.Key{}, err
	}
	return k, nil
}

// List implements ports.Keys.
func (a *Keys) List(ctx context.Context) ([]domain.Key, error) { return a.Repository.List(ctx) }

// Delete implements ports.Keys.
func (a *Keys) Delete(ctx context.Context, name string) error { return a.Repository.Delete(ctx, name) }

// CheckMasterKey fails with ErrVaultSealed unless the vault's master key is the one that sealed what is stored; the first
// that comes is. Fails with ErrStorageUnavailable too.
func CheckMasterKey(ctx context.Context, kept ports.MasterKeyCheck, v ports.Vault) error {
	binding := domain.Binding{Kind: "master key", ID: "check"}
	own, err := v.Seal(domain.Credential{Password: domain.NewSecret("remora")}, binding)
	if err != nil {
		return err
	}
	stored, err := kept.Keep(ctx, own)
	if err != nil {
		return err
	}
	_, err = v.Open(stored, binding)
	return err
}
