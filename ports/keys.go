package ports

import (
	"context"

	"github.com/heysubinoy/remora/domain"
)

// NewKey asks for a stored key.
type NewKey struct {
	Name       string
	Text       domain.Secret // PEM or OpenSSH text
	Passphrase domain.Secret // of an encrypted one
}

// Keys is what people do with stored keys. Nobody ever gets a key's text back.
type Keys interface {
	// Add stores a private key, sealed and without its passphrase. Fails with name_invalid, ErrKeyNameTaken, ErrVaultSealed,
	// and domain.KindUnprocessable as KeyReader.Unlock.
	Add(ctx context.Context, n NewKey) (domain.Key, error)
	// List returns all keys by name, each with the servers that use it. Fails with ErrStorageUnavailable.
	List(ctx context.Context) ([]domain.Key, error)
	// Delete removes a key. Fails with ErrKeyNotFound, ErrKeyInUse (details used_by: the servers' names).
	Delete(ctx context.Context, name string) error
}

// KeyRepository keeps keys and, apart from what may be told about them, their sealed texts.
type KeyRepository interface {
	// Add stores a key. Fails with ErrKeyNameTaken.
	Add(ctx context.Context, k *domain.Key, text domain.Sealed) error
	// Get fails with ErrKeyNotFound. The key comes without UsedBy.
	Get(ctx context.Context, name string) (k *domain.Key, text domain.Sealed, err error)
	// List returns all keys by name, with UsedBy. Fails with ErrStorageUnavailable.
	List(ctx context.Context) ([]domain.Key, error)
	// Delete removes a key that no server refers to. Fails with ErrKeyNotFound, ErrKeyInUse (details used_by).
	Delete(ctx context.Context, name string) error
}
