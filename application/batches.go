package application

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Batches implements ports.Batches.
type Batches struct {
	Jobs       *Jobs // what may be submitted is decided as for single jobs
	Repository ports.BatchRepository
}

var _ ports.Batches = (*Batches)(nil)

// stopPage is how many jobs of a batch one transaction cancels.
const stopPage = 500

// serverPage is how many servers are looked up at once.
const serverPage = 1000

// Submit implements ports.Batches.
func (a *Batches) Submit(ctx context.Context, s ports.BatchSubmission) (ports.BatchDetail, error) {
	if s.ServerID != "" {
		return ports.BatchDetail{}, domain.Invalid("server_id", "a batch names its servers with server_ids, tags or all")
	}
	servers, err := a.choose(ctx, s)
	if err != nil {
		return a.changed(ctx, s, "", err)
	}
	return a.add(ctx, s, servers, "", nil)
}

// add submits a batch on servers; origins are the jobs that those of the new batch run again, by server.
func (a *Batches) add(
	ctx context.Context, s ports.BatchSubmission, servers []domain.Server, origin domain.BatchID, origins map[domain.ServerID]domain.JobID,
) (ports.BatchDetail, error) {
	if len(servers) == 0 {
		return a.changed(ctx, s, origin, domain.ErrBatchEmpty)
	}
	s.ServerID = servers[0].ID
	sample, err := a.Jobs.newJob(s.Submission)
	if err != nil {
		return ports.BatchDetail{}, err
	}
	if err := domain.CheckBatchSize(sample.Command, len(servers)); err != nil {
		return ports.BatchDetail{}, err
	}
	batch, err := domain.NewBatch(domain.BatchID(a.Jobs.Entropy.ID()), sample, s.MaxParallel, s.StopAfterFailures, a.Jobs.Clock.Now())
	if err != nil {
		return ports.BatchDetail{}, err
	}
	batch.OriginID = origin
	jobs := make([]*domain.Job, len(servers))
	for i := range servers {
		if jobs[i], err = batch.Job(domain.JobID(a.Jobs.Entropy.ID()), servers[i].ID); err != nil {
			return ports.BatchDetail{}, err
		}
		jobs[i].RepeatOf(origins[servers[i].ID])
	}
	key := batchKey(s, origin)
	if refusal := a.Jobs.admit(ctx, len(jobs)); refusal != nil {
		return a.refused(ctx, key, refusal)
	}
	earlier, err := a.Repository.Add(ctx, key, batch, jobs)
	if err != nil {
		return ports.BatchDetail{}, err
	}
	if earlier != nil {
		return a.whole(ctx, earlier.ID)
	}
	for _, j := range jobs {
		event(ctx, a.Jobs.Log, domain.State{}, j)
	}
	a.Jobs.Signals.Publish(ports.TopicDispatch)
	d := ports.BatchDetail{Batch: *batch, Tally: domain.Tally{Queued: int64(len(jobs))}, Jobs: ports.JobPage{Total: int64(len(jobs))}}
	for i, j := range jobs {
		d.Jobs.Jobs = append(d.Jobs.Jobs, ports.JobDetail{Job: *j, Server: servers[i].Ref()})
	}
	return d, nil
}

// changed answers where the servers were refused: they may have been others when the batch was accepted, under the same key.
func (a *Batches) changed(ctx context.Context, s ports.BatchSubmission, origin domain.BatchID, refusal error) (ports.BatchDetail, error) {
	for _, may := range []error{domain.ErrServerInactive, domain.ErrServerNotFound, domain.ErrBatchEmpty} {
		if errors.Is(refusal, may) {
			return a.refused(ctx, batchKey(s, origin), refusal)
		}
	}
	return ports.BatchDetail{}, refusal
}

// refused answers with the batch that was accepted for the key before, or with the refusal.
func (a *Batches) refused(ctx context.Context, key ports.Idempotency, refusal error) (ports.BatchDetail, error) {
	switch job, err := a.Jobs.Repository.Add(ctx, key); {
	case err != nil:
		return ports.BatchDetail{}, err
	case job == nil:
		return ports.BatchDetail{}, refusal
	default:
		return a.whole(ctx, job.BatchID)
	}
}

