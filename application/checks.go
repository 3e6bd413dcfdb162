package application

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Check implements ports.ServerAccess.
func (a *Servers) Check(ctx context.Context, id domain.ServerID) (ports.ServerStatus, error) {
	c, err := a.check(ctx, id)
	if err != nil {
		return ports.ServerStatus{}, err
	}
	return ports.ServerStatus{Server: c.Server.Ref(), Check: c.Check}, a.Checks.Keep(ctx, c)
}

// CheckAll implements ports.ServerAccess.
func (a *Servers) CheckAll(ctx context.Context, q ports.ServerQuery) ([]ports.ServerStatus, error) {
	list, err := a.all(ctx, ports.ServerQuery{Active: q.Active, Tag: q.Tag})
	if err != nil {
		return nil, err
	}
	checks := make([]ports.ServerCheck, len(list))
	errs := make([]error, len(list))
	places := make(chan struct{}, ports.ChecksAtOnce)
	var all sync.WaitGroup
	for i, s := range list {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			checks[i], errs[i] = a.check(ctx, s.ID)
		})
	}
	all.Wait()
	kept := checks[:0]
	for i, err := range errs {
		switch {
		case err == nil:
			kept = append(kept, checks[i])
		case !errors.Is(err, domain.ErrServerNotFound): // somebody deleted it meanwhile
			return nil, err
		}
	}
	statuses := make([]ports.ServerStatus, len(kept))
	for i, c := range kept {
		statuses[i] = ports.ServerStatus{Server: c.Server.Ref(), Check: c.Check}
	}
	return statuses, a.Checks.Keep(ctx, kept...)
}

// all returns every server that q selects.
func (a *Servers) all(ctx context.Context, q ports.ServerQuery) (list []domain.Server, err error) {
	for {
		page, err := a.Repository.List(ctx, q)
		if err != nil {
			return nil, err
		}
		list = append(list, page.Servers...)
		if q.Cursor = page.Next; page.Next == "" {
			return list, nil
		}
	}
}

// check looks whether commands can be sent to a server. The outcome is not kept yet.
func (a *Servers) check(ctx context.Context, id domain.ServerID) (ports.ServerCheck, error) {
	within, cancel := context.WithTimeout(ctx, ports.CheckTimeout)
	defer cancel()
	t, _, err := a.target(ctx, id)
	var report ports.TestReport
	switch {
	case errors.Is(err, domain.ErrCredentialNeeded):
		report.Message, err = err.Error(), nil
	case err != nil:
		return ports.ServerCheck{}, err
	default:
		if report, err = a.reach(within, t); err != nil && ctx.Err() == nil && within.Err() != nil {
			report, err = ports.TestReport{Latency: ports.CheckTimeout, Message: "no answer in time"}, nil
		}
	}
	switch {
	case ctx.Err() != nil:
		return ports.ServerCheck{}, contextError(ctx) // it tells nothing of the server
	case err != nil:
		return ports.ServerCheck{}, err
	}
	c := domain.Check{Connected: report.OK, Message: report.Message, Latency: report.Latency.Truncate(time.Microsecond), At: a.Clock.Now()}
	return ports.ServerCheck{Server: t.Server, Check: c}, nil
}

// reach checks a server, and tests one that was never seen and whose first key is to be pinned.
func (a *Servers) reach(ctx context.Context, t ports.Target) (ports.TestReport, error) {
	if _, first := unseen(t); first {
		return a.Test(ctx, t.Server.ID)
	}
	return a.Prober.Check(ctx, t), nil
}
