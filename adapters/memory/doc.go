// Package memory implements the driven ports in the process's own memory: real, small, and passing the same contract
// suites as the adapters that last. Tests and trials use it; it must never hold what somebody wants to keep.
package memory
