// Package sshdemo is the SSH server of the demo: it listens on 127.0.0.1, lets one key in, and runs what it is asked to
// as the current user, with a HOME of its own. It is a stand-in for a machine, so it must not know anything of Remora;
// what runs detached outlives a connection, as it would there, but not the server itself.
package sshdemo

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// handshakeTimeout bounds how long a client may take to log in.
const handshakeTimeout = 30 * time.Second

// Config says who gets in and where.
type Config struct {
	Name          string // the server's name, in HOSTNAME
	AuthorizedKey string // a line of authorized_keys; no other key gets in
	Home          string // HOME and working directory; empty = a temporary directory, removed by Close
}

// Server is a running demo server.
type Server struct {
	config   Config
	listener net.Listener
	hostKey  ssh.PublicKey
	server   *ssh.ServerConfig
	marker   string // in the environment of everything that is run, to find it again
	ownHome  bool
	wg       sync.WaitGroup

	mu      sync.Mutex
	conns   map[net.Conn]bool
	leaders map[int]bool // processes started and not yet waited for
	closed  bool
}

// NewKey makes a key pair: the private key in OpenSSH's PEM form, and the line for AuthorizedKey.
func NewKey() (private, authorized string, err error) {
	public, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return "", "", err
	}
	block, err := ssh.MarshalPrivateKey(key, "remora demo")
	if err != nil {
		return "", "", err
	}
	p, err := ssh.NewPublicKey(public)
	if err != nil {
		return "", "", err
	}
	return string(pem.EncodeToMemory(block)), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(p))), nil
}

// Start listens on a free port of 127.0.0.1 with a new host key. Close ends it.
func Start(c Config) (*Server, error) {
	allowed, _, _, _, err := ssh.ParseAuthorizedKey([]byte(c.AuthorizedKey))
	if err != nil {
		return nil, fmt.Errorf("the demo server's authorized key: %w", err)
	}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return nil, err
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	s := &Server{
		config: c, hostKey: signer.PublicKey(), marker: "REMORA_DEMO=" + hex.EncodeToString(id[:]),
		conns: map[net.Conn]bool{}, leaders: map[int]bool{},
	}
	s.server = &ssh.ServerConfig{
		ServerVersion: "SSH-2.0-RemoraDemo",
		PublicKeyCallback: func(_ ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
			if subtle.ConstantTimeCompare(k.Marshal(), allowed.Marshal()) == 1 {
				return nil, nil
			}
			return nil, errors.New("unknown key")
		},
	}
	s.server.AddHostKey(signer)
	if c.Home == "" {
		if s.config.Home, err = os.MkdirTemp("", "remora-demo-"); err != nil {
			return nil, err
		}
		s.ownHome = true
	}
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, errors.Join(err, s.removeHome())
	}
	s.wg.Go(s.accept)
	return s, nil
}

// Addr returns where the server listens, host:port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Home returns the directory that commands find as HOME.
func (s *Server) Home() string { return s.config.Home }

// HostKeyFingerprint returns the host key as SHA256:….
func (s *Server) HostKeyFingerprint() string { return ssh.FingerprintSHA256(s.hostKey) }

// HostKeyType returns the host key's type, as in known_hosts.
func (s *Server) HostKeyType() string { return s.hostKey.Type() }

// Close ends the connections and every process that was started for them, detached ones included, and removes a
// temporary Home. Closing twice is closing once. It fails when a process could not be ended.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	_ = s.listener.Close()
	left := s.endProcesses()
	if left > 0 {
		return fmt.Errorf("%d processes of demo server %s could not be ended", left, s.config.Name)
	}
	s.wg.Wait()
	return s.removeHome()
}

func (s *Server) removeHome() error {
	if !s.ownHome {
		return nil
	}
	return os.RemoveAll(s.config.Home)
}

func (s *Server) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			_ = c.Close()
			return
		}
		s.conns[c] = true
		s.wg.Go(func() { s.serve(c) })
		s.mu.Unlock()
	}
}

func (s *Server) serve(c net.Conn) {
	defer func() {
		_ = c.Close()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
	_ = c.SetDeadline(time.Now().Add(handshakeTimeout))
	conn, channels, requests, err := ssh.NewServerConn(c, s.server)
	if err != nil {
		return
	}
	_ = c.SetDeadline(time.Time{})
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		for r := range requests {
			if r.WantReply {
				_ = r.Reply(r.Type == "keepalive@openssh.com", nil)
			}
		}
	})
	for n := range channels {
		if n.ChannelType() != "session" {
			_ = n.Reject(ssh.UnknownChannelType, "only sessions are served")
			continue
		}
		ch, requests, err := n.Accept()
		if err != nil {
			break
		}
		s.wg.Go(func() { s.session(ch, requests, conn.User()) })
	}
}
