package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/heysubinoy/remora/adapters/httpapi/wire"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// follow streams a job as Server-Sent Events: status with the job whenever its state changes, output with each chunk,
// complete at the end. The id of an event is the cursor from which a reader goes on that has seen it: Last-Event-ID, or since.
func (s *Server) follow(c echo.Context) error {
	id, err := jobID(c)
	if err != nil {
		return err
	}
	since, err := cursor(c)
	if err != nil {
		return err
	}
	if s.stopping.Err() != nil {
		return errStopping
	}
	// Asked before the first byte, so that an unknown job is a 404 and not a stream that ends.
	if _, err := s.cfg.Output.Chunks(c.Request().Context(), id, since, 1, 0); err != nil {
		return err
	}
	release, err := s.hold()
	if err != nil {
		return err
	}
	defer release()
	h := c.Response().Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold the events back
	if c.Request().Method == http.MethodHead {
		return c.NoContent(http.StatusOK)
	}
	ctx, end := s.untilStop(c)
	defer end()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(context.Canceled)

	w := &eventWriter{response: c.Response(), control: http.NewResponseController(c.Response()), timeout: s.cfg.WriteTimeout, cursor: since}
	c.Response().WriteHeader(http.StatusOK)
	if err := w.comment("remora"); err != nil {
		return err
	}
	var beats sync.WaitGroup
	beats.Go(func() { s.heartbeat(ctx, cancel, w) })
	err = s.cfg.Output.Follow(ctx, id, since, w.event)
	cancel(context.Canceled)
	beats.Wait()
	if s.stopping.Err() != nil {
		return nil // the reader comes back with its cursor
	}
	return err
}

// heartbeat keeps a silent stream alive in the eyes of proxies, and finds out when its reader is gone.
func (s *Server) heartbeat(ctx context.Context, cancel context.CancelCauseFunc, w *eventWriter) {
	tick := time.NewTicker(s.cfg.Heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := w.comment("alive"); err != nil {
				cancel(err)
				return
			}
		}
	}
}

func cursor(c echo.Context) (domain.Seq, error) {
	p := params(c, "since")
	since := p.number("since", 0, 1<<62, 0)
	if p.err != nil {
		return 0, p.err
	}
	// A reconnecting browser keeps the URL it began with: its header is the newer word.
	if last := c.Request().Header.Get("Last-Event-ID"); last != "" {
		n, err := strconv.ParseInt(last, 10, 64)
		if err != nil || n < 0 || n > 1<<62 {
			return 0, domain.Invalid("last_event_id", "Last-Event-ID %q is not the id of an event of this stream", short(last))
		}
		since = n
	}
	return domain.Seq(since), nil
}

// eventWriter writes events and comments, each whole, flushed and in its own time.
type eventWriter struct {
	mu       sync.Mutex
	response http.ResponseWriter
	control  *http.ResponseController
	timeout  time.Duration
	cursor   domain.Seq
	held     []byte // written, and not sent yet
}

// maxHeld is how much is collected before it is sent.
const maxHeld = 16 << 10

// keptRoom is how much room a reader keeps who is told nothing.
const keptRoom = 2 << 10

func (w *eventWriter) event(e ports.JobEvent) error {
	switch {
	case e.Chunk != nil:
		w.cursor = e.Chunk.Seq
		return w.send(wire.EventOutput, wire.ChunkOf(e.Chunk), e.More)
	case e.Job == nil:
		return nil
	case e.Complete:
		return w.send(wire.EventComplete, wire.JobOf(e.Job, nil), e.More)
	}
	return w.send(wire.EventStatus, wire.JobOf(e.Job, nil), e.More)
}

func (w *eventWriter) send(name string, data any, more bool) error {
	body, err := json.Marshal(data) // one line, so one data field
	if err != nil {
		return err
	}
	return w.write(fmt.Sprintf("id: %d\nevent: %s\ndata: ", w.cursor, name), body, "\n\n", more)
}

func (w *eventWriter) comment(text string) error { return w.write(": ", []byte(text), "\n\n", false) }

// write collects events while more of them come, and sends them together: a thousand readers cost a system call each, not one
// for each line.
func (w *eventWriter) write(before string, body []byte, after string, more bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = append(append(append(w.held, before...), body...), after...)
	if more && len(w.held) < maxHeld {
		return nil
	}
	if err := w.control.SetWriteDeadline(time.Now().Add(w.timeout)); err != nil {
		return gone(err)
	}
	_, err := w.response.Write(w.held)
	if w.held = w.held[:0]; cap(w.held) > keptRoom {
		w.held = nil // one long chunk is no reason to keep its room for hours
	}
	if err != nil {
		return gone(err)
	}
	return gone(w.control.Flush())
}
