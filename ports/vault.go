package ports

import "github.com/heysubinoy/remora/domain"

// Vault seals credentials.
type Vault interface {
	// Seal encrypts a credential for one binding; two seals of one credential differ. Fails with ErrVaultSealed.
	Seal(c domain.Credential, b domain.Binding) (domain.Sealed, error)
	// Open is the reverse. Fails with ErrVaultSealed when the master key is missing or another, and with domain.KindInternal
	// (credential_damaged) when s was changed or was sealed for another binding.
	Open(s domain.Sealed, b domain.Binding) (domain.Credential, error)
}
