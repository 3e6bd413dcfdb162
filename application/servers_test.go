package application_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/memory"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

// secrets are texts that nobody is ever shown.
const (
	password   = "correct horse"
	privateKey = "locked battery staple"
	passphrase = "battery staple"
)

// hides proves that no secret is in what people or logs may see.
func hides(t *testing.T, values ...any) {
	t.Helper()
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			text := fmt.Sprintf(verb, v)
			for _, secret := range []string{password, privateKey, passphrase} {
				require.NotContains(t, text, secret)
			}
		}
	}
}

func withKey(n *ports.NewServer) {
	n.Auth = domain.AuthKey
	n.Credential = domain.Credential{PrivateKey: domain.NewSecret(privateKey), Passphrase: domain.NewSecret(passphrase)}
}

// credential is what a worker would log in with; nil when there is none.
func (w *world) credential(id domain.ServerID) *domain.Credential {
	w.t.Helper()
	s, sealed, err := w.store.Servers().Get(context.Background(), id)
	require.NoError(w.t, err)
	require.NotContains(w.t, string(sealed), password)
	require.Equal(w.t, len(sealed) > 0, s.HasCredential)
	if len(sealed) == 0 {
		return nil
	}
	c, err := w.vault.Open(sealed, s.Binding())
	require.NoError(w.t, err)
	return &c
}

func TestServers_CreateTakesDefaults(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		n := newServer(func(n *ports.NewServer) { n.HostKey, n.Tags = "", []string{"web", "eu", "web"} })
		s, err := w.servers.Create(t.Context(), n)
		require.NoError(t, err)
		require.Equal(t, 22, s.Port)
		require.True(t, s.Active)
		require.Equal(t, domain.HostKeyConfirm, s.HostKeyPolicy)
		require.Equal(t, domain.DefaultSessions, s.MaxSessions)
		require.Equal(t, []string{"eu", "web"}, s.Tags)
		require.Nil(t, s.HostKey)
		require.True(t, s.HasCredential)
		require.False(t, s.CredentialNeeded)
		require.Equal(t, &n.Credential, w.credential(s.ID))
		got, err := w.servers.Get(t.Context(), s.ID)
		require.NoError(t, err)
		require.Equal(t, s, got)
		page, err := w.servers.List(t.Context(), ports.ServerQuery{})
		require.NoError(t, err)
		require.Equal(t, []domain.Server{s}, page.Servers)
		hides(t, s, &s, page, n)
	})
}

func TestServers_CreateWithAKey(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		s := w.server(withKey)
		require.Equal(t, "ssh-ed25519", s.Key.Type)
		require.NoError(t, domain.CheckFingerprint(s.Key.Fingerprint))
		require.Equal(t, memory.MemoryHostKey, s.HostKey.Fingerprint)
		require.Equal(t, s.CreatedAt, s.HostKey.PinnedAt)
		require.Equal(t, privateKey, w.credential(s.ID).PrivateKey.Reveal())
		require.Equal(t, passphrase, w.credential(s.ID).Passphrase.Reveal())
		hides(t, s)
	})
}

