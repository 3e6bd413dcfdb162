package contract

import (
	"context"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/fixture"
)

// TokenRepository proves ports.TokenRepository.
func TokenRepository(t *testing.T, open Open) {
	clauses{
		"UnknownTokenIsNobody":           tokenUnknown,
		"EveryFieldIsKept":               tokenFields,
		"HashIsTakenByEveryByte":         tokenBytes,
		"NamesAndHashesAreUnique":        tokenUnique,
		"ListIsByName":                   tokenList,
		"ReplacedHashIsGoneForGood":      tokenReplaced,
		"DeletedHashIsGoneForGood":       tokenDeleted,
		"LastAdminStays":                 tokenLastAdmin,
		"TouchOnlyMovesForward":          tokenTouched,
		"RacingAddsOfOneNameStoreOne":    tokenRaceName,
		"RacingAddsOfOneHashStoreOne":    tokenRaceHash,
		"RacingDeletesLeaveAnAdmin":      tokenRaceDelete,
		"RacingReplacesLeaveOneHash":     tokenRaceReplace,
		"DoneContextEndsEveryMethod":     tokenDoneContext,
		"DoneContextLeavesNothingBehind": tokenDoneEffect,
	}.run(t, open)
}

// Pinger proves ports.Pinger on something that is there.
func Pinger(t *testing.T, open func(t *testing.T) ports.Pinger) {
	t.Run("WhatIsThereAnswers", func(t *testing.T) {
		p := open(t)
		for _, err := range race(racers, func(int) error { return p.Ping(t.Context()) }) {
			require.NoError(t, err)
		}
	})
	t.Run("DoneContextEndsIt", func(t *testing.T) {
		requireDone(t, map[string]func(context.Context) error{"Ping": open(t).Ping})
	})
}

func hashOf(text string) [32]byte { return sha256.Sum256([]byte(text)) }

func newToken(t *testing.T, name string, role domain.Role) domain.Token {
	t.Helper()
	return domain.Token{ID: fixture.ID[domain.TokenID](t), Name: name, Role: role, CreatedAt: fixture.Now()}
}

// addToken stores a token whose text is its name.
func addToken(t *testing.T, s Storage, name string, role domain.Role) domain.Token {
	t.Helper()
	token := newToken(t, name, role)
	require.NoError(t, s.Tokens.Add(t.Context(), token, hashOf(name)))
	return token
}

func requireToken(t *testing.T, s Storage, text string, want domain.Token) {
	t.Helper()
	got, err := s.Tokens.Find(t.Context(), hashOf(text))
	require.NoError(t, err, text)
	require.Equal(t, want, got)
}

func requireNobody(t *testing.T, s Storage, text string) {
	t.Helper()
	got, err := s.Tokens.Find(t.Context(), hashOf(text))
	require.ErrorIs(t, err, domain.ErrUnauthenticated, text)
	require.Zero(t, got)
}

func tokenUnknown(t *testing.T, s Storage) {
	requireNobody(t, s, "nobody's")
	_, err := s.Tokens.Find(t.Context(), [32]byte{})
	require.ErrorIs(t, err, domain.ErrUnauthenticated)
	id := fixture.ID[domain.TokenID](t)
	_, err = s.Tokens.Replace(t.Context(), id, hashOf("new"))
	require.ErrorIs(t, err, domain.ErrTokenNotFound)
	require.ErrorIs(t, s.Tokens.Delete(t.Context(), id, fixture.Now()), domain.ErrTokenNotFound)
	require.NoError(t, s.Tokens.Touch(t.Context(), id, fixture.Now()))
	list, err := s.Tokens.List(t.Context())
	require.NoError(t, err)
	require.Empty(t, list)
}

func tokenFields(t *testing.T, s Storage) {
	whole := newToken(t, "ünïcode ops ☃", domain.RoleOperator)
	whole.ExpiresAt, whole.LastUsedAt = fixture.Now().Add(time.Hour), fixture.Now().Add(time.Microsecond)
	require.NoError(t, s.Tokens.Add(t.Context(), whole, hashOf("whole")))
	bare := addToken(t, s, "bare", domain.RoleViewer)
	requireToken(t, s, "whole", whole)
	requireToken(t, s, "bare", bare)
}

func tokenBytes(t *testing.T, s Storage) {
	token := newToken(t, "admin", domain.RoleAdmin)
	hash := hashOf("token")
	hash[0], hash[31] = 0, 0
	require.NoError(t, s.Tokens.Add(t.Context(), token, hash))
	for i := range hash {
		near := hash
		near[i] ^= 1
		_, err := s.Tokens.Find(t.Context(), near)
		require.ErrorIs(t, err, domain.ErrUnauthenticated, "byte %d was not looked at", i)
	}
	got, err := s.Tokens.Find(t.Context(), hash)
	require.NoError(t, err)
	require.Equal(t, token, got)
}

