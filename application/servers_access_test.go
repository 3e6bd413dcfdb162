package application_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/memory"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

const anotherKey = "SHA256:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"

func unknownKey(n *ports.NewServer) { n.HostKey = "" }

func acceptNew(n *ports.NewServer) { n.HostKey, n.HostKeyPolicy = "", domain.HostKeyAcceptNew }

func TestTrust_FirstPinKeepsTheCredential(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		was := w.server(unknownKey)
		w.pass(time.Minute)
		s, err := w.servers.Trust(t.Context(), was.ID, memory.MemoryHostKey)
		require.NoError(t, err)
		require.Equal(t, memory.MemoryHostKey, s.HostKey.Fingerprint)
		require.Equal(t, time.Now().UTC(), s.HostKey.PinnedAt)
		require.False(t, s.CredentialNeeded)
		require.Equal(t, password, w.credential(s.ID).Password.Reveal(), "it is sealed anew, for this key")
		_, sealed, err := w.store.Servers().Get(t.Context(), s.ID)
		require.NoError(t, err)
		_, err = w.vault.Open(sealed, was.Binding())
		require.Error(t, err)
		hides(t, s)
	})
}

func TestTrust_AnotherPinDropsTheCredential(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		s := w.server()
		s, err := w.servers.Trust(t.Context(), s.ID, anotherKey)
		require.NoError(t, err)
		require.Equal(t, anotherKey, s.HostKey.Fingerprint)
		require.True(t, s.CredentialNeeded)
		require.Nil(t, w.credential(s.ID))
		s, err = w.servers.Trust(t.Context(), s.ID, memory.MemoryHostKey)
		require.NoError(t, err)
		require.True(t, s.CredentialNeeded)
	})
}

func TestTrust_SamePinChangesNothing(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		s := w.server()
		_, err := w.servers.Test(t.Context(), s.ID)
		require.NoError(t, err)
		was, err := w.servers.Get(t.Context(), s.ID)
		require.NoError(t, err)
		w.pass(time.Minute)
		s, err = w.servers.Trust(t.Context(), s.ID, memory.MemoryHostKey)
		require.NoError(t, err)
		require.Equal(t, was, s, "what is answered is what is stored")
		require.NotNil(t, w.credential(s.ID))
	})
}

func TestTrust_Refuses(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		s := w.server()
		for _, bad := range []string{"", "SHA256:x", "MD5:aa:bb", memory.MemoryHostKey + "="} {
			_, err := w.servers.Trust(t.Context(), s.ID, bad)
			requireCode(t, "fingerprint_invalid", err)
		}
		_, err := w.servers.Trust(t.Context(), "unknown", anotherKey)
		require.ErrorIs(t, err, domain.ErrServerNotFound)
		now, err := w.servers.Get(t.Context(), s.ID)
		require.NoError(t, err)
		require.Equal(t, s, now)
	})
}

func TestTest_KeepsWhatItFound(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		s := w.server()
		r, err := w.servers.Test(t.Context(), s.ID)
		require.NoError(t, err)
		require.True(t, r.OK)
		require.Equal(t, s.ID, r.Server)
		now, err := w.servers.Get(t.Context(), s.ID)
		require.NoError(t, err)
		require.True(t, now.LastCheck.Connected)
		require.Equal(t, domain.ModeDurable, now.Mode)
		require.Equal(t, "ssh-ed25519", now.HostKey.Type, "a pin by its fingerprint learns its type")
		require.Equal(t, s.HostKey.PinnedAt, now.HostKey.PinnedAt)

		w.pass(time.Minute)
		w.machines.Unreachable(s.ID, true)
		r, err = w.servers.Test(t.Context(), s.ID)
		require.NoError(t, err, "that is a report")
		require.False(t, r.OK)
		require.Equal(t, ports.StepConnect, r.Step)
		require.Equal(t, domain.ReasonConnect, r.Reason)
		now, err = w.servers.Get(t.Context(), s.ID)
		require.NoError(t, err)
		require.False(t, now.LastCheck.Connected)
		require.Equal(t, r.Message, now.LastCheck.Message)
		require.Equal(t, time.Now().UTC(), now.LastCheck.At)
		require.Equal(t, domain.ModeDurable, now.Mode, "how commands run there is still known")
		hides(t, r, now)
	})
}

