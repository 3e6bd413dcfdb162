package netqueue_test

import (
	"bytes"
	"encoding/hex"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/netqueue"
	"github.com/heysubinoy/remora/domain"
)

var sessionToken = regexp.MustCompile(`"[^"]*"|<[a-z]+>|[0-9a-f]+|\S`)

// example returns the lines of the session in the documentation.
func example(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile("../../docs/NETQUEUE.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(b), "```session\n")
	require.True(t, found)
	block, _, found := strings.Cut(rest, "```")
	require.True(t, found)
	return strings.Split(strings.TrimSpace(block), "\n")
}

// TestDocs_ExampleSession plays the session in the documentation, byte for byte.
func TestDocs_ExampleSession(t *testing.T) {
	t.Parallel()
	q := start(t, func(c *netqueue.ServerConfig) { c.Token = domain.NewSecret("token") })
	r := q.dial(t)
	values := map[string][]byte{"<store>": nil, "<receipt>": nil}
	sizes := map[string]int{"<store>": 32, "<receipt>": 8}
	sent := []byte{}
	for _, line := range example(t) {
		who, text, _ := strings.Cut(strings.SplitN(line, "#", 2)[0], ":")
		for _, token := range sessionToken.FindAllString(text, -1) {
			var want []byte
			switch {
			case token[0] == '"':
				want = []byte(strings.Trim(token, `"`))
			case token[0] == '<':
				want = values[token]
			default:
				var err error
				want, err = hex.DecodeString(token)
				require.NoError(t, err, line)
			}
			if who == "C" {
				sent = append(sent, want...)
				continue
			}
			if len(sent) > 0 {
				_, err := r.Write(sent)
				require.NoError(t, err)
				sent = nil
			}
			if want == nil {
				want = make([]byte, sizes[token])
			}
			got := make([]byte, len(want))
			_, err := io.ReadFull(r, got)
			require.NoError(t, err, line)
			if token[0] == '<' && values[token] == nil {
				values[token] = got
				continue
			}
			require.Equal(t, want, got, "%s\nat %s", line, token)
		}
	}
	require.Empty(t, sent, "the session ends with an answer")
	require.NoError(t, r.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err := r.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "the broker says more than the documentation")
}

// TestDocs_VerbsAndErrors checks that the documentation names every verb and every code of the package.
func TestDocs_VerbsAndErrors(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../docs/NETQUEUE.md")
	require.NoError(t, err)
	for _, name := range netqueue.VerbNames() {
		require.True(t, bytes.Contains(b, []byte(name)), name)
	}
	for _, code := range netqueue.Codes() {
		require.True(t, bytes.Contains(b, []byte(code)), code)
	}
}
