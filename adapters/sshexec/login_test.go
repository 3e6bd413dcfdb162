package sshexec_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/heysubinoy/remora/adapters/sshexec"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/contract"
	"github.com/heysubinoy/remora/test/harness/sshd"
)

// gate is an SSH server that counts what clients try and lets them in no further.
type gate struct {
	target    ports.Target
	passwords atomic.Int32
	prompts   atomic.Int32
	keys      atomic.Int32
	logins    atomic.Int32
}

func openGate(t *testing.T, configure func(*gate, *ssh.ServerConfig), hostKeys ...ssh.Signer) *gate {
	g := &gate{}
	c := &ssh.ServerConfig{MaxAuthTries: 6}
	c.PasswordCallback = func(_ ssh.ConnMetadata, p []byte) (*ssh.Permissions, error) {
		g.passwords.Add(1)
		if string(p) == "correct" {
			return nil, nil
		}
		return nil, errors.New("wrong")
	}
	c.PublicKeyCallback = func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) {
		g.keys.Add(1)
		return nil, errors.New("unknown key")
	}
	if configure != nil {
		configure(g, c)
	}
	for _, k := range hostKeys {
		c.AddHostKey(k)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			tcp, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				conn, channels, requests, err := ssh.NewServerConn(tcp, c)
				if err != nil {
					_ = tcp.Close()
					return
				}
				g.logins.Add(1)
				go ssh.DiscardRequests(requests)
				for ch := range channels {
					_ = ch.Reject(ssh.Prohibited, "nothing to do here")
				}
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	pin := domain.HostKey{Fingerprint: ssh.FingerprintSHA256(hostKeys[0].PublicKey()), Type: hostKeys[0].PublicKey().Type()}
	g.target = ports.Target{
		Server: domain.Server{
			ID: "gate", Name: "gate", Hostname: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, User: "deploy", Auth: domain.AuthPassword, HostKey: &pin,
		},
		Credential: domain.Credential{Password: domain.NewSecret("correct")},
	}
	return g
}

func signer(t testing.TB, key any) ssh.Signer {
	s, err := ssh.NewSignerFromKey(key)
	require.NoError(t, err)
	return s
}

func edKey(t testing.TB) ed25519.PrivateKey {
	_, k, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	return k
}

func start(t *testing.T, e *sshexec.Executor, target ports.Target) *domain.Failure {
	t.Helper()
	_, err := e.Start(t.Context(), target, newID(), line(t, "true"), contract.NewRecorder())
	f, ok := errors.AsType[*domain.Failure](err)
	require.True(t, ok, "%v", err)
	require.True(t, f.NotStarted)
	return f
}

func TestLogin_HostKeyComesBeforeAnyCredential(t *testing.T) {
	g := openGate(t, nil, signer(t, edKey(t)))
	e := newExecutor(t, sshexec.Config{})
	unknown := g.target
	unknown.Server.HostKey = nil
	unknown.Server.HostKeyPolicy = domain.HostKeyAcceptNew
	f := start(t, e, unknown)
	require.Equal(t, domain.ReasonHostKeyUnknown, f.Reason)
	require.Contains(t, f.Message, g.target.Server.HostKey.Fingerprint)
	require.Contains(t, f.Message, "remora servers trust gate --fingerprint SHA256:")

	changed := g.target
	changed.Server.HostKey = &domain.HostKey{Fingerprint: "SHA256:" + strings.Repeat("B", 43), Type: "ssh-ed25519"}
	f = start(t, e, changed)
	require.Equal(t, domain.ReasonHostKeyMismatch, f.Reason)
	changed.Server.HostKey.Type = "" // only the fingerprint is known
	require.Equal(t, domain.ReasonHostKeyMismatch, start(t, e, changed).Reason)
	changed.Server.HostKey.Type = "ssh-rsa" // which the server no longer has
	require.Equal(t, domain.ReasonHostKeyMismatch, start(t, e, changed).Reason)

	report := e.Probe(t.Context(), unknown, false)
	require.Equal(t, ports.StepHostKey, report.Step)
	require.Equal(t, g.target.Server.HostKey.Fingerprint, report.Seen.Fingerprint)
	require.Zero(t, g.passwords.Load()+g.keys.Load()+g.prompts.Load(), "a credential was sent to a server whose key is not confirmed")

	report = e.Probe(t.Context(), unknown, true)
	require.Equal(t, int32(1), g.logins.Load(), "%+v", report)
	require.Equal(t, "ssh-ed25519", report.Seen.Type)
	require.Equal(t, ports.StepSession, report.Step)
}

