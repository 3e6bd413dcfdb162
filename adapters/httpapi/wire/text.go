package wire

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/heysubinoy/remora/domain"
)

// text returns data for people, and data itself when the text does not say it all.
func text(data []byte) (shown string, exact []byte) {
	if utf8.Valid(data) {
		return string(data), nil
	}
	return strings.ToValidUTF8(string(data), "\uFFFD"), data
}

// tailText is text for a stream's end: a character that the cut has halved is not shown.
func tailText(data []byte, cut bool) (shown string, exact []byte) {
	rest := data
	for i := 0; cut && i < utf8.UTFMax-1 && len(rest) > 0 && !utf8.RuneStart(rest[0]); i++ {
		rest = rest[1:]
	}
	shown, _ = text(rest)
	if len(shown) != len(data) || !utf8.Valid(data) {
		exact = data
	}
	return shown, exact
}

func dataOf(shown string, exact []byte) []byte {
	if len(exact) > 0 {
		return exact
	}
	return []byte(shown)
}

func orNull[T ~string](s T) *string {
	if s == "" {
		return nil
	}
	v := string(s)
	return &v
}

func orEmpty[T ~string](p *string) T {
	if p == nil {
		return ""
	}
	return T(*p)
}

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	u := t.UTC()
	return &u
}

func timeOrZero(p *time.Time) time.Time {
	if p == nil {
		return time.Time{}
	}
	return p.UTC()
}

// Seconds is a duration written as a JSON number of seconds, whole where it can be.
type Seconds time.Duration

// MarshalJSON writes the shortest decimal number that says it exactly.
func (s Seconds) MarshalJSON() ([]byte, error) {
	whole, rest := int64(s)/int64(time.Second), int64(s)%int64(time.Second)
	out := strconv.AppendInt(nil, whole, 10)
	if rest == 0 {
		return out, nil
	}
	sign := ""
	if rest < 0 {
		rest = -rest
		if whole == 0 {
			sign = "-"
		}
	}
	digits := strconv.FormatInt(int64(time.Second)+rest, 10)[1:]
	return []byte(sign + string(out) + "." + strings.TrimRight(digits, "0")), nil
}

// UnmarshalJSON reads a number of seconds.
func (s *Seconds) UnmarshalJSON(b []byte) error {
	var n json.Number
	if err := json.Unmarshal(b, &n); err != nil {
		return err
	}
	d, err := seconds("seconds", n)
	*s = Seconds(d)
	return err
}

// seconds reads a number of seconds of either sign, as exact as its digits where it has no exponent.
func seconds(field string, n json.Number) (time.Duration, error) {
	if d, err := time.ParseDuration(n.String() + "s"); err == nil {
		return d, nil
	}
	f, err := n.Float64()
	if err != nil || math.Abs(f) > 9e9 {
		return 0, domain.Invalid(field, "%s is out of range; give seconds", field)
	}
	return time.Duration(f * float64(time.Second)), nil
}

// Millis is a duration written as a JSON number of milliseconds, exact to the microsecond.
type Millis time.Duration

// MarshalJSON writes milliseconds with at most three decimals.
func (m Millis) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(time.Duration(m).Microseconds())/1000, 'f', -1, 64), nil
}

// UnmarshalJSON reads a number of milliseconds.
func (m *Millis) UnmarshalJSON(b []byte) error {
	var f float64
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	*m = Millis(time.Duration(math.Round(f*1000)) * time.Microsecond)
	return nil
}
