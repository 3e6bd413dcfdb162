package sshdemo

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

// session serves one channel: one exec, as sshd does it without a terminal.
func (s *Server) session(ch ssh.Channel, requests <-chan *ssh.Request, user string) {
	defer func() { _ = ch.Close() }()
	for r := range requests {
		var m struct{ Command string }
		if r.Type != "exec" || ssh.Unmarshal(r.Payload, &m) != nil {
			_ = r.Reply(false, nil)
			continue
		}
		p, err := s.start(m.Command, user)
		_ = r.Reply(err == nil, nil)
		if err != nil {
			return
		}
		p.serve(ch, requests)
		s.mu.Lock()
		delete(s.leaders, p.cmd.Process.Pid)
		s.mu.Unlock()
		return
	}
}

// process is a command with our ends of its pipes.
type process struct {
	cmd      *exec.Cmd
	stdin    *os.File
	out, err *os.File
}

func (s *Server) start(command, user string) (*process, error) {
	cmd := exec.Command("/bin/sh", "-c", command)
	cmd.Dir = s.config.Home
	path := os.Getenv("PATH")
	if path == "" {
		path = "/usr/local/bin:/usr/bin:/bin"
	}
	cmd.Env = []string{
		"HOME=" + s.config.Home, "PATH=" + path, "USER=" + user, "LOGNAME=" + user, "SHELL=/bin/sh", "HOSTNAME=" + s.config.Name,
		"PWD=" + s.config.Home, "LANG=C.UTF-8", s.marker,
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	p := &process{cmd: cmd}
	var theirs []*os.File
	defer func() {
		for _, f := range theirs {
			_ = f.Close()
		}
	}()
	for _, end := range []struct {
		ours   **os.File
		theirs func(*os.File)
		in     bool
	}{{&p.stdin, func(f *os.File) { cmd.Stdin = f }, true}, {&p.out, func(f *os.File) { cmd.Stdout = f }, false}, {&p.err, func(f *os.File) { cmd.Stderr = f }, false}} {
		r, w, err := os.Pipe()
		if err != nil {
			p.closePipes()
			return nil, err
		}
		if end.in {
			r, w = w, r
		}
		*end.ours = r
		end.theirs(w)
		theirs = append(theirs, w)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		p.closePipes()
		return nil, os.ErrClosed
	}
	if err := cmd.Start(); err != nil {
		p.closePipes()
		return nil, err
	}
	s.leaders[cmd.Process.Pid] = true
	return p, nil
}

func (p *process) closePipes() {
	for _, f := range []*os.File{p.stdin, p.out, p.err} {
		if f != nil {
			_ = f.Close()
		}
	}
}

// serve carries the streams and reports the end. When the client goes, the command loses its pipes and runs on.
func (p *process) serve(ch ssh.Channel, requests <-chan *ssh.Request) {
	var in, out sync.WaitGroup
	in.Go(func() {
		_, _ = io.Copy(p.stdin, ch)
		_ = p.stdin.Close()
	})
	gone := make(chan struct{})
	in.Go(func() {
		for r := range requests {
			_ = r.Reply(false, nil)
		}
		close(gone)
		_ = p.out.Close() // whoever still writes learns that nobody reads
		_ = p.err.Close()
	})
	out.Go(func() { _, _ = io.Copy(ch, p.out) })
	out.Go(func() { _, _ = io.Copy(ch.Stderr(), p.err) })
	_ = p.cmd.Wait()
	out.Wait()
	_ = ch.CloseWrite()
	select {
	case <-gone:
	default:
		p.report(ch)
	}
	_ = ch.Close()
	_ = p.stdin.Close()
	in.Wait()
}

// report says how the command ended, by code or by signal.
func (p *process) report(ch ssh.Channel) {
	w, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ok && w.Signaled() {
		_, _ = ch.SendRequest("exit-signal", false, ssh.Marshal(struct {
			Signal string
			Core   bool
			Error  string
			Lang   string
		}{signalName(w.Signal()), w.CoreDump(), "", ""}))
		return
	}
	_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(p.cmd.ProcessState.ExitCode())}))
}

func signalName(sig syscall.Signal) string {
	for name, n := range map[string]syscall.Signal{
		"ABRT": syscall.SIGABRT, "ALRM": syscall.SIGALRM, "FPE": syscall.SIGFPE, "HUP": syscall.SIGHUP, "ILL": syscall.SIGILL, "INT": syscall.SIGINT,
		"KILL": syscall.SIGKILL, "PIPE": syscall.SIGPIPE, "QUIT": syscall.SIGQUIT, "SEGV": syscall.SIGSEGV, "TERM": syscall.SIGTERM,
		"USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2,
	} {
		if n == sig {
			return name
		}
	}
	return strconv.Itoa(int(sig))
}

// endProcesses kills what was started and is still there, until two looks in a row find nothing. It returns what is left.
func (s *Server) endProcesses() int {
	var found []int
	for empty, looks := 0, 0; empty < 2 && looks < 100; looks++ {
		found = s.processes()
		if len(found) == 0 {
			empty++
			continue
		}
		empty = 0
		for _, pid := range found { // frozen first, so that nothing forks meanwhile
			_ = syscall.Kill(pid, syscall.SIGSTOP)
		}
		for _, pid := range found {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(5 * time.Millisecond) //nolint:forbidigo // the kernel takes a moment to take them down, and tells nobody
	}
	return len(found)
}

// processes finds what carries the server's marker; where there is no /proc, the commands that were not waited for.
func (s *Server) processes() []int {
	environs, _ := filepath.Glob("/proc/[0-9]*/environ")
	var pids []int
	for _, path := range environs {
		text, err := os.ReadFile(path)
		pid, _ := strconv.Atoi(strings.Split(path, "/")[2])
		if err == nil && pid != os.Getpid() && strings.Contains("\x00"+string(text), "\x00"+s.marker+"\x00") {
			pids = append(pids, pid)
		}
	}
	if len(environs) == 0 {
		s.mu.Lock()
		defer s.mu.Unlock()
		for pid := range s.leaders {
			pids = append(pids, -pid)
		}
	}
	return pids
}
