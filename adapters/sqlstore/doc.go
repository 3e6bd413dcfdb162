// Package sqlstore keeps jobs, their output, servers, workers and tokens in SQLite or PostgreSQL: every port of
// ports/storage.go in one package and two dialects.
//
// Statements stand beside the method that uses them, are written once for both databases and are prepared once per
// connection. Where the databases differ a statement has a placeholder such as {now} or {lock}, which dialect.go explains.
//
// Three rules keep many writers from harming each other. A job is written only under its revision. Whoever gives or takes
// a place on a server first locks the server's row, then jobs, never the other way round. And there is one place that
// begins, commits and repeats transactions: Store.write.
package sqlstore