func tokenUnique(t *testing.T, s Storage) {
	first := addToken(t, s, "ci", domain.RoleOperator)
	require.ErrorIs(t, s.Tokens.Add(t.Context(), newToken(t, "ci", domain.RoleAdmin), hashOf("other")), domain.ErrTokenNameTaken)
	require.ErrorIs(t, s.Tokens.Add(t.Context(), newToken(t, "other", domain.RoleAdmin), hashOf("ci")), domain.ErrTokenInUse)
	second := addToken(t, s, "cd", domain.RoleViewer)
	_, err := s.Tokens.Replace(t.Context(), second.ID, hashOf("ci"))
	require.ErrorIs(t, err, domain.ErrTokenInUse)
	_, err = s.Tokens.Replace(t.Context(), second.ID, hashOf("cd"))
	require.Equal(t, domain.KindConflict, domain.KindOf(err), "a token is not replaced by itself")
	requireToken(t, s, "ci", first)
	requireToken(t, s, "cd", second)
	requireNobody(t, s, "other")
}

func tokenList(t *testing.T, s Storage) {
	b, a, c := addToken(t, s, "b", domain.RoleViewer), addToken(t, s, "a", domain.RoleAdmin), addToken(t, s, "c", domain.RoleOperator)
	list, err := s.Tokens.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, []domain.Token{a, b, c}, list)
}

func tokenReplaced(t *testing.T, s Storage) {
	other := addToken(t, s, "other", domain.RoleAdmin)
	token := addToken(t, s, "admin", domain.RoleAdmin)
	session, others := addPass(t, s, domain.PassSession, token, "session"), addPass(t, s, domain.PassSession, other, "others")
	require.NoError(t, s.Tokens.Touch(t.Context(), token.ID, fixture.Now()))
	got, err := s.Tokens.Replace(t.Context(), token.ID, hashOf("new"))
	require.NoError(t, err)
	require.Equal(t, token, got, "nobody has used the new one yet")
	requireNobody(t, s, "admin")
	requireToken(t, s, "new", token)
	requireToken(t, s, "other", other)
	requireNoPass(t, s, session.Kind, "session")
	requirePass(t, s, "others", others, other)
	require.ErrorIs(t, s.Tokens.Add(t.Context(), newToken(t, "back", domain.RoleAdmin), hashOf("admin")), domain.ErrTokenRevoked)
	_, err = s.Tokens.Replace(t.Context(), other.ID, hashOf("admin"))
	require.ErrorIs(t, err, domain.ErrTokenRevoked)
	requireNobody(t, s, "admin")
	requireToken(t, s, "other", other)
}

func tokenDeleted(t *testing.T, s Storage) {
	other, token := addToken(t, s, "other", domain.RoleAdmin), addToken(t, s, "ci", domain.RoleOperator)
	addPass(t, s, domain.PassSession, token, "session")
	addPass(t, s, domain.PassCode, token, "code")
	require.NoError(t, s.Tokens.Delete(t.Context(), token.ID, fixture.Now()))
	requireNobody(t, s, "ci")
	requireNoPass(t, s, domain.PassSession, "session")
	requireNoPass(t, s, domain.PassCode, "code")
	require.ErrorIs(t, s.Tokens.Delete(t.Context(), token.ID, fixture.Now()), domain.ErrTokenNotFound)
	require.ErrorIs(t, s.Tokens.Add(t.Context(), token, hashOf("ci")), domain.ErrTokenRevoked)
	requireNobody(t, s, "ci")
	again := newToken(t, "ci", domain.RoleViewer)
	require.NoError(t, s.Tokens.Add(t.Context(), again, hashOf("another text")), "its name is free again")
	requireToken(t, s, "another text", again)
	requireToken(t, s, "other", other)
}

func tokenLastAdmin(t *testing.T, s Storage) {
	admin := addToken(t, s, "admin", domain.RoleAdmin)
	addToken(t, s, "operator", domain.RoleOperator)
	late := newToken(t, "late", domain.RoleAdmin)
	late.ExpiresAt = fixture.Now().Add(time.Minute)
	require.NoError(t, s.Tokens.Add(t.Context(), late, hashOf("late")))
	require.ErrorIs(t, s.Tokens.Delete(t.Context(), admin.ID, late.ExpiresAt), domain.ErrLastAdmin, "an expired one administers nothing")
	requireToken(t, s, "admin", admin)
	require.NoError(t, s.Tokens.Delete(t.Context(), admin.ID, late.ExpiresAt.Add(-time.Microsecond)))
	require.ErrorIs(t, s.Tokens.Delete(t.Context(), late.ID, fixture.Now()), domain.ErrLastAdmin)
}

