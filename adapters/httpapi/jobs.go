package httpapi

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/heysubinoy/remora/adapters/httpapi/wire"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

func (s *Server) submitJob(c echo.Context) error {
	var b wire.SubmitJob
	if err := bind(c, &b, maxBody); err != nil {
		return err
	}
	sub, err := b.Submission()
	return s.submit(c, sub, err)
}

func (s *Server) submitScript(c echo.Context) error {
	var b wire.SubmitScript
	if err := bind(c, &b, maxScriptBody); err != nil {
		return err
	}
	sub, err := b.Submission()
	return s.submit(c, sub, err)
}

func (s *Server) submit(c echo.Context, sub ports.Submission, err error) error {
	if err != nil {
		return err
	}
	if err := params(c).err; err != nil {
		return err
	}
	if sub.IdempotencyKey, err = idempotencyKey(c); err != nil {
		return err
	}
	d, err := s.cfg.Jobs.Submit(c.Request().Context(), sub)
	if err != nil {
		return err
	}
	c.Response().Header().Set("Location", api+"/jobs/"+string(d.Job.ID))
	return s.json(c, http.StatusCreated, wire.JobWithTexts(d))
}

func (s *Server) getJob(c echo.Context) error {
	id, err := jobID(c)
	if err != nil {
		return err
	}
	if err := params(c).err; err != nil {
		return err
	}
	d, err := s.cfg.Jobs.Get(c.Request().Context(), id)
	if err != nil {
		return err
	}
	return s.resource(c, wire.JobWithTexts(d))
}

// cancelJob answers 200 when the job is canceled now, and 202 while its processes are being ended.
func (s *Server) cancelJob(c echo.Context) error {
	id, err := jobID(c)
	if err != nil {
		return err
	}
	if err := params(c).err; err != nil {
		return err
	}
	if err := bindNothing(c); err != nil {
		return err
	}
	d, err := s.cfg.Jobs.Cancel(c.Request().Context(), id)
	if err != nil {
		return err
	}
	status, message := http.StatusAccepted, "the job's processes are being ended"
	if d.Job.Status.Final() {
		status, message = http.StatusOK, "the job is "+string(d.Job.Status)
	}
	return s.json(c, status, wire.Canceled{Message: message, Job: wire.JobWithTexts(d)})
}

func (s *Server) duplicateJob(c echo.Context) error {
	id, err := jobID(c)
	if err != nil {
		return err
	}
	var b wire.DuplicateJob
	if c.Request().ContentLength != 0 {
		if err := bind(c, &b, maxScriptBody); err != nil {
			return err
		}
	}
	change, err := b.Change()
	if err != nil {
		return err
	}
	if err := params(c).err; err != nil {
		return err
	}
	if change.IdempotencyKey, err = idempotencyKey(c); err != nil {
		return err
	}
	made, err := s.cfg.Jobs.Duplicate(c.Request().Context(), id, change)
	return s.duplicated(c, made, err)
}

func (s *Server) rerunJob(c echo.Context) error {
	id, err := jobID(c)
	if err != nil {
		return err
	}
	if err := params(c).err; err != nil {
		return err
	}
	if err := bindNothing(c); err != nil {
		return err
	}
	key, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	made, err := s.cfg.Jobs.Rerun(c.Request().Context(), id, key)
	return s.duplicated(c, made, err)
}

func (s *Server) duplicated(c echo.Context, made ports.Copy, err error) error {
	if err != nil {
		return err
	}
	c.Response().Header().Set("Location", api+"/jobs/"+string(made.New.Job.ID))
	return s.json(c, http.StatusCreated, wire.DuplicatedOf(made))
}

func (s *Server) listJobs(c echo.Context) error {
	q, filters, err := jobQuery(c)
	if err != nil {
		return err
	}
	page, err := s.cfg.Jobs.List(c.Request().Context(), q)
	if err != nil {
		return err
	}
	return s.resource(c, wire.JobListOf(page, q, filters))
}

const defaultLimit = 20

func jobQuery(c echo.Context) (ports.JobQuery, wire.Filters, error) {
	p := params(c, "page", "limit", "cursor", "status", "reason", "server_id", "batch_id", "search", "created_after", "created_before",
		"sort_by", "sort_order")
	q := ports.JobQuery{
		Statuses: words[domain.Status](p, "status", "one or several with commas: queued, running, completed, failed, canceled"),
		Reasons:  words[domain.Reason](p, "reason", "one or several with commas, as exit_nonzero,timeout"),
		ServerID: domain.ServerID(p.id("server_id")), BatchID: domain.BatchID(p.id("batch_id")), Search: p.text("search"),
		CreatedAfter: p.moment("created_after"), CreatedBefore: p.moment("created_before"),
		Sort:   ports.SortField(p.text("sort_by")),
		Asc:    p.oneOf("sort_order", "desc", "asc") == "asc",
		Limit:  int(p.number("limit", 1, 100, defaultLimit)),
		Cursor: p.text("cursor"),
	}
	if q.Sort == "" {
		if p.has("sort_by") {
			p.fail(domain.Invalid("sort_by", "sort_by is empty; name a field to sort by"))
		}
		q.Sort = ports.SortCreated
	}
	switch {
	case q.Cursor == "":
		q.Page = int(p.number("page", 1, 1<<31, 1))
	case p.has("page"):
		p.fail(domain.Invalid("page", "page and cursor are both given; give one of them"))
	}
	return q, wire.FiltersOf(q), p.err
}
