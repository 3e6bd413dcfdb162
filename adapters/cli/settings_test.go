package cli

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
)

func TestSettings(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	flagged := write("flag.token", "from-flag\n")
	write("here/admin.token", "from-admin\n")
	write("work/data/admin.token", "from-work\n")
	write("xdg/remora/config.yaml", "url: https://remora.example.com/\ntoken_file: config.token\n")
	write("xdg/remora/config.token", "from-config\n")
	write("local/remora/config.yaml", "url: http://127.0.0.1:9999\n")
	write("home/.config/remora/config.yaml", "token: from-home\n")
	write("empty/remora/config.yaml", "")
	t.Chdir(filepath.Join(dir, "work"))
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, c := range map[string]struct {
		env        map[string]string
		args       []string
		url, token string
	}{
		"nothing":                        {nil, nil, "http://127.0.0.1:8080", "from-work"},
		"data directory":                 {map[string]string{"REMORA_DATA_DIR": at("here")}, nil, "http://127.0.0.1:8080", "from-admin"},
		"no admin token":                 {map[string]string{"REMORA_DATA_DIR": at("none")}, nil, "http://127.0.0.1:8080", ""},
		"environment":                    {map[string]string{"REMORA_URL": "http://localhost:1/", "REMORA_TOKEN": " t "}, nil, "http://localhost:1", "t"},
		"flags":                          {map[string]string{"REMORA_URL": "http://a", "REMORA_TOKEN": "t"}, []string{"--url", "http://b:2", "--token-file", flagged}, "http://b:2", "from-flag"},
		"config":                         {map[string]string{"XDG_CONFIG_HOME": at("xdg")}, nil, "https://remora.example.com", "from-config"},
		"config and local API":           {map[string]string{"XDG_CONFIG_HOME": at("local")}, nil, "http://127.0.0.1:9999", "from-work"},
		"config at home":                 {map[string]string{"HOME": at("home")}, nil, "http://127.0.0.1:8080", "from-home"},
		"empty config":                   {map[string]string{"XDG_CONFIG_HOME": at("empty")}, nil, "http://127.0.0.1:8080", "from-work"},
		"a config's token stays with it": {map[string]string{"XDG_CONFIG_HOME": at("xdg"), "REMORA_URL": "https://other.example.com"}, nil, "https://other.example.com", ""},
		"the admin token stays here":     {map[string]string{"REMORA_URL": "http://10.0.0.1:8080"}, nil, "http://10.0.0.1:8080", ""},
		"the admin token and IPv6":       {map[string]string{"REMORA_URL": "http://[::1]:8080"}, nil, "http://[::1]:8080", "from-work"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := w.session()
			s.env = c.env
			var url, token string
			s.connect = func(_ context.Context, u string, secret domain.Secret, _ func(error)) (Services, error) {
				url, token = u, secret.Reveal()
				return w.services(), nil
			}
			require.Equal(t, 0, s.run(append([]string{"servers", "ls"}, c.args...)...), s.stderr)
			require.Equal(t, c.url, url)
			require.Equal(t, c.token, token)
		})
	}
}

func TestSettings_Mistakes(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), mode))
		return path
	}
	write("unknown/remora/config.yaml", "ulr: x\n", 0o600)
	write("open/remora/config.yaml", "token: x\n", 0o644)
	for name, c := range map[string]struct {
		env  map[string]string
		args []string
		want string
	}{
		"not an address":      {map[string]string{"REMORA_URL": "localhost:8080"}, nil, `"localhost:8080" is not the address of an API`},
		"a password in it":    {nil, []string{"--url", "http://me:secret@x"}, "must not hold a user or password"},
		"no token file":       {nil, []string{"--token-file", filepath.Join(dir, "none")}, "the token file cannot be read"},
		"empty token file":    {nil, []string{"--token-file", write("empty", "\n", 0o600)}, "does not hold one line with a token"},
		"two lines":           {nil, []string{"--token-file", write("two", "a\nb\n", 0o600)}, "does not hold one line with a token"},
		"unknown setting":     {map[string]string{"XDG_CONFIG_HOME": filepath.Join(dir, "unknown")}, nil, "field ulr not found"},
		"a token in the open": {map[string]string{"XDG_CONFIG_HOME": filepath.Join(dir, "open")}, nil, "others may read it"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newWorld(t).session()
			s.env = c.env
			require.Equal(t, 2, s.run(append([]string{"servers", "ls"}, c.args...)...))
			require.Contains(t, s.stderr.String(), c.want)
			require.NotContains(t, s.stderr.String(), "secret@")
		})
	}
}