func TestServers_CreateRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*ports.NewServer)
		code   string
	}{
		"NoName":          {named(""), "name_invalid"},
		"NoHostname":      {func(n *ports.NewServer) { n.Hostname = "" }, "hostname_invalid"},
		"PortOutOfRange":  {func(n *ports.NewServer) { n.Port = 70000 }, "port_invalid"},
		"NoUser":          {func(n *ports.NewServer) { n.User = "" }, "user_invalid"},
		"NoAuth":          {func(n *ports.NewServer) { n.Auth = "" }, "auth_type_invalid"},
		"NoSuchPolicy":    {func(n *ports.NewServer) { n.HostKeyPolicy = "never" }, "host_key_policy_invalid"},
		"TooManySessions": {func(n *ports.NewServer) { n.MaxSessions = 257 }, "max_sessions_invalid"},
		"EmptyTag":        {func(n *ports.NewServer) { n.Tags = []string{""} }, "tags_invalid"},
		"NotAHostKey":     {func(n *ports.NewServer) { n.HostKey = "SHA256:x" }, "host_key_invalid"},
		"NoPassword":      {func(n *ports.NewServer) { n.Credential = domain.Credential{} }, "password_invalid"},
		"KeyForPassword":  {func(n *ports.NewServer) { n.Credential.PrivateKey = domain.NewSecret("key") }, "private_key_invalid"},
		"NoKey":           {func(n *ports.NewServer) { withKey(n); n.Credential.PrivateKey = domain.Secret{} }, "private_key_invalid"},
		"PasswordForKey":  {func(n *ports.NewServer) { withKey(n); n.Credential.Password = domain.NewSecret(password) }, "password_invalid"},
		"NotAKey":         {func(n *ports.NewServer) { withKey(n); n.Credential.PrivateKey = domain.NewSecret("?") }, "key_unreadable"},
		"WrongPassphrase": {func(n *ports.NewServer) { withKey(n); n.Credential.Passphrase = domain.NewSecret("?") }, "passphrase_wrong"},
	} {
		t.Run(name, func(t *testing.T) {
			inQuietWorld(t, func(t *testing.T, w *world) {
				_, err := w.servers.Create(t.Context(), newServer(c.change))
				requireCode(t, c.code, err)
				page, err := w.servers.List(t.Context(), ports.ServerQuery{})
				require.NoError(t, err)
				require.Empty(t, page.Servers)
			})
		})
	}
}

func TestServers_NothingIsStoredWhileTheVaultIsSealed(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		known := w.server(named("known"))
		w.vault.seal(true)
		_, err := w.servers.Create(t.Context(), newServer())
		require.ErrorIs(t, err, domain.ErrVaultSealed)
		_, err = w.servers.Update(t.Context(), known.ID, ports.ServerChange{
			User: new("root"), Credential: &domain.Credential{Password: domain.NewSecret("new")},
		})
		require.ErrorIs(t, err, domain.ErrVaultSealed)
		_, err = w.servers.Test(t.Context(), known.ID)
		require.ErrorIs(t, err, domain.ErrVaultSealed)
		w.vault.seal(false)
		s, err := w.servers.Get(t.Context(), known.ID)
		require.NoError(t, err)
		require.Equal(t, known, s)
		require.Equal(t, password, w.credential(known.ID).Password.Reveal())
	})
}

func TestServers_NamesAreUnique(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		w.server(named("a"))
		b := w.server(named("b"))
		_, err := w.servers.Create(t.Context(), newServer(named("a")))
		require.ErrorIs(t, err, domain.ErrServerNameTaken)
		_, err = w.servers.Update(t.Context(), b.ID, ports.ServerChange{Name: new("a")})
		require.ErrorIs(t, err, domain.ErrServerNameTaken)
	})
}

func TestServers_UpdateChangesWhatItNames(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		was := w.server()
		_, err := w.servers.Test(t.Context(), was.ID)
		require.NoError(t, err)
		s, err := w.servers.Update(t.Context(), was.ID, ports.ServerChange{
			Name: new("renamed"), Active: new(false), Tags: &[]string{"x"}, MaxSessions: new(3),
		})
		require.NoError(t, err)
		require.Equal(t, "renamed", s.Name)
		require.False(t, s.Active)
		require.Equal(t, []string{"x"}, s.Tags)
		require.Equal(t, 3, s.MaxSessions)
		require.Equal(t, was.HostKey.Fingerprint, s.HostKey.Fingerprint)
		require.Equal(t, was.Hostname, s.Hostname)
		require.NotNil(t, s.LastCheck)
		require.Equal(t, password, w.credential(s.ID).Password.Reveal(), "the credential still fits")
		s, err = w.servers.Update(t.Context(), s.ID, ports.ServerChange{Tags: &[]string{}})
		require.NoError(t, err)
		require.Empty(t, s.Tags)
		_, err = w.servers.Update(t.Context(), s.ID, ports.ServerChange{Port: new(0)})
		requireCode(t, "port_invalid", err)
		_, err = w.servers.Update(t.Context(), "unknown", ports.ServerChange{})
		require.ErrorIs(t, err, domain.ErrServerNotFound)
	})
}

