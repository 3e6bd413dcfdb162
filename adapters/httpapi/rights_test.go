package httpapi_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/httpapi"
	"github.com/heysubinoy/remora/adapters/httpapi/openapi"
	"github.com/heysubinoy/remora/domain"
)

// whole opens a server with every route that there can be.
func whole(t *testing.T) *bench {
	return open(t, func(c *httpapi.Config) { c.Metrics = http.NotFoundHandler() })
}

// Every route says what it needs, and nothing is said of routes that are not there.
func TestRights_EveryRouteIsDeclared(t *testing.T) {
	var routes []string
	for _, r := range whole(t).server.Routes() {
		if r[0] != http.MethodHead {
			routes = append(routes, r[0]+" "+r[1])
		}
	}
	require.ElementsMatch(t, routes, httpapi.Declared(), "rights.go and routes.go do not agree")
}

// The document tells people what the table lets them.
func TestRights_AreThoseOfTheDocument(t *testing.T) {
	told := 0
	for _, op := range openapi.Operations(openapi.Document()) {
		told++
		route := op.Method + " " + regexp.MustCompile(`\{(\w+)\}`).ReplaceAllString(op.Path, ":$1")
		require.Equal(t, string(httpapi.Right(route)), op.Text("x-role"), route)
	}
	require.Greater(t, told, 20)
}

// needed says by the rules, not by the table, what a route needs.
func needed(method, path string) domain.Role {
	rest, underAPI := strings.CutPrefix(path, "/api/v1")
	parts := strings.Split(strings.Trim(rest, "/"), "/")
	last := parts[len(parts)-1]
	switch {
	case !underAPI, rest == "/openapi.json", rest == "/session" && method != "GET":
		return ""
	case parts[0] == "tokens":
		return domain.RoleAdmin
	case parts[0] == "session":
		return domain.RoleViewer
	case parts[0] == "servers" && slices.Contains([]string{"test", "status", "all"}, last): // a look at a server logs in to it
		return domain.RoleOperator
	case method == "GET":
		return domain.RoleViewer
	case parts[0] == "jobs", parts[0] == "batches":
		return domain.RoleOperator
	}
	return domain.RoleAdmin
}

func TestRights_EveryRouteAndRole(t *testing.T) {
	b := whole(t)
	tokens := map[domain.Role]string{domain.RoleAdmin: b.token}
	for _, role := range []domain.Role{domain.RoleViewer, domain.RoleOperator} {
		tokens[role] = "a-token-of-a-mere-" + string(role)
		b.AddToken(tokens[role], "mere "+string(role), role)
	}
	fill := strings.NewReplacer(":id", nobody, ":filename", "nothing.pem")
	refused := 0
	for _, r := range b.server.Routes() {
		method, path := r[0], r[1]
		route := method + " " + path
		read := strings.Replace(method, http.MethodHead, http.MethodGet, 1)
		need := needed(read, path)
		ask := func(headers ...string) reply { return b.do(t, method, fill.Replace(path), "", headers...) }

		got := ask("Authorization", "")
		require.Equal(t, need != "", got.status == http.StatusUnauthorized, "%s, not signed in: %d", route, got.status)
		for role, token := range tokens {
			got := ask("Authorization", "Bearer "+token)
			may := need == "" || role.Includes(need)
			require.Equal(t, may, got.status != http.StatusForbidden, "%s as %s: %d %s", route, role, got.status, got.body)
			require.NotEqual(t, http.StatusUnauthorized, got.status, route)
			if may || method == http.MethodHead {
				continue
			}
			refused++
			got.isError(t, http.StatusForbidden, "role_denied")
			require.Equal(t, map[string]any{"needs": string(need), "has": string(role)}, got.json(t)["details"])
			for _, part := range []string{method + " " + path, "needs the role " + string(need), `"mere ` + string(role) + `" has the role ` + string(role)} {
				require.Contains(t, got.json(t)["error"], part)
			}
		}
	}
	require.Greater(t, refused, 10)
}

// A role that somebody wrote into the database, and that is none, may do nothing.
func TestRights_UnknownRoleMayNothing(t *testing.T) {
	b := open(t)
	b.AddToken("a-token-of-nothing", "odd", "owner")
	for _, path := range []string{"jobs", "servers", "tokens", "nowhere"} {
		got := b.do(t, "GET", path, "", "Authorization", "Bearer a-token-of-nothing")
		got.isError(t, http.StatusForbidden, "role_denied")
	}
}
