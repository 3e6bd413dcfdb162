package bootstrap_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/bootstrap"
	"github.com/heysubinoy/remora/domain"
)

func TestSecrets_MadeOnceAndFoundAgain(t *testing.T) {
	c := bootstrap.Config{DataDir: filepath.Join(t.TempDir(), "new", "data")}
	v, err := c.Vault(bootstrap.Made)
	require.NoError(t, err)
	queue, err := c.QueueToken(bootstrap.Made)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(queue.Reveal()), 32)
	admin, made, err := c.AdminToken()
	require.NoError(t, err)
	require.True(t, made)

	dir, err := os.Stat(c.DataDir)
	require.NoError(t, err)
	require.EqualValues(t, 0o700, dir.Mode().Perm())
	for _, name := range []string{"master.key", "queue.token", "admin.token"} {
		info, err := os.Stat(filepath.Join(c.DataDir, name))
		require.NoError(t, err)
		require.EqualValues(t, 0o600, info.Mode().Perm(), name)
	}

	b := domain.Binding{Kind: "server", ID: "1"}
	sealed, err := v.Seal(domain.Credential{Password: domain.NewSecret("p")}, b)
	require.NoError(t, err)
	again, err := c.Vault(bootstrap.Made)
	require.NoError(t, err)
	opened, err := again.Open(sealed, b)
	require.NoError(t, err)
	require.Equal(t, "p", opened.Password.Reveal())
	sameQueue, err := c.QueueToken(bootstrap.Made)
	require.NoError(t, err)
	require.True(t, sameQueue == queue)
	sameAdmin, made, err := c.AdminToken()
	require.NoError(t, err)
	require.False(t, made)
	require.True(t, sameAdmin == admin)
	require.False(t, admin == queue)
}

func TestSecrets_RacingStartsAgree(t *testing.T) {
	c := bootstrap.Config{DataDir: filepath.Join(t.TempDir(), "data")}
	tokens := make([]domain.Secret, 20)
	makers := make([]bool, len(tokens))
	var wg sync.WaitGroup
	for i := range tokens {
		wg.Go(func() {
			var err error
			if tokens[i], makers[i], err = c.AdminToken(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	made := 0
	for i := range tokens {
		require.True(t, tokens[i] == tokens[0], "start %d has another token", i)
		if makers[i] {
			made++
		}
	}
	require.Equal(t, 1, made)
}

func TestSecrets_SeparateServicesNeedNamedFiles(t *testing.T) {
	dir := t.TempDir()
	c := bootstrap.Config{DataDir: dir}
	_, err := c.Vault(bootstrap.Named)
	require.ErrorContains(t, err, "REMORA_MASTER_KEY_FILE is not set")
	_, err = c.QueueToken(bootstrap.Named)
	require.ErrorContains(t, err, "NETQUEUE_TOKEN_FILE is not set")

	c.MasterKeyFile, c.NetQueueTokenFile = filepath.Join(dir, "k"), filepath.Join(dir, "q")
	for _, origin := range []bootstrap.Origin{bootstrap.Named, bootstrap.Made} {
		_, err = c.Vault(origin)
		require.ErrorContains(t, err, "REMORA_MASTER_KEY_FILE=")
		require.ErrorContains(t, err, "no such file")
		_, err = c.QueueToken(origin)
		require.ErrorContains(t, err, "NETQUEUE_TOKEN_FILE=")
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left, "a named file was made")
}

func TestSecrets_BadFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "q")
	c := bootstrap.Config{DataDir: dir, NetQueueTokenFile: path, MasterKeyFile: path}
	write := func(text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }

	write("tooshort\n")
	_, err := c.QueueToken(bootstrap.Named)
	require.ErrorContains(t, err, "NETQUEUE_TOKEN_FILE")
	require.ErrorContains(t, err, "at least 32")
	require.NotContains(t, err.Error(), "tooshort")
	_, err = c.Vault(bootstrap.Named)
	require.ErrorContains(t, err, "REMORA_MASTER_KEY_FILE")

	write(strings.Repeat("x", 32) + "\n")
	_, err = c.QueueToken(bootstrap.Named)
	require.NoError(t, err)
	require.NoError(t, os.Chmod(path, 0o644))
	_, err = c.QueueToken(bootstrap.Named)
	require.ErrorContains(t, err, "chmod 600")
}

func TestSecrets_DataDirThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := bootstrap.Config{DataDir: filepath.Join(file, "data")}.Vault(bootstrap.Made)
	require.ErrorContains(t, err, "REMORA_DATA_DIR")
}

func TestSecrets_GivenAsThemselves(t *testing.T) {
	c := bootstrap.Config{
		DataDir: t.TempDir(), MasterKey: domain.NewSecret("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
		NetQueueToken: domain.NewSecret(strings.Repeat("q", 32)), SessionSecret: domain.NewSecret(strings.Repeat("s", 32)),
	}
	for _, origin := range []bootstrap.Origin{bootstrap.Named, bootstrap.Made} {
		_, err := c.Vault(origin)
		require.NoError(t, err)
		token, err := c.QueueToken(origin)
		require.NoError(t, err)
		require.True(t, token == c.NetQueueToken)
		key, err := c.SessionKey(origin)
		require.NoError(t, err)
		require.True(t, key == c.SessionSecret)
	}
	left, err := os.ReadDir(c.DataDir)
	require.NoError(t, err)
	require.Empty(t, left, "a secret that was given was made too")
	c.MasterKey = domain.NewSecret(strings.Repeat("no key ", 8))
	_, err = c.Vault(bootstrap.Named)
	require.ErrorContains(t, err, "REMORA_MASTER_KEY: not a master key")
	require.NotContains(t, err.Error(), "no key ")
}

func TestSecrets_SessionKey(t *testing.T) {
	c := bootstrap.Config{DataDir: t.TempDir()}
	_, err := c.SessionKey(bootstrap.Named)
	require.ErrorContains(t, err, "SESSION_SECRET is not set")
	made, err := c.SessionKey(bootstrap.Made)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(made.Reveal()), 32)
	again, err := c.SessionKey(bootstrap.Made)
	require.NoError(t, err)
	require.True(t, made == again)
	info, err := os.Stat(filepath.Join(c.DataDir, "session.secret"))
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())
}
