package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// epoch is when everything in a world happens first.
var epoch = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

const (
	fingerprint  = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"
	fingerprint2 = "SHA256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg"
)

// world is a small Remora in memory: the driving ports over maps, with servers whose commands are functions of the test.
type world struct {
	t       *testing.T
	mu      sync.Mutex
	changed chan struct{} // closed and made anew at every change
	servers map[domain.ServerID]*domain.Server
	creds   map[domain.ServerID]domain.Credential
	shown   map[domain.ServerID]*domain.HostKey // what the servers show
	keys    map[string]domain.Key
	jobs    map[domain.JobID]*remote
	order   []domain.JobID
	batches []*worldBatch

	followed, mostFollowed int // followings that go on, and the most that ever did at once

	health ports.Health

	behave   func(*remote)                                     // what a job does once it was started; nil stays queued
	onSubmit func(context.Context, domain.ServerID) error      // before a submission is stored
	onCancel func(context.Context, domain.JobID) error         // before a cancel is taken in
	onList   func(context.Context) error                       // before servers are listed
	onBatch  func() error                                      // before a batch is shown
	onLook   func(context.Context) error                       // before jobs are listed
	onFollow func(ctx context.Context, after domain.Seq) error // before each following
	cut      func(events int) error                            // after each event of a following
	create   func(ports.NewServer) error                       // before a server is stored
	report   func(*domain.Server, ports.TestReport) ports.TestReport
	running  sync.WaitGroup
}

var (
	_ ports.Jobs         = worldJobs{}
	_ ports.Output       = worldOutput{}
	_ ports.Servers      = worldServers{}
	_ ports.ServerAccess = worldAccess{}
	_ ports.System       = worldSystem{}
)

// newWorld returns a world with servers of the given names. Without t it is for a program of its own.
func newWorld(t *testing.T, names ...string) *world {
	w := &world{
		t: t, changed: make(chan struct{}),
		servers: map[domain.ServerID]*domain.Server{}, creds: map[domain.ServerID]domain.Credential{},
		shown: map[domain.ServerID]*domain.HostKey{}, keys: map[string]domain.Key{}, jobs: map[domain.JobID]*remote{}, health: ports.Health{At: epoch},
	}
	for i, name := range names {
		id := domain.ServerID(fmt.Sprintf("00000000-0000-7000-9000-%012d", i+1))
		key := domain.HostKey{Fingerprint: fingerprint, Type: "ssh-ed25519", PinnedAt: epoch}
		w.servers[id] = &domain.Server{
			ID: id, Name: name, Hostname: fmt.Sprintf("10.0.0.%d", i+1), Port: 22, User: "deploy", Auth: domain.AuthKey, Active: true,
			Tags: []string{"all"}, HostKey: &key, HostKeyPolicy: domain.HostKeyConfirm, MaxSessions: 8, HasCredential: true,
			Key:       &domain.KeyInfo{Fingerprint: fingerprint2, Type: "ssh-ed25519"},
			CreatedAt: epoch, UpdatedAt: epoch,
		}
		w.shown[id] = &domain.HostKey{Fingerprint: fingerprint, Type: "ssh-ed25519"}
	}
	if t != nil {
		t.Cleanup(w.running.Wait)
	}
	return w
}

func (w *world) services() Services {
	return Services{
		Jobs: worldJobs{w}, Batches: worldBatches{w}, Output: worldOutput{w}, Servers: worldServers{w}, Access: worldAccess{w},
		Keys: worldKeys{w}, System: worldSystem{w},
	}
}

// change does something to the world and tells everybody who waits.
func (w *world) change(do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	do()
	close(w.changed)
	w.changed = make(chan struct{})
}

// until waits for something to be so in the world.
func (w *world) until(so func() bool) {
	for {
		w.mu.Lock()
		done, changed := so(), w.changed
		w.mu.Unlock()
		if done {
			return
		}
		<-changed
	}
}

func (w *world) byName(name string) *domain.Server {
	for _, s := range w.servers {
		if s.Name == name {
			return s
		}
	}
	w.t.Fatalf("no server %s", name)
	return nil
}

func (w *world) remote(id domain.JobID) *remote {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.jobs[id]
}

func (w *world) job(i int) domain.Job {
	w.mu.Lock()
	defer w.mu.Unlock()
	return *w.jobs[w.order[i]].job
}

func (w *world) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.order)
}

