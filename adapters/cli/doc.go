// Package cli is Remora on the command line: the commands of the remora program, which talk to the API through the
// driving ports or start the programs that bootstrap hands in, and the flag-style remora-client. It sees driving ports
// only and cannot tell whether they are the application itself or a client of it.
//
// Data goes to stdout, everything else to stderr; every failure has one exit code, by its kind.
package cli
