package contract

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// SignIn is what TokenService and SessionService are asked of: a system that knows one token, an administrator's.
type SignIn struct {
	Tokens   ports.Tokens
	Auth     ports.Authenticator
	Sessions ports.Sessions // nil: not to be had from here
	Admin    domain.Secret  // the token's text
	Now      func() time.Time
}

// TokenService says what administrators may expect of tokens, whatever stands between.
func TokenService(t *testing.T, open func(t *testing.T) SignIn) {
	for name, clause := range map[string]func(t *testing.T, s SignIn){
		"MadeTokenLetsItsHolderIn": serviceMakes,
		"RefusesWhatCannotBe":      serviceRefuses,
		"ListShowsNoText":          serviceLists,
		"RotatedTokenHasOneText":   serviceRotates,
		"DeletedTokenIsNobodys":    serviceDeletes,
		"LastAdminStays":           serviceLastAdmin,
	} {
		t.Run(name, func(t *testing.T) { clause(t, open(t)) })
	}
}

func makeToken(t *testing.T, s SignIn, name string, role domain.Role) ports.IssuedToken {
	t.Helper()
	made, err := s.Tokens.Create(t.Context(), ports.NewToken{Name: name, Role: role})
	require.NoError(t, err)
	return made
}

func requireHolder(t *testing.T, s SignIn, made ports.IssuedToken) {
	t.Helper()
	who, err := s.Auth.Authenticate(t.Context(), made.Text)
	require.NoError(t, err)
	require.Equal(t, made.Token.Principal(), who)
}

func requireStranger(t *testing.T, s SignIn, text domain.Secret) {
	t.Helper()
	who, err := s.Auth.Authenticate(t.Context(), text)
	require.ErrorIs(t, err, domain.ErrUnauthenticated)
	require.Zero(t, who)
}

func serviceMakes(t *testing.T, s SignIn) {
	for _, role := range domain.Roles() {
		made := makeToken(t, s, "a "+string(role)+" ☃", role)
		require.Equal(t, role, made.Token.Role)
		require.GreaterOrEqual(t, len(made.Text.Reveal()), 32)
		require.Zero(t, made.Token.ExpiresAt)
		require.Zero(t, made.Token.LastUsedAt)
		requireHolder(t, s, made)
	}
	expires := s.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
	late, err := s.Tokens.Create(t.Context(), ports.NewToken{Name: "late", Role: domain.RoleViewer, ExpiresAt: expires})
	require.NoError(t, err)
	require.Equal(t, expires, late.Token.ExpiresAt)
	requireHolder(t, s, late)
	requireStranger(t, s, domain.Secret{})
	requireStranger(t, s, domain.NewSecret(late.Text.Reveal()+"x"))
}

func serviceRefuses(t *testing.T, s SignIn) {
	makeToken(t, s, "ci", domain.RoleOperator)
	for code, n := range map[string]ports.NewToken{
		"name_invalid":       {Name: "two\nlines", Role: domain.RoleViewer},
		"role_invalid":       {Name: "x", Role: "owner"},
		"expires_at_invalid": {Name: "x", Role: domain.RoleViewer, ExpiresAt: s.Now().Add(-time.Hour)},
	} {
		_, err := s.Tokens.Create(t.Context(), n)
		wantCode(t, err, domain.KindInvalid, code)
	}
	_, err := s.Tokens.Create(t.Context(), ports.NewToken{Name: "ci", Role: domain.RoleViewer})
	wantCode(t, err, domain.KindConflict, "token_name_taken")
	_, err = s.Tokens.Rotate(t.Context(), "018f0000-0000-7000-8000-ffffffffffff")
	wantCode(t, err, domain.KindNotFound, "token_not_found")
	wantCode(t, s.Tokens.Delete(t.Context(), "018f0000-0000-7000-8000-ffffffffffff"), domain.KindNotFound, "token_not_found")
	wantCode(t, s.Tokens.Delete(t.Context(), "no id"), domain.KindNotFound, "token_not_found")
}

