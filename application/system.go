package application

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// healthTimeout bounds how long a health check waits for each part.
const healthTimeout = 2 * time.Second

// System implements ports.System.
type System struct {
	Database ports.Pinger
	Queue    ports.Pinger
	Clock    ports.Clock
}

var _ ports.System = (*System)(nil)

// Health implements ports.System.
func (s *System) Health(ctx context.Context) ports.Health {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	h := ports.Health{At: s.Clock.Now()}
	var both sync.WaitGroup
	both.Go(func() { h.Database = s.Database.Ping(ctx) })
	both.Go(func() { h.Queue = s.Queue.Ping(ctx) })
	both.Wait()
	return h
}

// Tokens implements ports.Authenticator.
type Tokens struct {
	Repository ports.TokenRepository
}

var _ ports.Authenticator = (*Tokens)(nil)

// Authenticate implements ports.Authenticator.
func (t *Tokens) Authenticate(ctx context.Context, token domain.Secret) (domain.Principal, error) {
	if token.Empty() {
		return domain.Principal{}, domain.ErrUnauthenticated
	}
	return t.Repository.Find(ctx, sha256.Sum256([]byte(token.Reveal())))
}

// Grant lets the holder of token in as p, in place of p's earlier token. Fails with domain.ErrStorageUnavailable.
func (t *Tokens) Grant(ctx context.Context, p domain.Principal, token domain.Secret) error {
	return t.Repository.Put(ctx, p, sha256.Sum256([]byte(token.Reveal())))
}
