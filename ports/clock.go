package ports

import "time"

// Clock tells the time.
type Clock interface {
	// Now returns the time in UTC, cut to microseconds as the database keeps it.
	Now() time.Time
}

// Entropy makes what must be unguessable or unique.
type Entropy interface {
	// ID returns a new UUIDv7 in lower-case text.
	ID() string
	// Float64 returns a number in [0,1) for jitter.
	Float64() float64
}
