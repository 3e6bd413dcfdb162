package bootstrap_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/bootstrap"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

func TestLogger_NoSecretShows(t *testing.T) {
	secret := domain.NewSecret("hunter2")
	credential := domain.Credential{Password: secret, PrivateKey: secret, Passphrase: secret}
	for _, format := range []bootstrap.LogFormat{bootstrap.LogJSON, bootstrap.LogText} {
		var out bytes.Buffer
		log := bootstrap.NewLogger(bootstrap.Config{LogFormat: format}, &out)
		log.With("early", secret, "credential", credential).WithGroup("g").Info("start",
			"secret", secret, "pointer", &secret, "credential", credential, "list", []domain.Secret{secret},
			"map", map[string]any{"a": secret}, "target", struct{ Credential domain.Credential }{credential},
			slog.Group("inner", "secret", secret), "error", fmt.Errorf("with %v and %+v", secret, credential),
			"config", bootstrap.Config{DatabaseURL: secret},
			"failure", domain.Internal("doing", errors.New(fmt.Sprint(secret))))
		require.NotContains(t, out.String(), "hunter2", format)
		require.Contains(t, out.String(), "[secret]", format)
	}
}

func TestLogger_LevelAndTime(t *testing.T) {
	for level, want := range map[slog.Level]int{slog.LevelDebug: 4, slog.LevelInfo: 3, slog.LevelWarn: 2, slog.LevelError: 1} {
		var out bytes.Buffer
		log := bootstrap.NewLogger(bootstrap.Config{LogLevel: level, LogFormat: bootstrap.LogJSON}, &out)
		log.Debug("d")
		log.Info("i")
		log.Warn("w")
		log.Error("e")
		lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
		require.Len(t, lines, want)
		var line struct{ Time, Level, Message string }
		require.NoError(t, json.Unmarshal(lines[want-1], &line))
		require.Equal(t, "error", line.Level)
		require.Equal(t, "e", line.Message)
		require.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`, line.Time)
		at, err := time.Parse(time.RFC3339, line.Time)
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), at, time.Minute)
	}
}

// TestLogger_KeepsGroups runs the standard library's rules for handlers, on our keys.
func TestLogger_KeepsGroups(t *testing.T) {
	var out bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		out.Reset()
		return bootstrap.NewLogger(bootstrap.Config{LogFormat: bootstrap.LogJSON}, &out).Handler()
	}, func(t *testing.T) map[string]any {
		var flat map[string]any
		require.NoError(t, json.Unmarshal(out.Bytes(), &flat))
		return nested(flat)
	})
}

// nested undoes zerolog's dotted keys, and its name for the message.
func nested(flat map[string]any) map[string]any {
	tree := map[string]any{}
	for key, value := range flat {
		if key == "message" {
			key = slog.MessageKey
		}
		at := tree
		parts := bytes.Split([]byte(key), []byte("."))
		for _, part := range parts[:len(parts)-1] {
			if at[string(part)] == nil {
				at[string(part)] = map[string]any{}
			}
			at = at[string(part)].(map[string]any)
		}
		at[string(parts[len(parts)-1])] = value
	}
	return tree
}

func TestLogger_TextIsNotColouredInAFile(t *testing.T) {
	var out bytes.Buffer
	bootstrap.NewLogger(bootstrap.Config{LogFormat: bootstrap.LogText}, &out).Info("hello", "n", 1)
	require.Contains(t, out.String(), "hello")
	require.NotContains(t, out.String(), "\x1b")
	out.Reset()
	bootstrap.NewLogger(bootstrap.Config{}, &out).Info("hello")
	require.True(t, json.Valid(out.Bytes()), "without a terminal the default is JSON")
}

// TestLogger_NamesTheRequest: whatever is logged on behalf of a request can be found by its id.
func TestLogger_NamesTheRequest(t *testing.T) {
	var out bytes.Buffer
	log := bootstrap.NewLogger(bootstrap.Config{LogFormat: bootstrap.LogJSON}, &out)
	ctx := ports.WithRequest(t.Context(), "r-17")
	log.With("part", "jobs").InfoContext(ctx, "job submitted")
	log.InfoContext(ctx, "request", "request_id", "r-17")
	log.InfoContext(t.Context(), "nobody's")
	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	require.Len(t, lines, 3)
	for _, line := range lines[:2] {
		require.Equal(t, 1, bytes.Count(line, []byte(`"request_id":"r-17"`)), string(line))
	}
	require.NotContains(t, string(lines[2]), "request_id")
}
