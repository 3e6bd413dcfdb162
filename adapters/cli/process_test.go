package cli

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
)

// asProgram makes the test binary be remora, in a world where a command prints until it is canceled.
const asProgram = "REMORA_TEST_AS_PROGRAM"

func actAsProgram() int {
	w := newWorld(nil, "web")
	w.behave = func(r *remote) {
		r.print(domain.Stdout, "running\n")
		<-r.canceled
		r.kill(clean)
	}
	return Main(context.Background(), Config{
		Version: "v1.2.3", Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv,
		Connect: func(context.Context, string, domain.Secret, func(error)) (Services, error) { return w.services(), nil },
		Worker: func(context.Context) error {
			child := exec.Command("sh", "-c", "kill -PIPE $$; echo survived")
			child.Stdout = os.Stdout
			_ = child.Run()
			return nil
		},
	}, os.Args[1:])
}

func start(t *testing.T, args ...string) (cmd *exec.Cmd, stdout io.ReadCloser, stderr *strings.Builder) {
	cmd = exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	stderr = new(strings.Builder)
	cmd.Stderr = stderr
	require.NoError(t, cmd.Start())
	return cmd, stdout, stderr
}

func TestProcess_Signals(t *testing.T) {
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			cmd, stdout, stderr := start(t, "run", "-s", "web", "--", "x")
			line, err := bufio.NewReader(stdout).ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, "running\n", line)
			require.NoError(t, cmd.Process.Signal(sig))
			require.Error(t, cmd.Wait())
			require.Equal(t, 130, cmd.ProcessState.ExitCode())
			require.Contains(t, stderr.String(), "remora: web: canceled, 0 processes left\n")
		})
	}
}

func TestProcess_TheReaderGoesAway(t *testing.T) {
	cmd, stdout, stderr := start(t, "run", "-s", "web", "--", "x")
	require.NoError(t, stdout.Close())
	require.Error(t, cmd.Wait())
	require.Equal(t, 1, cmd.ProcessState.ExitCode(), "not dead of SIGPIPE: %s", stderr)
	require.Contains(t, stderr.String(), "remora: web: canceled, 0 processes left\n")
}

func TestProcess_ChildrenAreNotDeafToSIGPIPE(t *testing.T) {
	cmd, stdout, _ := start(t, "worker")
	out, err := io.ReadAll(stdout)
	require.NoError(t, err)
	require.NoError(t, cmd.Wait())
	require.Empty(t, string(out), "commands of demo servers would see broken pipes that they know nothing of")
}
