package cli

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/heysubinoy/remora/adapters/cli/screen"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// completeWithin is how long a shell waits for names.
const completeWithin = time.Second

// complete asks the API for what a person may mean. A shell shows no errors: there is nothing then.
func (a *app) complete(c *cobra.Command, ask func(context.Context, Services) []cobra.Completion) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, stop := context.WithTimeout(c.Context(), completeWithin)
	defer stop()
	s, err := a.connect(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	found, err := await(ctx, func() ([]cobra.Completion, error) { return ask(ctx, s), nil })
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return found, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// completion is one thing with what tells it apart, on one line.
func completion(word, about string) cobra.Completion {
	return cobra.CompletionWithDesc(screen.Line(word), screen.Line(about))
}

// onlyFirst offers completions for a command's one argument.
func onlyFirst(complete cobra.CompletionFunc) cobra.CompletionFunc {
	return func(c *cobra.Command, given []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(given) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete(c, given, begun)
	}
}

// serverNames completes what names a server; of names joined with commas the last.
func (a *app) serverNames(c *cobra.Command, given []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return a.complete(c, func(ctx context.Context, s Services) []cobra.Completion {
		before, last := "", begun
		if i := strings.LastIndexByte(begun, ','); i >= 0 {
			before, last = begun[:i+1], begun[i+1:]
		}
		page, err := s.Servers.List(ctx, ports.ServerQuery{Search: last})
		if err != nil {
			return nil
		}
		given = append(given, strings.Split(before, ",")...)
		var names []cobra.Completion
		for _, s := range page.Servers {
			if strings.HasPrefix(s.Name, last) && !slices.Contains(given, s.Name) {
				names = append(names, completion(before+s.Name, address(s.User, s.Hostname, s.Port)))
			}
		}
		return names
	})
}

// tags completes a tag with those that servers have.
func (a *app) tags(c *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return a.complete(c, func(ctx context.Context, s Services) []cobra.Completion {
		page, err := s.Servers.List(ctx, ports.ServerQuery{})
		if err != nil {
			return nil
		}
		with := map[string]int{}
		for _, s := range page.Servers {
			for _, t := range s.Tags {
				if strings.HasPrefix(t, begun) {
					with[t]++
				}
			}
		}
		var tags []cobra.Completion
		for t, n := range with {
			tags = append(tags, completion(t, count(n, "server")))
		}
		slices.Sort(tags)
		return tags
	})
}

// completedJobs is how many jobs or batches a shell is offered.
const completedJobs = 50

// jobIDs completes the id of a job with the newest ones.
func (a *app) jobIDs(c *cobra.Command, given []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return a.completeJobs(c, nil, given, begun)
}

// activeJobIDs completes the id of a job that can be canceled.
func (a *app) activeJobIDs(c *cobra.Command, given []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return a.completeJobs(c, []domain.Status{domain.StatusQueued, domain.StatusRunning}, given, begun)
}

func (a *app) completeJobs(c *cobra.Command, which []domain.Status, given []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return a.complete(c, func(ctx context.Context, s Services) []cobra.Completion {
		page, err := s.Jobs.List(ctx, ports.JobQuery{Statuses: which, Limit: completedJobs})
		if err != nil {
			return nil
		}
		var ids []cobra.Completion
		for _, d := range page.Jobs {
			if id := string(d.Job.ID); strings.HasPrefix(id, begun) && !slices.Contains(given, id) {
				ids = append(ids, completion(id, string(d.Job.Status)+" on "+d.Server.Name+": "+firstRunes(commandText(d.Job.Command))))
			}
		}
		return ids
	})
}

// batchIDs completes the id of a batch with the newest ones.
func (a *app) batchIDs(c *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return a.complete(c, func(ctx context.Context, s Services) []cobra.Completion {
		page, err := s.Batches.List(ctx, ports.BatchQuery{Limit: completedJobs})
		if err != nil {
			return nil
		}
		var ids []cobra.Completion
		for _, d := range page.Batches {
			if id := string(d.Batch.ID); strings.HasPrefix(id, begun) {
				ids = append(ids, completion(id, d.Tally.String()+": "+firstRunes(commandText(d.Batch.Command))))
			}
		}
		return ids
	})
}

// firstRunes shortens what stands beside a completion.
func firstRunes(text string) string {
	if r := []rune(text); len(r) > 60 {
		return string(r[:59]) + "…"
	}
	return text
}
