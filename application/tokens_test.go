package application_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/memory"
	"github.com/heysubinoy/remora/adapters/system"
	"github.com/heysubinoy/remora/application"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

func newTokens() (*application.Tokens, *application.Sessions) {
	store := memory.NewStore(time.Now)
	tokens := &application.Tokens{Repository: store.Tokens(), Clock: system.Clock{}, Entropy: system.Entropy{}}
	return tokens, &application.Sessions{Tokens: tokens, Repository: store.Passes(), Key: domain.NewSecret("key"), Clock: system.Clock{}}
}

func TestTokens_GrantIsForTheHolderOfAFile(t *testing.T) {
	ctx := t.Context()
	tokens, _ := newTokens()
	first, second, other := domain.NewSecret("first text"), domain.NewSecret("second text"), domain.NewSecret("other text")
	granted, err := tokens.Grant(ctx, "admin@a", first)
	require.NoError(t, err)
	require.Equal(t, domain.RoleAdmin, granted.Role)
	again, err := tokens.Grant(ctx, "admin@a", first)
	require.NoError(t, err)
	require.Equal(t, granted, again)

	_, err = tokens.Grant(ctx, "admin@b", other)
	require.NoError(t, err)
	for _, text := range []domain.Secret{first, other} {
		_, err = tokens.Authenticate(ctx, text)
		require.NoError(t, err, "two data directories have a token each")
	}
	moved, err := tokens.Grant(ctx, "admin@elsewhere", first)
	require.NoError(t, err)
	require.Equal(t, granted.ID, moved.ID, "the same file on a machine of another name is the same token")

	replaced, err := tokens.Grant(ctx, "admin@a", second)
	require.NoError(t, err)
	require.Equal(t, granted.ID, replaced.ID)
	_, err = tokens.Authenticate(ctx, first)
	require.ErrorIs(t, err, domain.ErrUnauthenticated, "a file that was made anew replaces its token")

	require.NoError(t, tokens.Delete(ctx, replaced.ID))
	_, err = tokens.Grant(ctx, "admin@a", second)
	require.ErrorIs(t, err, domain.ErrTokenRevoked, "a token that was removed does not come back with the next start")
	_, err = tokens.Authenticate(ctx, second)
	require.ErrorIs(t, err, domain.ErrUnauthenticated)
}

func TestTokens_RacingGrantsAgree(t *testing.T) {
	tokens, _ := newTokens()
	ids := make([]domain.TokenID, 20)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			token, err := tokens.Grant(t.Context(), "admin", domain.NewSecret("the one text"))
			if err != nil {
				t.Error(err)
			}
			ids[i] = token.ID
		})
	}
	all.Wait()
	for _, id := range ids {
		require.Equal(t, ids[0], id)
	}
}

func TestTokens_ExpireToTheMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens, sessions := newTokens()
		made, err := tokens.Create(t.Context(), ports.NewToken{Name: "ci", Role: domain.RoleViewer, ExpiresAt: time.Now().Add(time.Hour)})
		require.NoError(t, err)
		pass, session, err := sessions.SignIn(t.Context(), ports.Proof{Token: made.Text})
		require.NoError(t, err)
		require.Equal(t, made.Token.ExpiresAt, session.ExpiresAt, "a session ends with its token")
		code, err := sessions.Code(t.Context(), made.Token.Principal())
		require.NoError(t, err)
		time.Sleep(time.Hour - time.Microsecond)
		_, err = tokens.Authenticate(t.Context(), made.Text)
		require.NoError(t, err)
		time.Sleep(time.Microsecond)
		who, err := tokens.Authenticate(t.Context(), made.Text)
		require.ErrorIs(t, err, domain.ErrTokenExpired)
		require.ErrorContains(t, err, `"ci" expired at`)
		require.Zero(t, who)
		_, _, err = sessions.SignIn(t.Context(), ports.Proof{Token: made.Text})
		require.ErrorIs(t, err, domain.ErrTokenExpired)
		_, err = sessions.Resume(t.Context(), pass.Text)
		require.ErrorIs(t, err, domain.ErrSessionOver)
		_, _, err = sessions.SignIn(t.Context(), ports.Proof{Code: code.Text})
		require.ErrorIs(t, err, domain.ErrCodeUsed)
	})
}

