// Package wait waits for facts. A test that would sleep says instead what it waits for, goes on as soon as that is so,
// and when it never becomes so reports the last reason why not.
package wait

import (
	"testing"
	"time"
)

// Patience is how long Until waits: far longer than any fact takes on a slow machine, so that only a fact that never
// comes fails a test.
const Patience = 30 * time.Second

const (
	firstPause = time.Millisecond
	maxPause   = 50 * time.Millisecond
)

// Until calls check until it returns nil, and fails the test with check's last error when that takes longer than
// Patience or than the test may run. Call it from the test's own goroutine.
func Until(t testing.TB, check func() error) {
	t.Helper()
	Within(t, Patience, check)
}

// Within is Until with its own limit.
func Within(t testing.TB, limit time.Duration, check func() error) {
	t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		reason := check()
		if reason == nil {
			return
		}
		next := time.NewTimer(pause)
		select {
		case <-next.C:
		case <-deadline.C:
			next.Stop()
			t.Fatalf("waited %s in vain; last reason: %v", limit, reason)
		case <-t.Context().Done():
			next.Stop()
			t.Fatalf("the test ended while waiting; last reason: %v", reason)
		}
	}
}
