package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metricsql"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
	"github.com/heysubinoy/remora/test/harness/cluster"
	"github.com/heysubinoy/remora/test/harness/house"
	"github.com/heysubinoy/remora/test/harness/sshd"
	"github.com/heysubinoy/remora/test/harness/wait"
)

// scrape asks a program for its metrics as Prometheus does; it fails until the program listens.
func scrape(url string) (map[string]*dto.MetricFamily, error) {
	res, err := http.Get(url + "/metrics")
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", url, res.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(res.Body)
}

// sample returns one value of a scrape; labels are name, value, name, value.
func sample(t *testing.T, families map[string]*dto.MetricFamily, name string, labels ...string) float64 {
	t.Helper()
	for _, m := range families[name].GetMetric() {
		has := map[string]string{}
		for _, l := range m.GetLabel() {
			has[l.GetName()] = l.GetValue()
		}
		fits := true
		for i := 0; i < len(labels); i += 2 {
			fits = fits && has[labels[i]] == labels[i+1]
		}
		if fits {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	require.Failf(t, "no sample", "%s %v", name, labels)
	return 0
}

// observed is a house whose three programs can be scraped, with two jobs behind it: one completed, one failed.
type observed struct {
	*house.House
	queue, api, worker             *cluster.Process
	fromQueue, fromAPI, fromWorker map[string]*dto.MetricFamily
	completed, failed              domain.Job
}

func observe(t *testing.T) *observed {
	t.Helper()
	o := &observed{House: house.New(t, "", sshd.Start(t))}
	queueAddr, workerAddr := cluster.FreeAddr(t), cluster.FreeAddr(t)
	scraped := func(url string) (families map[string]*dto.MetricFamily) {
		wait.Within(t, time.Minute, func() (err error) {
			families, err = scrape(url)
			return err
		})
		return families
	}
	o.queue = o.StartWith(t, []string{"METRICS_ADDR=" + queueAddr}, "remora-queue")
	scraped("http://" + queueAddr)
	o.api = o.StartAPI(t)
	o.worker = o.StartWith(t, []string{"METRICS_ADDR=" + workerAddr}, "remora-worker")
	o.Register(t)
	o.completed, _, _ = o.Run(t, ports.Submission{Command: "printf 0123456789; printf 012 >&2"})
	o.failed, _, _ = o.Run(t, ports.Submission{Command: "exit 3"})
	o.fromQueue, o.fromAPI, o.fromWorker = scraped("http://"+queueAddr), scraped(o.URL()), scraped("http://"+workerAddr)
	return o
}

// TestObserved asks the real programs what they have seen, and holds the dashboard and the alert rules to it.
func TestObserved(t *testing.T) {
	t.Parallel()
	o := observe(t)
	t.Run("Counts", o.counts)
	t.Run("DashboardAndAlertsNameWhatThereIs", o.named)
	t.Run("JobEvents", o.events)
	t.Run("RequestLines", o.requests)
}

func (o *observed) counts(t *testing.T) {
	w, a, q := o.fromWorker, o.fromAPI, o.fromQueue
	require.EqualValues(t, 1, sample(t, w, "remora_jobs_ended_total", "status", "completed"))
	require.EqualValues(t, 1, sample(t, w, "remora_jobs_ended_total", "status", "failed", "reason", "exit_nonzero"))
	require.EqualValues(t, 2, sample(t, w, "remora_job_wait_seconds"))
	require.EqualValues(t, 10, sample(t, w, "remora_output_bytes_total", "stream", "stdout"))
	require.EqualValues(t, 3, sample(t, w, "remora_output_bytes_total", "stream", "stderr"))
	require.EqualValues(t, 2, sample(t, w, "remora_queue_handled_tickets_total", "operation", "taken"))
	require.EqualValues(t, 1, sample(t, w, "remora_ssh_dials_total", "outcome", "ok"), "both jobs shared a connection")
	require.EqualValues(t, 1, sample(t, w, "remora_ssh_connections", "state", "idle")+sample(t, w, "remora_ssh_connections", "state", "busy"))
	require.Positive(t, sample(t, w, "remora_worker_lease_renewals_total", "outcome", "ok"))
	require.EqualValues(t, 2, sample(t, a, "remora_jobs_submitted_total"))
	require.EqualValues(t, 2, sample(t, a, "remora_http_requests_total", "method", "POST", "route", "/api/v1/jobs", "code", "201"))
	require.EqualValues(t, 1, sample(t, a, "remora_jobs", "status", "failed", "reason", "exit_nonzero"))
	require.EqualValues(t, 1, sample(t, a, "remora_servers"))
	require.EqualValues(t, 1, sample(t, a, "remora_workers"))
	require.EqualValues(t, 50, sample(t, a, "remora_workers_capacity"))
	require.EqualValues(t, 1, sample(t, a, "remora_queue_up"))
	require.EqualValues(t, 1, sample(t, a, "remora_database_up"))
	require.EqualValues(t, 2, sample(t, q, "remora_netqueue_put_tickets_total"))
	require.EqualValues(t, 2, sample(t, q, "remora_netqueue_connections"))
	for _, id := range []string{string(o.completed.ID), string(o.Server.ID), o.Server.Name} {
		for _, families := range []map[string]*dto.MetricFamily{a, w, q} {
			for name, f := range families {
				require.NotContains(t, f.String(), id, "%s tells of one job or server: the number of samples would have no end", name)
			}
		}
	}
}

// interval stands for what Grafana puts in.
const interval = "5m"

// expressions returns every query of the dashboard and of the rules, by where it stands.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	text, err := os.ReadFile("../../docs/observability/dashboard.json")
	require.NoError(t, err)
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	require.NoError(t, json.Unmarshal(text, &dashboard))
	for _, p := range dashboard.Panels {
		for i, target := range p.Targets {
			expr := strings.ReplaceAll(target.Expr, "$__rate_interval", interval)
			found[fmt.Sprintf("panel %s %d", p.Title, i)] = strings.ReplaceAll(expr, "$job", ".+")
		}
	}
	panels := len(found)
	require.Greater(t, panels, 30)

	file, err := os.Open("../../docs/observability/alerts.yaml")
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	var rules struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	strict := yaml.NewDecoder(file)
	strict.KnownFields(true)
	require.NoError(t, strict.Decode(&rules))
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			require.Regexp(t, `^Remora[A-Z][A-Za-z]+$`, r.Alert)
			require.NotContains(t, found, "alert "+r.Alert)
			require.Contains(t, []string{"warning", "critical"}, r.Labels["severity"], r.Alert)
			require.NotEmpty(t, r.Annotations["summary"], r.Alert)
			require.NotEmpty(t, r.Annotations["description"], r.Alert)
			if r.For != "" {
				_, err := model.ParseDuration(r.For)
				require.NoError(t, err, r.Alert)
			}
			found["alert "+r.Alert] = r.Expr
		}
	}
	require.Greater(t, len(found), panels+8)
	return found
}

