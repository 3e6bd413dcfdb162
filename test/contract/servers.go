package contract

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

// ServerRepository proves ports.ServerRepository.
func ServerRepository(t *testing.T, open Open) {
	clauses{
		"UnknownIDIsNotFound":           serverUnknown,
		"EveryFieldRoundTrips":          serverFields,
		"ReturnedServerIsACopy":         serverIsCopy,
		"NamesAreUnique":                serverNames,
		"OfRacingNamesOneWins":          serverNameRace,
		"CredentialsAreApart":           serverCredentials,
		"StaleSaveChangesNothing":       serverStaleSave,
		"OfRacingSavesOneWins":          serverSaveRace,
		"RefsLeaveOutTheUnknown":        serverRefs,
		"ServersDoNotShareTheirDetails": serversApart,
		"DoneContextEndsEveryMethod":    serverDoneContext,
	}.run(t, open)
	t.Run("Delete", func(t *testing.T) { serverDeleteClauses.run(t, open) })
	t.Run("List", func(t *testing.T) { serverListClauses.run(t, open) })
	t.Run("Jumps", func(t *testing.T) { serverJumpClauses.run(t, open) })
}

func getServer(t *testing.T, s Storage, id domain.ServerID) (*domain.Server, domain.Sealed) {
	t.Helper()
	server, credential, err := s.Servers.Get(t.Context(), id)
	require.NoError(t, err)
	require.NotNil(t, server)
	return server, credential
}

func serverUnknown(t *testing.T, s Storage) {
	for _, id := range []domain.ServerID{fixture.ID[domain.ServerID](t), "no-such-server", ""} {
		_, _, err := s.Servers.Get(t.Context(), id)
		require.ErrorIs(t, err, domain.ErrServerNotFound, "Get(%q)", id)
		_, err = s.Servers.Delete(t.Context(), id, true)
		require.ErrorIs(t, err, domain.ErrServerNotFound, "Delete(%q)", id)
	}
	require.ErrorIs(t, s.Servers.Save(t.Context(), fixture.Server(t), nil), domain.ErrServerNotFound)
}

// full has a value in every field that has one without a credential.
func full(s *domain.Server) {
	s.Name, s.Hostname, s.Port, s.User = "Prod — 漢字 'web' \"1\" %_\\", "fe80::1%eth0", 65535, "dépløy"
	s.Auth, s.Active, s.HostKeyPolicy, s.MaxSessions = domain.AuthKey, true, domain.HostKeyAcceptNew, domain.MaxSessions
	s.Tags = []string{"a tag", "prod", "ünï,côdé", "{x}", `"q"`, "null"}
	s.HostKey = &domain.HostKey{
		Fingerprint: "SHA256:0123456789+/abcdefghijklmnopqrstuvwxyzABCDE", Type: "ssh-ed25519", PinnedAt: fixture.Now().Add(-time.Hour),
	}
	s.Key = &domain.KeyInfo{Fingerprint: "SHA256:another", Type: "ssh-rsa"}
	s.CredentialNeeded = true
	s.Mode, s.ModeCause = domain.ModeAttached, "the home directory is not writable: «nö»"
	s.LastCheck = &domain.Check{Connected: true, Message: "connected", Latency: 31_234_567, At: fixture.Now().Add(-time.Minute)}
	s.UpdatedAt = s.CreatedAt.Add(time.Microsecond)
}

func serverFields(t *testing.T, s Storage) {
	seen := coverage{}
	for i, change := range []func(*domain.Server){
		full,
		func(*domain.Server) {},
		func(s *domain.Server) { s.Active, s.Tags = false, nil },
		func(s *domain.Server) { // only a fingerprint was given, and the last test failed
			s.HostKey = &domain.HostKey{Fingerprint: "SHA256:0123456789+/abcdefghijklmnopqrstuvwxyzABCDE", PinnedAt: fixture.Now()}
			s.LastCheck = &domain.Check{Message: "", At: fixture.Now()}
			s.Key = &domain.KeyInfo{}
		},
	} {
		server, sealed := fixture.Server(t, change), domain.Sealed(nil)
		if i == 0 {
			server.KeyName, server.ProxyJump = addKey(t, s, "key").Name, addServer(t, s).ID
			server.HasCredential, sealed = true, domain.Sealed("sealed")
		}
		require.NoError(t, s.Servers.Add(t.Context(), server, sealed))
		got, credential := getServer(t, s, server.ID)
		requireSameServer(t, server, got)
		require.Equal(t, sealed, credential)

		was := server.Revision
		server.UpdatedAt, server.ModeCause = server.UpdatedAt.Add(time.Second), "tested again"
		require.NoError(t, s.Servers.Save(t.Context(), server, nil), "an added server is as good as one that was read")
		require.Greater(t, server.Revision, was)
		got, _ = getServer(t, s, server.ID)
		requireSameServer(t, server, got)
		seen.see(reflect.ValueOf(*got), "Server")
		page, err := s.Servers.List(t.Context(), ports.ServerQuery{Search: server.Name})
		require.NoError(t, err)
		require.Len(t, page.Servers, 1)
		requireSameServer(t, server, &page.Servers[0])
	}
	seen.requireAll(t)

	server := addServer(t, s, func(s *domain.Server) { full(s); s.Name = "before"; s.HasCredential = false })
	bare := fixture.Server(t)
	bare.ID, bare.Revision, bare.CreatedAt = server.ID, server.Revision, server.CreatedAt
	require.NoError(t, s.Servers.Save(t.Context(), bare, nil))
	got, _ := getServer(t, s, server.ID)
	requireSameServer(t, bare, got) // every field can be taken back, too
}

