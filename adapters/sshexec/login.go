package sshexec

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// What is offered to servers: no SHA-1 signatures, no CBC; the cheapest good one first.
var algorithms = ssh.Config{
	KeyExchanges: []string{
		ssh.KeyExchangeCurve25519, ssh.KeyExchangeMLKEM768X25519, ssh.KeyExchangeECDHP256, ssh.KeyExchangeECDHP384,
		ssh.KeyExchangeECDHP521, ssh.KeyExchangeDH14SHA256, ssh.KeyExchangeDH16SHA512, ssh.KeyExchangeDHGEXSHA256,
	},
	Ciphers: []string{
		ssh.CipherAES128GCM, ssh.CipherAES256GCM, ssh.CipherChaCha20Poly1305, ssh.CipherAES128CTR, ssh.CipherAES192CTR, ssh.CipherAES256CTR,
	},
	MACs: []string{ssh.HMACSHA256ETM, ssh.HMACSHA512ETM, ssh.HMACSHA256, ssh.HMACSHA512},
}

// hostKeyFamilies are the kinds of host key a server may have, each with the algorithms that sign with it.
var hostKeyFamilies = [][]string{
	{ssh.KeyAlgoED25519},
	{ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521},
	{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256},
}

// address is how a server is named in messages.
func address(s domain.Server) string {
	return s.User + "@" + net.JoinHostPort(s.Hostname, strconv.Itoa(s.Port))
}

