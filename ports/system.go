package ports

import (
	"context"
	"time"

	"github.com/heysubinoy/remora/domain"
)

// Health says whether what the API stands on is there.
type Health struct {
	At       time.Time
	Database error // nil = connected
	Queue    error
}

// Healthy reports whether nothing is away.
func (h Health) Healthy() bool { return h.Database == nil && h.Queue == nil }

// System is what is asked about the whole.
type System interface {
	// Health asks database and queue, each with its own short time limit. It never fails and takes at most about 2 s.
	Health(ctx context.Context) Health
}

// Authenticator tells who holds a token.
type Authenticator interface {
	// Authenticate returns the holder. Fails with ErrUnauthenticated, ErrStorageUnavailable.
	Authenticate(ctx context.Context, token domain.Secret) (domain.Principal, error)
}
