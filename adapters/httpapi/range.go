package httpapi

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/heysubinoy/remora/domain"
)

// byteRange is the part of a stream that an answer carries.
type byteRange struct {
	from, length int64
	partial      bool
}

// rangeOf reads the Range header of a GET or HEAD as RFC 9110 does: one range of bytes is honoured; several at once, another unit or
// something malformed are ignored, as is a range under an If-Range that names another version. A range that lies outside is an error
// with status 416. tag is empty where the stream has no version yet.
func rangeOf(r *http.Request, tag string, size int64) (byteRange, error) {
	whole := byteRange{length: size}
	header := r.Header.Get("Range")
	unit, spec, ok := strings.Cut(header, "=")
	if !ok || !strings.EqualFold(strings.TrimSpace(unit), "bytes") || strings.Contains(spec, ",") {
		return whole, nil
	}
	if condition := r.Header.Get("If-Range"); condition != "" && (tag == "" || condition != tag) {
		return whole, nil
	}
	first, last, ok := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok {
		return whole, nil
	}
	if first == "" {
		n, ok := position(last)
		if !ok {
			return whole, nil
		}
		n = min(n, size)
		if n == 0 {
			return whole, outside(size)
		}
		return byteRange{from: size - n, length: n, partial: true}, nil
	}
	from, ok := position(first)
	if !ok {
		return whole, nil
	}
	to := size - 1
	if last != "" {
		n, ok := position(last)
		if !ok || n < from {
			return whole, nil
		}
		to = min(n, to)
	}
	if from >= size {
		return whole, outside(size)
	}
	return byteRange{from: from, length: to - from + 1, partial: true}, nil
}

func position(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 1<<63 - 1, true // more digits than any stream has bytes
	}
	return n, true
}

func outside(size int64) error {
	e := domain.Invalid("range", "the range begins after the %d bytes there are", size).WithDetails(map[string]any{"field": "Range", "size": size})
	return &statusError{e, http.StatusRequestedRangeNotSatisfiable}
}