// named checks that each query can be read, and asks for metrics and labels that the programs have.
func (o *observed) named(t *testing.T) {
	there := map[string]map[string]bool{} // labels by metric
	for _, families := range []map[string]*dto.MetricFamily{o.fromAPI, o.fromWorker, o.fromQueue} {
		for name, f := range families {
			labels := map[string]bool{"job": true, "instance": true, "le": true}
			for _, m := range f.GetMetric() {
				for _, l := range m.GetLabel() {
					labels[l.GetName()] = true
				}
			}
			suffixes := []string{""}
			if f.GetType() == dto.MetricType_HISTOGRAM {
				suffixes = []string{"_bucket", "_sum", "_count"}
			}
			for _, s := range suffixes {
				if there[name+s] == nil {
					there[name+s] = map[string]bool{}
				}
				maps.Copy(there[name+s], labels)
			}
		}
	}
	asked := map[string]bool{}
	for where, expr := range expressions(t) {
		parsed, err := metricsql.Parse(expr)
		require.NoError(t, err, where)
		used, grouped := map[string]bool{}, []string{}
		metricsql.VisitAll(parsed, func(e metricsql.Expr) {
			switch e := e.(type) {
			case *metricsql.AggrFuncExpr:
				grouped = append(grouped, e.Modifier.Args...)
			case *metricsql.MetricExpr:
				for _, filters := range e.LabelFilterss {
					require.Equal(t, "__name__", filters[0].Label, where)
					name := filters[0].Value
					used[name], asked[name] = true, true
					require.Contains(t, there, name, "%s: no program has this metric", where)
					for _, f := range filters[1:] {
						require.True(t, there[name][f.Label], "%s: %s has no label %s", where, name, f.Label)
					}
				}
			}
		})
		require.NotEmpty(t, used, where)
		for _, label := range grouped {
			require.True(t, slices.ContainsFunc(slices.Collect(maps.Keys(used)), func(name string) bool { return there[name][label] }),
				"%s groups by %s, which its metrics do not have", where, label)
		}
	}
	forgotten := []string{}
	for name := range there {
		base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		if strings.HasPrefix(name, "remora_") && !asked[name] && !asked[base+"_bucket"] && !strings.HasPrefix(name, "remora_netqueue_") {
			forgotten = append(forgotten, name)
		}
	}
	require.Subset(t, []string{"remora_worker_lease_renewed_timestamp_seconds", "remora_dispatcher_offered_jobs_total"}, forgotten,
		"the dashboard shows what there is")
}

