package application

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
)

func TestTenure_OneClaimIsCarriedOnce(t *testing.T) {
	tn := &tenure{journeys: map[domain.JobID]*journey{}}
	first := &journey{job: &domain.Job{ID: "j"}, epoch: 1}
	require.True(t, tn.enter(first))
	require.False(t, tn.enter(&journey{job: &domain.Job{ID: "j"}, epoch: 1}), "its ticket came twice")

	second := &journey{job: &domain.Job{ID: "j"}, epoch: 3} // taken up again before the first has wound down
	require.True(t, tn.enter(second))
	tn.leave(first)
	require.Equal(t, second, tn.journeys["j"], "its cancels must still find it")
	tn.leave(second)
	require.Zero(t, tn.count())
}
