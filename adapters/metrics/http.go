package metrics

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type httpMeters struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
	bytes    *prometheus.CounterVec
}

func newHTTPMeters(m *Meters) httpMeters {
	return httpMeters{
		requests: m.counter("remora_http_requests_total", "Answered requests, by the route's template.", "method", "route", "code"),
		duration: m.histogram("remora_http_request_duration_seconds",
			"From the request's head to the end of its answer; a stream's lasts as long as its reader stays.", quick, "method", "route"),
		inFlight: m.gauge("remora_http_requests_in_flight", "Requests being answered, open streams included.").WithLabelValues(),
		bytes:    m.counter("remora_http_response_bytes_total", "Bytes of answers, heads not counted.", "route"),
	}
}

// noRoute stands for every path at which there is nothing: callers choose those.
const noRoute = "none"

// Request counts a request in; the returned function counts its answer. route is the template, empty where there is none.
func (m *Meters) Request(method, route string) func(status int, bytes int64) {
	method = methodOf(method)
	if route == "" {
		route = noRoute
	}
	began := time.Now()
	m.http.inFlight.Inc()
	return func(status int, bytes int64) {
		m.http.inFlight.Dec()
		m.http.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
		m.http.duration.WithLabelValues(method, route).Observe(time.Since(began).Seconds())
		m.http.bytes.WithLabelValues(route).Add(float64(max(bytes, 0)))
	}
}

// methodOf keeps a caller's inventions from becoming labels.
func methodOf(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}
