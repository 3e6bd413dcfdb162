package domain_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
)

func TestCommand_Refused(t *testing.T) {
	long := strings.Repeat("x", domain.MaxCommandBytes+1)
	for _, c := range []struct {
		name string
		code string
		make func() (domain.Command, error)
	}{
		{"empty line", "command_invalid", func() (domain.Command, error) { return domain.ShellLine(" \n", "") }},
		{"long line", "command_invalid", func() (domain.Command, error) { return domain.ShellLine(long, "") }},
		{"NUL in line", "command_invalid", func() (domain.Command, error) { return domain.ShellLine("a\x00b", "") }},
		{"broken UTF-8", "command_invalid", func() (domain.Command, error) { return domain.ShellLine("a\xffb", "") }},
		{"long args", "args_invalid", func() (domain.Command, error) { return domain.ShellLine("a", long) }},
		{"no argv", "argv_invalid", func() (domain.Command, error) { return domain.Argv(nil) }},
		{"no program", "argv_invalid", func() (domain.Command, error) { return domain.Argv([]string{"", "a"}) }},
		{"NUL in argv", "argv_invalid", func() (domain.Command, error) { return domain.Argv([]string{"a", "\x00"}) }},
		{"long argv in all", "argv_invalid", func() (domain.Command, error) {
			return domain.Argv([]string{"a", long[:domain.MaxCommandBytes/2], long[:domain.MaxCommandBytes/2]})
		}},
		{"empty script", "script_invalid", func() (domain.Command, error) { return domain.Script("\t", "", "/bin/sh") }},
		{"long script", "script_invalid", func() (domain.Command, error) {
			return domain.Script(strings.Repeat("x", domain.MaxScriptBytes+1), "", "/bin/sh")
		}},
		{"NUL in script args", "args_invalid", func() (domain.Command, error) { return domain.Script("x", "\x00", "/bin/sh") }},
		{"relative shell", "shell_invalid", func() (domain.Command, error) { return domain.Script("x", "", "bash") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.make()
			requireCode(t, err, c.code)
			require.Equal(t, domain.KindInvalid, domain.KindOf(err))
			require.Equal(t, domain.Command{}, got)
		})
	}
}

func TestCommand_KeepsEveryByte(t *testing.T) {
	text := strings.Repeat("é\n'\"$`\\ ", domain.MaxScriptBytes/9)[:domain.MaxScriptBytes-8]
	c, err := domain.Script(text, "-x  'a b'", "/bin/bash")
	require.NoError(t, err)
	require.Equal(t, text, c.Script)
	require.Equal(t, "/bin/bash -x  'a b'", c.Text())

	argv := []string{"printf", "", "a b"}
	c, err = domain.Argv(argv)
	require.NoError(t, err)
	argv[0] = "rm"
	require.Equal(t, []string{"printf", "", "a b"}, c.Argv, "the command has its own copy")
	require.Equal(t, "printf  a b", c.Text())

	c, err = domain.ShellLine("ls", "")
	require.NoError(t, err)
	require.Equal(t, "ls", c.Text())
}

func server() domain.Server {
	return domain.Server{
		ID: "s", Name: "db-1", Hostname: "db1.example", Port: 22, User: "root", Auth: domain.AuthKey,
		HostKeyPolicy: domain.HostKeyConfirm, MaxSessions: 8, Tags: []string{"web", "a", "web"},
	}
}

const fingerprint = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

