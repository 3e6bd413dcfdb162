package httpapi

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/heysubinoy/remora/adapters/httpapi/wire"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// maxBatchBody holds the longest script, and the ids of as many servers as a batch may have.
const maxBatchBody = maxScriptBody + 64*domain.MaxBatchServers

func (s *Server) submitBatch(c echo.Context) error {
	var b wire.SubmitBatch
	if err := bind(c, &b, maxBatchBody); err != nil {
		return err
	}
	sub, err := b.Submission()
	if err != nil {
		return err
	}
	if err := params(c).err; err != nil {
		return err
	}
	if sub.IdempotencyKey, err = idempotencyKey(c); err != nil {
		return err
	}
	d, err := s.cfg.Batches.Submit(c.Request().Context(), sub)
	return s.submittedBatch(c, d, err)
}

func (s *Server) submittedBatch(c echo.Context, d ports.BatchDetail, err error) error {
	if err != nil {
		return err
	}
	c.Response().Header().Set("Location", api+"/batches/"+string(d.Batch.ID))
	return s.json(c, http.StatusCreated, wire.BatchSubmittedOf(d))
}

func (s *Server) listBatches(c echo.Context) error {
	p := params(c, "page", "limit", "cursor")
	q := ports.BatchQuery{Limit: int(p.number("limit", 1, 100, defaultLimit)), Page: p.page(), Cursor: p.text("cursor")}
	if p.err != nil {
		return p.err
	}
	page, err := s.cfg.Batches.List(c.Request().Context(), q)
	if err != nil {
		return err
	}
	return s.resource(c, wire.BatchListOf(page, q))
}

// getBatch answers with a page of the jobs too, the first submitted first.
func (s *Server) getBatch(c echo.Context) error {
	id, err := batchID(c)
	if err != nil {
		return err
	}
	p := params(c, "page", "limit", "cursor", "status", "sort_order")
	q := ports.JobQuery{
		Limit: int(p.number("limit", 1, 100, defaultLimit)), Page: p.page(), Cursor: p.text("cursor"), Sort: ports.SortCreated,
		Asc:      p.oneOf("sort_order", "desc", "asc") == "asc",
		Statuses: words[domain.Status](p, "status", "one or several with commas: queued, running, completed, failed, canceled"),
	}
	if p.err != nil {
		return p.err
	}
	d, err := s.cfg.Batches.Get(c.Request().Context(), id, q)
	if err != nil {
		return err
	}
	return s.resource(c, wire.BatchWithJobsOf(d, q))
}

func (s *Server) getGroups(c echo.Context) error {
	id, err := batchID(c)
	if err != nil {
		return err
	}
	if err := params(c).err; err != nil {
		return err
	}
	g, err := s.cfg.Batches.Groups(c.Request().Context(), id)
	if err != nil {
		return err
	}
	return s.resource(c, wire.GroupsOf(id, g))
}

// cancelBatch answers 200 when every job of the batch has ended, and 202 while processes are being ended.
func (s *Server) cancelBatch(c echo.Context) error {
	id, err := batchID(c)
	if err != nil {
		return err
	}
	if err := params(c).err; err != nil {
		return err
	}
	if err := bindNothing(c); err != nil {
		return err
	}
	canceled, err := s.cfg.Batches.Cancel(c.Request().Context(), id)
	if err != nil {
		return err
	}
	status := http.StatusAccepted
	if canceled.Tally.Finished() {
		status = http.StatusOK
	}
	return s.json(c, status, wire.BatchCanceledOf(canceled))
}

func (s *Server) rerunBatch(c echo.Context) error {
	id, err := batchID(c)
	if err != nil {
		return err
	}
	p := params(c, "only")
	r := ports.BatchRerun{OnlyFailed: p.has("only") && p.oneOf("only", wire.OnlyFailed) == wire.OnlyFailed}
	if p.err != nil {
		return p.err
	}
	var b wire.RerunBatch
	if err := bindOptional(c, &b); err != nil {
		return err
	}
	if b.Only != nil {
		if *b.Only != wire.OnlyFailed {
			return domain.Invalid("only", "only %q is unknown; give failed, or leave it out for all", short(*b.Only))
		}
		r.OnlyFailed = true
	}
	if r.IdempotencyKey, err = idempotencyKey(c); err != nil {
		return err
	}
	d, err := s.cfg.Batches.Rerun(c.Request().Context(), id, r)
	return s.submittedBatch(c, d, err)
}

func batchID(c echo.Context) (domain.BatchID, error) {
	id := c.Param("id")
	if !wire.IsID(id) {
		return "", domain.Invalid("batch_id", "%q is not a batch's id; ids look like 018f3c1e-7a52-7c3e-9b1d-2f4a5c6d7e8f", short(id))
	}
	return domain.BatchID(id), nil
}

// page reads the number of a page, 0 where a cursor says which one.
func (q *query) page() int {
	if q.text("cursor") == "" {
		return int(q.number("page", 1, 1<<31, 1))
	}
	if q.has("page") {
		q.fail(domain.Invalid("page", "page and cursor are both given; give one of them"))
	}
	return 0
}
