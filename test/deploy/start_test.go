package deploy

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/httpapi/client"
	"github.com/heysubinoy/remora/bootstrap"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/harness/cluster"
	"github.com/heysubinoy/remora/test/harness/pgtest"
	"github.com/heysubinoy/remora/test/harness/wait"
)

// Every program takes the environment that docker-compose.yml gives it, to the letter.
func TestCompose_EnvironmentIsTaken(t *testing.T) {
	_, env := madeEnv(t)
	all := environments(t, env)
	t.Chdir(t.TempDir())
	for name, values := range all {
		if name == "postgres" {
			continue
		}
		_, err := bootstrap.Load(func(name string) string { return values[name] })
		require.NoError(t, err, name)
	}
}

// environments are what the services are started with.
func environments(t *testing.T, env map[string]string) map[string]map[string]string {
	t.Helper()
	all := map[string]map[string]string{}
	for name, s := range project(t, env).Services {
		all[name] = map[string]string{}
		for setting, value := range s.Environment {
			require.NotNil(t, value, "%s: %s has no value", name, setting)
			all[name][setting] = *value
		}
	}
	return all
}

// stack is what docker compose would run, as processes on this machine: other addresses, the same everything else.
type stack struct {
	env   map[string]map[string]string
	check map[string][]string
	data  string
}

func newStack(t *testing.T) *stack {
	_, made := madeEnv(t)
	s := &stack{env: environments(t, made), check: map[string][]string{}, data: t.TempDir()}
	for name, service := range project(t, made).Services {
		s.check[name] = service.HealthCheck.Test[1:]
	}
	pg, err := url.Parse(pgtest.URL(t))
	require.NoError(t, err)
	queue, api, web := cluster.FreeAddr(t), cluster.FreeAddr(t), cluster.FreeAddr(t)
	for name, env := range s.env {
		if env["POSTGRES_HOST"] != "" {
			env["POSTGRES_HOST"], env["POSTGRES_PORT"] = pg.Query().Get("host"), pg.Query().Get("port")
			if env["POSTGRES_PORT"] == "" {
				env["POSTGRES_PORT"] = "5432"
			}
			env["POSTGRES_DB"] = strings.TrimPrefix(pg.Path, "/")
		}
		if env["NETQUEUE_ADDR"] != "" {
			env["NETQUEUE_ADDR"] = queue
		}
		switch name {
		case "api":
			env["SERVER_ADDR"] = api
		case "web":
			env["SERVER_ADDR"], env["REMORA_URL"] = web, "http://"+api
			s.check[name][len(s.check[name])-1] = "http://" + web
		}
		env["REMORA_DATA_DIR"] = "/proc/nothing-is-written-here"
	}
	for _, name := range []string{"api", "netqueue"} { // they have a volume
		s.env[name]["REMORA_DATA_DIR"] = filepath.Join(s.data, name)
	}
	return s
}

func (s *stack) command(service string, args ...string) cluster.Command {
	c := cluster.Command{Program: "remora", Args: args, Dir: s.data}
	for name, value := range s.env[service] {
		c.Env = append(c.Env, name+"="+value)
	}
	if service == "api" {
		c.Env = append(c.Env, "REMORA_URL=http://"+s.env[service]["SERVER_ADDR"]) // 127.0.0.1:8080 in its container
	}
	return c
}

// health runs a service's own health check.
func (s *stack) health(t *testing.T, service string) cluster.Result {
	t.Helper()
	require.Equal(t, "/remora", s.check[service][0])
	return cluster.Run(t, s.command(service, s.check[service][1:]...))
}

// The five services start with what docker-compose.yml gives them, their own health checks tell when they work and when
// not, and a browser at the web server can be signed in.
func TestCompose_ServicesWorkTogether(t *testing.T) {
	s := newStack(t)
	programs := map[string]string{"netqueue": "queue", "api": "api", "worker": "worker", "web": "web"}
	running := map[string]*cluster.Process{}
	for _, service := range []string{"netqueue", "api", "worker", "web"} {
		require.Equal(t, 6, s.health(t, service).Code, "%s is healthy before it runs", service)
		running[service] = cluster.Launch(t, s.command(service, programs[service]))
		wait.Within(t, time.Minute, func() error {
			if got := s.health(t, service); got.Code != 0 {
				return fmt.Errorf("%s is not healthy: %s%s\n%s", service, got.Stdout, got.Stderr, running[service].Log())
			}
			return nil
		})
	}
	token, err := os.ReadFile(filepath.Join(s.env["api"]["REMORA_DATA_DIR"], "admin.token"))
	require.NoError(t, err)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	c, err := client.New(client.Config{
		URL: s.env["web"]["REMORA_URL"], Token: domain.NewSecret(strings.TrimSpace(string(token))), HTTP: &http.Client{Transport: transport},
	})
	require.NoError(t, err)
	who, err := c.Account.Who(t.Context())
	require.NoError(t, err)
	require.Equal(t, domain.RoleAdmin, who.Principal.Role)
	page, err := c.Servers.List(t.Context(), ports.ServerQuery{})
	require.NoError(t, err)
	require.Empty(t, page.Servers)

	web := "http://" + s.env["web"]["SERVER_ADDR"]
	code, err := c.Account.Code(t.Context())
	require.NoError(t, err)
	_, text, _ := strings.Cut(code.URL.Reveal(), "#code=")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, web+"/api/v1/session", strings.NewReader(`{"code":"`+text+`"}`))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Origin", web) // as its page sends it: the web server's origin is the API's
	resp, err := transport.RoundTrip(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Len(t, resp.Cookies(), 1)

	for service, p := range running {
		for _, secret := range []string{"POSTGRES_PASSWORD", "REMORA_MASTER_KEY", "NETQUEUE_TOKEN", "SESSION_SECRET"} {
			if value := s.env[service][secret]; value != "" {
				require.NotContains(t, p.Log()+p.Out(), value, "%s shows %s", service, secret)
			}
		}
	}
	running["api"].Kill()
	require.Equal(t, 6, s.health(t, "web").Code, "the web server is healthy without the API")
	running["netqueue"].Kill()
	require.Equal(t, 6, s.health(t, "netqueue").Code)
}
