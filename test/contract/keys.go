package contract

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

// KeyRepository proves ports.KeyRepository, and what ports.ServerRepository promises of keys.
func KeyRepository(t *testing.T, open Open) {
	clauses{
		"EveryFieldRoundTrips":       keyFields,
		"UnknownNameIsNotFound":      keyUnknown,
		"NamesAreUnique":             keyNames,
		"OfRacingNamesOneWins":       keyNameRace,
		"ListIsByNameWithUsers":      keyList,
		"UsedKeyStays":               keyUsed,
		"ServerNeedsItsKey":          keyMissing,
		"OfDeleteAndUseOneWins":      keyDeleteAgainstUse,
		"ReturnedKeyIsACopy":         keyIsCopy,
		"DoneContextEndsEveryMethod": keyDoneContext,
	}.run(t, open)
}

func newKey(name string) *domain.Key {
	return &domain.Key{
		Name: name, KeyInfo: domain.KeyInfo{Fingerprint: "SHA256:" + strings.Repeat("k", 43), Type: "ssh-ed25519"},
		Size: 411, CreatedAt: fixture.Now(),
	}
}

func addKey(t *testing.T, s Storage, name string) *domain.Key {
	t.Helper()
	k := newKey(name)
	require.NoError(t, s.Keys.Add(t.Context(), k, domain.Sealed("sealed "+name)))
	return k
}

// withKey makes a server refer to a key.
func withKey(name string) func(*domain.Server) {
	return func(s *domain.Server) { s.Auth, s.KeyName = domain.AuthKey, name }
}

func keyFields(t *testing.T, s Storage) {
	k, sealed := newKey("id_ed25519.web-1"), domain.Sealed("\x00\xff as it is")
	require.NoError(t, s.Keys.Add(t.Context(), k, sealed))
	got, text, err := s.Keys.Get(t.Context(), k.Name)
	require.NoError(t, err)
	require.Equal(t, k, got)
	require.Equal(t, sealed, text)
	list, err := s.Keys.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, []domain.Key{*k}, list)
}

func keyUnknown(t *testing.T, s Storage) {
	for _, name := range []string{"nobody", "", "../x", "a\x00b"} {
		_, _, err := s.Keys.Get(t.Context(), name)
		require.ErrorIs(t, err, domain.ErrKeyNotFound, "Get(%q)", name)
		require.ErrorIs(t, s.Keys.Delete(t.Context(), name), domain.ErrKeyNotFound, "Delete(%q)", name)
	}
	list, err := s.Keys.List(t.Context())
	require.NoError(t, err)
	require.Empty(t, list)
}

func keyNames(t *testing.T, s Storage) {
	first := addKey(t, s, "one")
	again := newKey("one")
	again.Size = 1
	require.ErrorIs(t, s.Keys.Add(t.Context(), again, domain.Sealed("other")), domain.ErrKeyNameTaken)
	got, text, err := s.Keys.Get(t.Context(), "one")
	require.NoError(t, err)
	require.Equal(t, first, got)
	require.Equal(t, domain.Sealed("sealed one"), text)
	addKey(t, s, "ONE") // another name

	require.NoError(t, s.Keys.Delete(t.Context(), "one"))
	_, _, err = s.Keys.Get(t.Context(), "one")
	require.ErrorIs(t, err, domain.ErrKeyNotFound)
	require.NoError(t, s.Keys.Add(t.Context(), again, domain.Sealed("other")), "the name is free again")
	_, text, err = s.Keys.Get(t.Context(), "one")
	require.NoError(t, err)
	require.Equal(t, domain.Sealed("other"), text)
}

func keyNameRace(t *testing.T, s Storage) {
	requireOneWinner(t, race(racers, func(int) error {
		return s.Keys.Add(t.Context(), newKey("the one"), domain.Sealed("x"))
	}), domain.ErrKeyNameTaken)
}

func keyList(t *testing.T, s Storage) {
	for _, name := range []string{"web", "db", "Lab", "a.b", "a_b"} {
		addKey(t, s, name)
	}
	addServer(t, s, fixture.Named("zeta"), withKey("web"))
	addServer(t, s, fixture.Named("alpha"), withKey("web"))
	addServer(t, s, fixture.Named("lone"), withKey("db"))
	addServer(t, s, fixture.Named("other"))
	list, err := s.Keys.List(t.Context())
	require.NoError(t, err)
	var names []string
	users := map[string][]string{}
	for _, k := range list {
		names = append(names, k.Name)
		users[k.Name] = orNone(k.UsedBy)
	}
	require.Equal(t, []string{"Lab", "a.b", "a_b", "db", "web"}, names)
	require.Equal(t, map[string][]string{"Lab": nil, "a.b": nil, "a_b": nil, "db": {"lone"}, "web": {"alpha", "zeta"}}, users)
}