func TestServer_Check(t *testing.T) {
	s := server()
	require.NoError(t, s.Check())
	require.Equal(t, []string{"a", "web"}, s.Tags, "in order, once each")
	for field, changes := range map[string][]func(*domain.Server){
		"name":            {func(s *domain.Server) { s.Name = "" }, func(s *domain.Server) { s.Name = " x" }, func(s *domain.Server) { s.Name = "a\nb" }, func(s *domain.Server) { s.Name = "\xff" }, func(s *domain.Server) { s.Name = strings.Repeat("x", 129) }},
		"hostname":        {func(s *domain.Server) { s.Hostname = "" }, func(s *domain.Server) { s.Hostname = "a b" }, func(s *domain.Server) { s.Hostname = "-oProxyCommand=x" }, func(s *domain.Server) { s.Hostname = "host/x" }, func(s *domain.Server) { s.Hostname = "10.0.0.1:2222" }, func(s *domain.Server) { s.Hostname = "db1:22" }},
		"port":            {func(s *domain.Server) { s.Port = 0 }, func(s *domain.Server) { s.Port = 65536 }},
		"user":            {func(s *domain.Server) { s.User = "" }, func(s *domain.Server) { s.User = "a\x7f" }},
		"auth_type":       {func(s *domain.Server) { s.Auth = "" }, func(s *domain.Server) { s.Auth = "agent" }},
		"host_key_policy": {func(s *domain.Server) { s.HostKeyPolicy = "" }, func(s *domain.Server) { s.HostKeyPolicy = "off" }},
		"fingerprint":     {func(s *domain.Server) { s.HostKey = &domain.HostKey{Fingerprint: "MD5:aa"} }, func(s *domain.Server) { s.HostKey = &domain.HostKey{Fingerprint: fingerprint + "A"} }},
		"max_sessions":    {func(s *domain.Server) { s.MaxSessions = 0 }, func(s *domain.Server) { s.MaxSessions = 257 }},
		"tags":            {func(s *domain.Server) { s.Tags = make([]string, 33) }, func(s *domain.Server) { s.Tags = []string{""} }},
	} {
		for i, change := range changes {
			s := server()
			change(&s)
			err := s.Check()
			require.Error(t, err, "%s, %d", field, i)
			requireCode(t, err, field+"_invalid")
		}
	}
	for _, hostname := range []string{"a", "10.0.0.1", "::1", "fe80::1%eth0", "::ffff:10.0.0.1", "a_b.example", "2001:db8::1"} {
		s := server()
		s.Hostname = hostname
		require.NoError(t, s.Check(), hostname)
	}
}

func TestServer_BindingChangesWithWhatACredentialIsFor(t *testing.T) {
	s := server()
	seen := []domain.Binding{s.Binding()}
	for _, change := range []func(){
		func() { s.Hostname = "db2.example" }, func() { s.Port = 23 }, func() { s.User = "me" }, func() { s.ID = "t" },
		func() { require.NoError(t, s.Pin(domain.HostKey{Fingerprint: fingerprint})) },
	} {
		change()
		require.NotContains(t, seen, s.Binding())
		seen = append(seen, s.Binding())
	}
	s.Name, s.Tags, s.MaxSessions = "other", nil, 1
	require.Equal(t, seen[len(seen)-1], s.Binding(), "a name is not an address")
	require.Equal(t, domain.ServerRef{ID: "t", Name: "other", Hostname: "db2.example", Port: 23, User: "me"}, s.Ref())
	requireCode(t, s.Pin(domain.HostKey{Fingerprint: "x"}), "fingerprint_invalid")
	require.Equal(t, fingerprint, s.HostKey.Fingerprint)
}

func TestSecret_NeverPrints(t *testing.T) {
	secret := domain.NewSecret("hunter2")
	exported := struct{ S domain.Secret }{secret}
	hidden := struct{ s domain.Secret }{secret}
	for _, value := range []any{
		secret, &secret, exported, &exported, hidden, &hidden, []domain.Secret{secret}, map[string]domain.Secret{"a": secret},
		map[domain.Secret]int{secret: 1}, domain.Credential{Password: secret, PrivateKey: secret, Passphrase: secret},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T%v"} {
			shown := fmt.Sprintf(verb, value)
			require.NotContains(t, shown, "hunter2", verb)
			require.NotContains(t, shown, fmt.Sprintf("%x", "hunter2"), verb)
		}
		coded, err := json.Marshal(value)
		require.NoError(t, err)
		require.NotContains(t, string(coded), "hunter2")
	}
	require.NotContains(t, fmt.Sprint(fmt.Errorf("with %v: %w", secret, errors.New("x"))), "hunter2")
	require.Equal(t, "[secret]", secret.String())
	require.Equal(t, "hunter2", secret.Reveal())
}

