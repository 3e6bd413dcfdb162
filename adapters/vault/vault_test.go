package vault_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/vault"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/contract"
)

func open(t testing.TB, fill byte) *vault.Vault {
	t.Helper()
	v, err := vault.New(bytes.Repeat([]byte{fill}, 32))
	require.NoError(t, err)
	return v
}

func TestVault(t *testing.T) {
	contract.Vault(t, contract.Vaults{
		Open:   func(t *testing.T) ports.Vault { return open(t, 1) },
		Other:  func(t *testing.T) ports.Vault { return open(t, 2) },
		Sealed: func(*testing.T) ports.Vault { return vault.Sealed() },
	})
}

func TestVault_ZeroIsSealed(t *testing.T) {
	_, err := new(vault.Vault).Seal(domain.Credential{}, domain.Binding{})
	require.ErrorIs(t, err, domain.ErrVaultSealed)
}

func TestVault_KeyLength(t *testing.T) {
	for _, n := range []int{0, 16, 31, 33, 64} {
		_, err := vault.New(make([]byte, n))
		require.Equal(t, domain.KindInvalid, domain.KindOf(err), "%d bytes", n)
	}
}

// TestVault_ReadsWhatOlderBuildsSealed holds the format: credentials outlive the build that sealed them.
func TestVault_ReadsWhatOlderBuildsSealed(t *testing.T) {
	c, err := open(t, 1).Open(golden(t), domain.Binding{Kind: "server", ID: "golden", Use: "root@example:22 "})
	require.NoError(t, err)
	require.Equal(t, "hunter2", c.Password.Reveal())
}

func FuzzVault_Open(f *testing.F) {
	b := domain.Binding{Kind: "server", ID: "golden", Use: "root@example:22 "}
	v := open(f, 1)
	s := golden(f) // not a fresh one: the fuzzer's processes would each have their own
	f.Add([]byte(s), b.Kind, b.ID, b.Use)
	f.Add([]byte(s[:len(s)-1]), b.Kind, b.ID, b.Use)
	f.Add([]byte{}, "", "", "")
	f.Add(bytes.Repeat([]byte{1}, 101), "server", "1", "u")
	f.Fuzz(func(t *testing.T, sealed []byte, kind, id, use string) {
		before := bytes.Clone(sealed)
		c, err := v.Open(sealed, domain.Binding{Kind: kind, ID: id, Use: use})
		require.Equal(t, before, sealed, "Open changed what it was given")
		if bytes.Equal(sealed, s) && kind == b.Kind && id == b.ID && use == b.Use {
			require.NoError(t, err)
			return
		}
		require.Error(t, err, "opened what was never sealed")
		require.Equal(t, domain.Credential{}, c)
		if !errors.Is(err, domain.ErrVaultSealed) {
			require.Equal(t, domain.KindInternal, domain.KindOf(err))
		}
	})
}

func TestKeyFile_MadeAndRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	made, err := vault.MakeKeyFile(path)
	require.NoError(t, err)
	require.Len(t, made, 32)
	read, err := vault.ReadKeyFile(path)
	require.NoError(t, err)
	require.Equal(t, made, read)

	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode())
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1, "a temporary file stayed behind")

	_, err = vault.MakeKeyFile(path)
	require.ErrorIs(t, err, fs.ErrExist)
	again, err := vault.ReadKeyFile(path)
	require.NoError(t, err)
	require.Equal(t, made, again, "an existing key was replaced")
}

func TestKeyFile_OneOfManyRacersMakesIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	var made atomic.Int32
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			switch _, err := vault.MakeKeyFile(path); {
			case err == nil:
				made.Add(1)
			case !errors.Is(err, fs.ErrExist):
				t.Error(err)
			}
			if _, err := vault.ReadKeyFile(path); err != nil {
				t.Errorf("a racer saw a part of the file: %v", err)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, made.Load())
}

func TestKeyFile_Refused(t *testing.T) {
	good := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	for name, c := range map[string]struct {
		text string
		mode fs.FileMode
		says string
	}{
		"group may read":      {good + "\n", 0o640, "chmod 600"},
		"others may read":     {good + "\n", 0o604, "chmod 600"},
		"empty":               {"", 0o600, "empty"},
		"only white space":    {" \n", 0o600, "empty"},
		"two lines":           {good + "\n" + good + "\n", 0o600, "more than one line"},
		"too long":            {strings.Repeat("A", 5000), 0o600, "longer than"},
		"not base64":          {strings.Repeat("?", 44), 0o600, "not a master key"},
		"31 bytes":            {base64.StdEncoding.EncodeToString(make([]byte, 31)), 0o600, "not a master key"},
		"33 bytes":            {base64.StdEncoding.EncodeToString(make([]byte, 33)), 0o600, "not a master key"},
		"spare bits not zero": {strings.Repeat("A", 42) + "B=", 0o600, "not a master key"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			require.NoError(t, os.WriteFile(path, []byte(c.text), c.mode))
			require.NoError(t, os.Chmod(path, c.mode))
			_, err := vault.ReadKeyFile(path)
			require.ErrorContains(t, err, c.says)
			require.ErrorContains(t, err, path)
			require.NotContains(t, err.Error(), good)
		})
	}
}

func TestKeyFile_Missing(t *testing.T) {
	dir := t.TempDir()
	_, err := vault.ReadKeyFile(filepath.Join(dir, "none"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = vault.ReadKeyFile(dir)
	require.Error(t, err)
	_, err = vault.MakeKeyFile(filepath.Join(dir, "no", "such", "dir"))
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestKeyFile_CRLFIsALineEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	want := bytes.Repeat([]byte{7}, 32)
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, "%s\r\n", base64.StdEncoding.EncodeToString(want)), 0o600))
	got, err := vault.ReadKeyFile(path)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

const goldenSealed = `
	01ba2f274cfa4c59aa416afceae659cd47cd8bbfa0c2e8f9647198f68555ca12d2929dca166c3fa2269bebe824819f72fd49
	e2a02d13b5adc2f74104ac8867a3a9deb81f53d08ae96b0efe515beddb4ede679f6b94ca80a84bf15eedbf993e320781d467
	1eba7597097bfb982dc03bdbe1e2ae725b7d2583
`

func golden(t testing.TB) domain.Sealed {
	t.Helper()
	sealed, err := hex.DecodeString(strings.Join(strings.Fields(goldenSealed), ""))
	require.NoError(t, err)
	return sealed
}
