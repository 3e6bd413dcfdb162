package integration

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heysubinoy/remora/adapters/httpapi"
	"github.com/heysubinoy/remora/adapters/httpapi/client"
	"github.com/heysubinoy/remora/application"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/test/contract"
	"github.com/heysubinoy/remora/test/harness/apicheck"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What people may expect of the driving ports holds for the application itself, and for whoever stands behind the REST API.
func TestDrivingPorts(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) contract.Services{"InProcess": inProcess, "OverHTTP": overHTTP} {
		t.Run(name, func(t *testing.T) {
			t.Run("JobService", func(t *testing.T) { contract.JobService(t, open) })
			t.Run("SystemService", func(t *testing.T) { contract.SystemService(t, open) })
			t.Run("ServerService", func(t *testing.T) { contract.ServerService(t, open) })
		})
	}
}

func inProcess(t *testing.T) contract.Services { return newWorld(t).services() }

// overHTTP puts the API on a real listener and its client before the world.
func overHTTP(t *testing.T) contract.Services {
	w := newWorld(t)
	tokens := &application.Tokens{Repository: w.store.Tokens()}
	token := domain.NewSecret("remora_0123456789abcdef0123456789abcdef")
	require.NoError(t, tokens.Grant(t.Context(), domain.Principal{Name: "admin", Role: domain.RoleAdmin}, token))
	s := w.services()
	api, err := httpapi.Open(httpapi.Config{
		Addr: "127.0.0.1:0", Jobs: s.Jobs, Output: s.Output, Servers: s.Servers, Access: s.Access, Auth: tokens,
		System: s.System,
	})
	require.NoError(t, err)
	w.start(t, api.Run)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := client.New(client.Config{URL: api.URL(), Token: token, HTTP: &http.Client{Transport: apicheck.Transport(t, transport)}})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	s.Jobs, s.Output, s.Servers, s.Access, s.System = c.Jobs, c.Output, c.Servers, c.Access, c.System
	return s
}
