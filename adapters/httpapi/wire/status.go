package wire

import (
	"time"

	"github.com/heysubinoy/remora/domain"
	"github.com/heysubinoy/remora/ports"
)

// The statuses of a ServerStatus.
const (
	Connected    = "connected"
	Disconnected = "disconnected"
)

// ServerStatus is the answer of POST /servers/:id/status: the outcome of a check that was just made.
type ServerStatus struct {
	ServerID   string    `json:"server_id"`
	ServerName string    `json:"server_name"`
	Hostname   string    `json:"hostname"`
	Port       int       `json:"port"`
	User       string    `json:"user"`
	Status     string    `json:"status"`
	Message    string    `json:"message"`
	CheckedAt  time.Time `json:"checked_at"`
	LatencyMS  Millis    `json:"latency_ms"`
}

// ServerStatuses is the answer of POST /servers/bulk/status.
type ServerStatuses struct {
	TotalServers int            `json:"total_servers"`
	Connected    int            `json:"connected"`
	Disconnected int            `json:"disconnected"`
	Servers      []ServerStatus `json:"servers"`
}

// ServerStatusOf returns the shape of a check's outcome.
func ServerStatusOf(s ports.ServerStatus) ServerStatus {
	w := ServerStatus{
		ServerID: string(s.Server.ID), ServerName: s.Server.Name, Hostname: s.Server.Hostname, Port: s.Server.Port, User: s.Server.User,
		Status: Disconnected, Message: s.Check.Message, CheckedAt: s.Check.At.UTC(), LatencyMS: Millis(s.Check.Latency),
	}
	if s.Check.Connected {
		w.Status = Connected
	}
	return w
}

// Domain returns the outcome that ServerStatusOf was given, its latency to the microsecond.
func (w ServerStatus) Domain() ports.ServerStatus {
	return ports.ServerStatus{
		Server: domain.ServerRef{ID: domain.ServerID(w.ServerID), Name: w.ServerName, Hostname: w.Hostname, Port: w.Port, User: w.User},
		Check: domain.Check{
			Connected: w.Status == Connected, Message: w.Message, Latency: time.Duration(w.LatencyMS), At: w.CheckedAt.UTC(),
		},
	}
}

// ServerStatusesOf returns the shape of many outcomes.
func ServerStatusesOf(list []ports.ServerStatus) ServerStatuses {
	l := ServerStatuses{TotalServers: len(list), Servers: make([]ServerStatus, len(list))}
	for i, s := range list {
		l.Servers[i] = ServerStatusOf(s)
		if s.Check.Connected {
			l.Connected++
		} else {
			l.Disconnected++
		}
	}
	return l
}

// Domain returns the outcomes that ServerStatusesOf was given.
func (l ServerStatuses) Domain() []ports.ServerStatus {
	var list []ports.ServerStatus
	for _, s := range l.Servers {
		list = append(list, s.Domain())
	}
	return list
}
