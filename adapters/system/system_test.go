package system_test

import (
	"regexp"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/system"
)

func TestClock_IsUTCInMicroseconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		<-time.After(1234567 * time.Nanosecond) // the bubble's clock stands at a whole second before
		now := system.Clock{}.Now()
		require.Equal(t, time.UTC, now.Location())
		require.Equal(t, 1_234_000, now.Nanosecond())
		require.Equal(t, now, now.Round(0), "a monotonic reading would make equal times differ")
	})
}

func TestEntropy_IDsAreUUIDv7InOrder(t *testing.T) {
	shape := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	last := ""
	for range 1000 {
		id := system.Entropy{}.ID()
		require.Regexp(t, shape, id)
		require.Greater(t, id, last)
		last = id
	}
}

func TestEntropy_RacersGetDifferentIDs(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]bool{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				id := system.Entropy{}.ID()
				mu.Lock()
				seen[id] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	require.Len(t, seen, 4000)
}

func TestEntropy_Float64IsSpread(t *testing.T) {
	var low, high bool
	for range 1000 {
		f := system.Entropy{}.Float64()
		require.GreaterOrEqual(t, f, 0.0)
		require.Less(t, f, 1.0)
		low, high = low || f < 0.5, high || f >= 0.5
	}
	require.True(t, low && high)
}
