package application_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/memory"
	realvault "github.com/heysubinoy/remora/adapters/vault"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// entropy counts its ids, and always draws the same jitter.
type entropy struct {
	mu sync.Mutex
	n  int
}

func (e *entropy) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.n++
	return e.n
}

func (e *entropy) ID() string { return fmt.Sprintf("01900000-0000-7000-8000-%012d", e.count()) }

func (e *entropy) Float64() float64 { return 0.5 }

// vault is the real one, and can be sealed while it is used.
type vault struct {
	mu     sync.Mutex
	in     *realvault.Vault
	sealed bool
}

var _ ports.Vault = (*vault)(nil)

func newVault(t *testing.T) *vault {
	v, err := realvault.New([]byte("0123456789abcdef0123456789abcdef"))
	require.NoError(t, err)
	return &vault{in: v}
}

func (v *vault) now() *realvault.Vault {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.sealed {
		return realvault.Sealed()
	}
	return v.in
}

func (v *vault) Seal(c domain.Credential, b domain.Binding) (domain.Sealed, error) {
	return v.now().Seal(c, b)
}

func (v *vault) Open(s domain.Sealed, b domain.Binding) (domain.Credential, error) {
	return v.now().Open(s, b)
}

func (v *vault) seal(sealed bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.sealed = sealed
}

// keys reads keys of a simple kind: "key TEXT", and "locked PASSPHRASE".
type keys struct{}

var _ ports.KeyReader = keys{}

func (keys) ReadKey(key, passphrase domain.Secret) (domain.KeyInfo, error) {
	kind, text, _ := strings.Cut(key.Reveal(), " ")
	switch {
	case kind == "key", kind == "locked" && text == passphrase.Reveal():
		sum := sha256.Sum256([]byte(key.Reveal()))
		return domain.KeyInfo{Fingerprint: "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:]), Type: "ssh-ed25519"}, nil
	case kind == "locked":
		return domain.KeyInfo{}, &domain.Error{Kind: domain.KindUnprocessable, Code: "passphrase_wrong", Message: "wrong passphrase"}
	}
	return domain.KeyInfo{}, domain.ErrKeyUnreadable
}

func (r keys) Unlock(key, passphrase domain.Secret) (domain.Secret, domain.KeyInfo, error) {
	info, err := r.ReadKey(key, passphrase)
	_, text, _ := strings.Cut(key.Reveal(), " ")
	return domain.NewSecret("key " + text), info, err
}

func (keys) ReadHostKey(text string) (domain.HostKey, error) {
	if domain.CheckFingerprint(text) != nil {
		return domain.HostKey{}, domain.Invalid("host_key", "not a host key")
	}
	return domain.HostKey{Fingerprint: text}, nil
}

// queue is the queue in memory with what may happen to one: it may be away, and come back empty.
type queue struct {
	mu    sync.Mutex
	in    *memory.Queue
	store string
	away  bool          // nothing works
	full  bool          // Put fails
	limit int           // Put fails when there were more; 0 = no limit
	hangs bool          // Put waits for ever
	dumb  bool          // acknowledgements are lost
	given int           // deliveries
	lost  chan struct{} // closed when in is replaced
	puts  []domain.Ticket
}

var (
	_ ports.Enqueuer = (*queue)(nil)
	_ ports.Dequeuer = (*queue)(nil)
)

func newQueue() *queue {
	return &queue{in: memory.NewQueue(time.Now), store: "store-1", lost: make(chan struct{})}
}

func (q *queue) now() (in *memory.Queue, lost chan struct{}, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.away {
		return nil, nil, domain.ErrQueueUnavailable
	}
	return q.in, q.lost, nil
}

func (q *queue) setAway(away bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.away = away
	close(q.lost)
	q.lost = make(chan struct{})
}

func (q *queue) setFull(full bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.full = full
}

func (q *queue) hang(hangs bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.hangs = hangs
}

func (q *queue) forget(acks bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dumb = acks
}

// deliveries counts the tickets handed out.
func (q *queue) deliveries() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.given
}

// lose replaces the queue by an empty one, as when its directory was deleted.
func (q *queue) lose() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.in, q.store = memory.NewQueue(time.Now), q.store+"'"
	close(q.lost)
	q.lost = make(chan struct{})
}

// put returns the tickets that the queue took since the last call.
func (q *queue) put() []domain.Ticket {
	q.mu.Lock()
	defer q.mu.Unlock()
	puts := q.puts
	q.puts = nil
	return puts
}

func (q *queue) Put(ctx context.Context, tickets []domain.Ticket) error {
	in, _, err := q.now()
	if err != nil {
		return err
	}
	q.mu.Lock()
	full, hangs := q.full || q.limit > 0 && len(q.puts)+len(tickets) > q.limit, q.hangs
	if !full && !hangs {
		q.puts = append(q.puts, tickets...)
	}
	q.mu.Unlock()
	switch {
	case full:
		return domain.ErrQueueFull
	case hangs:
		<-ctx.Done()
		return domain.ErrQueueUnavailable
	}
	return in.Put(ctx, tickets)
}

func (q *queue) Withdraw(ctx context.Context, ids []string) (int, error) {
	in, _, err := q.now()
	if err != nil {
		return 0, err
	}
	return in.Withdraw(ctx, ids)
}

func (q *queue) Store(context.Context) (string, error) {
	_, _, err := q.now()
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.store, err
}

func (q *queue) Reserve(ctx context.Context, limit int, lease time.Duration) ([]domain.Delivery, error) {
	in, lost, err := q.now()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-lost:
			cancel(domain.ErrQueueUnavailable)
		case <-ctx.Done():
		}
	}()
	deliveries, err := in.Reserve(ctx, limit, lease)
	if err != nil && context.Cause(ctx) == domain.ErrQueueUnavailable { //nolint:errorlint // it is the very one
		return nil, domain.ErrQueueUnavailable
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.given += len(deliveries)
	return deliveries, err
}

func (q *queue) Ack(ctx context.Context, receipts ...uint64) error {
	in, _, err := q.now()
	if err != nil {
		return err
	}
	q.mu.Lock()
	dumb := q.dumb
	q.mu.Unlock()
	if dumb {
		return domain.ErrQueueUnavailable
	}
	return in.Ack(ctx, receipts...)
}

func (q *queue) Release(ctx context.Context, receipt uint64, delay time.Duration) error {
	in, _, err := q.now()
	if err != nil {
		return err
	}
	return in.Release(ctx, receipt, delay)
}

func (q *queue) Extend(ctx context.Context, receipt uint64, lease time.Duration) error {
	in, _, err := q.now()
	if err != nil {
		return err
	}
	return in.Extend(ctx, receipt, lease)
}
