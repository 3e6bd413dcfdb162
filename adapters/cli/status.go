package cli

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

func (a *app) serversStatusCommand() *cobra.Command {
	var q ports.ServerQuery
	c := &cobra.Command{
		Use: "status [SERVER…]", Short: "Tell which servers can be reached now",
		Long: `Status logs in to servers, over connections that stand already where there are some, and tells which can be reached:
those that are named, else all active ones. It exits with 6 when one cannot be.`,
		Example:           "  remora servers status\n  remora servers status web db -o json\n  remora servers status --tag production",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.serverNames,
		RunE: func(c *cobra.Command, args []string) error {
			if q.Tag != "" && len(args) > 0 {
				return usage("--tag and servers by name cannot be used together")
			}
			s, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			checked, err := checkServers(c.Context(), s, args, q)
			if err != nil {
				return err
			}
			return a.printStatus(checked)
		},
	}
	c.Flags().StringVarP(&q.Tag, "tag", "t", "", "only active servers with this tag")
	mustBeFlag("tag", c.RegisterFlagCompletionFunc("tag", a.tags))
	return c
}

// checkServers checks the servers that are named, else those of the query.
func checkServers(ctx context.Context, s Services, refs []string, q ports.ServerQuery) ([]ports.ServerStatus, error) {
	if len(refs) == 0 {
		active := true
		q.Active = &active
		return s.Access.CheckAll(ctx, q)
	}
	named := selection{servers: refs}
	servers, err := named.pick(ctx, s.Servers)
	if err != nil {
		return nil, err
	}
	checked := make([]ports.ServerStatus, len(servers))
	errs := make([]error, len(servers))
	places := make(chan struct{}, testsAtOnce)
	var all sync.WaitGroup
	for i, server := range servers {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			checked[i], errs[i] = s.Access.Check(ctx, server.ID)
		})
	}
	all.Wait()
	return checked, errors.Join(errs...)
}

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

type statusesShape struct {
	TotalServers int           `json:"total_servers"`
	Connected    int           `json:"connected"`
	Disconnected int           `json:"disconnected"`
	Servers      []statusShape `json:"servers"`
}

func statusesOf(checked []ports.ServerStatus) statusesShape {
	v := statusesShape{TotalServers: len(checked), Servers: []statusShape{}}
	for _, s := range checked {
		if s.Check.Connected {
			v.Connected++
		} else {
			v.Disconnected++
		}
		v.Servers = append(v.Servers, statusShape{
			ServerID: s.Server.ID, ServerName: s.Server.Name, Hostname: s.Server.Hostname, Port: s.Server.Port, Status: checkStatus(&s.Check),
			Message: s.Check.Message, CheckedAt: s.Check.At.UTC(), LatencyMS: millis(s.Check.Latency),
		})
	}
	return v
}

func (a *app) printStatus(checked []ports.ServerStatus) error {
	v := statusesOf(checked)
	err := a.print(v, func(w io.Writer) {
		row(w, "NAME", "ADDRESS", "STATUS", "LATENCY", "MESSAGE")
		for _, s := range checked {
			row(w, s.Server.Name, address(s.Server.User, s.Server.Hostname, s.Server.Port), checkStatus(&s.Check), short(s.Check.Latency), s.Check.Message)
		}
	})
	if err != nil {
		return err
	}
	if v.Disconnected > 0 {
		a.note("%d of %s cannot be reached", v.Disconnected, count(v.TotalServers, "server"))
		return exit(exitUnavailable)
	}
	return nil
}
