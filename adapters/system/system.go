// Package system gives the application the machine's clock and its randomness. It is the only place that asks for the
// time of day or for an id; it knows nothing of what they are for.
package system

import (
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/heysubinoy/remora/ports"
)

// Clock is the machine's clock.
type Clock struct{}

var _ ports.Clock = Clock{}

// Now implements ports.Clock.
func (Clock) Now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// Entropy is the machine's randomness.
type Entropy struct{}

var _ ports.Entropy = Entropy{}

// ID implements ports.Entropy.
func (Entropy) ID() string { return uuid.Must(uuid.NewV7()).String() }

// Float64 implements ports.Entropy.
func (Entropy) Float64() float64 { return rand.Float64() }
