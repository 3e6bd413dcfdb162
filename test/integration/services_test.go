package integration

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heysubinoy/remora/adapters/httpapi"
	"github.com/heysubinoy/remora/adapters/httpapi/client"
	"github.com/heysubinoy/remora/adapters/system"
	"github.com/heysubinoy/remora/application"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
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
			t.Run("KeyService", func(t *testing.T) { contract.KeyService(t, open) })
			t.Run("BatchService", func(t *testing.T) { contract.BatchService(t, open) })
			t.Run("ServerService", func(t *testing.T) { contract.ServerService(t, open) })
		})
	}
}

func inProcess(t *testing.T) contract.Services { return newWorld(t).services() }

// administrator is the token of whoever asks over HTTP.
var administrator = domain.NewSecret("remora_0123456789abcdef0123456789abcdef")

// signIn is who may ask in the world, to begin with the administrator.
func (w *world) signIn(t *testing.T) contract.SignIn {
	t.Helper()
	tokens := &application.Tokens{Repository: w.store.Tokens(), Clock: system.Clock{}, Entropy: system.Entropy{}}
	_, err := tokens.Grant(t.Context(), "admin", administrator)
	require.NoError(t, err)
	sessions := &application.Sessions{Tokens: tokens, Repository: w.store.Passes(), Key: domain.NewSecret("key"), Clock: system.Clock{}}
	return contract.SignIn{Tokens: tokens, Auth: tokens, Sessions: sessions, Admin: administrator, Now: time.Now}
}

// overHTTP puts the API on a real listener and its client before the world.
func overHTTP(t *testing.T) contract.Services {
	w := newWorld(t)
	c := w.client(t, w.signIn(t))
	s := w.services()
	s.Jobs, s.Batches, s.Output, s.Servers, s.Access, s.Keys, s.System = c.Jobs, c.Batches, c.Output, c.Servers, c.Access, c.Keys, c.System
	return s
}

func (w *world) client(t *testing.T, in contract.SignIn) *client.Client {
	t.Helper()
	s := w.services()
	api, err := httpapi.Open(httpapi.Config{
		Addr: "127.0.0.1:0", Jobs: s.Jobs, Batches: s.Batches, Output: s.Output, Servers: s.Servers, Access: s.Access, Keys: s.Keys,
		Auth: in.Auth, Tokens: in.Tokens, Sessions: in.Sessions,
		System: s.System,
	})
	require.NoError(t, err)
	w.start(t, api.Run)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := client.New(client.Config{URL: api.URL(), Token: administrator, HTTP: &http.Client{Transport: apicheck.Transport(t, transport)}})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// asClients authenticates as a program does: by asking over HTTP who its token makes it.
type asClients struct {
	ports.Authenticator
	url string
}

// Authenticate implements ports.Authenticator. The token's id is not told over HTTP; it is taken from within.
func (a asClients) Authenticate(ctx context.Context, token domain.Secret) (domain.Principal, error) {
	c, err := client.New(client.Config{URL: a.url, Token: token})
	if err != nil {
		return domain.Principal{}, err
	}
	defer c.Close()
	who, err := c.Account.Who(ctx)
	if err != nil {
		return domain.Principal{}, err
	}
	within, err := a.Authenticator.Authenticate(ctx, token)
	who.Principal.Token = within.Token
	return who.Principal, err
}

func TestSignIn(t *testing.T) {
	inProcess := func(t *testing.T) contract.SignIn { return newWorld(t).signIn(t) }
	overHTTP := func(t *testing.T) contract.SignIn {
		w := newWorld(t)
		in := w.signIn(t)
		c := w.client(t, in)
		in.Tokens, in.Auth = c.Tokens, asClients{in.Auth, c.URL()}
		return in
	}
	t.Run("InProcess", func(t *testing.T) {
		t.Run("TokenService", func(t *testing.T) { contract.TokenService(t, inProcess) })
		t.Run("SessionService", func(t *testing.T) { contract.SessionService(t, inProcess) })
	})
	t.Run("OverHTTP", func(t *testing.T) {
		t.Run("TokenService", func(t *testing.T) { contract.TokenService(t, overHTTP) })
	})
}
