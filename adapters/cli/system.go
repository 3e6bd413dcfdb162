package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

func (a *app) systemCommand() *cobra.Command {
	return &cobra.Command{
		Use: "system", Aliases: []string{"info"}, Short: "Tell how many servers, jobs and workers there are",
		Long:    "System tells the counts of servers and jobs, what waits, how long jobs take, and which workers are at work.",
		Example: "  remora system\n  remora system -o json | jq .worker_status",
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := a.connect(c.Context())
			if err != nil {
				return err
			}
			o, err := s.System.Overview(c.Context())
			if err != nil {
				return err
			}
			err = a.print(systemOf(o), func(w io.Writer) { a.systemFields(w, o) })
			if err != nil || a.global.form != formTable || len(o.Workers) == 0 {
				return err
			}
			if _, err := io.WriteString(a.Stdout, "\n"); err != nil {
				return err
			}
			return a.print(nil, func(w io.Writer) {
				row(w, "WORKER", "HOSTNAME", "PID", "RUNNING", "CAPACITY", "STARTED", "SEEN")
				for _, l := range o.Workers {
					row(w, string(l.ID), l.Hostname, fmt.Sprint(l.PID), fmt.Sprint(l.Running), fmt.Sprint(l.Capacity), a.when(l.StartedAt), a.when(l.SeenAt))
				}
			})
		},
	}
}

func (a *app) systemFields(w io.Writer, o ports.SystemOverview) {
	field(w, "API", a.address)
	field(w, "Version", o.Version)
	field(w, "Up for", short(o.Uptime))
	field(w, "Database", o.Database)
	field(w, "Servers", fmt.Sprintf("%d: %d connected, %d disconnected at their last check", o.Servers, o.Connected, o.Disconnected))
	field(w, "Jobs", fmt.Sprintf("%d: %s", o.Jobs.Total(), o.Jobs))
	if o.Jobs.Completed+o.Jobs.Failed > 0 {
		field(w, "Success", fmt.Sprintf("%.1f %%", o.SuccessRate()))
		field(w, "Average", short(o.AverageDuration))
	}
	field(w, "Rate", fmt.Sprintf("%.1f jobs an hour", o.JobsPerHour))
	if o.OldestQueued > 0 {
		field(w, "Waiting", "the oldest for "+short(o.OldestQueued))
	}
	field(w, "Workers", fmt.Sprintf("%d with room for %s", len(o.Workers), count(o.Capacity(), "job")))
}

type systemShape struct {
	TotalServers        int64             `json:"total_servers"`
	TotalJobs           int64             `json:"total_jobs"`
	QueuedJobs          int64             `json:"queued_jobs"`
	RunningJobs         int64             `json:"running_jobs"`
	CompletedJobs       int64             `json:"completed_jobs"`
	FailedJobs          int64             `json:"failed_jobs"`
	CanceledJobs        int64             `json:"canceled_jobs"`
	SuccessRate         float64           `json:"success_rate"`
	Timestamp           time.Time         `json:"timestamp"`
	ConnectedServers    int64             `json:"connected_servers"`
	DisconnectedServers int64             `json:"disconnected_servers"`
	AverageJobDuration  float64           `json:"average_job_duration"` // seconds
	JobsPerHour         float64           `json:"jobs_per_hour"`
	Queue               queueShape        `json:"queue"`
	WorkerStatus        workerStatusShape `json:"worker_status"`
	Workers             []workerShape     `json:"workers"`
	Version             string            `json:"version"`
	UptimeSeconds       float64           `json:"uptime_seconds"`
	Database            databaseShape     `json:"database"`
}

type queueShape struct {
	Depth     int64   `json:"depth"`
	OldestAge float64 `json:"oldest_age_seconds"`
}

type workerStatusShape struct {
	ActiveWorkers int   `json:"active_workers"`
	TotalCapacity int   `json:"total_capacity"`
	RunningJobs   int64 `json:"running_jobs"`
}

type workerShape struct {
	ID          domain.WorkerID `json:"id"`
	Hostname    string          `json:"hostname"`
	PID         int             `json:"pid"`
	Capacity    int             `json:"capacity"`
	RunningJobs int             `json:"running_jobs"`
	StartedAt   time.Time       `json:"started_at"`
	SeenAt      time.Time       `json:"seen_at"`
}

type databaseShape struct {
	Kind string `json:"kind"`
}

func systemOf(o ports.SystemOverview) systemShape {
	t := o.Jobs
	s := systemShape{
		TotalServers: o.Servers, TotalJobs: t.Total(), QueuedJobs: t.Queued, RunningJobs: t.Running, CompletedJobs: t.Completed,
		FailedJobs: t.Failed, CanceledJobs: t.Canceled, SuccessRate: o.SuccessRate(), Timestamp: o.At.UTC(),
		ConnectedServers: o.Connected, DisconnectedServers: o.Disconnected, AverageJobDuration: o.AverageDuration.Seconds(), JobsPerHour: o.JobsPerHour,
		Queue:        queueShape{t.Queued, o.OldestQueued.Seconds()},
		WorkerStatus: workerStatusShape{len(o.Workers), o.Capacity(), t.Running}, Workers: []workerShape{},
		Version: o.Version, UptimeSeconds: o.Uptime.Seconds(), Database: databaseShape{o.Database},
	}
	for _, w := range o.Workers {
		s.Workers = append(s.Workers, workerShape{w.ID, w.Hostname, w.PID, w.Capacity, w.Running, w.StartedAt.UTC(), w.SeenAt.UTC()})
	}
	return s
}
