package cli

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

var idShape = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// findServer returns the server that a person named, by id or by name.
func findServer(ctx context.Context, servers ports.Servers, ref string) (domain.Server, error) {
	if idShape.MatchString(ref) {
		s, err := servers.Get(ctx, domain.ServerID(ref))
		if err == nil || !errors.Is(err, domain.ErrServerNotFound) {
			return s, err
		}
	}
	if strings.TrimSpace(ref) == "" {
		return domain.Server{}, usage("the name of a server is empty")
	}
	found, err := listServers(ctx, servers, ports.ServerQuery{Search: ref})
	if err != nil {
		return domain.Server{}, err
	}
	if i := slices.IndexFunc(found, func(s domain.Server) bool { return s.Name == ref }); i >= 0 {
		return found[i], nil
	}
	missing := domain.ErrServerNotFound.Withf("there is no server named %q", ref)
	if page, err := servers.List(ctx, ports.ServerQuery{}); err == nil {
		var names []string
		for _, s := range page.Servers {
			names = append(names, s.Name)
		}
		if near := nearest(ref, names); near != "" {
			missing = missing.Withf("%s; did you mean %q?", missing.Message, near)
		}
	}
	return domain.Server{}, missing
}

// listServers returns all servers of a query, page by page.
func listServers(ctx context.Context, servers ports.Servers, q ports.ServerQuery) ([]domain.Server, error) {
	var all []domain.Server
	for {
		page, err := servers.List(ctx, q)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Servers...)
		if page.Next == "" {
			return all, nil
		}
		q.Cursor = page.Next
	}
}

// selection says which servers to run on.
type selection struct {
	servers []string
	tags    []string
	all     bool
}

func (s *selection) flags(c *cobra.Command) {
	c.Flags().StringArrayVarP(&s.servers, "server", "s", nil, "a server, by name or id; may be repeated, or names joined with commas")
	c.Flags().StringArrayVarP(&s.tags, "tag", "t", nil, "active servers with this tag; when repeated, with all of them")
	c.Flags().BoolVar(&s.all, "all", false, "all active servers")
}

// complete completes the flags; a is who asks.
func (s *selection) complete(c *cobra.Command, a *app) {
	mustBeFlag("server", c.RegisterFlagCompletionFunc("server", a.serverNames))
	mustBeFlag("tag", c.RegisterFlagCompletionFunc("tag", a.tags))
}

// pick returns the selected servers, each once: those named in the order given, then the others by name.
func (s *selection) pick(ctx context.Context, servers ports.Servers) ([]domain.Server, error) {
	if s.all && (len(s.servers) > 0 || len(s.tags) > 0) {
		return nil, usage("--all cannot be used together with --server or --tag")
	}
	if !s.all && len(s.servers) == 0 && len(s.tags) == 0 {
		return nil, usage("no server is named; use --server NAME, --tag TAG or --all")
	}
	var picked []domain.Server
	add := func(found ...domain.Server) {
		for _, f := range found {
			if !slices.ContainsFunc(picked, func(p domain.Server) bool { return p.ID == f.ID }) {
				picked = append(picked, f)
			}
		}
	}
	for _, ref := range s.servers {
		found, err := findEach(ctx, servers, ref)
		if err != nil {
			return nil, err
		}
		add(found...)
	}
	if !s.all && len(s.tags) == 0 {
		return picked, nil
	}
	active := true
	q := ports.ServerQuery{Active: &active}
	if len(s.tags) > 0 {
		q.Tag = s.tags[0]
	}
	found, err := listServers(ctx, servers, q)
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(f domain.Server) bool {
		return slices.ContainsFunc(s.tags, func(t string) bool { return !slices.Contains(f.Tags, t) })
	})
	switch {
	case len(found) > 0:
		add(found...)
	case s.all:
		return nil, &domain.Error{Kind: domain.KindNotFound, Code: "servers_none", Message: "there is no active server; `remora servers add` adds one"}
	default:
		return nil, &domain.Error{Kind: domain.KindNotFound, Code: "servers_none", Message: "no active server has the tag " + strings.Join(s.tags, " and the tag ")}
	}
	return picked, nil
}

// findEach finds a server, or each of several joined with commas.
func findEach(ctx context.Context, servers ports.Servers, ref string) ([]domain.Server, error) {
	found, err := findServer(ctx, servers, ref)
	if err == nil {
		return []domain.Server{found}, nil
	}
	if !strings.Contains(ref, ",") || !errors.Is(err, domain.ErrServerNotFound) {
		return nil, err
	}
	var all []domain.Server
	for part := range strings.SplitSeq(ref, ",") {
		found, err := findServer(ctx, servers, strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		all = append(all, found)
	}
	return all, nil
}
