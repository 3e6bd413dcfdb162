package cli

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heysubinoy/remora/domain"
)

var update = flag.Bool("update", false, "rewrite golden files and docs/CLI.md")

// goldenDir does not move when a test changes the working directory.
var goldenDir = func() string {
	dir, err := filepath.Abs(filepath.Join("..", "..", "test", "golden", "cli"))
	if err != nil {
		panic(err)
	}
	return dir
}()

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(actAsProgram())
	}
	goleak.VerifyTestMain(m)
}

// buffer is written by one goroutine and read by another.
type buffer struct {
	mu      sync.Mutex
	b       bytes.Buffer
	changed chan struct{}
}

func newBuffer() *buffer { return &buffer{changed: make(chan struct{})} }

// Write implements io.Writer.
func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.changed)
	b.changed = make(chan struct{})
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// await waits until the text was written.
func (b *buffer) await(t *testing.T, text string) {
	t.Helper()
	for {
		b.mu.Lock()
		got, changed := b.b.String(), b.changed
		b.mu.Unlock()
		if strings.Contains(got, text) {
			return
		}
		select {
		case <-changed:
		case <-t.Context().Done():
			t.Fatalf("%q was not written, but %q", text, got)
		case <-time.After(20 * time.Second):
			t.Fatalf("%q was not written within 20 s, but %q", text, got)
		}
	}
}

// session is one run of the program at a made-up terminal.
type session struct {
	t        *testing.T
	stdin    io.Reader
	stdout   *buffer
	stderr   *buffer
	out      io.Writer // in place of stdout
	env      map[string]string
	tty      terminals
	signals  chan os.Signal
	connect  func(ctx context.Context, url string, token domain.Secret, reach func(error)) (Services, error)
	config   func(*Config)
	exitCode chan int
}

func (w *world) session() *session {
	return &session{
		t: w.t, stdin: strings.NewReader(""), stdout: newBuffer(), stderr: newBuffer(), env: map[string]string{"TERM": "xterm"},
		signals: make(chan os.Signal), exitCode: make(chan int, 1),
		connect: func(context.Context, string, domain.Secret, func(error)) (Services, error) { return w.services(), nil },
	}
}

func (s *session) app(program string) *app {
	cfg := Config{
		Version: "v1.2.3", Stdin: s.stdin, Stdout: s.stdout, Stderr: s.stderr, Getenv: func(k string) string { return s.env[k] },
		Connect: s.connect, Signals: s.signals, Now: func() time.Time { return epoch.Add(90 * time.Second) },
	}
	if s.out != nil {
		cfg.Stdout = s.out
	}
	if s.config != nil {
		s.config(&cfg)
	}
	a := newApp(program, cfg)
	a.tty = s.tty
	return a
}

// begin starts the program; end waits for it.
func (s *session) begin(args ...string) {
	go func() { s.exitCode <- s.app("remora").main(s.t.Context(), args) }()
}

func (s *session) end() int {
	s.t.Helper()
	select {
	case code := <-s.exitCode:
		return code
	case <-time.After(30 * time.Second):
		s.t.Fatalf("the program did not end; stdout %q, stderr %q", s.stdout, s.stderr)
		return -1
	}
}

func (s *session) run(args ...string) int {
	s.t.Helper()
	s.begin(args...)
	return s.end()
}

// interrupt is Ctrl-C.
func (s *session) interrupt() {
	s.t.Helper()
	select {
	case s.signals <- os.Interrupt:
	case <-time.After(20 * time.Second):
		s.t.Fatal("nobody listens to signals")
	}
}

// golden compares a run of the program with what it printed when somebody last looked.
func (s *session) golden(name string, args ...string) {
	s.t.Helper()
	code := s.run(args...)
	s.compare(name, "remora "+quoteAll(args), code)
}

func (s *session) compare(name, command string, code int) {
	s.t.Helper()
	got := fmt.Sprintf("$ %s\n--- stdout\n%s--- stderr\n%s--- exit code %d\n", command, s.stdout, s.stderr, code)
	path := filepath.Join(goldenDir, name+".golden")
	if *update {
		require.NoError(s.t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(s.t, os.WriteFile(path, []byte(got), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(s.t, err, "run go test ./adapters/cli -update")
	require.Equal(s.t, string(want), got, "run go test ./adapters/cli -update and look at the difference")
}