func TestLogin_FingerprintOfAnyHostKeyWillDo(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	keys := []ssh.Signer{signer(t, edKey(t)), signer(t, ec), signer(t, rs)}
	g := openGate(t, nil, keys...)
	e := newExecutor(t, sshexec.Config{})
	for i, k := range keys {
		for _, typ := range []string{"", k.PublicKey().Type()} {
			target := g.target
			target.Server.HostKey = &domain.HostKey{Fingerprint: ssh.FingerprintSHA256(k.PublicKey()), Type: typ}
			before := g.logins.Load()
			report := e.Probe(t.Context(), target, false)
			require.Equal(t, ports.StepSession, report.Step, "%d %q: %s", i, typ, report.Message)
			require.Equal(t, before+1, g.logins.Load())
		}
	}
}

func TestLogin_Passwords(t *testing.T) {
	prompting := func(g *gate, c *ssh.ServerConfig) {
		c.PasswordCallback = nil
		c.KeyboardInteractiveCallback = func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			g.prompts.Add(1)
			answers, err := ask("", "", []string{"Password: "}, []bool{false})
			if err != nil || len(answers) != 1 || answers[0] != "correct" {
				return nil, errors.New("wrong")
			}
			return nil, nil
		}
	}
	for name, configure := range map[string]func(*gate, *ssh.ServerConfig){"Password": nil, "KeyboardInteractive": prompting} {
		t.Run(name, func(t *testing.T) {
			g := openGate(t, configure, signer(t, edKey(t)))
			e := newExecutor(t, sshexec.Config{})
			report := e.Probe(t.Context(), g.target, false)
			require.Equal(t, ports.StepSession, report.Step, report.Message)
			require.Equal(t, int32(1), g.logins.Load())
			wrong := g.target
			wrong.Credential.Password = domain.NewSecret("incorrect")
			f := start(t, e, wrong)
			require.Equal(t, domain.ReasonAuth, f.Reason, f.Message)
			require.Contains(t, f.Message, fmt.Sprintf("deploy@127.0.0.1:%d", g.target.Server.Port))
			require.NotContains(t, f.Message, "incorrect")
			require.Equal(t, int32(1), g.logins.Load())
		})
	}
}

func TestLogin_WrongPasswordAtOpenSSH(t *testing.T) {
	s := sshd.Start(t)
	e := newExecutor(t, sshexec.Config{})
	target := s.Target()
	target.Server.Auth = domain.AuthPassword
	target.Credential = domain.Credential{Password: domain.NewSecret("certainly not this")}
	require.Equal(t, domain.ReasonAuth, start(t, e, target).Reason)
	report := e.Probe(t.Context(), target, false)
	require.Equal(t, ports.StepLogin, report.Step)
	require.Equal(t, domain.ReasonAuth, report.Reason)
}

func TestLogin_ChangedHostKeyAtOpenSSH(t *testing.T) {
	s := sshd.Start(t)
	e := newExecutor(t, sshexec.Config{})
	before := s.Target()
	s.SwapHostKey()
	s.Restart()
	require.Equal(t, domain.ReasonHostKeyMismatch, start(t, e, before).Reason)
	_, err := e.Start(t.Context(), s.Target(), newID(), line(t, "true"), contract.NewRecorder())
	require.NoError(t, err)
}

