package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/heysubinoy/remora/adapters/httpapi/wire"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Batches is ports.Batches over HTTP.
type Batches struct{ *conn }

var _ ports.Batches = (*Batches)(nil)

// Submit implements ports.Batches.
func (c *Batches) Submit(ctx context.Context, s ports.BatchSubmission) (ports.BatchDetail, error) {
	k := call{method: http.MethodPost, path: "jobs/bulk", body: wire.SubmitBatchOf(s), header: http.Header{}}
	return c.create(ctx, k, s.IdempotencyKey)
}

func (c *Batches) create(ctx context.Context, k call, key string) (ports.BatchDetail, error) {
	if key != "" {
		if strings.ContainsFunc(key, func(r rune) bool { return r < 0x20 || r > 0x7e }) {
			return ports.BatchDetail{}, domain.Invalid("idempotency_key", "Idempotency-Key must be 1 to 255 printable ASCII characters")
		}
		k.header.Set("Idempotency-Key", key)
	}
	var answer wire.BatchSubmitted
	if err := c.do(ctx, k, &answer); err != nil {
		return ports.BatchDetail{}, err
	}
	return answer.Detail(), nil
}

// Get implements ports.Batches.
func (c *Batches) Get(ctx context.Context, id domain.BatchID, q ports.JobQuery) (ports.BatchDetail, error) {
	if !wire.IsID(string(id)) {
		return ports.BatchDetail{}, unknownBatch(id)
	}
	v := pageValues(q.Limit, q.Page, q.Cursor)
	if len(q.Statuses) > 0 {
		words := make([]string, len(q.Statuses))
		for i, s := range q.Statuses {
			words[i] = string(s)
		}
		v.Set("status", strings.Join(words, ","))
	}
	if q.Asc {
		v.Set("sort_order", "asc")
	}
	var answer wire.BatchWithJobs
	if err := c.do(ctx, call{method: http.MethodGet, path: "batches/" + string(id), query: v}, &answer); err != nil {
		return ports.BatchDetail{}, err
	}
	return answer.Detail(), nil
}

// List implements ports.Batches.
func (c *Batches) List(ctx context.Context, q ports.BatchQuery) (ports.BatchPage, error) {
	var list wire.BatchList
	err := c.do(ctx, call{method: http.MethodGet, path: "batches", query: pageValues(q.Limit, q.Page, q.Cursor)}, &list)
	return list.Page(), err
}

// Groups implements ports.Batches.
func (c *Batches) Groups(ctx context.Context, id domain.BatchID) (domain.Groups, error) {
	if !wire.IsID(string(id)) {
		return domain.Groups{}, unknownBatch(id)
	}
	var groups wire.Groups
	err := c.do(ctx, call{method: http.MethodGet, path: "batches/" + string(id) + "/groups"}, &groups)
	return groups.Domain(), err
}

// Cancel implements ports.Batches.
func (c *Batches) Cancel(ctx context.Context, id domain.BatchID) (ports.BatchCanceled, error) {
	if !wire.IsID(string(id)) {
		return ports.BatchCanceled{}, unknownBatch(id)
	}
	var answer wire.BatchCanceled
	if err := c.do(ctx, call{method: http.MethodPost, path: "batches/" + string(id) + "/cancel"}, &answer); err != nil {
		return ports.BatchCanceled{}, err
	}
	return answer.Domain(), nil
}

// Rerun implements ports.Batches.
func (c *Batches) Rerun(ctx context.Context, id domain.BatchID, r ports.BatchRerun) (ports.BatchDetail, error) {
	if !wire.IsID(string(id)) {
		return ports.BatchDetail{}, unknownBatch(id)
	}
	k := call{method: http.MethodPost, path: "batches/" + string(id) + "/rerun", header: http.Header{}}
	if r.OnlyFailed {
		k.body = wire.RerunBatch{Only: new(wire.OnlyFailed)}
	}
	return c.create(ctx, k, r.IdempotencyKey)
}

func pageValues(limit, page int, cursor string) url.Values {
	v := url.Values{"limit": {strconv.Itoa(limit)}}
	if cursor != "" {
		v.Set("cursor", cursor)
	}
	if page != 0 {
		v.Set("page", strconv.Itoa(page))
	}
	return v
}

func unknownBatch(id domain.BatchID) error {
	return domain.ErrBatchNotFound.Withf("there is no batch with the id %q", string(id))
}
