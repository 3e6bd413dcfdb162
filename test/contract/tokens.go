package contract

import (
	"context"
	"crypto/sha256"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// TokenRepository proves ports.TokenRepository.
func TokenRepository(t *testing.T, open Open) {
	clauses{
		"UnknownTokenIsNobody":       tokenUnknown,
		"TokenNamesItsPrincipal":     tokenFound,
		"PutReplacesTheToken":        tokenReplaced,
		"HashIsTakenByEveryByte":     tokenBytes,
		"RacingPutsLeaveOneToken":    tokenRace,
		"DoneContextEndsEveryMethod": tokenDoneContext,
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

func tokenUnknown(t *testing.T, s Storage) {
	for _, hash := range [][32]byte{{}, sha256.Sum256([]byte("nobody's"))} {
		p, err := s.Tokens.Find(t.Context(), hash)
		require.ErrorIs(t, err, domain.ErrUnauthenticated)
		require.Equal(t, domain.KindUnauthenticated, domain.KindOf(err))
		require.Zero(t, p)
	}
}

func putToken(t *testing.T, s Storage, name, token string) domain.Principal {
	t.Helper()
	p := domain.Principal{Name: name, Role: domain.RoleAdmin}
	require.NoError(t, s.Tokens.Put(t.Context(), p, sha256.Sum256([]byte(token))))
	return p
}

func tokenFound(t *testing.T, s Storage) {
	admin, other := putToken(t, s, "admin", "token of admin"), putToken(t, s, "ünïcode ops", "token of ops")
	for token, want := range map[string]domain.Principal{"token of admin": admin, "token of ops": other} {
		p, err := s.Tokens.Find(t.Context(), sha256.Sum256([]byte(token)))
		require.NoError(t, err)
		require.Equal(t, want, p)
	}
}

func tokenReplaced(t *testing.T, s Storage) {
	other := putToken(t, s, "other", "other")
	putToken(t, s, "admin", "old")
	admin := putToken(t, s, "admin", "new")
	require.Equal(t, admin, putToken(t, s, "admin", "new"), "putting the same again is nothing")
	_, err := s.Tokens.Find(t.Context(), sha256.Sum256([]byte("old")))
	require.ErrorIs(t, err, domain.ErrUnauthenticated, "the replaced token opens nothing")
	for token, want := range map[string]domain.Principal{"new": admin, "other": other} {
		p, err := s.Tokens.Find(t.Context(), sha256.Sum256([]byte(token)))
		require.NoError(t, err)
		require.Equal(t, want, p)
	}
}

func tokenBytes(t *testing.T, s Storage) {
	p := domain.Principal{Name: "admin", Role: domain.RoleAdmin}
	hash := sha256.Sum256([]byte("token"))
	hash[0], hash[31] = 0, 0
	require.NoError(t, s.Tokens.Put(t.Context(), p, hash))
	for i := range hash {
		near := hash
		near[i] ^= 1
		_, err := s.Tokens.Find(t.Context(), near)
		require.ErrorIs(t, err, domain.ErrUnauthenticated, "byte %d was not looked at", i)
	}
	got, err := s.Tokens.Find(t.Context(), hash)
	require.NoError(t, err)
	require.Equal(t, p, got)
}

func tokenRace(t *testing.T, s Storage) {
	p := domain.Principal{Name: "admin", Role: domain.RoleAdmin}
	hash := func(i int) [32]byte { return sha256.Sum256([]byte{byte(i)}) }
	for _, err := range race(racers, func(i int) error { return s.Tokens.Put(t.Context(), p, hash(i)) }) {
		require.NoError(t, err)
	}
	found := 0
	for i := range racers {
		if _, err := s.Tokens.Find(t.Context(), hash(i)); err == nil {
			found++
		}
	}
	require.Equal(t, 1, found)
}

func tokenDoneContext(t *testing.T, s Storage) {
	p := domain.Principal{Name: "admin", Role: domain.RoleAdmin}
	hash := sha256.Sum256([]byte("token"))
	requireDone(t, map[string]func(context.Context) error{
		"Put":  func(ctx context.Context) error { return s.Tokens.Put(ctx, p, hash) },
		"Find": func(ctx context.Context) error { _, err := s.Tokens.Find(ctx, hash); return err },
	})
	_, err := s.Tokens.Find(t.Context(), hash)
	require.ErrorIs(t, err, domain.ErrUnauthenticated)
}