func TestLogin_IsBoundedAsAWhole(t *testing.T) {
	// servers that accept and say nothing, or talk for ever without getting anywhere
	for name, serve := range map[string]func(net.Conn){
		"Silent": func(net.Conn) {},
		"Drip": func(c net.Conn) {
			for {
				if _, err := c.Write([]byte("welcome\r\n")); err != nil {
					return
				}
				<-time.After(20 * time.Millisecond)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			var wg sync.WaitGroup
			wg.Go(func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					wg.Go(func() {
						wg.Go(func() { serve(c) })
						_, _ = c.Read(make([]byte, 1<<10))
						for {
							if _, err := c.Read(make([]byte, 1<<10)); err != nil {
								_ = c.Close()
								return
							}
						}
					})
				}
			})
			t.Cleanup(func() { _ = l.Close(); wg.Wait() })
			e := newExecutor(t, sshexec.Config{ConnectTimeout: 400 * time.Millisecond})
			target := ports.Target{
				Server: domain.Server{
					Name: "stuck", Hostname: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, User: "u", Auth: domain.AuthPassword,
					HostKey: &domain.HostKey{Fingerprint: "SHA256:" + strings.Repeat("B", 43)},
				},
				Credential: domain.Credential{Password: domain.NewSecret("x")},
			}
			began := time.Now()
			var runs sync.WaitGroup
			for range 10 { // they share the wait
				runs.Go(func() {
					_, err := e.Start(t.Context(), target, newID(), line(t, "true"), contract.NewRecorder())
					f, ok := errors.AsType[*domain.Failure](err)
					if !ok || f.Reason != domain.ReasonConnect || !f.NotStarted {
						t.Errorf("want connect, not started: %v", err)
					}
				})
			}
			runs.Wait()
			require.Less(t, time.Since(began), 3*time.Second)
		})
	}
}

func TestKeyReader(t *testing.T) {
	var r sshexec.KeyReader
	key := edKey(t)
	public := signer(t, key).PublicKey()
	plain, err := ssh.MarshalPrivateKey(key, "")
	require.NoError(t, err)
	sealed, err := ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte("open sesame"))
	require.NoError(t, err)
	text := func(b *pem.Block) domain.Secret { return domain.NewSecret(string(pem.EncodeToMemory(b))) }
	want := domain.KeyInfo{Fingerprint: ssh.FingerprintSHA256(public), Type: "ssh-ed25519"}
	for _, c := range []struct {
		key, passphrase domain.Secret
		code            string
	}{
		{text(plain), domain.Secret{}, ""},
		{text(sealed), domain.NewSecret("open sesame"), ""},
		{text(sealed), domain.Secret{}, "key_encrypted"},
		{text(sealed), domain.NewSecret("wrong"), "passphrase_wrong"},
		{domain.NewSecret("not a key"), domain.Secret{}, "key_unreadable"},
		{domain.NewSecret("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"), domain.Secret{}, "key_unreadable"},
		{domain.NewSecret(string(ssh.MarshalAuthorizedKey(public))), domain.Secret{}, "key_public"},
	} {
		info, err := r.ReadKey(c.key, c.passphrase)
		if c.code == "" {
			require.NoError(t, err)
			require.Equal(t, want, info)
			continue
		}
		e, ok := errors.AsType[*domain.Error](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, c.code, e.Code)
		require.Equal(t, domain.KindUnprocessable, e.Kind)
	}
}

func TestKeyReader_HostKeys(t *testing.T) {
	var r sshexec.KeyReader
	public := signer(t, edKey(t)).PublicKey()
	print := ssh.FingerprintSHA256(public)
	authorized := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public)))
	full := domain.HostKey{Fingerprint: print, Type: "ssh-ed25519"}
	for text, want := range map[string]domain.HostKey{
		print:                         {Fingerprint: print},
		" " + print + "=\n":           {Fingerprint: print},
		"web1,10.0.0.1 " + authorized: full,
		"[web1]:2222 " + authorized + " a comment\n":                                 full,
		"|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= " + authorized: full,
		authorized: full,
	} {
		got, err := r.ReadHostKey(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "SHA256:short", "MD5:aa:bb", "web1", "web1 ssh-ed25519 AAAA", "@cert-authority * " + authorized, "a " + authorized + "\nb " + authorized} {
		_, err := r.ReadHostKey(text)
		e, ok := errors.AsType[*domain.Error](err)
		require.True(t, ok, "%q: %v", text, err)
		require.Equal(t, "host_key_invalid", e.Code)
	}
}
