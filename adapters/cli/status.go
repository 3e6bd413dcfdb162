package cli

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// statusShape is the outcome of a check in JSON and YAML.
type statusShape struct {
	ServerID   domain.ServerID `json:"server_id"`
	ServerName string          `json:"server_name"`
	Hostname   string          `json:"hostname"`
	Port       int             `json:"port"`
	Status     string          `json:"status"`
	Message    string          `json:"message"`
	CheckedAt  time.Time       `json:"checked_at"`
	LatencyMS  float64         `json:"latency_ms"`
}

func statusOf(s ports.ServerStatus) statusShape {
	return statusShape{
		ServerID: s.Server.ID, ServerName: s.Server.Name, Hostname: s.Server.Hostname, Port: s.Server.Port, Status: checkStatus(&s.Check),
		Message: s.Check.Message, CheckedAt: s.Check.At.UTC(), LatencyMS: float64(s.Check.Latency.Microseconds()) / 1000,
	}
}

func (a *app) serversStatusCommand() *cobra.Command {
	var q ports.ServerQuery
	var active, inactive bool
	c := &cobra.Command{
		Use: "status [SERVER…]", Short: "Check now whether servers can be reached",
		Long: `Status logs in to the servers that are named, else to all of them or those with a tag, many at once, and tells which of them
commands can be sent to. None takes longer than 10 s. It exits with 6 when one cannot be reached.`,
		Example:           "  remora servers status\n  remora servers status web db\n  remora servers status --tag production -o json",
		ValidArgsFunction: a.serverNames,
		RunE: func(c *cobra.Command, args []string) error {
			if err := exclusive(c, "active", "inactive"); err != nil {
				return err
			}
			if len(args) > 0 && (q.Tag != "" || active || inactive) {
				return usage("--tag, --active and --inactive choose servers, and so do their names; give one of the two")
			}
			if active || inactive {
				q.Active = &active
			}
			list, err := a.checkServers(c.Context(), args, q)
			if err != nil {
				return err
			}
			return a.printStatuses(list)
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVarP(&q.Tag, "tag", "t", "", "only servers with this tag")
	f.BoolVar(&active, "active", false, "only active servers")
	f.BoolVar(&inactive, "inactive", false, "only servers that are not active")
	return c
}

func (a *app) checkServers(ctx context.Context, refs []string, q ports.ServerQuery) ([]ports.ServerStatus, error) {
	s, err := a.connect(ctx)
	if err != nil {
		return nil, err
	}
	if len(refs) == 0 {
		return s.Access.CheckAll(ctx, q)
	}
	sel := selection{servers: refs}
	servers, err := sel.pick(ctx, s.Servers)
	if err != nil {
		return nil, err
	}
	list, errs := make([]ports.ServerStatus, len(servers)), make([]error, len(servers))
	places := make(chan struct{}, testsAtOnce)
	var all sync.WaitGroup
	for i, server := range servers {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			list[i], errs[i] = s.Access.Check(ctx, server.ID)
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (a *app) printStatuses(list []ports.ServerStatus) error {
	shapes := make([]statusShape, len(list))
	connected := 0
	for i, s := range list {
		shapes[i] = statusOf(s)
		if s.Check.Connected {
			connected++
		}
	}
	err := a.print(map[string]any{
		"total_servers": len(list), "connected": connected, "disconnected": len(list) - connected, "servers": shapes,
	}, func(w io.Writer) {
		row(w, "NAME", "STATUS", "LATENCY", "MESSAGE")
		for i, s := range list {
			row(w, s.Server.Name, shapes[i].Status, short(s.Check.Latency), s.Check.Message)
		}
	})
	if err == nil && connected < len(list) {
		return exit(exitUnavailable)
	}
	return err
}
