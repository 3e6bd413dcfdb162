package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/heysubinoy/remora/adapters/httpapi/wire"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Jobs is ports.Jobs over HTTP.
type Jobs struct{ *conn }

var _ ports.Jobs = (*Jobs)(nil)

// Submit implements ports.Jobs.
func (c *Jobs) Submit(ctx context.Context, s ports.Submission) (ports.JobDetail, error) {
	if s.Script != "" && (s.Command != "" || s.Argv != nil) {
		return ports.JobDetail{}, domain.Invalid("command", "a command and a script are both given; give one of them")
	}
	body, script := wire.SubmissionOf(s)
	k := call{method: http.MethodPost, path: "jobs", body: body}
	if script {
		k.path = "jobs/script"
	}
	if err := k.once(s.IdempotencyKey); err != nil {
		return ports.JobDetail{}, err
	}
	var job wire.Job
	err := c.do(ctx, k, &job)
	return job.Detail(), err
}

// Get implements ports.Jobs.
func (c *Jobs) Get(ctx context.Context, id domain.JobID) (ports.JobDetail, error) {
	if !wire.IsID(string(id)) {
		return ports.JobDetail{}, unknownJob(id)
	}
	var job wire.Job
	err := c.do(ctx, call{method: http.MethodGet, path: "jobs/" + string(id)}, &job)
	return job.Detail(), err
}

// List implements ports.Jobs.
func (c *Jobs) List(ctx context.Context, q ports.JobQuery) (ports.JobPage, error) {
	v := url.Values{"limit": {strconv.Itoa(q.Limit)}}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	set("server_id", string(q.ServerID))
	set("batch_id", string(q.BatchID))
	set("created_after", moment(q.CreatedAfter))
	set("created_before", moment(q.CreatedBefore))
	set("status", listed(q.Statuses))
	set("reason", listed(q.Reasons))
	set("search", q.Search)
	set("sort_by", string(q.Sort))
	set("cursor", q.Cursor)
	if q.Page != 0 {
		v.Set("page", strconv.Itoa(q.Page))
	}
	if q.Asc {
		v.Set("sort_order", "asc")
	}
	var list wire.JobList
	err := c.do(ctx, call{method: http.MethodGet, path: "jobs", query: v}, &list)
	return list.Page(), err
}

// Cancel implements ports.Jobs.
func (c *Jobs) Cancel(ctx context.Context, id domain.JobID) (ports.JobDetail, error) {
	if !wire.IsID(string(id)) {
		return ports.JobDetail{}, unknownJob(id)
	}
	var answer wire.Canceled
	err := c.do(ctx, call{method: http.MethodPost, path: "jobs/" + string(id) + "/cancel"}, &answer)
	return answer.Job.Detail(), err
}

// Duplicate implements ports.Jobs.
func (c *Jobs) Duplicate(ctx context.Context, id domain.JobID, change ports.Change) (ports.Copy, error) {
	return c.copy(ctx, id, change.IdempotencyKey, call{path: "jobs/" + string(id) + "/duplicate", body: wire.DuplicateJobOf(change)})
}

// Rerun implements ports.Jobs.
func (c *Jobs) Rerun(ctx context.Context, id domain.JobID, idempotencyKey string) (ports.Copy, error) {
	return c.copy(ctx, id, idempotencyKey, call{path: "jobs/" + string(id) + "/rerun"})
}

func (c *Jobs) copy(ctx context.Context, id domain.JobID, key string, k call) (ports.Copy, error) {
	if !wire.IsID(string(id)) {
		return ports.Copy{}, unknownJob(id)
	}
	k.method = http.MethodPost
	if err := k.once(key); err != nil {
		return ports.Copy{}, err
	}
	var made wire.Duplicated
	err := c.do(ctx, k, &made)
	return made.Copy(), err
}

// once sends an idempotency key along; an empty one is none.
func (k *call) once(key string) error {
	if key == "" {
		return nil
	}
	if strings.ContainsFunc(key, func(r rune) bool { return r < 0x20 || r > 0x7e }) {
		return domain.Invalid("idempotency_key", "Idempotency-Key must be 1 to 255 printable ASCII characters")
	}
	k.header = http.Header{"Idempotency-Key": {key}}
	return nil
}

// listed returns words as one parameter holds them.
func listed[T ~string](words []T) string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = string(w)
	}
	return strings.Join(all, ",")
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
