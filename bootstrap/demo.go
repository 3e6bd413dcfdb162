package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"github.com/heysubinoy/remora/adapters/sshdemo"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

const (
	demoServers = 3
	demoTag     = "demo"
	demoEnd     = 20 * time.Second // for the demo's jobs to end at exit
)

// demoScript is the first job of a demo: a few lines, spaced so that one sees them come.
const demoScript = `echo "Hello from $(uname -n), process $$"
for i in 1 2 3 4 5; do echo "line $i of 5"; sleep 0.4; done
echo "this line goes to stderr" >&2
echo "done at $(date +%T)"`

// demo is a handful of SSH servers on the loopback interface inside this process, registered while it runs.
type demo struct {
	jobs    ports.Jobs
	servers ports.Servers
	access  ports.ServerAccess
	dir     string
	log     *slog.Logger
	first   func(ctx context.Context) error // runs the first job where the visitor can see it
	ready   func() error

	running []demoServer
}

type demoServer struct {
	*sshdemo.Server
	name string
}

// run runs the first job on each server, and at the end takes everything away again.
func (d *demo) run(ctx context.Context) error {
	err := d.first(ctx)
	if err == nil {
		err = d.ready()
	}
	if err == nil {
		<-ctx.Done()
	}
	if ctx.Err() != nil {
		err = nil
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), demoEnd)
	defer cancel()
	return errors.Join(err, d.end(ending))
}

// start starts the servers and registers them. It must be done before a worker runs: one that finds a job of an earlier
// demo while the job's server still has its old address, or its new one without the new key, would give the job up.
func (d *demo) start(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			for _, s := range d.running {
				err = errors.Join(err, s.Close())
			}
		}
	}()
	private, authorized, err := sshdemo.NewKey()
	if err != nil {
		return err
	}
	for i := range demoServers {
		name := fmt.Sprintf("demo-%d", i+1)
		home, err := filepath.Abs(filepath.Join(d.dir, name))
		if err != nil {
			return err
		}
		if err := os.MkdirAll(home, 0o700); err != nil {
			return err
		}
		s, err := sshdemo.Start(sshdemo.Config{Name: name, AuthorizedKey: authorized, Home: home})
		if err != nil {
			return err
		}
		running := demoServer{s, name}
		d.running = append(d.running, running)
		if err := d.register(ctx, running, domain.Credential{PrivateKey: domain.NewSecret(private)}); err != nil {
			return err
		}
	}
	return nil
}

// register makes the server known. One that an earlier demo left behind is taken over, so that its jobs go on.
func (d *demo) register(ctx context.Context, s demoServer, c domain.Credential) error {
	me, err := user.Current()
	if err != nil {
		return err
	}
	old, err := d.find(ctx, s.name)
	if err != nil {
		return err
	}
	host, portText, err := net.SplitHostPort(s.Addr())
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return err
	}
	if old == nil {
		_, err := d.servers.Create(ctx, ports.NewServer{
			Name: s.name, Hostname: host, Port: port, User: me.Username, Auth: domain.AuthKey, Tags: []string{demoTag},
			HostKey: s.HostKeyFingerprint(), Credential: c,
		})
		return err
	}
	if _, err := d.servers.Update(ctx, old.ID, ports.ServerChange{Hostname: &host, Port: &port}); err != nil {
		return err
	}
	if _, err := d.access.Trust(ctx, old.ID, s.HostKeyFingerprint()); err != nil {
		return err
	}
	_, err = d.servers.Update(ctx, old.ID, ports.ServerChange{Credential: &c})
	return err
}

func (d *demo) find(ctx context.Context, name string) (*domain.Server, error) {
	page, err := d.servers.List(ctx, ports.ServerQuery{Tag: demoTag})
	if err != nil {
		return nil, err
	}
	for _, s := range page.Servers {
		if s.Name == name {
			return &s, nil
		}
	}
	return nil, nil
}

// end cancels what still runs on the demo's servers, and removes and stops them.
func (d *demo) end(ctx context.Context) error {
	var errs []error
	for _, s := range d.running {
		server, err := d.find(ctx, s.name)
		if err == nil && server != nil {
			err = d.remove(ctx, server.ID)
		}
		errs = append(errs, err, s.Close())
	}
	return errors.Join(errs...)
}

func (d *demo) remove(ctx context.Context, id domain.ServerID) error {
	for {
		if err := d.cancelAll(ctx, id); err != nil {
			return err
		}
		_, err := d.servers.Delete(ctx, id, true)
		if !errors.Is(err, domain.ErrServerHasJobs) {
			return err
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			d.log.Warn("a demo server still has jobs; it is left for the next demo", "server_id", id)
			return nil
		}
	}
}

func (d *demo) cancelAll(ctx context.Context, id domain.ServerID) error {
	q := ports.JobQuery{ServerID: id, Statuses: []domain.Status{domain.StatusQueued, domain.StatusRunning}, Limit: 100}
	for {
		page, err := d.jobs.List(ctx, q)
		if err != nil {
			return err
		}
		for _, j := range page.Jobs {
			if _, err := d.jobs.Cancel(ctx, j.Job.ID); err != nil && !errors.Is(err, domain.ErrJobFinal) {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		q.Cursor = page.Next
	}
}
