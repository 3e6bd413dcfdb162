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

func TestBatch_WhatWasAcceptedIsAnsweredThoughItsServersAreOthersNow(t *testing.T) {
	inQuietWorld(t, func(t *testing.T, w *world) {
		s := w.server(func(n *ports.NewServer) { n.Tags = []string{"web"} })
		asks := map[string]ports.BatchSubmission{
			"ids": {ServerIDs: []domain.ServerID{s.ID}}, "tags": {Tags: []string{"web"}}, "all": {All: true},
		}
		first := map[string]ports.BatchDetail{}
		for how, ask := range asks {
			ask.Submission = ports.Submission{Command: "date", IdempotencyKey: how}
			asks[how] = ask
			d, err := w.batches().Submit(t.Context(), ask)
			require.NoError(t, err, how)
			first[how] = d
		}
		_, err := w.batches().Cancel(t.Context(), first["ids"].Batch.ID)
		require.NoError(t, err)
		again := ports.BatchRerun{IdempotencyKey: "again"}
		rerun, err := w.batches().Rerun(t.Context(), first["ids"].Batch.ID, again)
		require.NoError(t, err)

		_, err = w.servers.Update(t.Context(), s.ID, ports.ServerChange{Active: new(false)})
		require.NoError(t, err)
		for how, ask := range asks {
			d, err := w.batches().Submit(t.Context(), ask)
			require.NoError(t, err, how)
			require.Equal(t, first[how].Batch.ID, d.Batch.ID, how)
			ask.IdempotencyKey = "another " + how
			_, err = w.batches().Submit(t.Context(), ask)
			require.Error(t, err, how)
		}
		d, err := w.batches().Rerun(t.Context(), first["ids"].Batch.ID, again)
		require.NoError(t, err)
		require.Equal(t, rerun.Batch.ID, d.Batch.ID)
	})
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
