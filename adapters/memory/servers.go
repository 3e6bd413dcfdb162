package memory

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// maxServers is how many servers a page holds when nobody says.
const maxServers = 1000

var _ ports.ServerRepository = (*Servers)(nil)

// Servers keeps servers and, apart from them, their sealed credentials.
type Servers struct{ s *Store }

type serverRecord struct {
	server     *domain.Server
	credential domain.Sealed
}

func (s *Store) nameTaken(n *domain.Server) bool {
	for id, r := range s.servers {
		if id != n.ID && r.server.Name == n.Name {
			return true
		}
	}
	return false
}

// Add implements ports.ServerRepository.
func (r *Servers) Add(ctx context.Context, s *domain.Server, credential domain.Sealed) error {
	end, err := r.s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	if r.s.nameTaken(s) {
		return domain.ErrServerNameTaken
	}
	if err := r.s.mayRefer(s); err != nil {
		return err
	}
	if r.s.servers[s.ID] != nil {
		return domain.Internal("adding a server whose id is taken", nil)
	}
	r.s.servers[s.ID] = &serverRecord{server: copyServer(s), credential: domain.Sealed(bytes.Clone(credential))}
	return nil
}

// Get implements ports.ServerRepository.
func (r *Servers) Get(ctx context.Context, id domain.ServerID) (*domain.Server, domain.Sealed, error) {
	end, err := r.s.begin(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer end()
	rec := r.s.servers[id]
	if rec == nil {
		return nil, nil, domain.ErrServerNotFound
	}
	return copyServer(rec.server), domain.Sealed(bytes.Clone(rec.credential)), nil
}

// Save implements ports.ServerRepository.
func (r *Servers) Save(ctx context.Context, s *domain.Server, credential *domain.Sealed) error {
	end, err := r.s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	rec := r.s.servers[s.ID]
	switch {
	case rec == nil:
		return domain.ErrServerNotFound
	case rec.server.Revision != s.Revision:
		return domain.ErrServerChanged
	case r.s.nameTaken(s):
		return domain.ErrServerNameTaken
	}
	if err := r.s.mayRefer(s); err != nil {
		return err
	}
	s.Revision++
	rec.server = copyServer(s)
	if credential != nil {
		rec.credential = nil
		if len(*credential) > 0 {
			rec.credential = domain.Sealed(bytes.Clone(*credential))
		}
	}
	return nil
}

// List implements ports.ServerRepository.
func (r *Servers) List(ctx context.Context, q ports.ServerQuery) (ports.ServerPage, error) {
	end, err := r.s.begin(ctx)
	if err != nil {
		return ports.ServerPage{}, err
	}
	defer end()
	last := ""
	if q.Cursor != "" {
		if last, err = decodeCursor[string](q.Cursor); err != nil {
			return ports.ServerPage{}, err
		}
	}
	limit := cmp.Or(q.Limit, maxServers)
	var page ports.ServerPage
	byName := func(a, b *serverRecord) int { return cmp.Compare(a.server.Name, b.server.Name) }
	for _, rec := range slices.SortedFunc(maps.Values(r.s.servers), byName) {
		if s := rec.server; s.Name <= last || !wantedServer(s, q) {
			continue
		}
		if len(page.Servers) == limit {
			page.Next = encodeCursor(page.Servers[limit-1].Name)
			break
		}
		page.Servers = append(page.Servers, *copyServer(rec.server))
	}
	return page, nil
}

func wantedServer(s *domain.Server, q ports.ServerQuery) bool {
	if q.Active != nil && s.Active != *q.Active {
		return false
	}
	if q.Tag != "" && !slices.Contains(s.Tags, q.Tag) {
		return false
	}
	if len(q.IDs) > 0 && !slices.Contains(q.IDs, s.ID) {
		return false
	}
	for _, tag := range q.Tags {
		if !slices.Contains(s.Tags, tag) {
			return false
		}
	}
	return contains(q.Search, s.Name, s.Hostname)
}

// Refs implements ports.ServerRepository.
func (r *Servers) Refs(ctx context.Context, ids []domain.ServerID) (map[domain.ServerID]domain.ServerRef, error) {
	end, err := r.s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	refs := make(map[domain.ServerID]domain.ServerRef, len(ids))
	for _, id := range ids {
		if rec := r.s.servers[id]; rec != nil {
			refs[id] = rec.server.Ref()
		}
	}
	return refs, nil
}

// Delete implements ports.ServerRepository.
func (r *Servers) Delete(ctx context.Context, id domain.ServerID, force bool) (int64, error) {
	end, err := r.s.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer end()
	if r.s.servers[id] == nil {
		return 0, domain.ErrServerNotFound
	}
	if behind := r.s.serverNames(func(n *domain.Server) bool { return n.ProxyJump == id }); len(behind) > 0 {
		return 0, domain.ServerIsJump(behind)
	}
	jobs := r.s.pick(func(j *domain.Job) bool { return j.ServerID == id }, byUrgency)
	active := 0
	for _, j := range jobs {
		if !j.Status.Final() {
			active++
		}
	}
	switch {
	case active > 0:
		return 0, domain.ErrServerHasJobs.WithDetails(map[string]any{"active_jobs": active})
	case len(jobs) > 0 && !force:
		return 0, domain.ErrServerHasJobs.WithDetails(map[string]any{"total_jobs": len(jobs)})
	}
	for _, j := range jobs {
		delete(r.s.jobs, j.ID)
	}
	maps.DeleteFunc(r.s.keys, func(_ string, k usedKey) bool { return r.s.jobs[k.job] == nil })
	delete(r.s.servers, id)
	return int64(len(jobs)), nil
}