func serviceLists(t *testing.T, s SignIn) {
	b, a := makeToken(t, s, "b", domain.RoleViewer), makeToken(t, s, "a b", domain.RoleOperator)
	requireHolder(t, s, b)
	list, err := s.Tokens.List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 3)
	byName := map[string]domain.Token{}
	for i, token := range list {
		byName[token.Name] = token
		if i > 0 {
			require.Less(t, list[i-1].Name, token.Name)
		}
	}
	require.Equal(t, a.Token, byName["a b"])
	require.WithinDuration(t, s.Now(), byName["b"].LastUsedAt, 2*time.Minute, "its last use is noted, to the minute")
	for _, secret := range []domain.Secret{a.Text, b.Text, s.Admin} {
		require.NotContains(t, fmt.Sprintf("%+v", list), secret.Reveal())
	}
}

func serviceRotates(t *testing.T, s SignIn) {
	made := makeToken(t, s, "ci", domain.RoleOperator)
	again, err := s.Tokens.Rotate(t.Context(), made.Token.ID)
	require.NoError(t, err)
	require.Equal(t, made.Token, again.Token)
	require.False(t, made.Text == again.Text)
	requireStranger(t, s, made.Text)
	requireHolder(t, s, again)
}

func serviceDeletes(t *testing.T, s SignIn) {
	made, other := makeToken(t, s, "ci", domain.RoleOperator), makeToken(t, s, "cd", domain.RoleOperator)
	require.NoError(t, s.Tokens.Delete(t.Context(), made.Token.ID))
	requireStranger(t, s, made.Text)
	requireHolder(t, s, other)
	wantCode(t, s.Tokens.Delete(t.Context(), made.Token.ID), domain.KindNotFound, "token_not_found")
	again := makeToken(t, s, "ci", domain.RoleViewer)
	require.NotEqual(t, made.Token.ID, again.Token.ID)
}

func serviceLastAdmin(t *testing.T, s SignIn) {
	who, err := s.Auth.Authenticate(t.Context(), s.Admin)
	require.NoError(t, err)
	makeToken(t, s, "operator", domain.RoleOperator)
	wantCode(t, s.Tokens.Delete(t.Context(), who.Token), domain.KindConflict, "token_last_admin")
	requireHolder(t, s, ports.IssuedToken{Token: domain.Token{ID: who.Token, Name: who.Name, Role: who.Role}, Text: s.Admin})
	makeToken(t, s, "second", domain.RoleAdmin)
	require.NoError(t, s.Tokens.Delete(t.Context(), who.Token))
}

// SessionService says what may be expected of sessions.
func SessionService(t *testing.T, open func(t *testing.T) SignIn) {
	for name, clause := range map[string]func(t *testing.T, s SignIn){
		"TokenSignsIn":            sessionByToken,
		"CodeSignsInOnce":         sessionByCode,
		"StrangersAreTurnedAway":  sessionStrangers,
		"SignedOutStaysSignedOut": sessionEnds,
		"SessionEndsWithToken":    sessionToken,
	} {
		t.Run(name, func(t *testing.T) { clause(t, open(t)) })
	}
}

func sessionByToken(t *testing.T, s SignIn) {
	made := makeToken(t, s, "eve", domain.RoleViewer)
	pass, session, err := s.Sessions.SignIn(t.Context(), ports.Proof{Token: made.Text})
	require.NoError(t, err)
	require.Equal(t, made.Token.Principal(), session.Principal)
	require.Equal(t, pass.ExpiresAt, session.ExpiresAt)
	require.WithinDuration(t, s.Now().Add(domain.SessionFor), session.ExpiresAt, time.Minute)
	resumed, err := s.Sessions.Resume(t.Context(), pass.Text)
	require.NoError(t, err)
	require.Equal(t, session, resumed)
	requireStranger(t, s, pass.Text)
}

