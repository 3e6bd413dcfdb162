package httpapi

import (
	"fmt"
	"math"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/heysubinoy/remora/domain"
)

// limiter bounds what one caller asks for: a bucket of tokens each, filled at rate, holding as much as two seconds bring. The
// zero rate lets everything pass.
type limiter struct {
	rate float64

	mu      sync.Mutex
	buckets map[string]*bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

// mostBuckets is when those of callers who have been quiet are dropped.
const mostBuckets = 10_000

func newLimiter(rate int) *limiter {
	return &limiter{rate: float64(rate), buckets: map[string]*bucket{}}
}

// take takes cost tokens of a caller's, or says that there are none. A cost of 0 only looks.
func (l *limiter) take(caller string, cost float64) error {
	if l.rate <= 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	b := l.buckets[caller]
	if b == nil {
		l.sweep(now)
		b = &bucket{tokens: 2 * l.rate, at: now}
		l.buckets[caller] = b
	}
	b.tokens = min(2*l.rate, b.tokens+l.rate*now.Sub(b.at).Seconds())
	b.at = now
	if b.tokens < 1 {
		wait := int(math.Ceil((1 - b.tokens) / l.rate))
		return &domain.Error{
			Kind: domain.KindExhausted, Code: "rate_limited", Details: map[string]any{"retry_after": wait, "limit": int(l.rate)},
			Message: fmt.Sprintf("more than %.0f requests a second are more than one caller may make; try again in %d s", l.rate, wait),
		}
	}
	b.tokens -= cost
	return nil
}

// sweep drops full buckets: a new one would be the same.
func (l *limiter) sweep(now time.Time) {
	if len(l.buckets) < mostBuckets {
		return
	}
	for caller, b := range l.buckets {
		if b.tokens+l.rate*now.Sub(b.at).Seconds() >= 2*l.rate {
			delete(l.buckets, caller)
		}
	}
}

// limitStrangers stands before sign-in: who fails at it too often is not even asked any more, and costs no look at the database.
func (s *Server) limitStrangers(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		from := address(c.Request())
		if err := s.limits.take(from, 0); err != nil {
			return err
		}
		err := next(c)
		if domain.KindOf(err) == domain.KindUnauthenticated {
			_ = s.limits.take(from, 1)
		}
		return err
	}
}

// limitCallers stands behind sign-in: each who is known has a bucket of their own, wherever they call from.
func (s *Server) limitCallers(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		caller := "as " + principal(c).Name
		if principal(c).Name == "" {
			caller = address(c.Request())
		}
		if err := s.limits.take(caller, 1); err != nil {
			return err
		}
		return next(c)
	}
}

// address names a caller who has not signed in.
func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	return "from " + host
}

// hold takes one of the places of requests that stay open: streams and long polls. release gives it back.
func (s *Server) hold() (release func(), err error) {
	select {
	case s.held <- struct{}{}:
		return func() { <-s.held }, nil
	default:
		return nil, &domain.Error{
			Kind: domain.KindExhausted, Code: "streams_exhausted", Details: map[string]any{"limit": cap(s.held)},
			Message: fmt.Sprintf("%d readers follow jobs here already, which is all that this API server takes; try again later", cap(s.held)),
		}
	}
}
