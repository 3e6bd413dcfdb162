package application_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/application"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

func (w *world) batches() *application.Batches {
	return &application.Batches{Jobs: w.jobs, Repository: w.store.Batches()}
}

// renaming is a list of servers of which one gets another name between two pages.
type renaming struct {
	ports.ServerRepository
	one domain.Server
}

func (r renaming) List(_ context.Context, q ports.ServerQuery) (ports.ServerPage, error) {
	if q.Cursor == "" {
		return ports.ServerPage{Servers: []domain.Server{r.one}, Next: "2"}, nil
	}
	again := r.one
	again.Name = "z"
	return ports.ServerPage{Servers: []domain.Server{again}}, nil
}

func TestBatch_RunsOnceOnAServerThatIsRenamedMeanwhile(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		w.jobs.Servers = renaming{w.jobs.Servers, w.server()}
		d, err := w.batches().Submit(t.Context(), ports.BatchSubmission{Submission: ports.Submission{Command: "date"}, All: true})
		require.NoError(t, err)
		require.Len(t, d.Jobs.Jobs, 1)
	})
}
