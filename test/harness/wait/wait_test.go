package wait_test

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/test/harness/wait"
)

func TestUntil_ReturnsWithTheFact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, calls := time.Now(), 0
		wait.Until(t, func() error {
			if calls++; calls < 5 {
				return errors.New("not yet")
			}
			return nil
		})
		require.Equal(t, 5, calls)
		require.Less(t, time.Since(began), time.Second)
	})
}

func TestWithin_ReportsTheLastReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed := &recorder{TB: t}
		began, calls := time.Now(), 0
		done := make(chan struct{})
		go func() {
			defer close(done)
			wait.Within(failed, time.Second, func() error { calls++; return fmt.Errorf("reason %d", calls) })
		}()
		<-done
		require.Contains(t, failed.message, fmt.Sprintf("reason %d", calls))
		require.Equal(t, time.Second, time.Since(began))
	})
}

// recorder takes a fatal failure as a test would, by ending its goroutine.
type recorder struct {
	testing.TB
	message string
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.message = fmt.Sprintf(format, args...)
	runtime.Goexit()
}
