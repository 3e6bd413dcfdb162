package domain_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
)

func TestRole_EachMayAllThatTheOneBeforeMay(t *testing.T) {
	roles := append([]domain.Role{"", "owner", "Admin"}, domain.Roles()...)
	for i, a := range roles {
		for j, b := range roles {
			require.Equal(t, i >= 3 && j >= 3 && i >= j, a.Includes(b), "%q includes %q", a, b)
		}
		require.Equal(t, i >= 3, a.Valid(), "%q", a)
	}
}

func TestToken_Check(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	good := domain.Token{Name: "CI of ünïcode, 1", Role: domain.RoleViewer, CreatedAt: now}
	require.NoError(t, good.Check())
	for name, ok := range map[string]bool{
		strings.Repeat("ü", domain.MaxTokenName): true, strings.Repeat("ü", domain.MaxTokenName+1): false,
		"": false, " a": false, "a ": false, "a\nb": false, "a\x00": false, "a\xff": false, "a\u202eb": false,
	} {
		token := good
		token.Name = name
		require.Equal(t, ok, token.Check() == nil, "%q", name)
	}
	late := good
	late.ExpiresAt = now
	require.ErrorContains(t, late.Check(), "expire")
	late.ExpiresAt = now.Add(time.Microsecond)
	require.NoError(t, late.Check())
	require.False(t, late.Expired(now))
	require.True(t, late.Expired(late.ExpiresAt))
	require.False(t, good.Expired(now.AddDate(1000, 0, 0)))
}
