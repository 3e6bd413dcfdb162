package bootstrap_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/bootstrap"
	"github.com/heysubinoy/remora/domain"
)

func TestBackup_OverwritesNothing(t *testing.T) {
	dir := t.TempDir()
	kept := filepath.Join(dir, "kept")
	require.NoError(t, os.WriteFile(kept, []byte("an older backup"), 0o600))
	_, err := bootstrap.Backup(t.Context(), bootstrap.Config{DataDir: filepath.Join(dir, "data")}, dir)
	require.ErrorIs(t, err, &domain.Error{Code: "backup_exists"})
	require.Equal(t, domain.KindConflict, domain.KindOf(err))
	require.FileExists(t, kept)
}
