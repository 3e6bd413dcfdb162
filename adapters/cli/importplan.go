package cli

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/heysubinoy/remora/adapters/cli/inventory"
	"github.com/heysubinoy/remora/adapters/cli/inventory/knownhosts"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// What an import did with a server.
const (
	importAdded   = "added"
	importExists  = "exists"
	importUpdated = "updated"
	importRefused = "refused"
	importLeft    = "left" // something went wrong before it
	importWould   = "would be "
)

// importer is one import.
type importer struct {
	*app
	options  importOptions
	me, home string
	services Services
	known    *knownhosts.Hosts
	password domain.Secret
	phrase   domain.Secret
	keys     map[string]*importKey // by file
	rows     []*importRow
	omitted  []inventory.Omission
	ids      map[string]domain.ServerID // of the servers that are there, by name
	refused  int
}

// importKey is a file with a private key.
type importKey struct {
	text domain.Secret
	err  error
}

// importRow is a server and what becomes of it.
type importRow struct {
	server  inventory.Server
	have    *domain.Server // the one of that name that exists
	keyFile string
	pin     string // a known_hosts line
	result  string
	id      domain.ServerID
	notes   []string
}

func (r *importRow) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// hostKey is the fingerprint of the key to pin.
func (r *importRow) hostKey() string {
	words := strings.Fields(r.pin)
	if len(words) != 3 {
		return ""
	}
	blob, err := base64.StdEncoding.DecodeString(words[2])
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(blob)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// login reads the secrets that come on stdin.
func (i *importer) login(ctx context.Context) (err error) {
	switch {
	case i.options.passwordStdin:
		i.password, err = i.secretFromStdin(ctx, "password", "--password-stdin")
	case i.options.passphraseStdin:
		i.phrase, err = i.secretFromStdin(ctx, "passphrase", "--passphrase-stdin")
	}
	return err
}

// plan makes a row of each server that can be taken.
func (i *importer) plan(ctx context.Context, inv inventory.Inventory) error {
	found, err := listServers(ctx, i.services.Servers, ports.ServerQuery{})
	if err != nil {
		return err
	}
	existing := map[string]*domain.Server{}
	i.ids = map[string]domain.ServerID{}
	for n := range found {
		existing[found[n].Name] = &found[n]
		i.ids[found[n].Name] = found[n].ID
	}
	i.omitted = inv.Omitted
	omit := func(s inventory.Server, why string) {
		i.omitted = append(i.omitted, inventory.Omission{Server: s.Name, What: "the server", Why: why, At: s.At})
	}
	renamed, gone := map[string]string{}, map[string]bool{}
	used := map[string]bool{}
	for _, s := range inv.Servers {
		r := &importRow{server: s}
		was := s.Name
		if slices.ContainsFunc(i.options.except, func(p string) bool { return inventory.MatchPattern(was, p) }) {
			omit(s, "--except leaves it out")
			gone[was] = true
			continue
		}
		if gone[s.Jump] {
			omit(s, fmt.Sprintf("the way to it leads through %s, which was not taken", s.Jump))
			gone[was] = true
			continue
		}
		if to, ok := renamed[s.Jump]; ok {
			r.server.Jump = to
		}
		i.clean(r, used)
		if err := i.candidate(r).Check(); err != nil {
			omit(s, err.Error())
			gone[was] = true
			continue
		}
		used[r.server.Name] = true
		if r.server.Name != was {
			renamed[was] = r.server.Name
			r.note("its name was %s", was)
		}
		r.have = existing[r.server.Name]
		if i.known != nil {
			r.pin = i.known.Find(r.server.Hostname, r.server.PortOr22())
		}
		i.rows = append(i.rows, r)
	}
	return nil
}

// clean makes name and tags fit Remora's rules.
func (i *importer) clean(r *importRow, used map[string]bool) {
	s := &r.server
	s.Name = cleanText(s.Name, domain.MaxNameBytes)
	for base, n := s.Name, 2; used[s.Name]; n++ {
		s.Name = fmt.Sprintf("%s-%d", cleanText(base, domain.MaxNameBytes-8), n)
	}
	var tags []string
	for _, t := range append(slices.Clone(s.Tags), i.options.tags...) {
		clean := cleanText(t, domain.MaxTagBytes)
		if clean == "" {
			r.note("the tag %q was left out", t)
			continue
		}
		if clean != t {
			r.note("the tag %q became %q", t, clean)
		}
		tags = append(tags, clean)
	}
	slices.Sort(tags)
	tags = slices.Compact(tags)
	if len(tags) > domain.MaxTags {
		r.note("%d of its %d tags were left out", len(tags)-domain.MaxTags, len(tags))
		tags = tags[:domain.MaxTags]
	}
	s.Tags = tags
}

// cleanText takes control characters and broken UTF-8 out of a text, and cuts it.
func cleanText(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
	s = strings.TrimSpace(s)
	for len(s) > limit {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return strings.TrimSpace(s)
}

// candidate is the server as it would be stored.
func (i *importer) candidate(r *importRow) *domain.Server {
	return &domain.Server{
		Name: r.server.Name, Hostname: r.server.Hostname, Port: r.server.PortOr22(), User: r.server.User, Auth: i.auth(), Tags: slices.Clone(r.server.Tags),
		HostKeyPolicy: i.policy(), MaxSessions: domain.DefaultSessions,
	}
}

func (i *importer) auth() domain.AuthType {
	if i.options.passwordStdin {
		return domain.AuthPassword
	}
	return domain.AuthKey
}

func (i *importer) policy() domain.HostKeyPolicy {
	if i.options.acceptNew {
		return domain.HostKeyAcceptNew
	}
	return domain.HostKeyConfirm
}

// defaultKeys are the files that ssh tries where nothing names one, in its order.
var defaultKeys = []string{"id_rsa", "id_ecdsa", "id_ed25519"}

// choose finds the key that a server is logged in to with; err says why there is none.
func (i *importer) choose(r *importRow) (key domain.Secret, err error) {
	var files []string
	if i.options.withKeys {
		files = slices.Clone(r.server.Keys)
		if len(files) == 0 && i.options.key == "" {
			for _, name := range defaultKeys {
				files = append(files, filepath.Join(i.home, ".ssh", name))
			}
		}
	}
	if i.options.key != "" {
		files = append(files, i.options.key)
	}
	for _, f := range files {
		k := i.keys[f]
		if k == nil {
			k = &importKey{}
			k.text, k.err = readKey(f)
			i.keys[f] = k
		}
		if k.err == nil {
			r.keyFile = f
			return k.text, nil
		}
		err = k.err
	}
	switch {
	case err == nil || len(r.server.Keys) == 0 && i.options.key == "":
		return key, errors.New("no key is named for it, and none of ssh's default keys is there; give --key FILE")
	default:
		return key, err
	}
}

// carryOut does what was planned, in order, and stops at the first failure that is not about one server.
func (i *importer) carryOut(ctx context.Context) error {
	var stopped error
	for _, r := range i.rows {
		if stopped != nil {
			r.result = importLeft
			continue
		}
		err := i.carryOutOne(ctx, r)
		switch domain.KindOf(err) {
		case "":
		case domain.KindInvalid, domain.KindUnprocessable, domain.KindConflict, domain.KindTooLarge, domain.KindNotFound:
			r.result = importRefused
			r.note("%s", i.explain(err))
			i.refused++
		default:
			r.result = importLeft
			stopped = err
		}
	}
	return stopped
}

func (i *importer) carryOutOne(ctx context.Context, r *importRow) error {
	differs := ""
	if r.have != nil {
		r.id = r.have.ID
		differs = i.differences(r)
	}
	switch {
	case r.have != nil && (!i.options.update || differs == ""):
		r.result = importExists
		if differs != "" {
			r.note("differs: %s", differs)
		}
		return nil
	case i.options.dryRun:
		r.result = importWould + importAdded
		if r.have != nil {
			r.result = importWould + importUpdated
			r.note("%s", differs)
		}
		if i.options.withKeys || i.options.key != "" {
			if _, err := i.choose(r); err != nil {
				r.note("%v", err)
			}
		}
		return nil
	case r.have != nil:
		return i.change(ctx, r, differs)
	}
	return i.add(ctx, r)
}

// differences says how the server that exists is not as the file has it; nothing where it is.
func (i *importer) differences(r *importRow) string {
	var all []string
	if was, is := address(r.have.User, r.have.Hostname, r.have.Port), address(r.server.User, r.server.Hostname, r.server.PortOr22()); was != is {
		all = append(all, was+" → "+is)
	}
	if more := slices.DeleteFunc(slices.Clone(r.server.Tags), func(t string) bool { return slices.Contains(r.have.Tags, t) }); len(more) > 0 {
		all = append(all, "tags +"+strings.Join(more, " +"))
	}
	return strings.Join(all, ", ")
}

func (i *importer) credential(r *importRow) (domain.Credential, error) {
	if i.options.passwordStdin {
		return domain.Credential{Password: i.password}, nil
	}
	key, err := i.choose(r)
	if err != nil {
		return domain.Credential{}, &domain.Error{Kind: domain.KindInvalid, Code: "private_key_invalid", Message: err.Error()}
	}
	return domain.Credential{PrivateKey: key, Passphrase: i.phrase}, nil
}

// withPhrase calls send, and once more when a key turns out to need a passphrase and there is a person to ask.
func (i *importer) withPhrase(ctx context.Context, c domain.Credential, send func(domain.Credential) (domain.Server, error)) (domain.Server, error) {
	server, err := i.withPassphrase(ctx, c, func(c domain.Credential) (domain.Server, error) {
		if !c.Passphrase.Empty() {
			i.phrase = c.Passphrase // most keys of a person have the same
		}
		return send(c)
	})
	return server, err
}

func (i *importer) add(ctx context.Context, r *importRow) error {
	c, err := i.credential(r)
	if err != nil {
		return err
	}
	n := ports.NewServer{
		Name: r.server.Name, Hostname: r.server.Hostname, Port: r.server.PortOr22(), User: r.server.User, Auth: i.auth(), Tags: r.server.Tags,
		HostKeyPolicy: i.policy(), HostKey: r.pin,
	}
	server, err := i.withPhrase(ctx, c, func(c domain.Credential) (domain.Server, error) {
		n.Credential = c
		return i.services.Servers.Create(ctx, n)
	})
	if err != nil {
		return err
	}
	r.id, r.result = server.ID, importAdded
	i.ids[server.Name] = server.ID
	return nil
}

// change brings a server that exists up to date.
func (i *importer) change(ctx context.Context, r *importRow, differs string) error {
	s := r.server
	port, tags := s.PortOr22(), slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(r.have.Tags), s.Tags...))))
	after, err := i.services.Servers.Update(ctx, r.have.ID, ports.ServerChange{Hostname: &s.Hostname, Port: &port, User: &s.User, Tags: &tags})
	if err != nil {
		return err
	}
	if after.HostKey == nil && r.pin != "" {
		if after, err = i.services.Access.Trust(ctx, after.ID, r.hostKey()); err != nil {
			return err
		}
	}
	r.result = importUpdated
	r.note("%s", differs)
	if !after.CredentialNeeded {
		return nil
	}
	c, err := i.credential(r)
	if err != nil {
		r.note("it needs its credential anew: %v", err)
		return nil
	}
	auth := i.auth()
	_, err = i.withPhrase(ctx, c, func(c domain.Credential) (domain.Server, error) {
		return i.services.Servers.Update(ctx, after.ID, ports.ServerChange{Auth: &auth, Credential: &c})
	})
	return err
}