func serverIsCopy(t *testing.T, s Storage) {
	server := addServer(t, s, full)
	read, _ := getServer(t, s, server.ID)
	stored := snapshot(t, read)
	spoil := func(s *domain.Server) {
		s.Name, s.Tags[0], s.HostKey.Type, s.Key.Type, s.LastCheck.Message = "x", "x", "x", "x", "x"
	}
	spoil(server)
	spoil(read)
	page, err := s.Servers.List(t.Context(), ports.ServerQuery{})
	require.NoError(t, err)
	spoil(&page.Servers[0])
	got, _ := getServer(t, s, server.ID)
	require.Equal(t, stored, snapshot(t, got))
}

func serverNames(t *testing.T, s Storage) {
	a, b := addServer(t, s, fixture.Named("alpha")), addServer(t, s, fixture.Named("beta"))
	twin := fixture.Server(t, fixture.Named("alpha"))
	require.ErrorIs(t, s.Servers.Add(t.Context(), twin, domain.Sealed("sealed")), domain.ErrServerNameTaken)
	_, _, err := s.Servers.Get(t.Context(), twin.ID)
	require.ErrorIs(t, err, domain.ErrServerNotFound)

	was := b.Revision
	b.Name, b.User = "alpha", "root"
	sealed := domain.Sealed("sealed")
	require.ErrorIs(t, s.Servers.Save(t.Context(), b, &sealed), domain.ErrServerNameTaken)
	require.Equal(t, was, b.Revision)
	got, credential := getServer(t, s, b.ID)
	require.Equal(t, "beta", got.Name)
	require.Equal(t, "deploy", got.User)
	require.Nil(t, credential)

	a.Name = "gamma"
	require.NoError(t, s.Servers.Save(t.Context(), a, nil))
	require.NoError(t, s.Servers.Save(t.Context(), b, nil), "the name is free now")
}

func serverNameRace(t *testing.T, s Storage) {
	servers := make([]*domain.Server, racers)
	for i := range servers {
		servers[i] = fixture.Server(t, fixture.Named("the one"))
	}
	winner := requireOneWinner(t, race(racers, func(i int) error {
		return s.Servers.Add(t.Context(), servers[i], nil)
	}), domain.ErrServerNameTaken)
	page, err := s.Servers.List(t.Context(), ports.ServerQuery{})
	require.NoError(t, err)
	require.Len(t, page.Servers, 1)
	require.Equal(t, servers[winner].ID, page.Servers[0].ID)

	for i := range servers {
		servers[i] = addServer(t, s)
		servers[i].Name = "the other"
	}
	requireOneWinner(t, race(racers, func(i int) error {
		return s.Servers.Save(t.Context(), servers[i], nil)
	}), domain.ErrServerNameTaken)
}

func serverCredentials(t *testing.T, s Storage) {
	none := addServer(t, s)
	_, credential := getServer(t, s, none.ID)
	require.Nil(t, credential)

	server := fixture.Server(t)
	server.HasCredential = true
	sealed := domain.Sealed("\x00\xff binary \x00 as it is")
	want := append(domain.Sealed{}, sealed...)
	require.NoError(t, s.Servers.Add(t.Context(), server, sealed))
	sealed[0] = 'x'
	_, credential = getServer(t, s, server.ID)
	require.Equal(t, want, credential)
	credential[0] = 'x'

	save := func(c *domain.Sealed) domain.Sealed {
		server.HasCredential = c == nil && server.HasCredential || c != nil && len(*c) > 0
		require.NoError(t, s.Servers.Save(t.Context(), server, c))
		got, credential := getServer(t, s, server.ID)
		requireSameServer(t, server, got)
		return credential
	}
	require.Equal(t, want, save(nil), "nil leaves the stored one")
	fresh, empty := domain.Sealed(noise(70_000)), domain.Sealed{}
	require.Equal(t, fresh, save(&fresh), "another replaces it")
	require.Nil(t, save(&empty), "an empty one removes it")
	require.Nil(t, save(nil))
	require.Equal(t, want, save(&want), "and it can be given anew")
	_, credential = getServer(t, s, none.ID)
	require.Nil(t, credential, "another server got it")
}

