package httpapi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/heysubinoy/remora/adapters/httpapi/wire"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// untilStop returns a context that ends with the request, and when the server is asked to stop.
func (s *Server) untilStop(c echo.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(c.Request().Context())
	unhook := context.AfterFunc(s.stopping, func() { cancel(errStopping) })
	return ctx, func() { unhook(); cancel(context.Canceled) }
}

// getLogs answers with the ends of the output, and with chunks after a cursor when since is given. A long poll that the
// server's stop cuts short answers with what there is.
func (s *Server) getLogs(c echo.Context) error {
	id, err := jobID(c)
	if err != nil {
		return err
	}
	p := params(c, "since", "wait", "limit", "tail")
	since := domain.Seq(p.number("since", 0, 1<<62, 0))
	wait := p.seconds("wait", wire.MaxWait)
	limit := int(p.number("limit", 1, wire.MaxChunks, wire.DefaultChunks))
	tail := p.flag("tail", true)
	if !p.has("since") && (p.has("wait") || p.has("limit")) {
		p.fail(domain.Invalid("since", "since is missing; wait and limit go with it"))
	}
	if p.err != nil {
		return p.err
	}
	var chunks *wire.Chunks
	if p.has("since") {
		page, err := s.chunks(c, id, since, limit, wait)
		if err != nil {
			return err
		}
		chunks = wire.ChunksOf(page)
	}
	d, err := s.cfg.Jobs.Get(c.Request().Context(), id)
	if err != nil {
		return err
	}
	logs := wire.LogsOf(d, tail)
	logs.Chunks = chunks
	return s.resource(c, logs)
}

func (s *Server) chunks(c echo.Context, id domain.JobID, since domain.Seq, limit int, wait time.Duration) (ports.OutputPage, error) {
	if wait > 0 {
		release, err := s.hold()
		if err != nil {
			return ports.OutputPage{}, err
		}
		defer release()
	}
	ctx, end := s.untilStop(c)
	defer end()
	page, err := s.cfg.Output.Chunks(ctx, id, since, limit, wait)
	if err != nil && s.stopping.Err() != nil && c.Request().Context().Err() == nil {
		return s.cfg.Output.Chunks(c.Request().Context(), id, since, limit, 0)
	}
	return page, err
}

// getStream answers with the raw bytes of a stream, whole or a range of them. A finished job's bytes never change and
// have a tag; those of an unfinished one are what is stored now, and must not be kept.
func (s *Server) getStream(stream domain.Stream) echo.HandlerFunc {
	return func(c echo.Context) error {
		id, err := jobID(c)
		if err != nil {
			return err
		}
		if err := params(c).err; err != nil {
			return err
		}
		ctx := c.Request().Context()
		d, err := s.cfg.Jobs.Get(ctx, id)
		if err != nil {
			return err
		}
		size, err := s.size(ctx, id, stream)
		if err != nil {
			return err
		}
		h := c.Response().Header()
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Set("Content-Disposition", fmt.Sprintf(`inline; filename="%s.%s.txt"`, id, stream))
		h.Set("Cache-Control", "no-store")
		tag := ""
		if d.Job.Status.Final() {
			tag = fmt.Sprintf(`"%s-%d-%s-%d"`, id, d.Job.Attempt, stream, size)
			h.Set("ETag", tag)
			h.Set("Cache-Control", "private, no-cache")
			if matches(c.Request().Header.Values("If-None-Match"), tag) {
				return c.NoContent(http.StatusNotModified)
			}
		}
		h.Set("Accept-Ranges", "bytes")
		part, err := rangeOf(c.Request(), tag, size)
		if err != nil {
			h.Set("Content-Range", fmt.Sprintf("bytes */%d", size))
			return err
		}
		status := http.StatusOK
		if part.partial {
			status = http.StatusPartialContent
			h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", part.from, part.from+part.length-1, size))
		}
		h.Set("Content-Length", strconv.FormatInt(part.length, 10))
		return s.sendRange(c, status, id, stream, part)
	}
}

// size asks for the stream's size alone.
func (s *Server) size(ctx context.Context, id domain.JobID, stream domain.Stream) (int64, error) {
	r, size, err := s.cfg.Output.Open(ctx, id, stream, 0, 0)
	if err != nil {
		return 0, err
	}
	return size, r.Close()
}

// sendRange copies the bytes. One that ends early, because a new attempt began meanwhile, leaves the answer shorter than
// its Content-Length, and so nobody takes it for whole.
func (s *Server) sendRange(c echo.Context, status int, id domain.JobID, stream domain.Stream, part byteRange) error {
	if c.Request().Method == http.MethodHead || part.length == 0 {
		c.Response().WriteHeader(status)
		return nil
	}
	r, _, err := s.cfg.Output.Open(c.Request().Context(), id, stream, part.from, part.length)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	c.Response().WriteHeader(status)
	_, err = io.CopyBuffer(&patientWriter{c.Response(), http.NewResponseController(c.Response()), s.cfg.WriteTimeout},
		io.LimitReader(r, part.length), make([]byte, 64<<10))
	return err
}

// patientWriter gives each write its own time: a reader may be slow, but not gone.
type patientWriter struct {
	io.Writer
	control *http.ResponseController
	timeout time.Duration
}

func (w *patientWriter) Write(p []byte) (int, error) {
	if err := w.control.SetWriteDeadline(time.Now().Add(w.timeout)); err != nil {
		return 0, gone(err)
	}
	n, err := w.Writer.Write(p)
	return n, gone(err)
}