func tokenTouched(t *testing.T, s Storage) {
	token, other := addToken(t, s, "ci", domain.RoleViewer), addToken(t, s, "other", domain.RoleViewer)
	at := fixture.Now().Add(time.Minute)
	for _, step := range []struct{ touch, want time.Time }{{at, at}, {at.Add(-time.Second), at}, {at.Add(time.Second), at.Add(time.Second)}} {
		require.NoError(t, s.Tokens.Touch(t.Context(), token.ID, step.touch))
		token.LastUsedAt = step.want
		requireToken(t, s, "ci", token)
	}
	requireToken(t, s, "other", other)
}

func tokenRaceName(t *testing.T, s Storage) {
	tokens := make([]domain.Token, racers)
	for i := range tokens {
		tokens[i] = newToken(t, "one", domain.RoleAdmin)
	}
	text := func(i int) string { return string(rune('A' + i)) }
	errs := race(racers, func(i int) error { return s.Tokens.Add(t.Context(), tokens[i], hashOf(text(i))) })
	winner := requireOneWinner(t, errs, domain.ErrTokenNameTaken)
	requireToken(t, s, text(winner), tokens[winner])
	list, err := s.Tokens.List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 1)
}

func tokenRaceHash(t *testing.T, s Storage) {
	tokens := make([]domain.Token, racers)
	for i := range tokens {
		tokens[i] = newToken(t, string(rune('A'+i)), domain.RoleAdmin)
	}
	errs := race(racers, func(i int) error { return s.Tokens.Add(t.Context(), tokens[i], hashOf("one")) })
	winner := requireOneWinner(t, errs, domain.ErrTokenInUse)
	requireToken(t, s, "one", tokens[winner])
}

func tokenRaceDelete(t *testing.T, s Storage) {
	const admins = 6
	var tokens [admins]domain.Token
	for i := range tokens {
		tokens[i] = addToken(t, s, string(rune('A'+i)), domain.RoleAdmin)
	}
	last := 0
	for _, err := range race(admins, func(i int) error { return s.Tokens.Delete(t.Context(), tokens[i].ID, fixture.Now()) }) {
		if err != nil {
			require.ErrorIs(t, err, domain.ErrLastAdmin)
			last++
		}
	}
	require.Equal(t, 1, last)
	list, err := s.Tokens.List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 1)
}

func tokenRaceReplace(t *testing.T, s Storage) {
	token := addToken(t, s, "admin", domain.RoleAdmin)
	text := func(i int) string { return string(rune('A' + i)) }
	for _, err := range race(racers, func(i int) error {
		_, err := s.Tokens.Replace(t.Context(), token.ID, hashOf(text(i)))
		return err
	}) {
		require.NoError(t, err)
	}
	found := 0
	for i := range racers {
		if _, err := s.Tokens.Find(t.Context(), hashOf(text(i))); err == nil {
			found++
		}
	}
	require.Equal(t, 1, found)
}

func tokenDoneContext(t *testing.T, s Storage) {
	token := newToken(t, "admin", domain.RoleAdmin)
	requireDone(t, map[string]func(context.Context) error{
		"Add":     func(ctx context.Context) error { return s.Tokens.Add(ctx, token, hashOf("x")) },
		"Find":    func(ctx context.Context) error { _, err := s.Tokens.Find(ctx, hashOf("x")); return err },
		"List":    func(ctx context.Context) error { _, err := s.Tokens.List(ctx); return err },
		"Replace": func(ctx context.Context) error { _, err := s.Tokens.Replace(ctx, token.ID, hashOf("y")); return err },
		"Delete":  func(ctx context.Context) error { return s.Tokens.Delete(ctx, token.ID, fixture.Now()) },
		"Touch":   func(ctx context.Context) error { return s.Tokens.Touch(ctx, token.ID, fixture.Now()) },
	})
}

func tokenDoneEffect(t *testing.T, s Storage) {
	token := addToken(t, s, "kept", domain.RoleAdmin)
	addToken(t, s, "other", domain.RoleAdmin)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(nil)
	require.Error(t, s.Tokens.Add(ctx, newToken(t, "never", domain.RoleAdmin), hashOf("never")))
	require.Error(t, s.Tokens.Delete(ctx, token.ID, fixture.Now()))
	requireNobody(t, s, "never")
	requireToken(t, s, "kept", token)
}