func TestSecret_Equality(t *testing.T) {
	require.True(t, domain.NewSecret("a"+fmt.Sprint(1)) == domain.NewSecret("a1"))
	require.False(t, domain.NewSecret("a") == domain.NewSecret("b"))
	require.True(t, domain.NewSecret("") == domain.Secret{})
	require.True(t, domain.Secret{}.Empty())
	require.Empty(t, domain.Secret{}.Reveal())
	require.False(t, domain.NewSecret(" ").Empty())
}

func TestAttemptID_RoundTrips(t *testing.T) {
	id := domain.AttemptID{Job: "0198-abc", Number: 12}
	require.Equal(t, "0198-abc-12", id.String())
	back, ok := domain.ParseAttemptID(id.String())
	require.True(t, ok)
	require.Equal(t, id, back)
	for _, bad := range []string{"", "-1", "a", "a-", "a-0", "a--1-x", "a-x", "a-1.5"} {
		_, ok := domain.ParseAttemptID(bad)
		require.False(t, ok, bad)
	}
}

func TestError_SurvivesWrapping(t *testing.T) {
	cause := errors.New("disk")
	err := fmt.Errorf("save: %w", domain.ErrStorageUnavailable.Because(cause).WithDetails(map[string]any{"n": 1}))
	require.ErrorIs(t, err, domain.ErrStorageUnavailable)
	require.ErrorIs(t, err, cause)
	require.NotErrorIs(t, err, domain.ErrQueueUnavailable)
	require.Equal(t, domain.KindUnavailable, domain.KindOf(err))
	require.NotContains(t, err.Error(), "disk", "a cause is for the log")
	require.Nil(t, domain.ErrStorageUnavailable.Err, "the shared value is not touched")
	require.Nil(t, domain.ErrStorageUnavailable.Details)

	require.Equal(t, domain.Kind(""), domain.KindOf(nil))
	require.Equal(t, domain.KindInternal, domain.KindOf(cause))
	require.Equal(t, "reading: disk", domain.Internal("reading", cause).Error())
	require.Equal(t, "other", domain.ErrJobFinal.Withf("other").Error())
	invalid := domain.Invalid("port", "port %d", 0)
	require.Equal(t, map[string]any{"field": "port"}, invalid.Details)
}

func TestKinds_AreListedOnce(t *testing.T) {
	kinds := domain.Kinds()
	slices.Sort(kinds)
	require.Len(t, slices.Compact(kinds), len(domain.Kinds()))
}

func TestOffsets(t *testing.T) {
	o := domain.Offsets{}.Plus(domain.Stdout, 3).Plus(domain.Stderr, 4).Plus(domain.Stdout, 5)
	require.Equal(t, domain.Offsets{Stdout: 8, Stderr: 4}, o)
	require.EqualValues(t, 8, o.Of(domain.Stdout))
	require.EqualValues(t, 4, o.Of(domain.Stderr))
	require.EqualValues(t, 12, o.Total())
	require.Equal(t, "stdout stderr", domain.Stdout.String()+" "+domain.Stderr.String())
}

func TestTally(t *testing.T) {
	var tally domain.Tally
	for i, s := range domain.Statuses() {
		tally.Add(s, int64(i+1))
	}
	require.Equal(t, domain.Tally{Queued: 1, Running: 2, Completed: 3, Failed: 4, Canceled: 5}, tally)
	require.EqualValues(t, 15, tally.Total())
}
