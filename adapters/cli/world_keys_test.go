package cli

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

type worldKeys struct{ w *world }

var _ ports.Keys = worldKeys{}

func (p worldKeys) Add(_ context.Context, n ports.NewKey) (domain.Key, error) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	if err := domain.CheckKeyName("name", n.Name); err != nil {
		return domain.Key{}, err
	}
	if strings.Contains(n.Text.Reveal(), "ENCRYPTED") && n.Passphrase.Reveal() != "open sesame" {
		return domain.Key{}, &domain.Error{Kind: domain.KindUnprocessable, Code: codeKeyEncrypted, Message: "the private key is encrypted; give its passphrase"}
	}
	if _, taken := p.w.keys[n.Name]; taken {
		return domain.Key{}, domain.ErrKeyNameTaken.Withf("a stored key named %q exists", n.Name)
	}
	k := domain.Key{
		Name: n.Name, KeyInfo: domain.KeyInfo{Fingerprint: fingerprint2, Type: "ssh-ed25519"}, Size: len(n.Text.Reveal()), CreatedAt: epoch,
	}
	p.w.keys[n.Name] = k
	return k, nil
}

func (p worldKeys) List(context.Context) ([]domain.Key, error) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	list := slices.SortedFunc(maps.Values(p.w.keys), func(a, b domain.Key) int { return strings.Compare(a.Name, b.Name) })
	for i := range list {
		list[i].UsedBy = p.w.usersOf(list[i].Name)
	}
	return list, nil
}

func (w *world) usersOf(key string) []string {
	var names []string
	for _, s := range w.servers {
		if s.KeyName == key {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	return names
}

func (p worldKeys) Delete(_ context.Context, name string) error {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	if _, ok := p.w.keys[name]; !ok {
		return domain.ErrKeyNotFound.Withf("there is no stored key named %q", name)
	}
	if users := p.w.usersOf(name); len(users) > 0 {
		return domain.KeyInUse(name, users)
	}
	delete(p.w.keys, name)
	return nil
}

func (p worldAccess) Check(ctx context.Context, id domain.ServerID) (ports.ServerStatus, error) {
	r, err := p.Test(ctx, id)
	if err != nil {
		return ports.ServerStatus{}, err
	}
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	return ports.ServerStatus{
		Server: p.w.servers[id].Ref(), Check: domain.Check{Connected: r.OK, Message: r.Message, Latency: r.Latency, At: epoch},
	}, nil
}

func (p worldAccess) CheckAll(ctx context.Context, q ports.ServerQuery) ([]ports.ServerStatus, error) {
	list, err := listServers(ctx, worldServers{p.w}, q)
	var all []ports.ServerStatus
	for _, s := range list {
		status, err := p.Check(ctx, s.ID)
		if err != nil {
			return nil, err
		}
		all = append(all, status)
	}
	return all, err
}
