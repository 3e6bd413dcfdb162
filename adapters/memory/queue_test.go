package memory_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/memory"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/contract"
)

func TestQueue(t *testing.T) {
	t.Parallel()
	contract.Queue(t, func(*testing.T) (ports.Enqueuer, ports.Dequeuer) {
		q := memory.NewQueue(time.Now)
		return q, q
	}, contract.QueueTraits{})
}

func TestSignals(t *testing.T) {
	t.Parallel()
	contract.Signals(t, func(*testing.T) (here, there ports.Signals) {
		s := memory.NewSignals()
		return s, s
	})
}

func TestQueue_LeaseEndsToTheNanosecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := memory.NewQueue(time.Now)
		require.NoError(t, q.Put(t.Context(), []domain.Ticket{{ID: "a", Priority: 5}}))
		d, err := q.Reserve(t.Context(), 1, time.Hour)
		require.NoError(t, err)
		time.Sleep(time.Hour - 1)
		require.NoError(t, q.Extend(t.Context(), d[0].Receipt, time.Hour))
		began := time.Now()
		again, err := q.Reserve(t.Context(), 1, time.Hour)
		require.NoError(t, err)
		require.Equal(t, time.Hour, time.Since(began))
		require.Equal(t, 2, again[0].Count)
		require.ErrorIs(t, q.Ack(t.Context(), d[0].Receipt), domain.ErrReceiptStale)
	})
}
