// Package metrics counts what happens, for Prometheus. It stands around the ports: each method of Meters wraps one port
// and counts what goes through it, so that the application knows nothing of it, and what no port says (connections, the
// broker's tickets) is asked for at each scrape. Labels are words from short fixed lists, never an id or a name.
package metrics

import (
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// scrapeTimeout bounds what is asked of others while a scrape waits.
const scrapeTimeout = 2 * time.Second

// Meters are all the meters of one process, in a registry of their own. Safe for concurrent use.
type Meters struct {
	registry *prometheus.Registry
	http     httpMeters
	jobs     jobMeters
	queue    queueMeters
	work     workMeters
}

// New returns meters that say of themselves which version they count for.
func New(version string) *Meters {
	m := &Meters{registry: prometheus.NewRegistry()}
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m.gauge("remora_build_info", "The running build: always 1.", "version", "go_version").WithLabelValues(version, runtime.Version()).Set(1)
	m.http = newHTTPMeters(m)
	m.jobs = newJobMeters(m)
	m.queue = newQueueMeters(m)
	m.work = newWorkMeters(m)
	return m
}

// Handler answers a scrape.
func (m *Meters) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}

// Gatherer returns what a scrape would see, for tests.
func (m *Meters) Gatherer() prometheus.Gatherer { return m.registry }

func (m *Meters) counter(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.registry.MustRegister(c)
	return c
}

func (m *Meters) gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	m.registry.MustRegister(g)
	return g
}

func (m *Meters) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	m.registry.MustRegister(h)
	return h
}

// Buckets in seconds: of what is done while somebody waits, and of jobs.
var (
	quick = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}
	slow  = []float64{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400}
)

// zero makes every child of a counter with one label exist, so that the first event is seen as a rise.
func zero(c *prometheus.CounterVec, values ...string) *prometheus.CounterVec {
	for _, v := range values {
		c.WithLabelValues(v)
	}
	return c
}

// outcome words.
const (
	ok     = "ok"
	failed = "failed"
)

func outcomeOf(err error) string {
	if err != nil {
		return failed
	}
	return ok
}