func sessionByCode(t *testing.T, s SignIn) {
	made := makeToken(t, s, "eve", domain.RoleOperator)
	code, err := s.Sessions.Code(t.Context(), made.Token.Principal())
	require.NoError(t, err)
	require.WithinDuration(t, s.Now().Add(domain.CodeFor), code.ExpiresAt, time.Minute)
	pass, session, err := s.Sessions.SignIn(t.Context(), ports.Proof{Code: code.Text})
	require.NoError(t, err)
	require.Equal(t, made.Token.Principal(), session.Principal)
	_, err = s.Sessions.Resume(t.Context(), pass.Text)
	require.NoError(t, err)
	_, _, err = s.Sessions.SignIn(t.Context(), ports.Proof{Code: code.Text})
	require.ErrorIs(t, err, domain.ErrCodeUsed)
	requireStranger(t, s, code.Text)
}

func sessionStrangers(t *testing.T, s SignIn) {
	made := makeToken(t, s, "eve", domain.RoleViewer)
	code, err := s.Sessions.Code(t.Context(), made.Token.Principal())
	require.NoError(t, err)
	for _, text := range []domain.Secret{{}, domain.NewSecret("nobody's"), code.Text} {
		_, err := s.Sessions.Resume(t.Context(), text)
		require.ErrorIs(t, err, domain.ErrSessionOver)
		_, _, err = s.Sessions.SignIn(t.Context(), ports.Proof{Token: text})
		require.ErrorIs(t, err, domain.ErrUnauthenticated)
	}
	_, _, err = s.Sessions.SignIn(t.Context(), ports.Proof{Code: s.Admin})
	require.ErrorIs(t, err, domain.ErrCodeUsed)
	_, err = s.Sessions.Code(t.Context(), domain.Principal{Name: "ghost", Role: domain.RoleAdmin, Token: "018f0000-0000-7000-8000-ffffffffffff"})
	require.ErrorIs(t, err, domain.ErrUnauthenticated)
}

func sessionEnds(t *testing.T, s SignIn) {
	pass, _, err := s.Sessions.SignIn(t.Context(), ports.Proof{Token: s.Admin})
	require.NoError(t, err)
	other, _, err := s.Sessions.SignIn(t.Context(), ports.Proof{Token: s.Admin})
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, s.Sessions.SignOut(t.Context(), pass.Text))
		_, err = s.Sessions.Resume(t.Context(), pass.Text)
		require.ErrorIs(t, err, domain.ErrSessionOver)
	}
	_, err = s.Sessions.Resume(t.Context(), other.Text)
	require.NoError(t, err)
}

func sessionToken(t *testing.T, s SignIn) {
	made := makeToken(t, s, "eve", domain.RoleViewer)
	pass, _, err := s.Sessions.SignIn(t.Context(), ports.Proof{Token: made.Text})
	require.NoError(t, err)
	code, err := s.Sessions.Code(t.Context(), made.Token.Principal())
	require.NoError(t, err)
	again, err := s.Tokens.Rotate(t.Context(), made.Token.ID)
	require.NoError(t, err)
	_, err = s.Sessions.Resume(t.Context(), pass.Text)
	require.ErrorIs(t, err, domain.ErrSessionOver)
	_, _, err = s.Sessions.SignIn(t.Context(), ports.Proof{Code: code.Text})
	require.ErrorIs(t, err, domain.ErrCodeUsed)
	_, _, err = s.Sessions.SignIn(t.Context(), ports.Proof{Token: again.Text})
	require.NoError(t, err)
	require.NoError(t, s.Tokens.Delete(t.Context(), made.Token.ID))
	_, _, err = s.Sessions.SignIn(t.Context(), ports.Proof{Token: again.Text})
	require.ErrorIs(t, err, domain.ErrUnauthenticated)
}