func TestTest_ReportsAnUnknownKey(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		s := w.server(unknownKey)
		r, err := w.servers.Test(t.Context(), s.ID)
		require.NoError(t, err)
		require.Equal(t, ports.StepHostKey, r.Step)
		require.Equal(t, memory.MemoryHostKey, r.Seen.Fingerprint, "so that somebody can confirm it")
		now, err := w.servers.Get(t.Context(), s.ID)
		require.NoError(t, err)
		require.Nil(t, now.HostKey, "under confirm nobody else does")
	})
}

func TestTest_AcceptNewPinsTheFirstKey(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		s := w.server(acceptNew)
		r, err := w.servers.Test(t.Context(), s.ID)
		require.NoError(t, err)
		require.True(t, r.OK)
		now, err := w.servers.Get(t.Context(), s.ID)
		require.NoError(t, err)
		require.Equal(t, memory.MemoryHostKey, now.HostKey.Fingerprint)
		require.Equal(t, time.Now().UTC(), now.HostKey.PinnedAt)
		require.True(t, now.LastCheck.Connected)
		require.False(t, now.CredentialNeeded)
		require.Equal(t, password, w.credential(s.ID).Password.Reveal())
	})
}

func TestTest_AcceptNewKeepsAPin(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		s := w.server(func(n *ports.NewServer) { n.HostKey, n.HostKeyPolicy = anotherKey, domain.HostKeyAcceptNew })
		w.machines.Refuse(s.ID, &domain.Failure{Reason: domain.ReasonHostKeyMismatch, Message: "another key"})
		r, err := w.servers.Test(t.Context(), s.ID)
		require.NoError(t, err)
		require.Equal(t, domain.ReasonHostKeyMismatch, r.Reason)
		now, err := w.servers.Get(t.Context(), s.ID)
		require.NoError(t, err)
		require.Equal(t, anotherKey, now.HostKey.Fingerprint)
		require.NotNil(t, w.credential(s.ID))
	})
}

func TestTest_LooksWithoutACredential(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		s := w.server()
		_, err := w.servers.Update(t.Context(), s.ID, ports.ServerChange{Hostname: new("moved.example.org")})
		require.NoError(t, err)
		r, err := w.servers.Test(t.Context(), s.ID)
		require.NoError(t, err)
		require.Equal(t, memory.MemoryHostKey, r.Seen.Fingerprint, "a moved server's key can be seen and confirmed")
		_, err = w.servers.Test(t.Context(), "unknown")
		require.ErrorIs(t, err, domain.ErrServerNotFound)
	})
}

// meddling is a server that somebody changes while it is being tested.
type meddling struct {
	*memory.Executor
	change func()
}

func (m meddling) Probe(ctx context.Context, t ports.Target, pin bool) ports.TestReport {
	r := m.Executor.Probe(ctx, t, pin)
	m.change()
	return r
}

func TestTest_OthersMayChangeTheServerMeanwhile(t *testing.T) {
	for name, c := range map[string]struct {
		policy  func(*ports.NewServer)
		change  ports.ServerChange
		checked bool
	}{
		"Name":             {unknownKey, ports.ServerChange{Name: new("renamed")}, true},
		"NameUnderAccept":  {acceptNew, ports.ServerChange{Name: new("renamed")}, true},
		"Address":          {unknownKey, ports.ServerChange{Hostname: new("moved.example.org")}, false},
		"AddressOfAPinned": {func(*ports.NewServer) {}, ports.ServerChange{Port: new(2222)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			inQuietWorld(t, func(t *testing.T, w *world) {
				s := w.server(c.policy)
				w.servers.Prober = meddling{w.machines, func() {
					_, err := w.servers.Update(context.Background(), s.ID, c.change)
					require.NoError(t, err)
				}}
				_, err := w.servers.Test(t.Context(), s.ID)
				require.NoError(t, err)
				now, err := w.servers.Get(t.Context(), s.ID)
				require.NoError(t, err)
				require.Equal(t, c.checked, now.LastCheck != nil, "a check is of the address that was looked at")
				if c.change.Name != nil {
					require.Equal(t, "renamed", now.Name)
				}
			})
		})
	}
}
