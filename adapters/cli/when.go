package cli

import (
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// timeFlag reads a point in time: RFC 3339, a day, or how long ago.
type timeFlag struct {
	at  *time.Time
	now func() time.Time
}

var _ pflag.Value = timeFlag{}

// String implements pflag.Value.
func (t timeFlag) String() string {
	if t.at == nil || t.at.IsZero() {
		return ""
	}
	return t.at.Format(time.RFC3339)
}

// Set implements pflag.Value.
func (t timeFlag) Set(text string) error {
	if ago, ok := agoOf(text); ok {
		*t.at = t.now().Add(-ago)
		return nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if at, err := time.ParseInLocation(layout, text, t.now().Location()); err == nil {
			*t.at = at
			return nil
		}
	}
	return usage("give how long ago (90s, 30m, 2h, 7d), a day (2026-01-31), or a time (2026-01-31T08:00:00Z)")
}

// Type implements pflag.Value.
func (t timeFlag) Type() string { return "time" }

// agoOf reads a duration, in days too.
func agoOf(text string) (time.Duration, bool) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		return time.Duration(n) * 24 * time.Hour, err == nil && n >= 0 && n < 100_000
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d >= 0
}
