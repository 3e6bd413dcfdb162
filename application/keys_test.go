package application_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/memory"
	"github.com/heysubinoy/remora/adapters/system"
	"github.com/heysubinoy/remora/application"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

func (w *world) keys() *application.Keys {
	return &application.Keys{Repository: w.store.Keys(), Vault: w.vault, Reader: keys{}, Clock: system.Clock{}}
}

func storedKey(n *ports.NewServer) {
	n.Auth, n.Credential, n.Key = domain.AuthKey, domain.Credential{}, "deploy.pem"
}

func TestKeys_AreSealedWithoutTheirPassphrase(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		k, err := w.keys().Add(t.Context(), ports.NewKey{
			Name: "deploy.pem", Text: domain.NewSecret("locked sesame"), Passphrase: domain.NewSecret("sesame"),
		})
		require.NoError(t, err)
		require.Equal(t, len("key sesame"), k.Size)
		require.Equal(t, time.Now().UTC(), k.CreatedAt)
		_, sealed, err := w.store.Keys().Get(t.Context(), "deploy.pem")
		require.NoError(t, err)
		require.NotContains(t, string(sealed), "sesame")
		c, err := w.vault.Open(sealed, k.Binding())
		require.NoError(t, err)
		require.Equal(t, "key sesame", c.PrivateKey.Reveal())
		require.True(t, c.Passphrase.Empty())
		other := k
		other.Name = "other.pem"
		_, err = w.vault.Open(sealed, other.Binding())
		require.Error(t, err, "it serves under its own name alone")

		w.vault.seal(true)
		_, err = w.keys().Add(t.Context(), ports.NewKey{Name: "two", Text: domain.NewSecret("key x")})
		require.ErrorIs(t, err, domain.ErrVaultSealed)
		_, err = w.servers.Create(t.Context(), newServer(storedKey))
		require.ErrorIs(t, err, domain.ErrVaultSealed)
	})
}

func TestServers_AStoredKeyIsBoundAsAnyCredential(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		_, err := w.keys().Add(t.Context(), ports.NewKey{Name: "deploy.pem", Text: domain.NewSecret("key x")})
		require.NoError(t, err)
		s := w.server(storedKey)
		require.Equal(t, "key x", w.credential(s.ID).PrivateKey.Reveal())
		_, sealed, err := w.store.Servers().Get(t.Context(), s.ID)
		require.NoError(t, err)
		moved := s
		moved.Hostname = "evil.example.org"
		_, err = w.vault.Open(sealed, moved.Binding())
		require.Error(t, err)

		s, err = w.servers.Update(t.Context(), s.ID, ports.ServerChange{Hostname: new("moved.example.org")})
		require.NoError(t, err)
		require.True(t, s.CredentialNeeded)
		require.Empty(t, s.KeyName)
		require.Nil(t, w.credential(s.ID))
		require.NoError(t, w.keys().Delete(t.Context(), "deploy.pem"))
		hides(t, s)
	})
}

func TestServers_AWayIsAPartOfTheAddressUntilAKeyIsPinned(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		one, two := w.server(named("one")), w.server(named("two"))
		behind := func(n *ports.NewServer) { n.ProxyJump = one.ID }
		open := w.server(named("open"), behind, unknownKey)
		pinned := w.server(named("pinned"), behind)

		open, err := w.servers.Update(t.Context(), open.ID, ports.ServerChange{ProxyJump: &two.ID})
		require.NoError(t, err)
		require.True(t, open.CredentialNeeded, "who changes the way does not get the password at its end")
		require.Nil(t, w.credential(open.ID))
		pinned, err = w.servers.Update(t.Context(), pinned.ID, ports.ServerChange{ProxyJump: &two.ID})
		require.NoError(t, err)
		require.False(t, pinned.CredentialNeeded)
		require.Equal(t, password, w.credential(pinned.ID).Password.Reveal())
	})
}

// route notes the way that a look at a server was to take.
type route struct {
	*memory.Executor
	seen *[]string
}