func TestServers_AStoredCredentialServesOneAddressOnly(t *testing.T) {
	for name, c := range map[string]struct {
		change    ports.ServerChange
		keepPin   bool
		keepCheck bool
	}{
		"Hostname": {ports.ServerChange{Hostname: new("evil.example.org")}, false, false},
		"Port":     {ports.ServerChange{Port: new(2222)}, false, false},
		"User":     {ports.ServerChange{User: new("root")}, true, false},
		"Auth":     {ports.ServerChange{Auth: new(domain.AuthKey)}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			inQuietWorld(t, func(t *testing.T, w *world) {
				was := w.server()
				_, err := w.servers.Test(t.Context(), was.ID)
				require.NoError(t, err)
				s, err := w.servers.Update(t.Context(), was.ID, c.change)
				require.NoError(t, err)
				require.True(t, s.CredentialNeeded)
				require.False(t, s.HasCredential)
				require.Nil(t, w.credential(s.ID))
				require.Equal(t, c.keepPin, s.HostKey != nil)
				require.Equal(t, c.keepCheck, s.LastCheck != nil)

				s, err = w.servers.Update(t.Context(), s.ID, ports.ServerChange{Hostname: &was.Hostname, Port: &was.Port, User: &was.User, Auth: &was.Auth})
				require.NoError(t, err)
				require.True(t, s.CredentialNeeded, "going back does not bring it back")
				s, err = w.servers.Update(t.Context(), s.ID, ports.ServerChange{Credential: &domain.Credential{Password: domain.NewSecret("new")}})
				require.NoError(t, err)
				require.False(t, s.CredentialNeeded)
				require.Equal(t, "new", w.credential(s.ID).Password.Reveal())
			})
		})
	}
}

func TestServers_UpdateBringsAnotherCredential(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		s := w.server(withKey)
		s, err := w.servers.Update(t.Context(), s.ID, ports.ServerChange{
			Hostname: new("other.example.org"), Auth: new(domain.AuthPassword), Credential: &domain.Credential{Password: domain.NewSecret(password)},
		})
		require.NoError(t, err)
		require.False(t, s.CredentialNeeded)
		require.True(t, s.HasCredential)
		require.Nil(t, s.Key)
		require.Equal(t, password, w.credential(s.ID).Password.Reveal())
		_, err = w.servers.Update(t.Context(), s.ID, ports.ServerChange{Credential: &domain.Credential{PrivateKey: domain.NewSecret("key x")}})
		requireCode(t, "password_invalid", err)
		hides(t, s)
	})
}

func TestServers_Delete(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		s := w.server()
		done := w.add(fixture.Completed, fixture.On(s.ID))
		active := w.add(fixture.Pending, fixture.On(s.ID))
		for _, force := range []bool{false, true} {
			_, err := w.servers.Delete(t.Context(), s.ID, force)
			require.ErrorIs(t, err, domain.ErrServerHasJobs)
			require.Contains(t, detailsOf(err), "active_jobs")
		}
		w.cancel(active.ID)
		_, err := w.servers.Delete(t.Context(), s.ID, false)
		require.Contains(t, detailsOf(err), "total_jobs")
		n, err := w.servers.Delete(t.Context(), s.ID, true)
		require.NoError(t, err)
		require.EqualValues(t, 2, n)
		_, err = w.jobs.Get(t.Context(), done.ID)
		require.ErrorIs(t, err, domain.ErrJobNotFound)
		_, err = w.servers.Delete(t.Context(), s.ID, true)
		require.ErrorIs(t, err, domain.ErrServerNotFound)
	})
}

func detailsOf(err error) string {
	e, ok := errors.AsType[*domain.Error](err)
	if !ok {
		return ""
	}
	return fmt.Sprint(e.Details)
}

func TestServers_ListRefuses(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		for _, limit := range []int{-1, 1001} {
			_, err := w.servers.List(t.Context(), ports.ServerQuery{Limit: limit})
			requireCode(t, "limit_invalid", err)
		}
	})
}
