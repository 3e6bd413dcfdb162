package contract

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/test/fixture"
)

var serverJumpClauses = clauses{
	"WayHasTwoJumpsAtMost":      jumpLength,
	"JumpServerMustBeThere":     jumpUnknown,
	"NobodyIsReachedThroughOne": jumpLoop,
	"UsedJumpServerStays":       jumpUsed,
	"OfRacingLoopsOneFails":     jumpRace,
	"OfDeleteAndUseOneWins":     jumpDeleteAgainstUse,
}

// via makes a server reached through another.
func via(jump *domain.Server) func(*domain.Server) {
	return func(s *domain.Server) { s.ProxyJump = jump.ID }
}

func jumpLength(t *testing.T, s Storage) {
	outer := addServer(t, s)
	inner := addServer(t, s, via(outer))
	end := addServer(t, s, via(inner))
	got, _ := getServer(t, s, end.ID)
	require.Equal(t, inner.ID, got.ProxyJump)
	require.ErrorIs(t, s.Servers.Add(t.Context(), fixture.Server(t, via(end)), nil), domain.ErrJumpTooLong)

	// And none gets longer at its other end.
	far := addServer(t, s)
	outer.ProxyJump = far.ID
	require.ErrorIs(t, s.Servers.Save(t.Context(), outer, nil), domain.ErrJumpTooLong)
	end.ProxyJump = ""
	require.NoError(t, s.Servers.Save(t.Context(), end, nil))
	require.NoError(t, s.Servers.Save(t.Context(), outer, nil), "now it is two")
	end.ProxyJump = inner.ID
	require.ErrorIs(t, s.Servers.Save(t.Context(), end, nil), domain.ErrJumpTooLong)
	inner.User = "root"
	require.NoError(t, s.Servers.Save(t.Context(), inner, nil), "the same way as before is still one")
}

func jumpUnknown(t *testing.T, s Storage) {
	nowhere := func(s *domain.Server) { s.ProxyJump = fixture.ID[domain.ServerID](t) }
	err := s.Servers.Add(t.Context(), fixture.Server(t, nowhere), nil)
	require.ErrorIs(t, err, domain.ErrJumpNotFound)
	require.Equal(t, domain.KindInvalid, domain.KindOf(err))
	server := addServer(t, s)
	nowhere(server)
	require.ErrorIs(t, s.Servers.Save(t.Context(), server, nil), domain.ErrJumpNotFound)
}

func jumpLoop(t *testing.T, s Storage) {
	self := fixture.Server(t)
	self.ProxyJump = self.ID
	require.ErrorIs(t, s.Servers.Add(t.Context(), self, nil), domain.ErrJumpLoop)
	a := addServer(t, s)
	b := addServer(t, s, via(a))
	c := addServer(t, s, via(b))
	for _, last := range []*domain.Server{a, b, c} {
		a.ProxyJump = last.ID
		require.ErrorIs(t, s.Servers.Save(t.Context(), a, nil), domain.ErrJumpLoop)
	}
	got, _ := getServer(t, s, a.ID)
	require.Empty(t, got.ProxyJump)
}

func jumpUsed(t *testing.T, s Storage) {
	jump := addServer(t, s)
	addJob(t, s, fixture.Pending, fixture.On(jump.ID))
	b := addServer(t, s, fixture.Named("b"), via(jump))
	a := addServer(t, s, fixture.Named("a"), via(jump))
	for _, force := range []bool{false, true} {
		_, err := s.Servers.Delete(t.Context(), jump.ID, force)
		require.ErrorIs(t, err, domain.ErrServerIsJump)
		e, _ := errors.AsType[*domain.Error](err)
		require.Equal(t, map[string]any{"used_by": []string{"a", "b"}}, e.Details)
	}
	_, err := s.Servers.Delete(t.Context(), a.ID, false)
	require.NoError(t, err)
	b.ProxyJump = ""
	require.NoError(t, s.Servers.Save(t.Context(), b, nil))
	_, err = s.Servers.Delete(t.Context(), jump.ID, true)
	requireHasJobs(t, err, "active_jobs", 1)
}

func jumpRace(t *testing.T, s Storage) {
	for range 10 {
		pair := [2]*domain.Server{addServer(t, s), addServer(t, s)}
		pair[0].ProxyJump, pair[1].ProxyJump = pair[1].ID, pair[0].ID
		requireOneWinner(t, race(2, func(i int) error { return s.Servers.Save(t.Context(), pair[i], nil) }), domain.ErrJumpLoop)
	}
}

func jumpDeleteAgainstUse(t *testing.T, s Storage) {
	for range 10 {
		jump := addServer(t, s)
		server := fixture.Server(t, via(jump))
		requireOneWinner(t, race(2, func(i int) (err error) {
			if i == 0 {
				_, err = s.Servers.Delete(t.Context(), jump.ID, false)
				return err
			}
			return s.Servers.Add(t.Context(), server, nil)
		}), domain.ErrServerIsJump, domain.ErrJumpNotFound)
	}
}
