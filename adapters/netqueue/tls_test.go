package netqueue_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/adapters/netqueue"
	"github.com/heysubinoy/remora/domain"
)

func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestServer_TLS(t *testing.T) {
	t.Parallel()
	server, client := withTLS(t)
	q := start(t, func(c *netqueue.ServerConfig) { c.TLS = server })
	c := q.client(t, func(c *netqueue.ClientConfig) { c.TLS = client })
	require.NoError(t, c.Put(t.Context(), tickets("a", 3)))
	d, err := c.Reserve(t.Context(), 3, time.Minute)
	require.NoError(t, err)
	require.Len(t, d, 3)

	plain := q.client(t)
	require.ErrorIs(t, plain.Ping(t.Context()), domain.ErrQueueUnavailable, "a client without TLS")
	distrusting := q.client(t, func(c *netqueue.ClientConfig) { c.TLS = &tls.Config{RootCAs: x509.NewCertPool()} })
	require.ErrorIs(t, distrusting.Ping(t.Context()), domain.ErrQueueUnavailable, "a client that does not know the certificate")
	require.NoError(t, c.Ping(t.Context()))
}
