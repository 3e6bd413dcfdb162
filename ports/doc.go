// Package ports holds the conversations between the application and the world, one file each. Driving ports (jobs.go,
// output.go, servers.go, system.go) are what an edge may ask; the application implements them, and so does the HTTP
// client. Driven ports are what the application needs; adapters implement them.
//
// The comments are the contract, test/contract is the test of it. Unless a comment says otherwise: methods are safe for
// concurrent use; they return domain errors, by the names given; a done context ends them with an error of
// domain.KindCanceled or domain.KindTimeout and without a half-done effect; storage that is away is
// domain.ErrStorageUnavailable; returned values belong to the caller.
package ports
