package e2e

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// stranger is a raw connection to the queue's port; docs/NETQUEUE.md has the frames.
type stranger struct {
	net.Conn
	t *testing.T
}

func (d *desk) stranger(t *testing.T) *stranger {
	t.Helper()
	c, err := net.Dial("tcp", d.QueueAddr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(answersWithin)))
	return &stranger{c, t}
}

func frame(verb byte, body string) string {
	head := binary.BigEndian.AppendUint32(nil, uint32(5+len(body)))
	return string(append(head, verb, 0, 0, 0, 1)) + body
}

func hello(token string) string {
	text := func(s string) string { return string(binary.BigEndian.AppendUint16(nil, uint16(len(s)))) + s }
	return frame(0x01, "RMNQ\x00\x01"+text(token)+text("a test"))
}

// says sends bytes and returns the code of the ERROR that ends the connection.
func (s *stranger) says(bytes string) string {
	s.t.Helper()
	_, err := io.WriteString(s, bytes)
	require.NoError(s.t, err)
	f := s.next()
	require.Equal(s.t, byte(0xff), f[0], "%q", f)
	length := int(binary.BigEndian.Uint16(f[6:]))
	code := string(f[8 : 8+length])
	_, err = s.Read(make([]byte, 1))
	require.ErrorIs(s.t, err, io.EOF, "the connection goes on after %s", code)
	return code
}

func (s *stranger) next() []byte {
	s.t.Helper()
	head := make([]byte, 4)
	_, err := io.ReadFull(s, head)
	require.NoError(s.t, err)
	f := make([]byte, binary.BigEndian.Uint32(head))
	_, err = io.ReadFull(s, f)
	require.NoError(s.t, err)
	return f
}

// welcome is a stranger who knows the token.
func (d *desk) welcome(t *testing.T) *stranger {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(d.Dir, "queue.token"))
	require.NoError(t, err)
	s := d.stranger(t)
	_, err = io.WriteString(s, hello(strings.TrimSpace(string(text))))
	require.NoError(t, err)
	require.Equal(t, byte(0x81), s.next()[0])
	return s
}

// queuePort is what strangers send to the queue while jobs go through it.
func (d *desk) queuePort(t *testing.T) {
	ids := make([]domain.JobID, 20)
	submit := func(from, to int) {
		for i := from; i < to; i++ {
			ids[i] = d.Submit(t, ports.Submission{Command: fmt.Sprintf("echo job %d", i)})
		}
	}
	submit(0, 5)
	require.Equal(t, "frame_too_large", d.stranger(t).says("GET / HTTP/1.1\r\nHost: queue\r\n\r\n"))
	require.Equal(t, "frame_too_large", d.stranger(t).says("\x00\x00\x10\x01"), "4,097 bytes before the sign-in; not one of them has to come")
	require.Equal(t, "token_invalid", d.stranger(t).says(hello("not the token, but as long as one could be")))
	require.Equal(t, "token_invalid", d.stranger(t).says(frame(0x0c, "\x00\x09job_queue")), "nothing is told to strangers")
	require.Equal(t, "frame_invalid", d.stranger(t).says(frame(0x01, "RMNQ\x00\x01\x7f\xff")))
	submit(5, 10)
	for range 50 { // torn in the middle of a frame, by people with and without the token
		torn := d.stranger(t)
		_, err := io.WriteString(torn, hello("whatever")[:12])
		require.NoError(t, err)
		require.NoError(t, torn.Close())
	}
	torn := d.welcome(t)
	_, err := io.WriteString(torn, frame(0x02, "\x00\x09job_queue\x00\x01\x0a\x00\x24")[:18])
	require.NoError(t, err)
	require.NoError(t, torn.Close())
	submit(10, 15)
	require.Equal(t, "frame_too_large", d.welcome(t).says("\x00\x10\x00\x01"), "a byte over 1 MiB after it")
	require.Equal(t, "frame_too_large", d.welcome(t).says("\xff\xff\xff\xff"))
	require.Equal(t, "frame_invalid", d.welcome(t).says(frame(0x02, "\x00\x09job_queue\xff\xff")), "a count that cannot be")
	require.Equal(t, "frame_invalid", d.welcome(t).says(frame(0x06, "\x00\x01\x00")))
	submit(15, 20)
	for i, id := range ids {
		job, out, _ := d.End(t, id)
		require.Equal(t, domain.StatusCompleted, job.Status, "%s: %s", job.Reason, job.Message)
		require.Equal(t, fmt.Sprintf("job %d\n", i), out)
	}
}
