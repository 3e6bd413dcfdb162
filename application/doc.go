// Package application holds the use cases: what people ask for (Jobs, Output, Servers, System, Tokens implement the
// driving ports) and what happens by itself (Dispatcher, Sweeper, Worker). It sees domain and ports and never an adapter.
//
// A job's way: Jobs.Submit commits it as pending; the Dispatcher offers its ticket to the queue; a Worker takes the ticket,
// claims the job and carries it (journey) over the Executor; the Sweeper looks after whatever stands still.
package application