func keyUsed(t *testing.T, s Storage) {
	addKey(t, s, "used")
	a, b := addServer(t, s, fixture.Named("b"), withKey("used")), addServer(t, s, fixture.Named("a"), withKey("used"))
	err := s.Keys.Delete(t.Context(), "used")
	require.ErrorIs(t, err, domain.ErrKeyInUse)
	require.Equal(t, domain.KindConflict, domain.KindOf(err))
	e, _ := errors.AsType[*domain.Error](err)
	require.Equal(t, map[string]any{"used_by": []string{"a", "b"}}, e.Details)

	a.KeyName = ""
	require.NoError(t, s.Servers.Save(t.Context(), a, nil))
	require.ErrorIs(t, s.Keys.Delete(t.Context(), "used"), domain.ErrKeyInUse)
	_, err = s.Servers.Delete(t.Context(), b.ID, false)
	require.NoError(t, err)
	require.NoError(t, s.Keys.Delete(t.Context(), "used"), "nobody uses it any more")
}

func keyMissing(t *testing.T, s Storage) {
	lost := fixture.Server(t, withKey("nobody's"))
	require.ErrorIs(t, s.Servers.Add(t.Context(), lost, domain.Sealed("x")), domain.ErrKeyNotFound)
	_, _, err := s.Servers.Get(t.Context(), lost.ID)
	require.ErrorIs(t, err, domain.ErrServerNotFound)
	server := addServer(t, s)
	server.KeyName, server.User = "nobody's", "root"
	require.ErrorIs(t, s.Servers.Save(t.Context(), server, nil), domain.ErrKeyNotFound)
	got, _ := getServer(t, s, server.ID)
	require.Empty(t, got.KeyName)
	require.Equal(t, "deploy", got.User)
}

func keyDeleteAgainstUse(t *testing.T, s Storage) {
	for i := range 10 {
		name := "key" + strings.Repeat("x", i)
		addKey(t, s, name)
		server := fixture.Server(t, withKey(name))
		errs := race(2, func(i int) error {
			if i == 0 {
				return s.Keys.Delete(t.Context(), name)
			}
			return s.Servers.Add(t.Context(), server, nil)
		})
		if requireOneWinner(t, errs, domain.ErrKeyInUse, domain.ErrKeyNotFound) == 1 {
			_, _, err := s.Keys.Get(t.Context(), name)
			require.NoError(t, err)
		}
	}
}

func keyIsCopy(t *testing.T, s Storage) {
	k, sealed := newKey("copy"), domain.Sealed("sealed")
	require.NoError(t, s.Keys.Add(t.Context(), k, sealed))
	k.Type, sealed[0] = "x", 'x'
	got, text, err := s.Keys.Get(t.Context(), "copy")
	require.NoError(t, err)
	require.Equal(t, "ssh-ed25519", got.Type)
	require.Equal(t, domain.Sealed("sealed"), text)
	got.Type, text[0] = "x", 'x'
	got, text, err = s.Keys.Get(t.Context(), "copy")
	require.NoError(t, err)
	require.Equal(t, "ssh-ed25519", got.Type)
	require.Equal(t, domain.Sealed("sealed"), text)
}

func keyDoneContext(t *testing.T, s Storage) {
	addKey(t, s, "there")
	requireDone(t, map[string]func(context.Context) error{
		"Add":    func(ctx context.Context) error { return s.Keys.Add(ctx, newKey("new"), domain.Sealed("x")) },
		"Get":    func(ctx context.Context) error { _, _, err := s.Keys.Get(ctx, "there"); return err },
		"List":   func(ctx context.Context) error { _, err := s.Keys.List(ctx); return err },
		"Delete": func(ctx context.Context) error { return s.Keys.Delete(ctx, "there") },
		"Keep of a check": func(ctx context.Context) error {
			return s.Checks.Keep(ctx, ports.ServerCheck{Server: *fixture.Server(t)})
		},
		"Keep of a master key": func(ctx context.Context) error { _, err := s.MasterKey.Keep(ctx, domain.Sealed("x")); return err },
	})
	_, _, err := s.Keys.Get(t.Context(), "there")
	require.NoError(t, err)
	_, _, err = s.Keys.Get(t.Context(), "new")
	require.ErrorIs(t, err, domain.ErrKeyNotFound)
}

