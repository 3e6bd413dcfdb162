package application_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/ports"
)

func TestCheckAll_AServerWithoutItsCredentialIsAnAnswer(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		s := w.server()
		_, err := w.servers.Trust(t.Context(), s.ID, anotherKey)
		require.NoError(t, err)
		all, err := w.servers.CheckAll(t.Context(), ports.ServerQuery{})
		require.NoError(t, err)
		require.Len(t, all, 1)
		require.False(t, all[0].Check.Connected)
		require.Contains(t, all[0].Check.Message, "needs its password or key anew")
	})
}
