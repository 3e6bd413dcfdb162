package memory

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

var _ ports.KeyRepository = (*Keys)(nil)

// Keys keeps stored keys and, apart from them, their sealed texts.
type Keys struct{ s *Store }

type keyRecord struct {
	key  domain.Key
	text domain.Sealed
}

// Keys returns the store's keys.
func (s *Store) Keys() *Keys { return &Keys{s} }

// usersOf returns the names of the servers that refer to a key.
func (s *Store) usersOf(key string) []string {
	return s.serverNames(func(n *domain.Server) bool { return n.KeyName == key })
}

func (s *Store) serverNames(which func(*domain.Server) bool) []string {
	var names []string
	for _, r := range s.servers {
		if which(r.server) {
			names = append(names, r.server.Name)
		}
	}
	slices.Sort(names)
	return names
}

// Add implements ports.KeyRepository.
func (r *Keys) Add(ctx context.Context, k *domain.Key, text domain.Sealed) error {
	end, err := r.s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	if _, taken := r.s.stored[k.Name]; taken {
		return domain.ErrKeyNameTaken.Withf("a stored key named %q exists", k.Name)
	}
	stored := *k
	stored.UsedBy = nil
	r.s.stored[k.Name] = keyRecord{key: stored, text: domain.Sealed(bytes.Clone(text))}
	return nil
}

// Get implements ports.KeyRepository.
func (r *Keys) Get(ctx context.Context, name string) (*domain.Key, domain.Sealed, error) {
	end, err := r.s.begin(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer end()
	rec, ok := r.s.stored[name]
	if !ok {
		return nil, nil, domain.ErrKeyNotFound.Withf("there is no stored key named %q", name)
	}
	return &rec.key, domain.Sealed(bytes.Clone(rec.text)), nil
}

// List implements ports.KeyRepository.
func (r *Keys) List(ctx context.Context) ([]domain.Key, error) {
	end, err := r.s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	var list []domain.Key
	for name, rec := range r.s.stored {
		rec.key.UsedBy = r.s.usersOf(name)
		list = append(list, rec.key)
	}
	slices.SortFunc(list, func(a, b domain.Key) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// Delete implements ports.KeyRepository.
func (r *Keys) Delete(ctx context.Context, name string) error {
	end, err := r.s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	if _, ok := r.s.stored[name]; !ok {
		return domain.ErrKeyNotFound.Withf("there is no stored key named %q", name)
	}
	if users := r.s.usersOf(name); len(users) > 0 {
		return domain.KeyInUse(name, users)
	}
	delete(r.s.stored, name)
	return nil
}

// mayRefer fails unless the key and the jump server that n refers to are there and its way is one that may be.
func (s *Store) mayRefer(n *domain.Server) error {
	if _, ok := s.stored[n.KeyName]; !ok && n.KeyName != "" {
		return domain.ErrKeyNotFound.Withf("there is no stored key named %q", n.KeyName)
	}
	return n.CheckJump(func(id domain.ServerID) (domain.ServerID, bool, error) {
		r, ok := s.servers[id]
		if !ok {
			return "", false, nil
		}
		return r.server.ProxyJump, true, nil
	}, s.below(n.ID, domain.MaxJumps))
}

// below is how many servers deep others are reached through one; deeper than most is not looked at.
func (s *Store) below(id domain.ServerID, most int) int {
	deepest := 0
	for _, r := range s.servers {
		if r.server.ProxyJump == id && most > 0 {
			deepest = max(deepest, 1+s.below(r.server.ID, most-1))
		}
	}
	return deepest
}

var _ ports.ServerChecks = (*Checks)(nil)

// Checks keeps the outcomes of checks of servers.
type Checks struct{ s *Store }

// Checks returns the store's checks.
func (s *Store) Checks() *Checks { return &Checks{s} }

// Keep implements ports.ServerChecks.
func (r *Checks) Keep(ctx context.Context, all ...ports.ServerCheck) error {
	end, err := r.s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	for _, k := range all {
		rec := r.s.servers[k.Server.ID]
		if rec == nil || !k.Server.SameWay(rec.server) || rec.server.LastCheck != nil && rec.server.LastCheck.At.After(k.Check.At) {
			continue
		}
		rec.server.LastCheck = copyOf(&k.Check)
	}
	return nil
}

var _ ports.MasterKeyCheck = (*MasterKeyCheck)(nil)

// MasterKeyCheck keeps the value that the master key is known by.
type MasterKeyCheck struct{ s *Store }

// MasterKeyCheck returns the store's.
func (s *Store) MasterKeyCheck() *MasterKeyCheck { return &MasterKeyCheck{s} }

// Keep implements ports.MasterKeyCheck.
func (r *MasterKeyCheck) Keep(ctx context.Context, value domain.Sealed) (domain.Sealed, error) {
	end, err := r.s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	if r.s.masterKey == nil {
		r.s.masterKey = domain.Sealed(bytes.Clone(value))
	}
	return domain.Sealed(bytes.Clone(r.s.masterKey)), nil
}
