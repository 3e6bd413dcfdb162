package contract

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

var serverListClauses = clauses{
	"EmptyStoreListsNothing":           serversEmpty,
	"FiltersCombine":                   serversFiltered,
	"SearchIsTakenLiterally":           serversLiteral,
	"CursorIsStableWhileServersChange": serversPaged,
	"UnknownCursorIsRefused":           serversCursor,
	"NoLimitIsAThousand":               serversNoLimit,
}

// names lists all servers that match, page by page.
func names(t *testing.T, s Storage, q ports.ServerQuery) []string {
	t.Helper()
	all := []string{}
	for pages := 0; ; pages++ {
		require.Less(t, pages, 1000, "the cursor goes round in circles")
		page, err := s.Servers.List(t.Context(), q)
		require.NoError(t, err)
		for _, server := range page.Servers {
			all = append(all, server.Name)
		}
		if page.Next == "" {
			return all
		}
		require.Len(t, page.Servers, q.Limit, "only the last page may be short")
		q.Cursor = page.Next
	}
}

func serversEmpty(t *testing.T, s Storage) {
	page, err := s.Servers.List(t.Context(), ports.ServerQuery{})
	require.NoError(t, err)
	require.Empty(t, page.Servers)
	require.Empty(t, page.Next)
}

func serversFiltered(t *testing.T, s Storage) {
	add := func(name, hostname string, active bool, tags ...string) {
		addServer(t, s, fixture.Named(name), func(s *domain.Server) { s.Hostname, s.Active, s.Tags = hostname, active, tags })
	}
	add("web1", "one.example.org", true, "prod", "web")
	add("web2", "two.example.org", false, "prod", "web")
	add("db1", "three.Example.org", true, "prod", "db")
	add("lab1", "web.example.net", true, "web")
	add("lab2", "10.0.0.7", false)
	yes, no := true, false
	for _, c := range []struct {
		q    ports.ServerQuery
		want []string
	}{
		{ports.ServerQuery{}, []string{"db1", "lab1", "lab2", "web1", "web2"}},
		{ports.ServerQuery{Active: &yes}, []string{"db1", "lab1", "web1"}},
		{ports.ServerQuery{Active: &no}, []string{"lab2", "web2"}},
		{ports.ServerQuery{Tag: "prod"}, []string{"db1", "web1", "web2"}},
		{ports.ServerQuery{Tag: "pro"}, []string{}},
		{ports.ServerQuery{Tag: "PROD"}, []string{}},
		{ports.ServerQuery{Search: "WEB"}, []string{"lab1", "web1", "web2"}},
		{ports.ServerQuery{Search: "example.ORG"}, []string{"db1", "web1", "web2"}},
		{ports.ServerQuery{Search: "0.0.7"}, []string{"lab2"}},
		{ports.ServerQuery{Active: &yes, Tag: "web"}, []string{"lab1", "web1"}},
		{ports.ServerQuery{Active: &yes, Tag: "web", Search: "lab"}, []string{"lab1"}},
		{ports.ServerQuery{Active: &no, Search: "web"}, []string{"web2"}},
	} {
		require.Equal(t, c.want, names(t, s, c.q), "%+v", c.q)
		c.q.Limit = 1
		require.Equal(t, c.want, names(t, s, c.q), "%+v", c.q)
	}
}

func serversLiteral(t *testing.T, s Storage) {
	for _, name := range []string{"load 100%", "load 1000", "a_b", "axb", `c:\d`, "it's"} {
		addServer(t, s, fixture.Named(name), func(s *domain.Server) { s.Tags = []string{"tag of " + name} })
	}
	for search, want := range map[string][]string{
		"100%": {"load 100%"}, "a_b": {"a_b"}, `:\d`: {`c:\d`}, "it's": {"it's"}, "'": {"it's"}, "*": {}, "%a%": {},
	} {
		require.Equal(t, want, names(t, s, ports.ServerQuery{Search: search}), "search for %q", search)
	}
	require.Equal(t, []string{"a_b"}, names(t, s, ports.ServerQuery{Tag: "tag of a_b"}))
	require.Empty(t, names(t, s, ports.ServerQuery{Tag: "tag of %"}))
}

func serversPaged(t *testing.T, s Storage) {
	for i := range 9 {
		addServer(t, s, fixture.Named(fmt.Sprintf("server%d", i+1)))
	}
	page, err := s.Servers.List(t.Context(), ports.ServerQuery{Limit: 4})
	require.NoError(t, err)
	require.Len(t, page.Servers, 4)
	addServer(t, s, fixture.Named("server0")) // before what was read
	addServer(t, s, fixture.Named("server55"))
	_, err = s.Servers.Delete(t.Context(), page.Servers[3].ID, false) // the cursor stands on it
	require.NoError(t, err)
	require.Equal(t, []string{"server5", "server55", "server6", "server7", "server8", "server9"},
		names(t, s, ports.ServerQuery{Limit: 4, Cursor: page.Next}))
	page, err = s.Servers.List(t.Context(), ports.ServerQuery{Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Servers, 10)
	require.Empty(t, page.Next, "a page that is just full is the last")
}

func serversCursor(t *testing.T, s Storage) {
	addServer(t, s)
	for _, cursor := range []string{"x", "!!! '; -- \x00", "MTIz"} {
		_, err := s.Servers.List(t.Context(), ports.ServerQuery{Cursor: cursor})
		require.ErrorIs(t, err, &domain.Error{Code: "cursor_invalid"}, "%q", cursor)
		require.Equal(t, domain.KindInvalid, domain.KindOf(err), "%q", cursor)
	}
}

func serversNoLimit(t *testing.T, s Storage) {
	for i := range 1001 {
		require.NoError(t, s.Servers.Add(t.Context(), fixture.Server(t, fixture.Named(fmt.Sprintf("server%04d", i))), nil))
	}
	page, err := s.Servers.List(t.Context(), ports.ServerQuery{})
	require.NoError(t, err)
	require.Len(t, page.Servers, 1000)
	require.NotEmpty(t, page.Next)
	require.Equal(t, []string{"server1000"}, names(t, s, ports.ServerQuery{Cursor: page.Next}))
}
