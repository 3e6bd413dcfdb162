package httpapi

import (
	"bytes"
	"compress/gzip"
	"strconv"
	"strings"
	"sync"
)

// minPacked is the size from which a body is worth packing: pages of lists are, a job is not.
const minPacked = 4 << 10

var packers = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	return z
}}

func pack(body []byte) []byte {
	z := packers.Get().(*gzip.Writer)
	defer packers.Put(z)
	b := bytes.NewBuffer(make([]byte, 0, len(body)/4))
	z.Reset(b)
	_, _ = z.Write(body) // into memory
	_ = z.Close()
	return b.Bytes()
}

// takesGzip reads Accept-Encoding as RFC 9110 does, as far as gzip is concerned.
func takesGzip(headers []string) bool {
	for one := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		name, weight, _ := strings.Cut(one, ";")
		if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
			continue
		}
		q, weighed := strings.CutPrefix(strings.TrimSpace(weight), "q=")
		n, err := strconv.ParseFloat(q, 64)
		return !weighed || err == nil && n > 0
	}
	return false
}
