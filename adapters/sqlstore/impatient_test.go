package sqlstore

import (
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestImpatient_ReadEndsAfterSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		c := &impatient{Conn: ours, silence: silence}
		time.Sleep(time.Hour) // synctest's clock: idle for however long, a connection is fine
		go func() { _, _ = theirs.Write([]byte("x")) }()
		_, err := c.Read(make([]byte, 1))
		require.NoError(t, err)
		began := time.Now()
		_, err = c.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, silence, time.Since(began))
	})
}

func TestImpatient_GivesUpAfterAGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		c := &impatient{Conn: ours, silence: silence}
		d := &dialer{}
		d.first.Store(c)
		began := time.Now()
		time.AfterFunc(time.Second, d.giveUp)
		_, err := c.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, time.Second+grace, time.Since(began))
	})
}

func TestCut_KeepsCharactersWhole(t *testing.T) {
	for text, want := range map[string]int{"abcdef": 4, "abcé": 3, "ab漢": 2, "a🦈": 1, "🦈🦈": 4, "\x80\x80\x80\x80\x80\x80": 4, "abc": 3} {
		require.Equal(t, want, cut([]byte(text), 4), "%q", text)
	}
}