// remote is a job with what happens on its server.
type remote struct {
	w        *world
	job      *domain.Job
	server   domain.Server
	command  ports.Submission
	chunks   []domain.Chunk
	canceled chan struct{}
	once     sync.Once
}

func (r *remote) must(err error) {
	if err != nil {
		r.w.t.Errorf("job %s on %s: %v", r.job.ID, r.server.Name, err)
	}
}

func (r *remote) start() {
	r.w.change(func() {
		r.must(r.job.Claim("worker", epoch))
		r.must(r.job.Starting(r.job.Epoch, epoch))
		r.must(r.job.Started(r.job.Epoch, domain.Process{PID: 42, Mode: domain.ModeDurable}, epoch.Add(time.Second)))
	})
}

func (r *remote) print(s domain.Stream, text string) {
	r.w.change(func() {
		r.job.LastSeq++
		r.chunks = append(r.chunks, domain.Chunk{
			Seq: r.job.LastSeq, Attempt: r.job.Attempt, Stream: s, Offset: r.job.Output.Of(s), At: epoch.Add(time.Second), Data: []byte(text),
		})
		r.job.Output = r.job.Output.Plus(s, len(text))
	})
}

func (r *remote) exit(code int, signal string) {
	r.w.change(func() {
		r.must(r.job.Exited(r.job.Epoch, domain.Exit{Code: code, Signal: signal}, 0, epoch.Add(2500*time.Millisecond)))
	})
}

func (r *remote) fail(f domain.Failure) {
	r.w.change(func() { r.must(r.job.Failed(r.job.Epoch, f, 0, epoch.Add(2500*time.Millisecond))) })
}

// kill ends the job as a worker does after a cancel.
func (r *remote) kill(receipt domain.Receipt) {
	at := epoch.Add(2500 * time.Millisecond)
	r.w.change(func() {
		r.must(r.job.Canceling(r.job.Epoch, at))
		r.must(r.job.Ended(r.job.Epoch, receipt, at))
		r.must(r.job.Killed(r.job.Epoch, 0, at))
	})
}

type worldJobs struct{ w *world }

func (p worldJobs) Submit(ctx context.Context, s ports.Submission) (ports.JobDetail, error) {
	if p.w.onSubmit != nil {
		if err := p.w.onSubmit(ctx, s.ServerID); err != nil {
			return ports.JobDetail{}, err
		}
	}
	r, err := p.w.store(s, "")
	if err != nil {
		return ports.JobDetail{}, err
	}
	p.w.begin(r)
	return p.Get(ctx, r.job.ID)
}

// store keeps a job, queued.
func (w *world) store(s ports.Submission, batch domain.BatchID) (*remote, error) {
	w.mu.Lock()
	server, ok := w.servers[s.ServerID]
	var inactive bool
	if ok {
		inactive = !server.Active
	}
	w.mu.Unlock()
	switch {
	case s.IdempotencyKey == "":
		return nil, domain.Invalid("idempotency_key", "the command line sends a key with every submission")
	case !ok:
		return nil, domain.ErrServerNotFound
	case inactive:
		return nil, domain.ErrServerInactive
	}
	command, err := commandOf(s)
	if err != nil {
		return nil, err
	}
	r := &remote{w: w, command: s, canceled: make(chan struct{})}
	w.change(func() {
		n := 0
		for _, other := range w.jobs {
			if other.server.ID == s.ServerID {
				n++
			}
		}
		r.server = *server
		id := domain.JobID("00000000-0000-7000-8000-" + string(s.ServerID)[32:] + fmt.Sprintf("%08d", n+1))
		timeout, priority, retry := s.Timeout, s.Priority, domain.DefaultRetry()
		if timeout == 0 {
			timeout = 300 * time.Second
		}
		if priority == 0 {
			priority = domain.DefaultPriority
		}
		if s.Retry != nil {
			retry = *s.Retry
		}
		r.job, err = domain.NewJob(id, s.ServerID, command, priority, timeout, retry, epoch)
		if err == nil {
			r.job.BatchID = batch
			w.jobs[id] = r
			w.order = append(w.order, id)
		}
	})
	return r, err
}

// begin starts a job, where there is something for it to do.
func (w *world) begin(r *remote) {
	if w.behave != nil {
		r.start()
		w.running.Go(func() { w.behave(r) })
	}
}

