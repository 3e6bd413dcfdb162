package wire

import (
	"math"
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// SystemInfo is the answer of GET /system/info.
type SystemInfo struct {
	TotalServers  int64     `json:"total_servers"`
	TotalJobs     int64     `json:"total_jobs"`
	QueuedJobs    int64     `json:"queued_jobs"`
	RunningJobs   int64     `json:"running_jobs"`
	CompletedJobs int64     `json:"completed_jobs"`
	FailedJobs    int64     `json:"failed_jobs"`
	CanceledJobs  int64     `json:"canceled_jobs"`
	SuccessRate   float64   `json:"success_rate"` // percent of the completed among the completed and failed; 0 while there are none
	Timestamp     time.Time `json:"timestamp"`
}

// SystemOverview is the answer of GET /system/enhanced.
type SystemOverview struct {
	SystemInfo
	ConnectedServers    int64          `json:"connected_servers"` // by their last check; never checked is neither
	DisconnectedServers int64          `json:"disconnected_servers"`
	AverageJobDuration  float64        `json:"average_job_duration"` // seconds
	JobsPerHour         float64        `json:"jobs_per_hour"`        // submitted, over the last 24 hours
	Queue               SystemQueue    `json:"queue"`
	WorkerStatus        WorkerStatus   `json:"worker_status"`
	Workers             []Worker       `json:"workers"`
	Version             string         `json:"version"`
	UptimeSeconds       float64        `json:"uptime_seconds"`
	Database            SystemDatabase `json:"database"`
}

// SystemQueue is about the jobs that wait for a worker.
type SystemQueue struct {
	Depth     int64   `json:"depth"`
	OldestAge float64 `json:"oldest_age_seconds"` // 0 where none waits
}

// WorkerStatus adds the workers up.
type WorkerStatus struct {
	ActiveWorkers int   `json:"active_workers"`
	TotalCapacity int   `json:"total_capacity"`
	RunningJobs   int64 `json:"running_jobs"` // those that no worker is attached to are among them
}

// Worker is a worker whose lease is running.
type Worker struct {
	ID          string    `json:"id"`
	Hostname    string    `json:"hostname"`
	PID         int       `json:"pid"`
	Capacity    int       `json:"capacity"`
	RunningJobs int       `json:"running_jobs"`
	StartedAt   time.Time `json:"started_at"`
	SeenAt      time.Time `json:"seen_at"`
}

// SystemDatabase says what keeps the jobs.
type SystemDatabase struct {
	Kind string `json:"kind"` // sqlite or postgres
}

// SystemInfoOf returns the shape of an info.
func SystemInfoOf(i ports.SystemInfo) SystemInfo {
	return SystemInfo{
		TotalServers: i.Servers, TotalJobs: i.Jobs.Total(), QueuedJobs: i.Jobs.Queued, RunningJobs: i.Jobs.Running,
		CompletedJobs: i.Jobs.Completed, FailedJobs: i.Jobs.Failed, CanceledJobs: i.Jobs.Canceled,
		SuccessRate: i.SuccessRate(), Timestamp: i.At.UTC(),
	}
}

// Ports returns the info that SystemInfoOf was given.
func (w SystemInfo) Ports() ports.SystemInfo {
	return ports.SystemInfo{At: w.Timestamp.UTC(), Servers: w.TotalServers, Jobs: domain.Tally{
		Queued: w.QueuedJobs, Running: w.RunningJobs, Completed: w.CompletedJobs, Failed: w.FailedJobs, Canceled: w.CanceledJobs,
	}}
}

// SystemOverviewOf returns the shape of an overview.
func SystemOverviewOf(o ports.SystemOverview) SystemOverview {
	w := SystemOverview{
		SystemInfo: SystemInfoOf(o.SystemInfo), ConnectedServers: o.Connected, DisconnectedServers: o.Disconnected,
		AverageJobDuration: o.AverageDuration.Seconds(), JobsPerHour: o.JobsPerHour,
		Queue:        SystemQueue{Depth: o.Jobs.Queued, OldestAge: o.OldestQueued.Seconds()},
		WorkerStatus: WorkerStatus{ActiveWorkers: len(o.Workers), TotalCapacity: o.Capacity(), RunningJobs: o.Jobs.Running},
		Workers:      make([]Worker, 0, len(o.Workers)), Version: o.Version, UptimeSeconds: o.Uptime.Seconds(),
		Database: SystemDatabase{Kind: o.Database},
	}
	for _, k := range o.Workers {
		w.Workers = append(w.Workers, Worker{
			ID: string(k.ID), Hostname: k.Hostname, PID: k.PID, Capacity: k.Capacity, RunningJobs: k.Running,
			StartedAt: k.StartedAt.UTC(), SeenAt: k.SeenAt.UTC(),
		})
	}
	return w
}

// Ports returns the overview that SystemOverviewOf was given.
func (w SystemOverview) Ports() ports.SystemOverview {
	o := ports.SystemOverview{
		SystemInfo: w.SystemInfo.Ports(), Connected: w.ConnectedServers, Disconnected: w.DisconnectedServers,
		AverageDuration: duration(w.AverageJobDuration), JobsPerHour: w.JobsPerHour, OldestQueued: duration(w.Queue.OldestAge),
		Version: w.Version, Uptime: duration(w.UptimeSeconds), Database: w.Database.Kind,
	}
	for _, k := range w.Workers {
		o.Workers = append(o.Workers, ports.WorkerLoad{
			Worker: domain.Worker{
				ID: domain.WorkerID(k.ID), Hostname: k.Hostname, PID: k.PID, Capacity: k.Capacity,
				StartedAt: k.StartedAt.UTC(), SeenAt: k.SeenAt.UTC(),
			},
			Running: k.RunningJobs,
		})
	}
	return o
}

func duration(seconds float64) time.Duration {
	return time.Duration(math.Round(seconds * float64(time.Second)))
}
