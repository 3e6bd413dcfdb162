// Package arch keeps the house in order: who may import whom, which folder owns which library, how big a port may be,
// where a job may be changed, what stands at the top level and what documents must name. It holds tests only; a failure
// says what was found and why it is refused.
package arch