// identity names everything that a connection depends on. A changed password or pin is another connection.
func identity(t ports.Target) string {
	h := sha256.New()
	pin := ""
	if t.Server.HostKey != nil {
		pin = t.Server.HostKey.Fingerprint
	}
	if t.Via != nil {
		fmt.Fprintf(h, "via %s ", identity(*t.Via))
	}
	for _, part := range []string{
		t.Server.Hostname, strconv.Itoa(t.Server.Port), t.Server.User, pin, string(t.Server.Auth),
		t.Credential.Password.Reveal(), t.Credential.PrivateKey.Reveal(), t.Credential.Passphrase.Reveal(),
	} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// loginError is a login that failed at a step.
type loginError struct {
	hop     domain.ServerID // the jump server where it failed; empty for the server itself
	step    ports.TestStep
	failure domain.Failure
	seen    *domain.HostKey
}

func (e *loginError) Error() string { return e.failure.Message }

// report says in a report what failed.
func (e *loginError) report(r *ports.TestReport) {
	r.Hop, r.Step, r.Reason, r.Message, r.Seen = e.hop, e.step, e.failure.Reason, e.failure.Message, e.seen
}

// session is what a login gives.
type session struct {
	conn     ssh.Conn
	channels <-chan ssh.NewChannel
	requests <-chan *ssh.Request
	tcp      *wire
	seen     *domain.HostKey
}

// login dials, checks the host key and logs in, all before ctx is done. With pin, an unknown key is accepted.
func (p *pool) login(ctx context.Context, t ports.Target, pin bool) (*session, *loginError) {
	auth, err := authMethods(t)
	if err != nil {
		return nil, p.lookOnly(ctx, t, err)
	}
	if k := t.Server.HostKey; k == nil || k.Type != "" {
		return p.tryLogin(ctx, t, auth, pin, keyAlgorithms(k))
	}
	// only the fingerprint is known: it may be of another key than the one the server would choose to show
	var first *loginError
	for i := -1; i < len(hostKeyFamilies); i++ {
		algos := keyAlgorithms(nil)
		if i >= 0 {
			algos = hostKeyFamilies[i]
		}
		s, failed := p.tryLogin(ctx, t, auth, pin, algos)
		if failed == nil {
			return s, nil
		}
		if first == nil {
			first = failed
		}
		if failed.failure.Reason != domain.ReasonHostKeyMismatch && i < 0 {
			break
		}
		if failed.step == ports.StepLogin {
			return nil, failed // this was the pinned key
		}
	}
	return nil, first
}

// lookOnly goes as far as it gets without a credential: the server's key can be seen, and confirmed, all the same.
func (p *pool) lookOnly(ctx context.Context, t ports.Target, missing error) *loginError {
	s, failed := p.tryLogin(ctx, t, nil, false, keyAlgorithms(t.Server.HostKey))
	if failed != nil && failed.step != ports.StepLogin {
		return failed
	}
	l := &loginError{step: ports.StepLogin, failure: domain.Failure{
		Reason: domain.ReasonAuth, Message: fmt.Sprintf("cannot log in to %s: %s", address(t.Server), missing),
	}}
	if failed != nil {
		l.hop, l.seen = failed.hop, failed.seen
	} else { // it lets everybody in
		l.seen = s.seen
		_ = s.tcp.Close()
	}
	return l
}

func (p *pool) tryLogin(ctx context.Context, t ports.Target, auth []ssh.AuthMethod, pin bool, algos []string) (*session, *loginError) {
	dialed, failed := p.connect(ctx, t)
	if failed != nil {
		return nil, failed
	}
	tcp := newWire(dialed)
	stop := context.AfterFunc(ctx, func() { _ = tcp.Close() })
	if deadline, ok := ctx.Deadline(); ok {
		_ = tcp.SetDeadline(deadline)
	}
	check := &hostKeyCheck{target: t, pin: pin}
	addr := net.JoinHostPort(t.Server.Hostname, strconv.Itoa(t.Server.Port))
	conn, channels, requests, err := ssh.NewClientConn(tcp, addr, &ssh.ClientConfig{
		Config: algorithms, User: t.Server.User, Auth: auth, HostKeyCallback: check.callback,
		HostKeyAlgorithms: algos, ClientVersion: "SSH-2.0-Remora",
	})
	if !stop() && err == nil {
		_ = conn.Close()
		err = ctx.Err()
	}
	if err != nil {
		_ = tcp.Close()
		return nil, check.explain(ctx, err)
	}
	_ = tcp.SetDeadline(time.Time{})
	return &session{conn: conn, channels: channels, requests: requests, tcp: tcp, seen: check.seen}, nil
}

func keyAlgorithms(pin *domain.HostKey) []string {
	if pin != nil {
		if pin.Type == ssh.KeyAlgoRSA {
			return hostKeyFamilies[2]
		}
		if pin.Type != "" {
			return []string{pin.Type}
		}
	}
	var all []string
	for _, f := range hostKeyFamilies {
		all = append(all, f...)
	}
	return all
}

func authMethods(t ports.Target) ([]ssh.AuthMethod, error) {
	if t.Credential == (domain.Credential{}) {
		return nil, errors.New("it needs its password or key anew")
	}
	if t.Server.Auth == domain.AuthKey {
		s, err := readSigner(t.Credential.PrivateKey, t.Credential.Passphrase)
		if err != nil {
			return nil, err
		}
		return []ssh.AuthMethod{ssh.PublicKeys(s)}, nil
	}
	if t.Credential.Password.Empty() {
		return nil, errors.New("no password is stored for it")
	}
	password := t.Credential.Password.Reveal()
	asked := 0
	prompts := func(_, _ string, questions []string, echos []bool) ([]string, error) {
		answers := make([]string, len(questions))
		for i := range questions {
			if echos[i] {
				return nil, fmt.Errorf("the server asks %q, which is not for a password", questions[i])
			}
			if asked++; asked > 1 {
				return nil, errors.New("the server asks for more than a password")
			}
			answers[i] = password
		}
		return answers, nil
	}
	return []ssh.AuthMethod{ssh.Password(password), ssh.KeyboardInteractive(prompts)}, nil
}

// hostKeyCheck decides about the key a server shows, and remembers how far the handshake got.
type hostKeyCheck struct {
	target  ports.Target
	pin     bool
	seen    *domain.HostKey
	refused *domain.Failure
}

var errHostKeyRefused = errors.New("host key refused")

func (c *hostKeyCheck) callback(_ string, _ net.Addr, key ssh.PublicKey) error {
	seen := seenKey(key)
	c.seen = &seen
	s := c.target.Server
	switch {
	case s.HostKey == nil && c.pin:
		return nil
	case s.HostKey == nil:
		c.refused = &domain.Failure{Reason: domain.ReasonHostKeyUnknown, Message: fmt.Sprintf(
			"%s showed a host key that nobody has confirmed: %s %s. Compare it with the output of ssh-keygen -l on the server; if it is the same: remora servers trust %s --fingerprint %s",
			address(s), seen.Type, seen.Fingerprint, s.Name, seen.Fingerprint)}
	case s.HostKey.Fingerprint != seen.Fingerprint:
		c.refused = &domain.Failure{Reason: domain.ReasonHostKeyMismatch, Message: fmt.Sprintf(
			"%s showed host key %s %s, but %s is confirmed. Either the server was set up anew or someone sits in between; nothing was sent. Once you know that it is right: remora servers trust %s --fingerprint %s",
			address(s), seen.Type, seen.Fingerprint, s.HostKey.Fingerprint, s.Name, seen.Fingerprint)}
	default:
		return nil
	}
	return errHostKeyRefused
}

// explain says what a failed handshake means.
func (c *hostKeyCheck) explain(ctx context.Context, err error) *loginError {
	at := address(c.target.Server)
	if c.refused != nil {
		return &loginError{step: ports.StepHostKey, failure: *c.refused, seen: c.seen}
	}
	connect := func(step ports.TestStep, format string, args ...any) *loginError {
		m := fmt.Sprintf(format, args...)
		return &loginError{step: step, seen: c.seen, failure: domain.Failure{Reason: domain.ReasonConnect, Message: m}}
	}
	phase, step := "the SSH handshake", ports.StepConnect
	if c.seen != nil {
		phase, step = "the login", ports.StepLogin
	}
	_, network := errors.AsType[net.Error](err)
	switch {
	case ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded):
		return connect(step, "cannot log in to %s: the server did not finish %s in time", at, phase)
	case network || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE):
		return connect(step, "cannot log in to %s: the server closed the connection during %s (it may be overloaded, or refuse this address)", at, phase)
	}
	if n, ok := errors.AsType[*ssh.AlgorithmNegotiationError](err); ok {
		if pin := c.target.Server.HostKey; pin != nil && pin.Type != "" && n.What == "host key" {
			return &loginError{step: ports.StepHostKey, failure: domain.Failure{Reason: domain.ReasonHostKeyMismatch, Message: fmt.Sprintf(
				"%s has no %s host key any more, but %s is confirmed; nothing was sent. Look at the server's keys, then: remora servers trust %s --fingerprint …",
				at, pin.Type, pin.Fingerprint, c.target.Server.Name)}}
		}
		return connect(ports.StepConnect, "cannot log in to %s: %s", at, n)
	}
	if c.seen == nil {
		return connect(ports.StepConnect, "cannot log in to %s: no SSH handshake: %s", at, err)
	}
	what := "the password was refused"
	if c.target.Server.Auth == domain.AuthKey {
		what = "the key was refused; is its public half in authorized_keys there?"
	}
	return &loginError{step: ports.StepLogin, seen: c.seen, failure: domain.Failure{
		Reason: domain.ReasonAuth, Message: fmt.Sprintf("cannot log in to %s: %s (%s)", at, what, strings.TrimPrefix(err.Error(), "ssh: handshake failed: ")),
	}}
}

func dialFailure(ctx context.Context, t ports.Target, err error) *loginError {
	f := &loginError{step: ports.StepConnect, failure: domain.Failure{Reason: domain.ReasonConnect}}
	at := address(t.Server)
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		f.step = ports.StepResolve
		f.failure.Message = fmt.Sprintf("cannot connect to %s: the name %s could not be resolved (%s)", at, t.Server.Hostname, dns.Err)
		return f
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		f.failure.Message = fmt.Sprintf("cannot connect to %s: connection refused; is sshd running there, on this port?", at)
	case ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded):
		f.failure.Message = fmt.Sprintf("cannot connect to %s: no answer in time", at)
	default:
		f.failure.Message = fmt.Sprintf("cannot connect to %s: %s", at, err)
	}
	return f
}