func commandOf(s ports.Submission) (domain.Command, error) {
	switch {
	case s.Script != "":
		if s.Shell == "" {
			s.Shell = "/bin/bash"
		}
		return domain.Script(s.Script, s.Args, s.Shell)
	case s.Argv != nil:
		return domain.Argv(s.Argv)
	}
	return domain.ShellLine(s.Command, s.Args)
}

func (p worldJobs) Get(_ context.Context, id domain.JobID) (ports.JobDetail, error) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	r, ok := p.w.jobs[id]
	if !ok {
		return ports.JobDetail{}, domain.ErrJobNotFound
	}
	d := r.detail()
	for _, c := range r.chunks {
		if c.Stream == domain.Stdout {
			d.Stdout.Data = append(d.Stdout.Data, c.Data...)
		} else {
			d.Stderr.Data = append(d.Stderr.Data, c.Data...)
		}
	}
	return d, nil
}

func (r *remote) detail() ports.JobDetail {
	return ports.JobDetail{Job: *r.job, Server: r.server.Ref()}
}

func (p worldJobs) List(ctx context.Context, q ports.JobQuery) (ports.JobPage, error) {
	if p.w.onLook != nil {
		if err := p.w.onLook(ctx); err != nil {
			return ports.JobPage{}, err
		}
	}
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	if q.Limit < 1 || q.Limit > 100 {
		return ports.JobPage{}, domain.Invalid("limit", "limit %d is out of range", q.Limit)
	}
	var all []ports.JobDetail
	for _, id := range slices.Backward(p.w.order) {
		r := p.w.jobs[id]
		if (len(q.Statuses) == 0 || slices.Contains(q.Statuses, r.job.Status)) && (q.ServerID == "" || q.ServerID == r.server.ID) &&
			(q.BatchID == "" || q.BatchID == r.job.BatchID) &&
			strings.Contains(r.job.Command.Text(), q.Search) {
			all = append(all, r.detail())
		}
	}
	start := 0
	if q.Cursor != "" {
		if _, err := fmt.Sscanf(q.Cursor, "c%d", &start); err != nil {
			return ports.JobPage{}, domain.Invalid("cursor", "the cursor is not one of ours")
		}
	}
	page := ports.JobPage{Jobs: all[start:min(len(all), start+q.Limit)], Total: int64(len(all))}
	if start+q.Limit < len(all) {
		page.Next = fmt.Sprintf("c%d", start+q.Limit)
	}
	return page, nil
}

func (p worldJobs) Cancel(ctx context.Context, id domain.JobID) (ports.JobDetail, error) {
	if p.w.onCancel != nil {
		if err := p.w.onCancel(ctx, id); err != nil {
			return ports.JobDetail{}, err
		}
	}
	p.w.mu.Lock()
	r, ok := p.w.jobs[id]
	p.w.mu.Unlock()
	if !ok {
		return ports.JobDetail{}, domain.ErrJobNotFound
	}
	var err error
	p.w.change(func() { err = r.job.RequestCancel(domain.ReasonUser, epoch.Add(2*time.Second)) })
	if err != nil {
		return ports.JobDetail{}, err
	}
	r.once.Do(func() { close(r.canceled) })
	return p.Get(ctx, id)
}

func (p worldJobs) Duplicate(ctx context.Context, id domain.JobID, c ports.Change) (ports.Copy, error) {
	original, err := p.Get(ctx, id)
	if err != nil {
		return ports.Copy{}, err
	}
	s, err := c.Apply(&original.Job)
	if err != nil {
		return ports.Copy{}, err
	}
	made, err := p.Submit(ctx, s)
	made.Job.OriginID = id
	return ports.Copy{Original: original, New: made}, err
}

func (p worldJobs) Rerun(ctx context.Context, id domain.JobID, key string) (ports.Copy, error) {
	original, err := p.Get(ctx, id)
	if err == nil && !original.Job.Status.Final() {
		err = domain.ErrJobActive
	}
	if err != nil {
		return ports.Copy{}, err
	}
	return p.Duplicate(ctx, id, ports.Change{IdempotencyKey: key})
}

func TestWorldKeepsItsPromises(t *testing.T) {
	w := newWorld(t, "web")
	_, err := w.services().Jobs.Get(t.Context(), "none")
	require.ErrorIs(t, err, domain.ErrJobNotFound)
	require.ErrorIs(t, w.services().Output.Follow(t.Context(), "none", 0, nil), domain.ErrJobNotFound)
}
