package contract

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// ServerService says what people may expect of servers, whatever stands between, as JobService does of jobs.
func ServerService(t *testing.T, open func(t *testing.T) Services) {
	t.Run("Create", func(t *testing.T) { createClauses(t, open) })
	t.Run("List", func(t *testing.T) { serverPageClauses(t, open) })
	t.Run("Update", func(t *testing.T) { updateClauses(t, open) })
	t.Run("Delete", func(t *testing.T) { deleteClauses(t, open) })
	t.Run("Access", func(t *testing.T) { accessClauses(t, open) })
	t.Run("Status", func(t *testing.T) { statusClauses(t, open) })
	t.Run("Jumps", func(t *testing.T) { jumpClauses(t, open) })
}

func named(name string) ports.NewServer {
	return ports.NewServer{
		Name: name, Hostname: name + ".example.org", User: "deploy", Auth: domain.AuthPassword,
		Credential: domain.Credential{Password: domain.NewSecret("correct horse " + name)},
	}
}

func createClauses(t *testing.T, open func(t *testing.T) Services) {
	t.Run("TakesTheDefaults", func(t *testing.T) {
		s := open(t)
		got, err := s.Servers.Create(t.Context(), named("web"))
		require.NoError(t, err)
		require.Equal(t, 22, got.Port)
		require.True(t, got.Active)
		require.Equal(t, domain.HostKeyConfirm, got.HostKeyPolicy)
		require.Equal(t, domain.DefaultSessions, got.MaxSessions)
		require.True(t, got.HasCredential)
		require.Nil(t, got.HostKey)
		require.Nil(t, got.LastCheck)
		again, err := s.Servers.Get(t.Context(), got.ID)
		require.NoError(t, err)
		require.Equal(t, got, again)
		require.NotContains(t, fmt.Sprintf("%+v", again), "correct horse")
	})
	t.Run("KeepsWhatWasAsked", func(t *testing.T) {
		s := open(t)
		n := named("db")
		n.Port, n.Active, n.Tags, n.HostKeyPolicy, n.MaxSessions = 2222, new(bool), []string{"sql", "eu"}, domain.HostKeyAcceptNew, 3
		n.HostKey = "SHA256:" + strings.Repeat("A", 43)
		got, err := s.Servers.Create(t.Context(), n)
		require.NoError(t, err)
		require.Equal(t, 2222, got.Port)
		require.False(t, got.Active)
		require.Equal(t, []string{"eu", "sql"}, got.Tags)
		require.Equal(t, domain.HostKeyAcceptNew, got.HostKeyPolicy)
		require.Equal(t, 3, got.MaxSessions)
		require.NotNil(t, got.HostKey)
		require.Equal(t, n.HostKey, got.HostKey.Fingerprint)
		require.False(t, got.HostKey.PinnedAt.IsZero())
	})
	t.Run("RefusesWhatCannotBe", func(t *testing.T) {
		s := open(t)
		for code, change := range map[string]func(*ports.NewServer){
			"name_invalid":            func(n *ports.NewServer) { n.Name = " " },
			"hostname_invalid":        func(n *ports.NewServer) { n.Hostname = "two words" },
			"port_invalid":            func(n *ports.NewServer) { n.Port = 70000 },
			"user_invalid":            func(n *ports.NewServer) { n.User = "" },
			"auth_type_invalid":       func(n *ports.NewServer) { n.Auth = "smile" },
			"host_key_policy_invalid": func(n *ports.NewServer) { n.HostKeyPolicy = "trust-all" },
			"max_sessions_invalid":    func(n *ports.NewServer) { n.MaxSessions = 1000 },
			"tags_invalid":            func(n *ports.NewServer) { n.Tags = []string{""} },
			"host_key_invalid":        func(n *ports.NewServer) { n.HostKey = "looks fine" },
		} {
			n := named("web")
			change(&n)
			_, err := s.Servers.Create(t.Context(), n)
			wantCode(t, err, domain.KindInvalid, code)
		}
		n := named("web")
		n.Auth, n.Credential = domain.AuthKey, domain.Credential{PrivateKey: domain.NewSecret("not a key")}
		_, err := s.Servers.Create(t.Context(), n)
		wantError(t, err, domain.ErrKeyUnreadable)
		page, err := s.Servers.List(t.Context(), ports.ServerQuery{})
		require.NoError(t, err)
		require.Empty(t, page.Servers)
	})
	t.Run("NamesAreUnique", func(t *testing.T) {
		s := open(t)
		_, err := s.Servers.Create(t.Context(), named("web"))
		require.NoError(t, err)
		_, err = s.Servers.Create(t.Context(), named("web"))
		wantError(t, err, domain.ErrServerNameTaken)
	})
	t.Run("UnknownID", func(t *testing.T) {
		s := open(t)
		for _, id := range []domain.ServerID{nobody, "../jobs", ""} {
			_, err := s.Servers.Get(t.Context(), id)
			wantError(t, err, domain.ErrServerNotFound)
		}
	})
}