func (r route) Check(ctx context.Context, t ports.Target) ports.TestReport {
	for at := &t; at != nil; at = at.Via {
		*r.seen = append(*r.seen, at.Server.Name+" "+at.Credential.Password.Reveal())
	}
	return r.Executor.Check(ctx, t)
}

func TestServers_EachHopHasItsOwnCredential(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		with := func(secret string) func(*ports.NewServer) {
			return func(n *ports.NewServer) { n.Credential.Password = domain.NewSecret(secret) }
		}
		outer := w.server(named("outer"), with("outer's"))
		inner := w.server(named("inner"), with("inner's"), func(n *ports.NewServer) { n.ProxyJump = outer.ID })
		end := w.server(named("end"), with("end's"), func(n *ports.NewServer) { n.ProxyJump = inner.ID })
		var seen []string
		w.servers.Prober = route{w.machines, &seen}
		status, err := w.servers.Check(t.Context(), end.ID)
		require.NoError(t, err)
		require.True(t, status.Check.Connected)
		require.Equal(t, []string{"end end's", "inner inner's", "outer outer's"}, seen)

		_, err = w.servers.Update(t.Context(), outer.ID, ports.ServerChange{User: new("root")})
		require.NoError(t, err)
		status, err = w.servers.Check(t.Context(), end.ID)
		require.NoError(t, err)
		require.False(t, status.Check.Connected)
		require.Contains(t, status.Check.Message, `server "outer" needs its password or key anew`)
	})
}

func TestTest_PinsTheFirstKeysOnTheWay(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		outer := w.server(named("outer"), acceptNew)
		inner := w.server(named("inner"), acceptNew, func(n *ports.NewServer) { n.ProxyJump = outer.ID })
		end := w.server(named("end"), acceptNew, func(n *ports.NewServer) { n.ProxyJump = inner.ID })
		r, err := w.servers.Test(t.Context(), end.ID)
		require.NoError(t, err)
		require.True(t, r.OK, r.Message)
		for _, s := range []domain.Server{outer, inner, end} {
			now, err := w.servers.Get(t.Context(), s.ID)
			require.NoError(t, err)
			require.NotNil(t, now.HostKey, s.Name)
			require.False(t, now.CredentialNeeded, s.Name)
		}
	})
}

func TestWorker_PinsTheFirstKeysOnTheWay(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.work()
		outer := w.server(named("outer"), acceptNew)
		end := w.server(named("end"), func(n *ports.NewServer) { n.ProxyJump = outer.ID })
		w.final(w.submit(end, func(*memory.Process) domain.Exit { return domain.Exit{} }))
		now, err := w.servers.Get(t.Context(), outer.ID)
		require.NoError(t, err)
		require.NotNil(t, now.HostKey, "a pinned server behind it is reached the first time too")
	})
}

func TestCheck_TellsNothingWhenTheCallerLeaves(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		s := w.server()
		ctx, cancel := context.WithCancelCause(t.Context())
		w.servers.Prober = meddling{w.machines, func() { cancel(nil) }}
		_, err := w.servers.CheckAll(ctx, ports.ServerQuery{})
		require.Error(t, err)
		now, err := w.servers.Get(t.Context(), s.ID)
		require.NoError(t, err)
		require.Nil(t, now.LastCheck, "that somebody left is not the server's doing")
	})
}

// Check implements ports.Prober.
func (m meddling) Check(ctx context.Context, t ports.Target) ports.TestReport {
	r := m.Executor.Check(ctx, t)
	m.change()
	return r
}

func TestCheck_LeavesTheRevisionAlone(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		s := w.server()
		status, err := w.servers.Check(t.Context(), s.ID)
		require.NoError(t, err)
		now, err := w.servers.Get(t.Context(), s.ID)
		require.NoError(t, err)
		require.Equal(t, s.Revision, now.Revision)
		require.Equal(t, status.Check, *now.LastCheck)
		w.vault.seal(true)
		_, err = w.servers.Check(t.Context(), s.ID)
		require.ErrorIs(t, err, domain.ErrVaultSealed)
		_, err = w.servers.CheckAll(t.Context(), ports.ServerQuery{})
		require.ErrorIs(t, err, domain.ErrVaultSealed)
	})
}
