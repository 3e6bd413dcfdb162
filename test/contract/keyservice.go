package contract

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// KeyService says what people may expect of stored keys, whatever stands between, as JobService does of jobs.
func KeyService(t *testing.T, open func(t *testing.T) Services) {
	t.Run("Add", func(t *testing.T) { addKeyClauses(t, open) })
	t.Run("Delete", func(t *testing.T) { deleteKeyClauses(t, open) })
	t.Run("Servers", func(t *testing.T) { keyOfServerClauses(t, open) })
}

// privateKey returns a fresh key as openssl writes it.
func privateKey(t *testing.T) domain.Secret {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return domain.NewSecret(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}

func addKeyClauses(t *testing.T, open func(t *testing.T) Services) {
	t.Run("IsListed", func(t *testing.T) {
		s := open(t)
		list, err := s.Keys.List(t.Context())
		require.NoError(t, err)
		require.Empty(t, list)
		got, err := s.Keys.Add(t.Context(), ports.NewKey{Name: "id_ed25519", Text: privateKey(t)})
		require.NoError(t, err)
		require.Equal(t, "id_ed25519", got.Name)
		require.Equal(t, "ssh-ed25519", got.Type)
		require.NoError(t, domain.CheckFingerprint(got.Fingerprint))
		require.Positive(t, got.Size)
		require.False(t, got.CreatedAt.IsZero())
		list, err = s.Keys.List(t.Context())
		require.NoError(t, err)
		require.Equal(t, []domain.Key{got}, list)
	})
	t.Run("Refuses", func(t *testing.T) {
		s := open(t)
		for _, name := range []string{"", ".hidden", "../up", "a/b", "a b", "nul", "x\x00", "ключ"} {
			_, err := s.Keys.Add(t.Context(), ports.NewKey{Name: name, Text: privateKey(t)})
			wantCode(t, err, domain.KindInvalid, "name_invalid")
		}
		_, err := s.Keys.Add(t.Context(), ports.NewKey{Name: "key", Text: domain.NewSecret("not a key")})
		wantError(t, err, domain.ErrKeyUnreadable)
		require.Equal(t, domain.KindUnprocessable, domain.KindOf(err))
		_, err = s.Keys.Add(t.Context(), ports.NewKey{Name: "key", Text: privateKey(t)})
		require.NoError(t, err)
		_, err = s.Keys.Add(t.Context(), ports.NewKey{Name: "key", Text: privateKey(t)})
		wantError(t, err, domain.ErrKeyNameTaken)
	})
}

func deleteKeyClauses(t *testing.T, open func(t *testing.T) Services) {
	s := open(t)
	_, err := s.Keys.Add(t.Context(), ports.NewKey{Name: "key.pem", Text: privateKey(t)})
	require.NoError(t, err)
	for _, name := range []string{"nobody", "../key.pem", ""} {
		wantError(t, s.Keys.Delete(t.Context(), name), domain.ErrKeyNotFound)
	}
	require.NoError(t, s.Keys.Delete(t.Context(), "key.pem"))
	wantError(t, s.Keys.Delete(t.Context(), "key.pem"), domain.ErrKeyNotFound)
}

func keyOfServerClauses(t *testing.T, open func(t *testing.T) Services) {
	s := open(t)
	k, err := s.Keys.Add(t.Context(), ports.NewKey{Name: "deploy.pem", Text: privateKey(t)})
	require.NoError(t, err)
	n := named("web")
	n.Auth, n.Credential, n.Key = domain.AuthKey, domain.Credential{}, k.Name
	server, err := s.Servers.Create(t.Context(), n)
	require.NoError(t, err)
	require.Equal(t, k.Name, server.KeyName)
	require.Equal(t, &k.KeyInfo, server.Key)
	require.True(t, server.HasCredential)
	again, err := s.Servers.Get(t.Context(), server.ID)
	require.NoError(t, err)
	require.Equal(t, server, again)

	err = s.Keys.Delete(t.Context(), k.Name)
	wantError(t, err, domain.ErrKeyInUse)
	requireDetail(t, err, "used_by", "[web]")
	list, err := s.Keys.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"web"}, list[0].UsedBy)

	t.Run("Refuses", func(t *testing.T) {
		unknown, both, password := n, n, named("db")
		unknown.Name, unknown.Key = "unknown", "nobody.pem"
		_, err := s.Servers.Create(t.Context(), unknown)
		wantError(t, err, domain.ErrKeyNotFound)
		both.Name, both.Credential.PrivateKey = "both", privateKey(t)
		_, err = s.Servers.Create(t.Context(), both)
		wantCode(t, err, domain.KindInvalid, "pem_file_invalid")
		password.Key = k.Name
		_, err = s.Servers.Create(t.Context(), password)
		wantCode(t, err, domain.KindInvalid, "pem_file_invalid")
	})
	t.Run("AnotherAddressLetsGoOfIt", func(t *testing.T) {
		got, err := s.Servers.Update(t.Context(), server.ID, ports.ServerChange{User: new("root")})
		require.NoError(t, err)
		require.True(t, got.CredentialNeeded)
		require.Empty(t, got.KeyName)
		got, err = s.Servers.Update(t.Context(), server.ID, ports.ServerChange{Key: &k.Name})
		require.NoError(t, err)
		require.Equal(t, k.Name, got.KeyName)
		require.False(t, got.CredentialNeeded)
		got, err = s.Servers.Update(t.Context(), server.ID, ports.ServerChange{
			Credential: &domain.Credential{PrivateKey: privateKey(t)},
		})
		require.NoError(t, err)
		require.Empty(t, got.KeyName)
		require.True(t, got.HasCredential)
		require.NoError(t, s.Keys.Delete(t.Context(), k.Name), "nobody uses it now")
	})
}

