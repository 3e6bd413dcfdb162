// Package domain holds what Remora is about and nothing else: jobs and the moves they may make, the commands they run,
// the servers they run on, their output, keys and secrets, and errors that survive every wire. It knows no clock, no I/O,
// no codec and no logging; time and identifiers are handed in.
//
// One word per idea, in Go, SQL, JSON and on screen:
//
//	server    a remote machine (never host or node)
//	job       one command or script on one server (never task)
//	attempt   one try at starting a job
//	batch     one command or script on many servers, one job each
//	output    what a job printed, two streams (never logs, but for the URL of that name)
//	key       a stored SSH private key
//	ticket    a job's place in the queue
//	delivery  a ticket handed to a worker; its receipt gives it back
//	worker    the process that carries jobs to servers
//	canceled  with one l
package domain
