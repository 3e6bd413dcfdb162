package contract

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Vaults makes the vaults that the suite compares.
type Vaults struct {
	Open   func(t *testing.T) ports.Vault // the same master key at every call
	Other  func(t *testing.T) ports.Vault // another master key
	Sealed func(t *testing.T) ports.Vault // none
}

// Vault runs the contract of ports.Vault.
func Vault(t *testing.T, vaults Vaults) {
	binding := domain.Binding{Kind: "server", ID: "0198", Use: "root@db1:22 SHA256:x"}
	credential := domain.Credential{
		Password:   domain.NewSecret("p\u00e4ss \x00\xff word"),
		PrivateKey: domain.NewSecret(strings.Repeat("-----BEGIN-----\n", 500)),
		Passphrase: domain.NewSecret("correct horse"),
	}

	t.Run("OpenReturnsWhatWasSealed", func(t *testing.T) {
		for i, c := range []domain.Credential{
			credential, {}, {Password: credential.Password}, {PrivateKey: credential.PrivateKey}, {Passphrase: credential.Passphrase},
		} {
			s, err := vaults.Open(t).Seal(c, binding)
			require.NoError(t, err)
			got, err := vaults.Open(t).Open(s, binding)
			require.NoError(t, err)
			require.True(t, got == c, "credential %d came back changed", i)
		}
	})
	t.Run("NothingShowsInTheSealed", func(t *testing.T) {
		s, err := vaults.Open(t).Seal(credential, binding)
		require.NoError(t, err)
		for _, secret := range []domain.Secret{credential.Password, credential.PrivateKey, credential.Passphrase} {
			require.NotContains(t, string(s), secret.Reveal())
		}
	})
	t.Run("TwoSealsDiffer", func(t *testing.T) {
		v := vaults.Open(t)
		a, err := v.Seal(credential, binding)
		require.NoError(t, err)
		b, err := v.Seal(credential, binding)
		require.NoError(t, err)
		require.NotEqual(t, a, b)
	})
	t.Run("AnotherBindingOpensNothing", func(t *testing.T) { vaultBindings(t, vaults.Open(t), credential, binding) })
	t.Run("AnyChangeIsDamage", func(t *testing.T) { vaultDamage(t, vaults.Open(t), binding) })
	t.Run("AnotherMasterKeyIsSealed", func(t *testing.T) {
		s, err := vaults.Open(t).Seal(credential, binding)
		require.NoError(t, err)
		got, err := vaults.Other(t).Open(s, binding)
		require.ErrorIs(t, err, domain.ErrVaultSealed)
		require.Equal(t, domain.KindUnavailable, domain.KindOf(err))
		require.Equal(t, domain.Credential{}, got)
	})
	t.Run("WithoutMasterKeyIsSealed", func(t *testing.T) {
		s, err := vaults.Open(t).Seal(credential, binding)
		require.NoError(t, err)
		_, err = vaults.Sealed(t).Open(s, binding)
		require.ErrorIs(t, err, domain.ErrVaultSealed)
		s, err = vaults.Sealed(t).Seal(credential, binding)
		require.ErrorIs(t, err, domain.ErrVaultSealed)
		require.Nil(t, s)
	})
	t.Run("NeverPrintsKeyOrSecret", func(t *testing.T) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
			shown := fmt.Sprintf(verb, vaults.Open(t))
			require.Less(t, len(shown), 100, "%s printed %d bytes of the vault", verb, len(shown))
		}
	})
}

func vaultBindings(t *testing.T, v ports.Vault, c domain.Credential, b domain.Binding) {
	s, err := v.Seal(c, b)
	require.NoError(t, err)
	others := []domain.Binding{
		{},
		{Kind: "key", ID: b.ID, Use: b.Use},
		{Kind: b.Kind, ID: b.ID + "9", Use: b.Use},
		{Kind: b.Kind, ID: b.ID, Use: "root@db2:22 SHA256:x"},
		{Kind: b.Kind + b.ID, ID: "", Use: b.Use}, // the same letters, put together another way
		{Kind: b.Kind, ID: b.ID + b.Use[:1], Use: b.Use[1:]},
	}
	for _, other := range others {
		got, err := v.Open(s, other)
		requireDamaged(t, err, "binding %+v", other)
		require.Equal(t, domain.Credential{}, got)
	}
}

func vaultDamage(t *testing.T, v ports.Vault, b domain.Binding) {
	s, err := v.Seal(domain.Credential{Password: domain.NewSecret("hunter2")}, b)
	require.NoError(t, err)
	for i := range s {
		changed := append(domain.Sealed(nil), s...)
		changed[i] ^= 1 << (i % 8)
		_, err := v.Open(changed, b)
		requireDamaged(t, err, "byte %d of %d changed", i, len(s))
		_, err = v.Open(s[:i], b)
		requireDamaged(t, err, "cut at %d of %d", i, len(s))
	}
	_, err = v.Open(append(append(domain.Sealed(nil), s...), 0), b)
	requireDamaged(t, err, "a byte too many")
	_, err = v.Open(nil, b)
	requireDamaged(t, err, "nothing")
	_, err = v.Open(s, b)
	require.NoError(t, err, "Open changed what it was given")
}

func requireDamaged(t *testing.T, err error, format string, args ...any) {
	t.Helper()
	e, ok := errors.AsType[*domain.Error](err)
	what := fmt.Sprintf(format, args...)
	require.True(t, ok, "%s: %v", what, err)
	require.Equal(t, "credential_damaged", e.Code, what)
	require.Equal(t, domain.KindInternal, e.Kind)
}
