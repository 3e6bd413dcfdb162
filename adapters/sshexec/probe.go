package sshexec

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Probe implements ports.Prober. It makes a connection of its own, which shows what a first job will meet.
func (e *Executor) Probe(ctx context.Context, t ports.Target, pin bool) ports.TestReport {
	report := ports.TestReport{Server: t.Server.ID}
	ctx, cancel := context.WithTimeout(ctx, e.pool.connectTimeout)
	defer cancel()
	began := time.Now()
	s, failed := e.pool.login(ctx, t, pin)
	report.Latency = time.Since(began)
	e.pool.mu.Lock()
	e.pool.note(failed)
	e.pool.mu.Unlock()
	if failed != nil {
		failed.report(&report)
		return report
	}
	report.Seen = s.seen
	x, closeAll, err := e.lone(ctx, t, s, probeText)
	if err == nil {
		defer closeAll()
		err = look(ctx, x, t, &report)
	}
	if err != nil {
		report.Step, report.Reason = ports.StepSession, domain.ReasonConnect
		if f, ok := errors.AsType[*domain.Failure](err); ok {
			report.Reason = domain.ReasonStartFailed
			err = f
		}
		report.Message = fmt.Sprintf("logged in to %s, but it does not run commands: %s", address(t.Server), err)
		return report
	}
	report.OK = true
	report.Message = fmt.Sprintf("logged in to %s in %s", address(t.Server), report.Latency.Round(time.Millisecond))
	return report
}

// look reads what the probe says.
func look(ctx context.Context, x *channel, t ports.Target, report *ports.TestReport) error {
	lines, err := x.reply(ctx, t, "mode")
	if err != nil {
		return err
	}
	switch m := domain.Mode(lines[0]); m {
	case domain.ModeDurable, domain.ModeAttached:
		report.Mode = m
	default:
		return fmt.Errorf("it answers %q", lines[0])
	}
	report.Cause = strings.Join(lines[1:], " ")
	return nil
}

// lone runs a text on a connection outside the pool. closeAll closes it.
func (e *Executor) lone(ctx context.Context, t ports.Target, s *session, text string) (*channel, func(), error) {
	pe := &peer{target: t, changed: make(chan struct{})}
	c := &conn{pool: e.pool, peer: pe, ssh: s.conn, tcp: s.tcp, dead: make(chan struct{}), limit: 1, used: 1, gone: true}
	e.pool.wg.Go(func() { ssh.DiscardRequests(s.requests) })
	e.pool.wg.Go(func() {
		for n := range s.channels {
			_ = n.Reject(ssh.Prohibited, "no channels are accepted")
		}
	})
	e.pool.wg.Go(func() { _ = s.conn.Wait(); close(c.dead) })
	stop := context.AfterFunc(ctx, func() { _ = s.tcp.Close() })
	closeAll := func() { stop(); _ = s.tcp.Close(); <-c.dead }
	token := newToken()
	x, err := c.exec(token, shLine("", text, token))
	if err != nil {
		closeAll()
		return nil, nil, err
	}
	return x, closeAll, nil
}