func serverPageClauses(t *testing.T, open func(t *testing.T) Services) {
	s := open(t)
	page, err := s.Servers.List(t.Context(), ports.ServerQuery{})
	require.NoError(t, err)
	require.Empty(t, page.Servers)
	for i, name := range []string{"delta", "alpha", "charlie", "bravo", "echo"} {
		n := named(name)
		n.Active = new(i%2 == 0)
		n.Tags = []string{[]string{"even", "odd"}[i%2]}
		_, err := s.Servers.Create(t.Context(), n)
		require.NoError(t, err)
	}
	names := func(q ports.ServerQuery) (all []string) {
		for {
			page, err := s.Servers.List(t.Context(), q)
			require.NoError(t, err)
			for _, server := range page.Servers {
				all = append(all, server.Name)
			}
			if q.Cursor = page.Next; page.Next == "" {
				return all
			}
		}
	}
	require.Equal(t, []string{"alpha", "bravo", "charlie", "delta", "echo"}, names(ports.ServerQuery{}))
	require.Equal(t, []string{"alpha", "bravo", "charlie", "delta", "echo"}, names(ports.ServerQuery{Limit: 2}))
	require.Equal(t, []string{"charlie", "delta", "echo"}, names(ports.ServerQuery{Active: new(true)}))
	require.Equal(t, []string{"alpha", "bravo"}, names(ports.ServerQuery{Active: new(false)}))
	require.Equal(t, []string{"alpha", "bravo"}, names(ports.ServerQuery{Tag: "odd"}))
	require.Equal(t, []string{"charlie"}, names(ports.ServerQuery{Search: "HARL"}))
	_, err = s.Servers.List(t.Context(), ports.ServerQuery{Cursor: "\x01 nonsense"})
	require.Equal(t, domain.KindInvalid, domain.KindOf(err))
	_, err = s.Servers.List(t.Context(), ports.ServerQuery{Limit: 1001})
	wantCode(t, err, domain.KindInvalid, "limit_invalid")
}

func updateClauses(t *testing.T, open func(t *testing.T) Services) {
	s := open(t)
	n := named("web")
	n.HostKey, n.Tags = "SHA256:"+strings.Repeat("A", 43), []string{"eu"}
	before, err := s.Servers.Create(t.Context(), n)
	require.NoError(t, err)

	t.Run("ChangesOnlyWhatItNames", func(t *testing.T) {
		got, err := s.Servers.Update(t.Context(), before.ID, ports.ServerChange{Name: new("www"), Tags: new([]string{})})
		require.NoError(t, err)
		require.Equal(t, "www", got.Name)
		require.Empty(t, got.Tags)
		require.Equal(t, before.Hostname, got.Hostname)
		require.Equal(t, before.HostKey.Fingerprint, got.HostKey.Fingerprint)
		require.True(t, got.HasCredential)
		require.False(t, got.CredentialNeeded)
	})
	t.Run("AnotherAddressNeedsTheCredentialAnew", func(t *testing.T) {
		got, err := s.Servers.Update(t.Context(), before.ID, ports.ServerChange{Hostname: new("other.example.org")})
		require.NoError(t, err)
		require.True(t, got.CredentialNeeded)
		require.Nil(t, got.HostKey, "the pin belonged to the old address")
		got, err = s.Servers.Update(t.Context(), before.ID, ports.ServerChange{
			Credential: &domain.Credential{Password: domain.NewSecret("battery staple")},
		})
		require.NoError(t, err)
		require.False(t, got.CredentialNeeded)
		require.True(t, got.HasCredential)
	})
	t.Run("RefusesWhatCannotBe", func(t *testing.T) {
		_, err := s.Servers.Create(t.Context(), named("taken"))
		require.NoError(t, err)
		_, err = s.Servers.Update(t.Context(), before.ID, ports.ServerChange{Name: new("taken")})
		wantError(t, err, domain.ErrServerNameTaken)
		_, err = s.Servers.Update(t.Context(), before.ID, ports.ServerChange{Port: new(0)})
		wantCode(t, err, domain.KindInvalid, "port_invalid")
		_, err = s.Servers.Update(t.Context(), nobody, ports.ServerChange{Name: new("x")})
		wantError(t, err, domain.ErrServerNotFound)
	})
}

