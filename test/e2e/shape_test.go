package e2e

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// decode reads JSON that a program printed.
func decode(t *testing.T, text string, v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), v), text)
}