// ServerChecks proves ports.ServerChecks.
func ServerChecks(t *testing.T, open Open) {
	clauses{
		"KeepsWhateverElseChanged":      checksKept,
		"CheckOfAnotherWayIsDropped":    checksOfAnotherWay,
		"OlderCheckDoesNotReplaceNewer": checksInOrder,
		"KeepsHundredsAtOnce":           checksMany,
	}.run(t, open)
}

func checkOf(s *domain.Server, message string, at time.Time) ports.ServerCheck {
	return ports.ServerCheck{Server: *s, Check: domain.Check{Connected: true, Message: message, Latency: 1500 * time.Microsecond, At: at}}
}

func checksKept(t *testing.T, s Storage) {
	read := addServer(t, s)
	changed := addServer(t, s)
	old := *changed
	changed.Name, changed.Active = "renamed", false
	require.NoError(t, s.Servers.Save(t.Context(), changed, nil))
	gone := fixture.Server(t)
	a, b := checkOf(read, "one", fixture.Now()), checkOf(&old, "two", fixture.Now())
	b.Check.Connected = false
	require.NoError(t, s.Checks.Keep(t.Context(), a, b, checkOf(gone, "gone", fixture.Now())))
	for _, want := range []ports.ServerCheck{a, b} {
		got, _ := getServer(t, s, want.Server.ID)
		require.NotNil(t, got.LastCheck)
		require.Equal(t, want.Check, *got.LastCheck)
	}
	got, _ := getServer(t, s, changed.ID)
	require.Equal(t, "renamed", got.Name)
	require.Equal(t, changed.Revision, got.Revision)
	require.NoError(t, s.Servers.Save(t.Context(), read, nil), "nobody's change is in the way of another's")
	require.NoError(t, s.Checks.Keep(t.Context()))
}

func checksOfAnotherWay(t *testing.T, s Storage) {
	jump := addServer(t, s)
	for name, change := range map[string]func(*domain.Server){
		"hostname": func(s *domain.Server) { s.Hostname = "moved.example.org" },
		"port":     func(s *domain.Server) { s.Port = 2222 },
		"user":     func(s *domain.Server) { s.User = "root" },
		"jump":     func(s *domain.Server) { s.ProxyJump = jump.ID },
	} {
		server := addServer(t, s)
		old := *server
		change(server)
		require.NoError(t, s.Servers.Save(t.Context(), server, nil))
		require.NoError(t, s.Checks.Keep(t.Context(), checkOf(&old, "old", fixture.Now())))
		got, _ := getServer(t, s, server.ID)
		require.Nil(t, got.LastCheck, "another %s is another server", name)
	}
}

func checksInOrder(t *testing.T, s Storage) {
	server := addServer(t, s)
	late, early := checkOf(server, "late", fixture.Now()), checkOf(server, "early", fixture.Now().Add(-time.Minute))
	require.NoError(t, s.Checks.Keep(t.Context(), late))
	require.NoError(t, s.Checks.Keep(t.Context(), early))
	got, _ := getServer(t, s, server.ID)
	require.Equal(t, "late", got.LastCheck.Message)
}

func checksMany(t *testing.T, s Storage) {
	all := make([]ports.ServerCheck, 350)
	for i := range all {
		all[i] = checkOf(addServer(t, s), "seen", fixture.Now())
	}
	require.NoError(t, s.Checks.Keep(t.Context(), all...))
	page, err := s.Servers.List(t.Context(), ports.ServerQuery{})
	require.NoError(t, err)
	require.Len(t, page.Servers, len(all))
	for _, server := range page.Servers {
		require.NotNil(t, server.LastCheck)
	}
}

// MasterKeyCheck proves ports.MasterKeyCheck.
func MasterKeyCheck(t *testing.T, open Open) {
	clauses{
		"TheFirstValueStays": func(t *testing.T, s Storage) {
			values := make([]domain.Sealed, racers)
			errs := race(racers, func(i int) (err error) {
				values[i], err = s.MasterKey.Keep(t.Context(), domain.Sealed{byte(i), 0, 0xff})
				return err
			})
			require.NoError(t, errors.Join(errs...))
			for _, v := range values {
				require.Equal(t, values[0], v)
			}
			got, err := s.MasterKey.Keep(t.Context(), domain.Sealed("another"))
			require.NoError(t, err)
			require.Equal(t, values[0], got)
		},
	}.run(t, open)
}
