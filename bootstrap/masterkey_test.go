package bootstrap_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/bootstrap"
	"github.com/heysubinoy/remora/domain"
)

// TestStart_RefusesAnotherMasterKey starts on a database that another master key belongs to: what it would seal could never
// be opened together with what is there.
func TestStart_RefusesAnotherMasterKey(t *testing.T) {
	dir := t.TempDir()
	config := func(name string) bootstrap.Config {
		c, err := bootstrap.Load(func(setting string) string {
			return map[string]string{
				"REMORA_DATA_DIR": dir, "SERVER_ADDR": "127.0.0.1:0", "NETQUEUE_ADDR": "127.0.0.1:0",
				"REMORA_MASTER_KEY_FILE": filepath.Join(dir, name),
			}[setting]
		})
		require.NoError(t, err)
		return c
	}
	start := func(name string) error {
		c := config(name)
		v, err := c.Vault(bootstrap.Named)
		require.NoError(t, err)
		p, err := bootstrap.NewAPI(t.Context(), c, bootstrap.Secrets{Vault: v, QueueToken: domain.NewSecret("0123456789abcdef0123456789abcdef")},
			slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		ctx, stop := context.WithCancelCause(t.Context())
		stop(nil)
		return p.Run(ctx)
	}
	for name, key := range map[string]string{
		"first.key": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "other.key": "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(key+"\n"), 0o600))
	}
	require.NoError(t, start("first.key"))
	err := start("other.key")
	require.ErrorIs(t, err, &domain.Error{Code: "settings_invalid"})
	require.Contains(t, err.Error(), "REMORA_MASTER_KEY_FILE=\""+filepath.Join(dir, "other.key")+"\"")
	require.NotContains(t, err.Error(), "ZmVk")
	require.NoError(t, start("first.key"), "the right one still does")
}