func statusClauses(t *testing.T, open func(t *testing.T) Services) {
	s := open(t)
	good, err := s.Servers.Create(t.Context(), s.Good)
	require.NoError(t, err)
	d := s.Dead
	d.Tags, d.Active = []string{"old"}, new(bool)
	dead, err := s.Servers.Create(t.Context(), d)
	require.NoError(t, err)

	got, err := s.Access.Check(t.Context(), good.ID)
	require.NoError(t, err)
	require.Equal(t, good.Ref(), got.Server)
	require.True(t, got.Check.Connected, got.Check.Message)
	require.NotEmpty(t, got.Check.Message)
	require.False(t, got.Check.At.IsZero())
	got, err = s.Access.Check(t.Context(), dead.ID)
	require.NoError(t, err, "that a server is away is the answer")
	require.False(t, got.Check.Connected)
	require.NotEmpty(t, got.Check.Message)
	stored, err := s.Servers.Get(t.Context(), dead.ID)
	require.NoError(t, err)
	require.NotNil(t, stored.LastCheck)
	require.Equal(t, got.Check, *stored.LastCheck)
	_, err = s.Access.Check(t.Context(), nobody)
	wantError(t, err, domain.ErrServerNotFound)

	for _, c := range []struct {
		q    ports.ServerQuery
		want string
	}{
		{ports.ServerQuery{}, "dead false, good true"},
		{ports.ServerQuery{Active: new(true)}, "good true"},
		{ports.ServerQuery{Active: new(false)}, "dead false"},
		{ports.ServerQuery{Tag: "old"}, "dead false"},
		{ports.ServerQuery{Tag: "new"}, ""},
	} {
		all, err := s.Access.CheckAll(t.Context(), c.q)
		require.NoError(t, err)
		text := ""
		for i, one := range all {
			if i > 0 {
				text += ", "
			}
			text += fmt.Sprint(one.Server.Name, " ", one.Check.Connected)
		}
		require.Equal(t, c.want, text, "%+v", c.q)
	}
}

func jumpClauses(t *testing.T, open func(t *testing.T) Services) {
	s := open(t)
	jump, err := s.Servers.Create(t.Context(), named("bastion"))
	require.NoError(t, err)
	n := named("inner")
	n.ProxyJump = jump.ID
	inner, err := s.Servers.Create(t.Context(), n)
	require.NoError(t, err)
	require.Equal(t, jump.ID, inner.ProxyJump)

	n.Name, n.ProxyJump = "lost", nobody
	_, err = s.Servers.Create(t.Context(), n)
	wantError(t, err, domain.ErrJumpNotFound)
	_, err = s.Servers.Update(t.Context(), jump.ID, ports.ServerChange{ProxyJump: &inner.ID})
	wantError(t, err, domain.ErrJumpLoop)
	_, err = s.Servers.Delete(t.Context(), jump.ID, true)
	wantError(t, err, domain.ErrServerIsJump)
	requireDetail(t, err, "used_by", "[inner]")

	got, err := s.Servers.Update(t.Context(), inner.ID, ports.ServerChange{Name: new("still inner")})
	require.NoError(t, err)
	require.Equal(t, jump.ID, got.ProxyJump, "what is not named stays")
	require.True(t, got.HasCredential)
	got, err = s.Servers.Update(t.Context(), inner.ID, ports.ServerChange{ProxyJump: new(domain.ServerID)})
	require.NoError(t, err)
	require.Empty(t, got.ProxyJump)
	require.True(t, got.CredentialNeeded, "nobody has confirmed whom the other way leads to")
	_, err = s.Servers.Delete(t.Context(), jump.ID, true)
	require.NoError(t, err)

	pinned, err := s.Servers.Create(t.Context(), s.Good)
	require.NoError(t, err)
	got, err = s.Servers.Update(t.Context(), pinned.ID, ports.ServerChange{ProxyJump: &inner.ID})
	require.NoError(t, err)
	require.True(t, got.HasCredential, "the pinned host key names the machine, whatever the way")
	require.Equal(t, pinned.HostKey.Fingerprint, got.HostKey.Fingerprint)
	e, _ := errors.AsType[*domain.Error](domain.ErrJumpLoop)
	require.Equal(t, domain.KindInvalid, e.Kind)
}
