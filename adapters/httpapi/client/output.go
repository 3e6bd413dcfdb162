package client

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/heysubinoy/remora/adapters/httpapi/wire"
	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// Output is ports.Output over HTTP.
type Output struct{ *conn }

var _ ports.Output = (*Output)(nil)

// Chunks implements ports.Output. A wait that is longer than the API allows is made of several.
func (c *Output) Chunks(ctx context.Context, id domain.JobID, after domain.Seq, limit int, wait time.Duration) (ports.OutputPage, error) {
	if !wire.IsID(string(id)) {
		return ports.OutputPage{}, unknownJob(id)
	}
	until := time.Now().Add(wait)
	for {
		v := url.Values{"since": {strconv.FormatInt(int64(after), 10)}, "tail": {"false"}, "limit": {strconv.Itoa(min(limit, wire.MaxChunks))}}
		if part := min(wait, wire.MaxWait); part > 0 {
			v.Set("wait", strconv.FormatFloat(part.Seconds(), 'f', -1, 64))
		}
		var logs wire.Logs
		if err := c.do(ctx, call{method: http.MethodGet, path: "jobs/" + string(id) + "/logs", query: v}, &logs); err != nil {
			return ports.OutputPage{}, err
		}
		if logs.Chunks == nil {
			return ports.OutputPage{}, c.strange("logs without chunks")
		}
		page := logs.Chunks.Page()
		wait = time.Until(until)
		if len(page.Chunks) > 0 || page.Final || wait <= 0 {
			return page, nil
		}
	}
}

// Open implements ports.Output.
func (c *Output) Open(ctx context.Context, id domain.JobID, s domain.Stream, offset, length int64) (io.ReadCloser, int64, error) {
	if !wire.IsID(string(id)) {
		return nil, 0, unknownJob(id)
	}
	if offset < 0 {
		return nil, 0, domain.Invalid("offset", "offset %d is negative", offset)
	}
	k := call{method: http.MethodGet, path: "jobs/" + string(id) + "/" + s.String(), header: http.Header{}}
	// Asked for by hand, so that the transport does not unzip behind the back of the offsets.
	k.header.Set("Accept-Encoding", "identity")
	last := offset + max(length, 1) - 1 // of nothing the first byte is asked for, which tells the size
	switch {
	case length < 0 && offset > 0:
		k.header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	case length >= 0 && last >= offset:
		k.header.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, last))
	case length >= 0:
		k.header.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, int64(math.MaxInt64)))
	}
	resp, err := c.send(ctx, k)
	if err != nil {
		return nil, 0, err
	}
	r, size, err := c.opened(ctx, resp, k)
	if err == nil && length == 0 {
		_ = r.Close()
		r = io.NopCloser(bytes.NewReader(nil))
	}
	return r, size, err
}

func (c *Output) opened(ctx context.Context, resp *http.Response, k call) (io.ReadCloser, int64, error) {
	_, total, _ := strings.Cut(resp.Header.Get("Content-Range"), "/")
	size, sizeErr := strconv.ParseInt(total, 10, 64)
	switch {
	case resp.StatusCode == http.StatusPartialContent && sizeErr == nil:
		return &answer{ReadCloser: resp.Body, conn: c.conn, ctx: ctx}, size, nil
	case resp.StatusCode == http.StatusOK && k.header.Get("Range") == "":
		return &answer{ReadCloser: resp.Body, conn: c.conn, ctx: ctx}, resp.ContentLength, nil
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && sizeErr == nil {
		return io.NopCloser(bytes.NewReader(nil)), size, nil // what lies after the end is empty
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, 0, c.sendError(ctx, err)
	}
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusPartialContent {
		return nil, 0, c.strange("another range than was asked for")
	}
	return nil, 0, c.answerError(resp, body)
}

// answer is a body whose reading fails with domain errors.
type answer struct {
	io.ReadCloser
	conn *conn
	ctx  context.Context
}

// Read implements io.Reader.
func (a *answer) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // io.Reader's end is the value itself
		err = a.conn.sendError(a.ctx, err)
	}
	return n, err
}
