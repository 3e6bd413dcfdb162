package contract

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/test/fixture"
)

// PassRepository proves ports.PassRepository. That passes end with their token is proven with TokenRepository.
func PassRepository(t *testing.T, open Open) {
	clauses{
		"UnknownPassIsNobody":        passUnknown,
		"EveryFieldIsKept":           passFields,
		"KindsDoNotMix":              passKinds,
		"EndedPassIsStillFound":      passEnded,
		"EndedPassesAreSwept":        passSwept,
		"TakenPassIsGone":            passTaken,
		"OfManyTakersOneWins":        passRace,
		"PassNeedsItsToken":          passToken,
		"DoneContextEndsEveryMethod": passDoneContext,
	}.run(t, open)
}

// addPass stores a pass with this text.
func addPass(t *testing.T, s Storage, kind domain.PassKind, token domain.Token, text string) domain.Pass {
	t.Helper()
	p := domain.NewPass(kind, token, fixture.Now())
	require.NoError(t, s.Passes.Add(t.Context(), p, hashOf(text)))
	return p
}

func requirePass(t *testing.T, s Storage, text string, pass domain.Pass, token domain.Token) {
	t.Helper()
	p, holder, err := s.Passes.Find(t.Context(), pass.Kind, hashOf(text))
	require.NoError(t, err, text)
	require.Equal(t, pass, p)
	require.Equal(t, token, holder)
}

func requireNoPass(t *testing.T, s Storage, kind domain.PassKind, text string) {
	t.Helper()
	p, token, err := s.Passes.Find(t.Context(), kind, hashOf(text))
	require.ErrorIs(t, err, domain.ErrUnauthenticated, text)
	require.Zero(t, p)
	require.Zero(t, token)
	_, _, err = s.Passes.Take(t.Context(), kind, hashOf(text))
	require.ErrorIs(t, err, domain.ErrUnauthenticated, text)
}

func passUnknown(t *testing.T, s Storage) {
	requireNoPass(t, s, domain.PassSession, "nobody's")
	requireNoPass(t, s, domain.PassCode, "nobody's")
}

func passFields(t *testing.T, s Storage) {
	token := newToken(t, "ops", domain.RoleOperator)
	token.ExpiresAt, token.LastUsedAt = fixture.Now().Add(time.Hour), fixture.Now().Add(time.Microsecond)
	require.NoError(t, s.Tokens.Add(t.Context(), token, hashOf("ops")))
	requirePass(t, s, "session", addPass(t, s, domain.PassSession, token, "session"), token)
	requirePass(t, s, "code", addPass(t, s, domain.PassCode, token, "code"), token)
}

func passKinds(t *testing.T, s Storage) {
	token := addToken(t, s, "ops", domain.RoleOperator)
	p := addPass(t, s, domain.PassCode, token, "code")
	requireNoPass(t, s, domain.PassSession, "code")
	requirePass(t, s, "code", p, token)
}

func passEnded(t *testing.T, s Storage) {
	token := addToken(t, s, "ops", domain.RoleOperator)
	p := domain.Pass{Kind: domain.PassSession, Token: token.ID, CreatedAt: fixture.Now().Add(-2 * time.Hour), ExpiresAt: fixture.Now().Add(-time.Hour)}
	require.NoError(t, s.Passes.Add(t.Context(), p, hashOf("old")))
	requirePass(t, s, "old", p, token)
}

func passSwept(t *testing.T, s Storage) {
	token := addToken(t, s, "ops", domain.RoleOperator)
	ended := addPass(t, s, domain.PassCode, token, "ended")
	lives := addPass(t, s, domain.PassSession, token, "lives")
	next := domain.NewPass(domain.PassCode, token, ended.ExpiresAt)
	require.NoError(t, s.Passes.Add(t.Context(), next, hashOf("next")))
	requireNoPass(t, s, domain.PassCode, "ended")
	requirePass(t, s, "lives", lives, token)
	requirePass(t, s, "next", next, token)
}

func passTaken(t *testing.T, s Storage) {
	token := addToken(t, s, "ops", domain.RoleOperator)
	p, other := addPass(t, s, domain.PassCode, token, "code"), addPass(t, s, domain.PassCode, token, "other")
	got, holder, err := s.Passes.Take(t.Context(), domain.PassCode, hashOf("code"))
	require.NoError(t, err)
	require.Equal(t, p, got)
	require.Equal(t, token, holder)
	requireNoPass(t, s, domain.PassCode, "code")
	requirePass(t, s, "other", other, token)
	requireToken(t, s, "ops", token)
}

func passRace(t *testing.T, s Storage) {
	addPass(t, s, domain.PassCode, addToken(t, s, "ops", domain.RoleOperator), "code")
	errs := race(racers, func(int) error {
		_, _, err := s.Passes.Take(t.Context(), domain.PassCode, hashOf("code"))
		return err
	})
	requireOneWinner(t, errs, domain.ErrUnauthenticated)
}

func passToken(t *testing.T, s Storage) {
	p := domain.NewPass(domain.PassCode, newToken(t, "ghost", domain.RoleAdmin), fixture.Now())
	require.ErrorIs(t, s.Passes.Add(t.Context(), p, hashOf("code")), domain.ErrTokenNotFound)
	requireNoPass(t, s, domain.PassCode, "code")
}

func passDoneContext(t *testing.T, s Storage) {
	token := addToken(t, s, "ops", domain.RoleOperator)
	p := domain.NewPass(domain.PassCode, token, fixture.Now())
	requireDone(t, map[string]func(context.Context) error{
		"Add":  func(ctx context.Context) error { return s.Passes.Add(ctx, p, hashOf("x")) },
		"Find": func(ctx context.Context) error { _, _, err := s.Passes.Find(ctx, p.Kind, hashOf("x")); return err },
		"Take": func(ctx context.Context) error { _, _, err := s.Passes.Take(ctx, p.Kind, hashOf("x")); return err },
	})
	requireNoPass(t, s, domain.PassCode, "x")
}
