package sshexec_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/heysubinoy/remora/adapters/sshexec"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/test/harness/sshd"
)

// keygen makes a key with the real ssh-keygen and returns its private text and its fingerprint.
func keygen(t *testing.T, args ...string) (text, fingerprint string) {
	t.Helper()
	tool(t, "ssh-keygen")
	file := filepath.Join(t.TempDir(), "key")
	run(t, "ssh-keygen", append([]string{"-q", "-f", file}, args...)...)
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(raw), strings.Fields(run(t, "ssh-keygen", "-lf", file+".pub"))[1]
}

func tool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not there", name)
		}
		t.Skipf("SKIPPED: %s is not there", name)
	}
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput() //nolint:gosec // the tests' own words
	require.NoError(t, err, "%s %s: %s", name, args, out)
	return string(out)
}

// TestUnlock_ReadsWhatSSHKeygenWrites takes every form that it has, and gives back one that ssh-keygen reads as the same key.
func TestUnlock_ReadsWhatSSHKeygenWrites(t *testing.T) {
	for name, args := range map[string][]string{
		"Ed25519":             {"-t", "ed25519", "-N", ""},
		"Ed25519Encrypted":    {"-t", "ed25519", "-N", "open sesame"},
		"ECDSA256":            {"-t", "ecdsa", "-b", "256", "-N", ""},
		"ECDSA384PEM":         {"-t", "ecdsa", "-b", "384", "-m", "PEM", "-N", ""},
		"ECDSA521PKCS8":       {"-t", "ecdsa", "-b", "521", "-m", "PKCS8", "-N", ""},
		"ECDSAPEMEncrypted":   {"-t", "ecdsa", "-m", "PEM", "-N", "open sesame"},
		"RSA":                 {"-t", "rsa", "-b", "2048", "-N", ""},
		"RSAPEM":              {"-t", "rsa", "-b", "2048", "-m", "PEM", "-N", ""},
		"RSAPEMEncrypted":     {"-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "open sesame"},
		"RSAPKCS8":            {"-t", "rsa", "-b", "2048", "-m", "PKCS8", "-N", ""},
		"RSAPKCS8Encrypted":   {"-t", "rsa", "-b", "2048", "-m", "PKCS8", "-N", "open sesame"},
		"ECDSAPKCS8Encrypted": {"-t", "ecdsa", "-m", "PKCS8", "-N", "open sesame"},
		"OtherCipher":         {"-t", "ed25519", "-Z", "aes256-cbc", "-N", "open sesame"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, want := keygen(t, args...)
			passphrase := domain.NewSecret(args[len(args)-1])
			plain, info, err := sshexec.KeyReader{}.Unlock(domain.NewSecret(strings.ReplaceAll(text, "\n", "\r\n")), passphrase)
			require.NoError(t, err)
			require.Equal(t, want, info.Fingerprint)
			require.True(t, strings.HasPrefix(plain.Reveal(), "-----BEGIN OPENSSH PRIVATE KEY-----\n"))
			file := filepath.Join(t.TempDir(), "again")
			require.NoError(t, os.WriteFile(file, []byte(plain.Reveal()), 0o600))
			public := run(t, "ssh-keygen", "-y", "-P", "", "-f", file)
			key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(public))
			require.NoError(t, err)
			require.Equal(t, want, ssh.FingerprintSHA256(key))
			if !passphrase.Empty() {
				refused(t, text, "", "key_encrypted")
				refused(t, text, "open barley", "passphrase_wrong")
			}
		})
	}
}

// TestUnlock_ReadsWhatOpenSSLWrites takes what stands beside a key, and the ciphers that people have chosen.
func TestUnlock_ReadsWhatOpenSSLWrites(t *testing.T) {
	tool(t, "openssl")
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	run(t, "openssl", "genpkey", "-algorithm", "ed25519", "-out", path("ed"))
	run(t, "openssl", "ecparam", "-name", "prime256v1", "-genkey", "-out", path("ec")) // with its parameters before it
	for _, c := range []string{"aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "des-ede3-cbc"} {
		run(t, "openssl", "pkcs8", "-topk8", "-in", path("ed"), "-v2", c, "-passout", "pass:open sesame", "-out", path(c))
	}
	run(t, "openssl", "pkcs8", "-topk8", "-in", path("ed"), "-v2prf", "hmacWithSHA1", "-passout", "pass:open sesame", "-out", path("sha1"))
	run(t, "openssl", "pkcs8", "-topk8", "-in", path("ed"), "-v2prf", "hmacWithSHA512", "-iter", "10000", "-passout", "pass:open sesame", "-out", path("sha512"))
	run(t, "openssl", "pkcs8", "-topk8", "-in", path("ed"), "-scrypt", "-passout", "pass:open sesame", "-out", path("scrypt"))
	read := func(name string) domain.Secret {
		text, err := os.ReadFile(path(name))
		require.NoError(t, err)
		return domain.NewSecret(string(text))
	}
	_, want, err := sshexec.KeyReader{}.Unlock(read("ed"), domain.Secret{})
	require.NoError(t, err)
	require.Equal(t, "ssh-ed25519", want.Type)
	for _, name := range []string{"aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "des-ede3-cbc", "sha1", "sha512"} {
		_, got, err := sshexec.KeyReader{}.Unlock(read(name), domain.NewSecret("open sesame"))
		require.NoError(t, err, name)
		require.Equal(t, want, got, name)
		refused(t, read(name).Reveal(), "", "key_encrypted")
		refused(t, read(name).Reveal(), "open barley", "passphrase_wrong")
	}
	_, got, err := sshexec.KeyReader{}.Unlock(read("ec"), domain.Secret{})
	require.NoError(t, err)
	require.Equal(t, "ecdsa-sha2-nistp256", got.Type)
	require.Contains(t, refused(t, read("scrypt").Reveal(), "open sesame", "key_unreadable"), "ssh-keygen -p")
}