func serverStaleSave(t *testing.T, s Storage) {
	server := fixture.Server(t)
	server.HasCredential = true
	require.NoError(t, s.Servers.Add(t.Context(), server, domain.Sealed("first")))
	stale, _ := getServer(t, s, server.ID)
	server.User = "root"
	require.NoError(t, s.Servers.Save(t.Context(), server, nil))
	was := stale.Revision
	stale.User, stale.Tags = "nobody", []string{"stale"}
	other := domain.Sealed("other")
	require.ErrorIs(t, s.Servers.Save(t.Context(), stale, &other), domain.ErrServerChanged)
	require.Equal(t, was, stale.Revision)
	got, credential := getServer(t, s, server.ID)
	requireSameServer(t, server, got)
	require.Equal(t, domain.Sealed("first"), credential)
}

func serverSaveRace(t *testing.T, s Storage) {
	server := addServer(t, s)
	mine := make([]*domain.Server, racers)
	sealed := make([]domain.Sealed, racers)
	for i := range mine {
		mine[i], _ = getServer(t, s, server.ID)
		mine[i].User, mine[i].HasCredential = fmt.Sprintf("user%d", i), true
		sealed[i] = fmt.Appendf(nil, "credential of user%d", i)
	}
	winner := requireOneWinner(t, race(racers, func(i int) error {
		return s.Servers.Save(t.Context(), mine[i], &sealed[i])
	}), domain.ErrServerChanged)
	got, credential := getServer(t, s, server.ID)
	requireSameServer(t, mine[winner], got)
	require.Equal(t, sealed[winner], credential)
}

func serverRefs(t *testing.T, s Storage) {
	a, b := addServer(t, s, full), addServer(t, s)
	addServer(t, s)
	refs, err := s.Servers.Refs(t.Context(), []domain.ServerID{a.ID, b.ID, a.ID, fixture.ID[domain.ServerID](t)})
	require.NoError(t, err)
	require.Equal(t, map[domain.ServerID]domain.ServerRef{a.ID: a.Ref(), b.ID: b.Ref()}, refs)
	refs, err = s.Servers.Refs(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, refs)
	many := make([]domain.ServerID, 1500)
	for i := range many {
		many[i] = fixture.ID[domain.ServerID](t)
	}
	refs, err = s.Servers.Refs(t.Context(), append(many, b.ID))
	require.NoError(t, err, "a page of jobs is no limit")
	require.Len(t, refs, 1)
}

func serversApart(t *testing.T, s Storage) {
	a := addServer(t, s, func(s *domain.Server) { s.Tags = []string{"a"} })
	b := addServer(t, s, func(s *domain.Server) { s.Tags = []string{"b"} })
	a.Tags = []string{"c", "d"}
	require.NoError(t, s.Servers.Save(t.Context(), a, nil))
	got, _ := getServer(t, s, b.ID)
	requireSameServer(t, b, got)
}

func serverDoneContext(t *testing.T, s Storage) {
	server, fresh := addServer(t, s), fixture.Server(t)
	changed, _ := getServer(t, s, server.ID)
	changed.Name = "changed"
	requireDone(t, map[string]func(context.Context) error{
		"Add":  func(ctx context.Context) error { return s.Servers.Add(ctx, fresh, nil) },
		"Get":  func(ctx context.Context) error { _, _, err := s.Servers.Get(ctx, server.ID); return err },
		"Save": func(ctx context.Context) error { return s.Servers.Save(ctx, changed, nil) },
		"List": func(ctx context.Context) error { _, err := s.Servers.List(ctx, ports.ServerQuery{}); return err },
		"Refs": func(ctx context.Context) error {
			_, err := s.Servers.Refs(ctx, []domain.ServerID{server.ID})
			return err
		},
		"Delete": func(ctx context.Context) error { _, err := s.Servers.Delete(ctx, server.ID, true); return err },
	})
	got, _ := getServer(t, s, server.ID)
	requireSameServer(t, server, got)
	_, _, err := s.Servers.Get(t.Context(), fresh.ID)
	require.ErrorIs(t, err, domain.ErrServerNotFound)
}
