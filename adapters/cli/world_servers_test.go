package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

type worldServers struct{ w *world }

func (p worldServers) Create(_ context.Context, n ports.NewServer) (domain.Server, error) {
	w := p.w
	if w.create != nil {
		if err := w.create(n); err != nil {
			return domain.Server{}, err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.servers {
		if s.Name == n.Name {
			return domain.Server{}, domain.ErrServerNameTaken.Withf("a server named %q exists", n.Name)
		}
	}
	s := &domain.Server{
		ID: domain.ServerID(fmt.Sprintf("00000000-0000-7000-9000-%012d", len(w.servers)+1)), Name: n.Name, Hostname: n.Hostname, Port: n.Port,
		User: n.User, Auth: n.Auth, Active: n.Active == nil || *n.Active, Tags: n.Tags, HostKeyPolicy: n.HostKeyPolicy, MaxSessions: n.MaxSessions,
		HasCredential: true, KeyName: n.Key, ProxyJump: n.ProxyJump, CreatedAt: epoch, UpdatedAt: epoch,
	}
	if s.Port == 0 {
		s.Port = 22
	}
	if s.MaxSessions == 0 {
		s.MaxSessions = domain.DefaultSessions
	}
	if n.HostKey != "" {
		s.HostKey = &domain.HostKey{Fingerprint: n.HostKey, PinnedAt: epoch}
		if words := strings.Fields(n.HostKey); len(words) == 3 { // a known_hosts line; what its key hashes to is the server's affair
			s.HostKey = &domain.HostKey{Fingerprint: fingerprint, Type: words[1], PinnedAt: epoch}
		}
	}
	if err := s.Check(); err != nil {
		return domain.Server{}, err
	}
	w.servers[s.ID], w.creds[s.ID] = s, n.Credential
	if w.shown[s.ID] == nil {
		w.shown[s.ID] = &domain.HostKey{Fingerprint: fingerprint, Type: "ssh-ed25519"}
	}
	return *s, nil
}

func (p worldServers) Get(_ context.Context, id domain.ServerID) (domain.Server, error) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	if s, ok := p.w.servers[id]; ok {
		return *s, nil
	}
	return domain.Server{}, domain.ErrServerNotFound
}

func (p worldServers) List(ctx context.Context, q ports.ServerQuery) (ports.ServerPage, error) {
	if p.w.onList != nil {
		if err := p.w.onList(ctx); err != nil {
			return ports.ServerPage{}, err
		}
	}
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	var all []domain.Server
	for _, s := range slices.SortedFunc(maps.Values(p.w.servers), func(a, b *domain.Server) int { return strings.Compare(a.Name, b.Name) }) {
		if (q.Active == nil || s.Active == *q.Active) && (q.Tag == "" || slices.Contains(s.Tags, q.Tag)) &&
			strings.Contains(s.Name+" "+s.Hostname, q.Search) && s.Name > q.Cursor {
			all = append(all, *s)
		}
	}
	const page = 3 // small, so that every longer list is of several pages
	if len(all) > page {
		return ports.ServerPage{Servers: all[:page], Next: all[page-1].Name}, nil
	}
	return ports.ServerPage{Servers: all}, nil
}

func (p worldServers) Update(_ context.Context, id domain.ServerID, c ports.ServerChange) (domain.Server, error) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	s, ok := p.w.servers[id]
	if !ok {
		return domain.Server{}, domain.ErrServerNotFound
	}
	changed := *s
	set(&changed.Name, c.Name)
	set(&changed.Hostname, c.Hostname)
	set(&changed.Port, c.Port)
	set(&changed.User, c.User)
	set(&changed.Auth, c.Auth)
	set(&changed.Active, c.Active)
	set(&changed.Tags, c.Tags)
	set(&changed.HostKeyPolicy, c.HostKeyPolicy)
	set(&changed.MaxSessions, c.MaxSessions)
	set(&changed.ProxyJump, c.ProxyJump)
	set(&changed.KeyName, c.Key)
	if err := changed.Check(); err != nil {
		return domain.Server{}, err
	}
	if changed.Hostname != s.Hostname || changed.Port != s.Port {
		changed.HostKey = nil
	}
	if c.Credential != nil {
		p.w.creds[id] = *c.Credential
	} else if changed.Binding() != s.Binding() {
		changed.CredentialNeeded = true
	}
	*s = changed
	return changed, nil
}

func set[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}

func (p worldServers) Delete(_ context.Context, id domain.ServerID, force bool) (int64, error) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	if p.w.servers[id] == nil {
		return 0, domain.ErrServerNotFound
	}
	var jobs int64
	for _, r := range p.w.jobs {
		if r.server.ID == id {
			jobs++
		}
	}
	if jobs > 0 && !force {
		return 0, domain.ErrServerHasJobs.Withf("the server has %d jobs", jobs)
	}
	delete(p.w.servers, id)
	return jobs, nil
}

type worldAccess struct{ w *world }

func (p worldAccess) Test(_ context.Context, id domain.ServerID) (ports.TestReport, error) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	s, ok := p.w.servers[id]
	if !ok {
		return ports.TestReport{}, domain.ErrServerNotFound
	}
	r := ports.TestReport{Server: id, OK: true, Message: "logged in", Latency: 31 * time.Millisecond, Seen: p.w.shown[id], Mode: domain.ModeDurable}
	switch seen := p.w.shown[id]; {
	case seen == nil:
		r = ports.TestReport{Server: id, Step: ports.StepConnect, Reason: domain.ReasonConnect, Message: "connection refused"}
	case s.HostKey == nil && s.HostKeyPolicy == domain.HostKeyAcceptNew:
		s.HostKey = &domain.HostKey{Fingerprint: seen.Fingerprint, Type: seen.Type, PinnedAt: epoch}
	case s.HostKey == nil:
		r = ports.TestReport{Server: id, Step: ports.StepHostKey, Reason: domain.ReasonHostKeyUnknown, Message: "the host key is not confirmed", Seen: seen}
	case s.HostKey.Fingerprint != seen.Fingerprint:
		r = ports.TestReport{Server: id, Step: ports.StepHostKey, Reason: domain.ReasonHostKeyMismatch, Message: "the host key has changed", Seen: seen}
	}
	if p.w.report != nil {
		r = p.w.report(s, r)
	}
	return r, nil
}

func (p worldAccess) Trust(_ context.Context, id domain.ServerID, fingerprint string) (domain.Server, error) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	s, ok := p.w.servers[id]
	if !ok {
		return domain.Server{}, domain.ErrServerNotFound
	}
	had := s.HostKey
	if err := s.Pin(domain.HostKey{Fingerprint: fingerprint, PinnedAt: epoch}); err != nil {
		return domain.Server{}, err
	}
	s.CredentialNeeded = had != nil && had.Fingerprint != fingerprint
	return *s, nil
}

type worldSystem struct{ w *world }

func (p worldSystem) Health(context.Context) ports.Health { return p.w.health }

func (p worldSystem) Info(context.Context) (ports.SystemInfo, error) {
	o, err := p.Overview(context.Background())
	return o.SystemInfo, err
}

func (p worldSystem) Overview(context.Context) (ports.SystemOverview, error) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	o := ports.SystemOverview{SystemInfo: ports.SystemInfo{At: epoch, Servers: int64(len(p.w.servers))}, Version: "1.2.3", Database: "sqlite"}
	for _, r := range p.w.jobs {
		o.Jobs.Add(r.job.Status, 1)
	}
	return o, nil
}