func deleteClauses(t *testing.T, open func(t *testing.T) Services) {
	s := open(t)
	server := s.server(t)
	s.submit(t, "true")
	_, err := s.Servers.Delete(t.Context(), server.ID, true)
	wantError(t, err, domain.ErrServerHasJobs)
	requireDetail(t, err, "active_jobs", "1")
	s.Begin(t).Exit(t, domain.Exit{})
	_, err = s.Servers.Delete(t.Context(), server.ID, false)
	wantError(t, err, domain.ErrServerHasJobs)
	requireDetail(t, err, "total_jobs", "1")
	deleted, err := s.Servers.Delete(t.Context(), server.ID, true)
	require.NoError(t, err)
	require.EqualValues(t, 1, deleted)
	_, err = s.Servers.Get(t.Context(), server.ID)
	wantError(t, err, domain.ErrServerNotFound)
	_, err = s.Servers.Delete(t.Context(), server.ID, false)
	wantError(t, err, domain.ErrServerNotFound)
}

func accessClauses(t *testing.T, open func(t *testing.T) Services) {
	t.Run("GoodServer", func(t *testing.T) {
		s := open(t)
		server := s.server(t)
		report, err := s.Access.Test(t.Context(), server.ID)
		require.NoError(t, err)
		require.True(t, report.OK, report.Message)
		require.Equal(t, server.ID, report.Server)
		require.Empty(t, report.Step)
		require.NotNil(t, report.Seen)
		require.Equal(t, server.HostKey.Fingerprint, report.Seen.Fingerprint)
		got, err := s.Servers.Get(t.Context(), server.ID)
		require.NoError(t, err)
		require.NotNil(t, got.LastCheck)
		require.True(t, got.LastCheck.Connected)
	})
	t.Run("DeadServerIsAReport", func(t *testing.T) {
		s := open(t)
		server, err := s.Servers.Create(t.Context(), s.Dead)
		require.NoError(t, err)
		report, err := s.Access.Test(t.Context(), server.ID)
		require.NoError(t, err)
		require.False(t, report.OK)
		require.Equal(t, ports.StepConnect, report.Step)
		require.Equal(t, domain.ReasonConnect, report.Reason)
		require.NotEmpty(t, report.Message)
		require.Nil(t, report.Seen)
	})
	t.Run("Trust", func(t *testing.T) {
		s := open(t)
		server, err := s.Servers.Create(t.Context(), named("new"))
		require.NoError(t, err)
		pin := "SHA256:" + strings.Repeat("B", 43)
		got, err := s.Access.Trust(t.Context(), server.ID, pin)
		require.NoError(t, err)
		require.Equal(t, pin, got.HostKey.Fingerprint)
		_, err = s.Access.Trust(t.Context(), server.ID, "MD5:aa")
		wantCode(t, err, domain.KindInvalid, "fingerprint_invalid")
		_, err = s.Access.Trust(t.Context(), nobody, pin)
		wantError(t, err, domain.ErrServerNotFound)
		_, err = s.Access.Test(t.Context(), nobody)
		wantError(t, err, domain.ErrServerNotFound)
	})
}

func requireDetail(t *testing.T, err error, name, want string) {
	t.Helper()
	e, _ := errors.AsType[*domain.Error](err)
	require.Equal(t, want, fmt.Sprint(e.Details[name]))
}