func refused(t *testing.T, text, passphrase, code string) (message string) {
	t.Helper()
	plain, info, err := sshexec.KeyReader{}.Unlock(domain.NewSecret(text), domain.NewSecret(passphrase))
	e, ok := errors.AsType[*domain.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, code, e.Code, e.Message)
	require.Equal(t, domain.KindUnprocessable, e.Kind)
	require.True(t, plain.Empty())
	require.Empty(t, info)
	return e.Message
}

func TestUnlock_SaysWhatItIsInstead(t *testing.T) {
	private, _ := keygen(t, "-t", "ed25519", "-N", "")
	public := string(ssh.MarshalAuthorizedKey(signer(t, edKey(t)).PublicKey()))
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	curve, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	odd, err := x509.MarshalECPrivateKey(curve)
	require.NoError(t, err)
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	for name, c := range map[string]struct{ text, code, says string }{
		"Public":          {public, "key_public", "without .pub"},
		"PublicPEM":       {block("PUBLIC KEY", []byte("x")), "key_public", "public"},
		"PublicSSH2":      {"---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----\n", "key_public", "public"},
		"Certificate":     {"ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5LWNlcnQ me\n", "key_certificate", "certificate"},
		"CertificateX509": {block("CERTIFICATE", []byte("x")), "key_certificate", "certificate"},
		"Putty":           {"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n", "key_putty", "puttygen"},
		"WeakRSA":         {block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(small)), "key_weak", "1024"},
		"OddCurve":        {block("EC PRIVATE KEY", odd), "key_unreadable", "cannot log in"},
		"Two":             {private + private, "key_unreadable", "several"},
		"CutShort":        {private[:len(private)/2], "key_unreadable", "cut short"},
		"Damaged":         {block("OPENSSH PRIVATE KEY", []byte("openssh-key-v1\x00nothing")), "key_unreadable", "private key"},
		"Nothing":         {"", "key_unreadable", "BEGIN"},
		"Text":            {"my dog's name is Rex", "key_unreadable", "BEGIN"},
		"UTF16":           {"\xff\xfe-\x00-\x00", "key_unreadable", "UTF-16"},
		"HardwareKey":     {block("OPENSSH PRIVATE KEY", []byte("x")), "key_unreadable", ""},
		"EncryptedNoise":  {block("ENCRYPTED PRIVATE KEY", []byte("noise")), "key_unreadable", ""},
		"Request":         {block("CERTIFICATE REQUEST", []byte("x")), "key_certificate", ""},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, refused(t, c.text, "a passphrase", c.code), c.says)
		})
	}
	plain, _, err := sshexec.KeyReader{}.Unlock(domain.NewSecret("\ufeff\n  \n"+private), domain.NewSecret("not needed"))
	require.NoError(t, err)
	require.NotContains(t, plain.Reveal(), "root@", "no comment is kept")
}

// TestUnlock_WhatItGivesBackLogsIn proves the whole way at a real sshd.
func TestUnlock_WhatItGivesBackLogsIn(t *testing.T) {
	s := sshd.Start(t)
	target := s.Target()
	plain, _, err := sshexec.KeyReader{}.Unlock(domain.NewSecret(s.PrivateKey), domain.Secret{})
	require.NoError(t, err)
	target.Credential = domain.Credential{PrivateKey: plain}
	report := newExecutor(t, sshexec.Config{}).Check(t.Context(), target)
	require.True(t, report.OK, report.Message)
}

func FuzzUnlock(f *testing.F) {
	f.Add("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGb\n-----END ENCRYPTED PRIVATE KEY-----\n", "x")
	f.Add("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n-----END OPENSSH PRIVATE KEY-----\n", "")
	f.Add("PuTTY-User-Key-File-2: x", "")
	f.Fuzz(func(t *testing.T, text, passphrase string) {
		_, _, err := sshexec.KeyReader{}.Unlock(domain.NewSecret(text), domain.NewSecret(passphrase))
		if err != nil && domain.KindOf(err) != domain.KindUnprocessable {
			t.Fatalf("%v", err)
		}
	})
}
