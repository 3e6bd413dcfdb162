package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/heysubinoy/remora/domain"
)

// history is a world with jobs of every kind.
func history(t *testing.T) *world {
	w := newWorld(t, "web", "db")
	for _, j := range []struct {
		server, command string
		behave          func(*remote)
	}{
		{"web", "uptime", greet},
		{"db", "pg_dump\nall\x1b[2J", func(r *remote) { r.print(domain.Stderr, "no space\n"); r.exit(2, "") }},
		{"web", "sleep 300", func(r *remote) {
			<-r.canceled
			r.kill(domain.Receipt{Ended: 1, Left: []domain.Remaining{{PID: 9, Command: "sleep"}}})
		}},
		{"db", "waits", nil},
	} {
		w.behave = j.behave
		s := w.session()
		s.begin("run", "-s", j.server, "--detach", "--", j.command)
		require.Equal(t, 0, s.end(), s.stderr)
		if j.command == "sleep 300" {
			_, err := w.services().Jobs.Cancel(t.Context(), w.job(w.count()-1).ID)
			require.NoError(t, err)
		}
		w.running.Wait()
	}
	return w
}

func TestJobs_Golden(t *testing.T) {
	w := history(t)
	failed, left := string(w.job(1).ID), string(w.job(2).ID)
	for name, args := range map[string][]string{
		"jobs-ls":          {"jobs", "ls"},
		"jobs-ls-limit":    {"jobs", "ls", "--limit", "2"},
		"jobs-ls-filter":   {"jobs", "ls", "--status", "failed,canceled", "-s", "web"},
		"jobs-ls-json":     {"jobs", "ls", "--limit", "1", "-o", "json"},
		"jobs-get":         {"jobs", "get", failed},
		"jobs-get-left":    {"jobs", "get", left},
		"jobs-get-yaml":    {"jobs", "get", failed, "-o", "yaml"},
		"jobs-get-unknown": {"jobs", "get", "x"},
		"jobs-logs":        {"jobs", "logs", failed},
		"jobs-logs-json":   {"jobs", "logs", failed, "-o", "json"},
		"jobs-logs-f":      {"jobs", "logs", "-f", string(w.job(0).ID)},
		"jobs-logs-stderr": {"jobs", "logs", "--stderr", failed},
		"jobs-cancel-late": {"jobs", "cancel", failed},
		"jobs-cancel-none": {"jobs", "cancel", "x", failed},
	} {
		t.Run(name, func(t *testing.T) { w.session().golden(name, args...) })
	}
	s := w.session()
	s.tty = terminals{out: true}
	s.golden("jobs-ls-terminal", "jobs", "ls")
	w.session().golden("jobs-cancel-queued", "jobs", "cancel", string(w.job(3).ID))
}

func TestJobsOutput_AnyBytesInPieces(t *testing.T) {
	w := newWorld(t, "web")
	var want bytes.Buffer
	w.behave = func(r *remote) {
		for i := range 3*chunksAtOnce + 7 {
			piece := []byte{byte(i), 0xff, 0, '\n', 0x1b}
			want.Write(piece)
			r.print(domain.Stdout, string(piece))
			r.print(domain.Stderr, "e")
		}
		r.exit(0, "")
	}
	require.Equal(t, 0, w.session().run("run", "-s", "web", "--detach", "--", "x"))
	w.running.Wait()
	id := string(w.job(0).ID)
	for _, args := range [][]string{{"--stdout"}, {"--stdout", "-f"}, {}, {"-f"}} {
		s := w.session()
		require.Equal(t, 0, s.run(append([]string{"jobs", "logs", id}, args...)...), s.stderr)
		require.Equal(t, want.String(), s.stdout.String(), args)
	}
	s := w.session()
	require.Equal(t, 0, s.run("jobs", "logs", id, "--since", "3010", "-o", "json"))
	lines := strings.Split(strings.TrimSpace(s.stdout.String()), "\n")
	require.Len(t, lines, 4)
	var next chunkShape
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &next))
	require.Equal(t, domain.Seq(3011), next.Seq)
	require.Equal(t, "stdout", next.Stream)
	require.Equal(t, int64(5*1505), next.Offset)
	require.Equal(t, 4, w.session().run("jobs", "logs", "unknown", "--stdout"))
}

func TestJobsOutput_AReaderThatHasEnoughIsNoFailure(t *testing.T) {
	w := history(t)
	s := w.session()
	s.out = closedPipe
	require.Equal(t, 0, s.run("jobs", "logs", string(w.job(0).ID)))
	require.Equal(t, 0, s.run("jobs", "ls"))
	require.Empty(t, s.stderr.String())
}

func TestJobsCancel_WaitsAndTells(t *testing.T) {
	for name, c := range map[string]struct {
		receipt domain.Receipt
		args    []string
		code    int
		want    string
	}{
		"clean":   {clean, nil, 0, ": canceled, 0 processes left\n"},
		"left":    {domain.Receipt{Left: []domain.Remaining{{PID: 7, Command: "x"}}}, nil, 1, ": canceled, but 1 process left: pid 7 (x)\n"},
		"no wait": {clean, []string{"--no-wait"}, 0, ": its processes are being ended\n"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "web")
			let := make(chan struct{})
			w.behave = func(r *remote) { <-r.canceled; <-let; r.kill(c.receipt) }
			require.Equal(t, 0, w.session().run("run", "-s", "web", "--detach", "--", "x"))
			if c.args == nil {
				w.onFollow = func(context.Context, domain.Seq) error { close(let); return nil }
			}
			s := w.session()
			require.Equal(t, c.code, s.run(append([]string{"jobs", "cancel", string(w.job(0).ID)}, c.args...)...))
			require.Contains(t, s.stderr.String(), c.want)
			if c.args != nil {
				close(let)
			}
		})
	}
}

func TestYAMLSaysWhatJSONSays(t *testing.T) {
	in := map[string]any{"a": "true", "b": "12", "c": "", "d": "x\ny\n", "e": " lead", "f": "\x1b[2J\u2028\x00", "g": []any{}, "h": map[string]any{},
		"i": nil, "j": "null", "k": 1.5, "l": "- x: y", "m": "2026-03-04T05:06:07Z", "n": "🙂\ttab", "o": "trail \n", "p": true, "q": "#no"}
	var text bytes.Buffer
	require.NoError(t, writeYAML(&text, in))
	var out map[string]any
	require.NoError(t, yaml.Unmarshal(text.Bytes(), &out), text.String())
	require.Equal(t, in, out, text.String())
}