// line is a line of a program's log.
type line map[string]any

func lines(t *testing.T, p *cluster.Process) []line {
	t.Helper()
	var all []line
	for text := range strings.Lines(p.Log()) {
		if !strings.HasPrefix(text, "{") {
			continue // what is said to people at the start
		}
		var l line
		require.NoError(t, json.Unmarshal([]byte(text), &l), text)
		require.Contains(t, l, "level", text)
		require.Contains(t, l, "time", text)
		require.Contains(t, l, "message", text)
		all = append(all, l)
	}
	return all
}

// events checks the story that the logs tell of the failed job, from all programs together.
func (o *observed) events(t *testing.T) {
	told := map[string]line{}
	for _, p := range []*cluster.Process{o.api, o.worker} {
		for _, l := range lines(t, p) {
			if l["job_id"] == string(o.failed.ID) {
				told[fmt.Sprint(l["message"])] = l
			}
		}
	}
	for _, what := range []string{"job submitted", "job goes into the queue", "job claimed", "job started", "job ended"} {
		require.Contains(t, told, what)
	}
	require.NotEmpty(t, told["job submitted"]["request_id"], "a job is found by the request that brought it")
	require.Equal(t, string(o.Server.ID), told["job submitted"]["server_id"])
	require.NotEmpty(t, told["job claimed"]["worker_id"])
	end := told["job ended"]
	require.Equal(t, "info", end["level"])
	require.Equal(t, "failed", end["status"])
	require.Equal(t, "exit_nonzero", end["reason"])
	require.EqualValues(t, 3, end["exit_code"])
	require.EqualValues(t, 1, end["attempt"])
	require.Contains(t, end, "duration")
	require.Contains(t, end, "output_bytes")
}

func (o *observed) requests(t *testing.T) {
	count := 0
	for _, l := range lines(t, o.api) {
		if l["message"] != "request" || l["route"] != "/api/v1/jobs" || l["method"] != "POST" {
			continue
		}
		count++
		require.EqualValues(t, 201, l["status"])
		require.Contains(t, l["principal"], "admin")
		for _, field := range []string{"duration", "bytes", "request_id"} {
			require.Contains(t, l, field)
		}
	}
	require.Equal(t, 2, count, "one line for each request")
}