func TestSessions_EndByThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens, sessions := newTokens()
		made, err := tokens.Create(t.Context(), ports.NewToken{Name: "eve", Role: domain.RoleViewer})
		require.NoError(t, err)
		late, err := sessions.Code(t.Context(), made.Token.Principal())
		require.NoError(t, err)
		time.Sleep(domain.CodeFor)
		_, _, err = sessions.SignIn(t.Context(), ports.Proof{Code: late.Text})
		require.ErrorIs(t, err, domain.ErrCodeUsed)
		code, err := sessions.Code(t.Context(), made.Token.Principal())
		require.NoError(t, err)
		time.Sleep(domain.CodeFor - time.Microsecond)
		pass, _, err := sessions.SignIn(t.Context(), ports.Proof{Code: code.Text})
		require.NoError(t, err)
		time.Sleep(domain.SessionFor - time.Microsecond)
		_, err = sessions.Resume(t.Context(), pass.Text)
		require.NoError(t, err)
		time.Sleep(time.Microsecond)
		_, err = sessions.Resume(t.Context(), pass.Text)
		require.ErrorIs(t, err, domain.ErrSessionOver)
	})
}

// Whoever can write to the database but does not know the key cannot make a session; another key ends all there are.
func TestSessions_StandUnderTheirKey(t *testing.T) {
	tokens, sessions := newTokens()
	made, err := tokens.Create(t.Context(), ports.NewToken{Name: "eve", Role: domain.RoleViewer})
	require.NoError(t, err)
	pass, _, err := sessions.SignIn(t.Context(), ports.Proof{Token: made.Text})
	require.NoError(t, err)
	other := *sessions
	other.Key = domain.NewSecret("another key")
	_, err = other.Resume(t.Context(), pass.Text)
	require.ErrorIs(t, err, domain.ErrSessionOver)
	_, err = sessions.Resume(t.Context(), pass.Text)
	require.NoError(t, err)
}

// counting counts the writes of a token's last use, and can refuse them.
type counting struct {
	ports.TokenRepository
	touches int
	err     error
}

// Touch implements ports.TokenRepository.
func (c *counting) Touch(ctx context.Context, id domain.TokenID, at time.Time) error {
	c.touches++
	return errors.Join(c.err, c.TokenRepository.Touch(ctx, id, at))
}

func TestTokens_LastUseCostsAWriteAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens, _ := newTokens()
		repository := &counting{TokenRepository: tokens.Repository}
		tokens.Repository = repository
		made, err := tokens.Create(t.Context(), ports.NewToken{Name: "ci", Role: domain.RoleViewer})
		require.NoError(t, err)
		for range 180 {
			_, err := tokens.Authenticate(t.Context(), made.Text)
			require.NoError(t, err)
			time.Sleep(time.Second)
		}
		require.Equal(t, 3, repository.touches)
		repository.err = domain.ErrStorageUnavailable
		_, err = tokens.Authenticate(t.Context(), made.Text)
		require.NoError(t, err, "who may come in does, even where the note of it cannot be written")
		list, err := tokens.List(t.Context())
		require.NoError(t, err)
		require.Equal(t, time.Now().UTC().Truncate(time.Minute), list[0].LastUsedAt)
	})
}

// rotating is a store of passes in which a token is rotated just before a pass is stored.
type rotating struct {
	ports.PassRepository
	before func()
}

func (r rotating) Add(ctx context.Context, p domain.Pass, hash [32]byte) error {
	r.before()
	return r.PassRepository.Add(ctx, p, hash)
}

func TestSessions_NoneIsMadeOfATokenThatIsRotatedMeanwhile(t *testing.T) {
	ctx := t.Context()
	tokens, sessions := newTokens()
	old := domain.NewSecret("the old text")
	token, err := tokens.Grant(ctx, "admin", old)
	require.NoError(t, err)
	kept := &keeping{PassRepository: sessions.Repository}
	sessions.Repository = rotating{kept, func() {
		_, err := tokens.Rotate(ctx, token.ID)
		require.NoError(t, err)
	}}
	_, _, err = sessions.SignIn(ctx, ports.Proof{Token: old})
	require.ErrorIs(t, err, domain.ErrUnauthenticated)
	_, _, err = kept.Find(ctx, domain.PassSession, kept.last)
	require.ErrorIs(t, err, domain.ErrUnauthenticated, "a session lives that an old text has made")
}

// keeping remembers the hash of the pass that was stored last.
type keeping struct {
	ports.PassRepository
	last [32]byte
}

func (k *keeping) Add(ctx context.Context, p domain.Pass, hash [32]byte) error {
	k.last = hash
	return k.PassRepository.Add(ctx, p, hash)
}