// choose returns the servers that a submission names, each once: those named by id in their order, then the others by name.
func (a *Batches) choose(ctx context.Context, s ports.BatchSubmission) ([]domain.Server, error) {
	switch {
	case s.All && (len(s.ServerIDs) > 0 || len(s.Tags) > 0):
		return nil, domain.Invalid("all", "all names every active server already; leave out server_ids and tags")
	case !s.All && len(s.ServerIDs) == 0 && len(s.Tags) == 0:
		return nil, domain.Invalid("server_ids", "no servers are named; give server_ids, tags, or all: true")
	case len(s.ServerIDs) > domain.MaxBatchServers:
		return nil, domain.CheckBatchSize(domain.Command{}, len(s.ServerIDs))
	case len(s.Tags) > domain.MaxTags:
		return nil, domain.Invalid("tags", "%d tags are given, and no server has more than %d", len(s.Tags), domain.MaxTags)
	}
	servers, err := a.named(ctx, s.ServerIDs)
	if err != nil {
		return nil, err
	}
	if !s.All && len(s.Tags) == 0 {
		return servers, nil
	}
	known := map[domain.ServerID]bool{}
	for _, server := range servers {
		known[server.ID] = true
	}
	for q := (ports.ServerQuery{Active: new(true), Tags: s.Tags, Limit: serverPage}); ; {
		page, err := a.Jobs.Servers.List(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, server := range page.Servers {
			if !known[server.ID] { // a server that is renamed meanwhile is on two pages
				known[server.ID] = true
				servers = append(servers, server)
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" || len(servers) > domain.MaxBatchServers {
			break
		}
	}
	if len(servers) == 0 && len(s.Tags) > 0 {
		return nil, domain.ErrBatchEmpty.Withf("no active server has all of the tags %s", strings.Join(s.Tags, ", "))
	}
	return servers, nil
}

// named returns the servers with these ids, each once, all of them there and active.
func (a *Batches) named(ctx context.Context, ids []domain.ServerID) ([]domain.Server, error) {
	found := map[domain.ServerID]domain.Server{}
	for part := range slices.Chunk(ids, serverPage) {
		page, err := a.Jobs.Servers.List(ctx, ports.ServerQuery{IDs: part, Limit: serverPage})
		if err != nil {
			return nil, err
		}
		for _, server := range page.Servers {
			found[server.ID] = server
		}
	}
	var servers []domain.Server
	var unknown, inactive []string
	seen := map[domain.ServerID]bool{}
	for _, id := range ids {
		if seen[id] {
			continue
		}
		seen[id] = true
		server, ok := found[id]
		switch {
		case !ok:
			unknown = append(unknown, string(id))
		case !server.Active:
			inactive = append(inactive, string(id))
		default:
			servers = append(servers, server)
		}
	}
	switch {
	case len(unknown) > 0:
		return nil, domain.ErrServerNotFound.Withf("there is no server with the id %s", some(unknown)).WithDetails(mentions(unknown))
	case len(inactive) > 0:
		return nil, domain.ErrServerInactive.Withf("not active: server %s; activate it or leave it out", some(inactive)).WithDetails(mentions(inactive))
	}
	return servers, nil
}

// shown is how many of many are named in an error.
const shown = 10

func some(ids []string) string {
	if len(ids) > 1 {
		return fmt.Sprintf("%s, nor with %d other ids of the list", ids[0], len(ids)-1)
	}
	return ids[0]
}

func mentions(ids []string) map[string]any {
	return map[string]any{"server_ids": ids[:min(len(ids), shown)], "count": len(ids)}
}

// whole returns a batch with all of its jobs, in the order in which they were submitted.
func (a *Batches) whole(ctx context.Context, id domain.BatchID) (ports.BatchDetail, error) {
	q := ports.JobQuery{Asc: true, Limit: 100}
	d, err := a.Get(ctx, id, q)
	for err == nil && d.Jobs.Next != "" {
		q.Cursor, q.BatchID = d.Jobs.Next, id
		var page ports.JobPage
		page, err = a.Jobs.List(ctx, q)
		d.Jobs.Jobs, d.Jobs.Next = append(d.Jobs.Jobs, page.Jobs...), page.Next
	}
	return d, err
}

// Get implements ports.Batches.
func (a *Batches) Get(ctx context.Context, id domain.BatchID, q ports.JobQuery) (ports.BatchDetail, error) {
	batch, tally, err := a.Repository.Get(ctx, id)
	if err != nil {
		return ports.BatchDetail{}, err
	}
	q.BatchID = id
	page, err := a.Jobs.List(ctx, q)
	return ports.BatchDetail{Batch: *batch, Tally: tally, Jobs: page}, err
}

// List implements ports.Batches.
func (a *Batches) List(ctx context.Context, q ports.BatchQuery) (ports.BatchPage, error) {
	if err := checkQuery(ports.JobQuery{Limit: q.Limit, Page: q.Page, Cursor: q.Cursor}); err != nil {
		return ports.BatchPage{}, err
	}
	return a.Repository.List(ctx, q)
}

// Groups implements ports.Batches.
func (a *Batches) Groups(ctx context.Context, id domain.BatchID) (domain.Groups, error) {
	results, err := a.Repository.Results(ctx, id)
	if err != nil {
		return domain.Groups{}, err
	}
	if len(results) == 0 {
		if _, _, err := a.Repository.Get(ctx, id); err != nil {
			return domain.Groups{}, err
		}
	}
	return domain.GroupResults(results), nil
}

// Cancel implements ports.Batches.
func (a *Batches) Cancel(ctx context.Context, id domain.BatchID) (ports.BatchCanceled, error) {
	_, tally, err := a.Repository.Get(ctx, id)
	if err != nil {
		return ports.BatchCanceled{}, err
	}
	if tally.Finished() {
		return ports.BatchCanceled{}, domain.ErrBatchFinished.Withf("the batch has finished already: %s", tally)
	}
	var done ports.BatchCanceled
	workers := map[domain.WorkerID]bool{}
	for more := true; more; {
		step, err := a.Repository.Stop(ctx, id, stopPage, a.Jobs.Clock.Now())
		if err != nil {
			return ports.BatchCanceled{}, err
		}
		more = step.More
		done.Canceled += step.Canceled
		for _, j := range step.Asked {
			done.Ending++
			event(ctx, a.Jobs.Log, j.State(), j)
			a.Jobs.Signals.Publish(ports.TopicJob(j.ID))
			workers[j.Worker] = true
		}
	}
	delete(workers, "")
	for worker := range workers {
		a.Jobs.Signals.Publish(ports.TopicWorker(worker))
	}
	a.Jobs.Signals.Publish(ports.TopicDispatch)
	batch, tally, err := a.Repository.Get(ctx, id)
	if err != nil {
		return ports.BatchCanceled{}, err
	}
	if a.Jobs.Log != nil {
		a.Jobs.Log.InfoContext(ctx, "batch canceled", "batch_id", id, "canceled", done.Canceled, "ending", done.Ending)
	}
	done.BatchDetail = ports.BatchDetail{Batch: *batch, Tally: tally}
	return done, nil
}

// Rerun implements ports.Batches.
func (a *Batches) Rerun(ctx context.Context, id domain.BatchID, r ports.BatchRerun) (ports.BatchDetail, error) {
	batch, tally, err := a.Repository.Get(ctx, id)
	if err != nil {
		return ports.BatchDetail{}, err
	}
	if !tally.Finished() {
		return ports.BatchDetail{}, domain.ErrBatchActive.Withf("the batch has not finished: %s; wait for its end or cancel it", tally)
	}
	results, err := a.Repository.Results(ctx, id)
	if err != nil {
		return ports.BatchDetail{}, err
	}
	s := ports.BatchSubmission{
		Submission:  resubmission(batch),
		MaxParallel: batch.MaxParallel, StopAfterFailures: batch.StopAfterFailures,
	}
	s.IdempotencyKey = r.IdempotencyKey
	origins := map[domain.ServerID]domain.JobID{}
	slices.SortFunc(results, func(a, b domain.Result) int { return strings.Compare(string(a.Job), string(b.Job)) })
	for _, result := range results {
		if !r.OnlyFailed || result.Status == domain.StatusFailed {
			s.ServerIDs = append(s.ServerIDs, result.Server)
			origins[result.Server] = result.Job
		}
	}
	if len(s.ServerIDs) == 0 {
		return ports.BatchDetail{}, domain.ErrBatchEmpty.Withf("no job of the batch is left to run again: %s", tally)
	}
	servers, err := a.named(ctx, s.ServerIDs)
	if err != nil {
		return a.changed(ctx, s, id, err)
	}
	return a.add(ctx, s, servers, id, origins)
}

// resubmission asks for what a batch ran.
func resubmission(b *domain.Batch) ports.Submission {
	s := ports.Submission{
		Args: b.Command.Args, Argv: b.Command.Argv, Script: b.Command.Script, Shell: b.Command.Shell, Command: b.Command.Line,
		Timeout: b.Timeout, Priority: b.Priority, Retry: &b.Retry,
	}
	return s
}

func batchKey(s ports.BatchSubmission, origin domain.BatchID) ports.Idempotency {
	if s.IdempotencyKey == "" {
		return ports.Idempotency{}
	}
	return ports.Idempotency{Key: s.IdempotencyKey, Fingerprint: batchFingerprint(s, origin)}
}

// batchFingerprint tells two submissions apart.
func batchFingerprint(s ports.BatchSubmission, origin domain.BatchID) string {
	s.ServerID = ""
	return fingerprint(s.Submission, domain.JobID(origin)) +
		fmt.Sprintf(" %q %q %t %d %d", s.ServerIDs, s.Tags, s.All, s.MaxParallel, s.StopAfterFailures)
}
