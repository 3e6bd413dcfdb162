package cli

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/test/fixture/drivingports"
)

// openPTY returns the two ends of a pseudo-terminal: what a person's hands and eyes have, and what the program has.
func openPTY(t *testing.T) (person, program *os.File) {
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { _ = person.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	program, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = program.Close() })
	return person, program
}

// atTerminal makes a session whose three streams are a terminal; seen is all that its screen got.
func (w *world) atTerminal() (s *session, person *os.File, seen *buffer, closeTerminal func()) {
	person, program := openPTY(w.t)
	s = w.session()
	seen = newBuffer()
	s.config = func(c *Config) { c.Stdin, c.Stdout, c.Stderr = program, program, program }
	read := make(chan struct{})
	go func() {
		defer close(read)
		p := make([]byte, 4096)
		for {
			n, err := person.Read(p)
			_, _ = seen.Write(p[:n])
			if err != nil {
				return
			}
		}
	}()
	return s, person, seen, func() {
		require.NoError(w.t, program.Close())
		<-read
	}
}

func (s *session) beginDetected(args ...string) {
	a := s.app("remora")
	a.tty = detectTerminals(a.Config)
	go func() { s.exitCode <- a.main(s.t.Context(), args) }()
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func echoes(t *testing.T, terminal *os.File) bool {
	state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Errorf("reading the terminal's state: %v", err)
		return false
	}
	return state.Lflag&unix.ECHO != 0
}

func TestTerminal_PasswordWithoutEcho(t *testing.T) {
	w := newWorld(t)
	s, person, seen, closeTerminal := w.atTerminal()
	tty := s.config
	s.config = func(c *Config) {
		tty(c)
		screen := c.Stderr
		c.Stderr = writerFunc(func(p []byte) (int, error) {
			if strings.HasPrefix(string(p), "Password of ") && echoes(t, person) {
				t.Error("who types at the first sight of the prompt sees it")
			}
			return screen.Write(p)
		})
	}
	s.beginDetected("servers", "add", "web", "root@10.0.0.5")
	seen.await(t, "Password of root@10.0.0.5:22: ")
	_, err := person.WriteString("hunter2\n")
	require.NoError(t, err)
	require.Equal(t, 0, s.end())
	seen.await(t, "00000000-0000-7000-9000-000000000001")
	require.True(t, echoes(t, person))
	closeTerminal()
	require.NotContains(t, seen.String(), "hunter2")
	require.Equal(t, "hunter2", w.creds[w.byName("web").ID].Password.Reveal())
}

func TestTerminal_PassphraseIsAskedForWhenNeeded(t *testing.T) {
	key := t.TempDir() + "/key"
	require.NoError(t, os.WriteFile(key, []byte("KEY"), 0o600))
	w := newWorld(t)
	encryptedKey(w)
	s, person, seen, closeTerminal := w.atTerminal()
	s.beginDetected("servers", "add", "web", "root@10.0.0.5", "--key", key)
	seen.await(t, "Passphrase of the key: ")
	_, err := person.WriteString("open sesame\n")
	require.NoError(t, err)
	require.Equal(t, 0, s.end())
	closeTerminal()
	require.NotContains(t, seen.String(), "sesame")
}

func TestTerminal_InterruptWhileAskingGivesEchoBack(t *testing.T) {
	w := newWorld(t)
	s, person, seen, closeTerminal := w.atTerminal()
	s.beginDetected("servers", "add", "web", "root@10.0.0.5")
	seen.await(t, "Password of ")
	s.interrupt()
	require.Equal(t, 130, s.end())
	require.True(t, echoes(t, person), "the user's shell would go on without echo")
	_, err := person.WriteString("\n") // ends the read that nobody waits for any more
	require.NoError(t, err)
	closeTerminal()
	require.Empty(t, w.servers)
}

func TestTerminal_Output(t *testing.T) {
	w := newWorld(t, "a", "b")
	w.behave = func(r *remote) {
		r.print(domain.Stdout, "\x1b]0;owned\x07\x1b[2J\x1b[31mred\n")
		r.exit(0, "")
	}
	s, _, seen, closeTerminal := w.atTerminal()
	s.beginDetected("run", "--all", "--", "x")
	require.Equal(t, 0, s.end())
	seen.await(t, "2 servers: 2 completed")
	closeTerminal()
	for _, name := range []string{"a", "b"} {
		require.Regexp(t, `\x1b\[\d+m`+name+`\x1b\[0m \| \x1b\[31mred\x1b\[0m`, seen.String())
	}
	require.NotContains(t, seen.String(), "owned")
	require.NotContains(t, strings.ReplaceAll(seen.String(), "\x1b[0m", ""), "\x1b[2J")
}

func TestLogin_AsksOnATerminal(t *testing.T) {
	from, _ := desk(t)
	s, person, seen, closeTerminal := newWorld(t).atTerminal()
	s.connect, s.env = from.connect, map[string]string{"HOME": t.TempDir(), "TERM": "xterm"}
	s.beginDetected("login")
	seen.await(t, "Address of the API ["+defaultURL+"]: ")
	_, err := person.WriteString("http://127.0.0.1:7\n")
	require.NoError(t, err)
	seen.await(t, "Token: ")
	_, err = person.WriteString(drivingports.Token + "\n")
	require.NoError(t, err)
	require.Equal(t, 0, s.end(), seen)
	closeTerminal()
	require.Contains(t, seen.String(), "signed in to http://127.0.0.1:7 as ada (admin)")
	require.NotContains(t, seen.String(), drivingports.Token)
}
