package sshexec

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// standingPatience is how long a connection that stands may take to answer before a check logs in beside it.
const standingPatience = 3 * time.Second

// Check implements ports.Prober.
func (e *Executor) Check(ctx context.Context, t ports.Target) ports.TestReport {
	began := time.Now()
	err := e.check(ctx, t)
	report := ports.TestReport{Server: t.Server.ID, Latency: time.Since(began)}
	failed, known := errors.AsType[*loginError](err)
	switch {
	case err == nil:
		report.OK = true
		report.Message = fmt.Sprintf("logged in to %s, which answered in %s", address(t.Server), told(report.Latency))
	case known:
		failed.report(&report)
	default:
		report.Step, report.Reason = ports.StepConnect, domain.ReasonConnect
		report.Message = fmt.Sprintf("cannot log in to %s: no answer in %s", address(t.Server), report.Latency.Round(time.Millisecond))
	}
	return report
}

// told is a duration as people read it: to the millisecond, and one below that to the microsecond, for nothing takes no time.
func told(d time.Duration) time.Duration {
	if d < time.Millisecond {
		return d.Round(time.Microsecond)
	}
	return d.Round(time.Millisecond)
}

func (e *Executor) check(ctx context.Context, t ports.Target) error {
	c, err := e.pool.acquire(ctx, t)
	if err != nil {
		return err
	}
	answered := c.answers(ctx)
	c.release(false)
	if answered {
		return nil
	}
	// It stood when the server was another, or when the network was: only a login now tells how it is now.
	s, failed := e.pool.login(ctx, t, false)
	if failed != nil {
		return failed
	}
	return s.tcp.Close()
}

// answers asks the server at the other end of a connection for any answer.
func (c *conn) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, standingPatience)
	defer cancel()
	answered := make(chan error, 1)
	c.pool.wg.Go(func() {
		_, _, err := c.ssh.SendRequest("keepalive@openssh.com", true, nil)
		answered <- err
	})
	select {
	case err := <-answered:
		return err == nil
	case <-ctx.Done():
		return false
	}
}
