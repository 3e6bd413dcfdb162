package sqlstore_test

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

func TestCursor_OneThatIsMadeUpIsNoFaultOfOurs(t *testing.T) {
	onEach(t, func(t *testing.T, url string) {
		s := open(t, url)
		server := fixture.Server(t)
		require.NoError(t, s.Servers().Add(t.Context(), server, nil))
		for range 2 {
			job := fixture.Job(t, fixture.Pending, fixture.On(server.ID))
			_, err := s.Jobs().Add(t.Context(), ports.Idempotency{}, job)
			require.NoError(t, err)
		}
		for _, by := range []ports.SortField{
			ports.SortCreated, ports.SortUpdated, ports.SortStarted, ports.SortFinished, ports.SortStatus, ports.SortCommand, ports.SortPriority,
		} {
			page, err := s.Jobs().List(t.Context(), ports.JobQuery{Limit: 1, Sort: by})
			require.NoError(t, err)
			for _, n := range []int64{math.MinInt64, math.MinInt32 - 1, math.MaxInt32 + 1, math.MaxInt64} {
				_, err := s.Jobs().List(t.Context(), ports.JobQuery{Limit: 1, Sort: by, Cursor: withNumber(t, page.Next, n)})
				if err != nil {
					require.Equal(t, domain.KindInvalid, domain.KindOf(err), "%s at %d: %v", by, n, err)
				}
			}
		}
	})
}

// withNumber returns a cursor with another number in it.
func withNumber(t *testing.T, cursor string, n int64) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	require.NoError(t, err)
	var fields map[string]any
	require.NoError(t, json.Unmarshal(raw, &fields))
	fields["n"] = n
	raw, err = json.Marshal(fields)
	require.NoError(t, err)
	return base64.RawURLEncoding.EncodeToString(raw)
}
