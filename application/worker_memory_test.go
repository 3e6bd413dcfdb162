package application_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/memory"
	"github.com/heysubinoy/remora/application"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// scale is an executor that counts the bytes its sinks have taken.
type scale struct {
	ports.Executor
	taken atomic.Int64
}

func (s *scale) Start(ctx context.Context, t ports.Target, id domain.AttemptID, c domain.Command, sink ports.Sink) (domain.Exit, error) {
	return s.Executor.Start(ctx, t, id, c, weighed{sink, s})
}

type weighed struct {
	ports.Sink
	on *scale
}

func (w weighed) Output(ctx context.Context, s domain.Stream, data []byte) error {
	err := w.Sink.Output(ctx, s, data)
	if err == nil {
		w.on.taken.Add(int64(len(data)))
	}
	return err
}

// A job prints without end while the database takes nothing: the worker holds a bounded part, and the server waits.
func TestWorker_HoldsABoundedPartOfTheOutput(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		const flush, line = 4 << 10, 1 << 10
		on := &scale{Executor: w.machines}
		own := &faults{}
		w.workOver(own, func(it *application.Worker) { it.Executor, it.Settings.FlushBytes = on, flush })
		text := strings.Repeat("x", line)
		var steps []memory.Step
		for range 2000 {
			steps = append(steps, memory.Prints(domain.Stdout, text), memory.Sleeps(time.Millisecond))
		}
		own.mu.Lock()
		own.slow = time.Minute
		own.mu.Unlock()
		id := w.submit(w.server(), memory.Sequence(steps...))
		w.executing(id)
		w.pass(30 * time.Second)
		taken := on.taken.Load()
		require.Greater(t, taken, int64(flush))
		require.LessOrEqual(t, taken, int64(64*flush), "it holds what nobody has stored")
		own.mu.Lock()
		own.slow = 0
		own.mu.Unlock()
		require.Equal(t, domain.StatusCompleted, w.final(id).Status)
		stdout, _ := w.printed(id)
		require.Equal(t, 2000*line, len(stdout))
	})
}
