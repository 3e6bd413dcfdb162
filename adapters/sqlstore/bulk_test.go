package sqlstore

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"

	"github.com/heysubinoy/remora/domain"
)

// Fill stores very many jobs, and some output of those that have any, as quickly as the database takes them: in one
// transaction, with the indexes made afterwards. What keeps the counts stays in place.
func (s *Store) Fill(t testing.TB, url string, n int, job func(i int) *domain.Job) {
	t.Helper()
	again := s.dropIndexes(t)
	db := s.writes
	if s.d == &sqlite { // nobody minds a half filled file; what the store reads with stays as it is
		s.Exec(t, "PRAGMA synchronous = OFF")
		s.Exec(t, "PRAGMA cache_size = -1000000")
		defer s.Exec(t, "PRAGMA cache_size = -16384")
		defer s.Exec(t, "PRAGMA synchronous = FULL")
	} else { // a connection that may take its time
		db = sqlx.MustConnect("postgres", url)
		defer func() { require.NoError(t, db.Close()) }()
	}
	tx, err := db.Beginx()
	require.NoError(t, err)
	texts := map[int64]string{}
	columns := strings.Split(regexp.MustCompile(`\s+`).ReplaceAllString(jobColumns, "")+",title,text_id", ",")
	jobs := make([]*domain.Job, n)
	for i := range jobs {
		jobs[i] = job(i)
		search := foldedCommand(jobs[i].Command)
		texts[textID(search)] = search
	}
	put := s.bulk(t, tx, "job_texts", "id", "search")
	for _, id := range slices.Sorted(maps.Keys(texts)) {
		put(id, texts[id])
	}
	put()
	put = s.bulk(t, tx, "jobs", columns...)
	for _, j := range jobs {
		put(jobValues(s.d, j, textID(foldedCommand(j.Command)))...)
	}
	put()
	put = s.bulk(t, tx, "job_output", "job_id", "seq", "attempt", "stream", "offset", "at", "size", "codec", "data")
	for _, j := range jobs {
		if size := j.Output.Stdout; size > 0 {
			put(string(j.ID), 1, j.Attempt, int(domain.Stdout), 0, s.d.instant(j.UpdatedAt), size, codecNone, []byte(strings.Repeat("x", int(size))))
		}
	}
	put()
	require.NoError(t, tx.Commit())
	for _, index := range again {
		_, err := db.Exec(index)
		require.NoError(t, err, index)
	}
	for s.Number(t, "SELECT COUNT(*) FROM job_changes") > 0 {
		s.addUp(t.Context())
	}
	if s.d == &postgres { // as its autovacuum does within minutes
		_, err := db.Exec("VACUUM ANALYZE")
		require.NoError(t, err)
	}
}

// dropIndexes drops the indexes of jobs that are no constraint's and returns how to make them again.
func (s *Store) dropIndexes(t testing.TB) []string {
	t.Helper()
	list := "SELECT name, sql AS definition FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'jobs' AND sql IS NOT NULL"
	if s.d == &postgres {
		list = "SELECT indexname AS name, indexdef AS definition FROM pg_indexes WHERE tablename = 'jobs' AND indexname NOT LIKE '%_pkey'"
	}
	var all []struct{ Name, Definition string }
	require.NoError(t, s.reads.Select(&all, list))
	var again []string
	for _, index := range all {
		s.Exec(t, "DROP INDEX "+index.Name)
		again = append(again, index.Definition)
	}
	return again
}

// bulk returns a function that inserts a row; called with none it ends the insert.
func (s *Store) bulk(t testing.TB, tx *sqlx.Tx, table string, columns ...string) func(row ...any) {
	t.Helper()
	into := "INSERT INTO " + table + ` ("` + strings.Join(columns, `", "`) + `") VALUES (` + marks(len(columns)) + ")"
	if s.d == &postgres {
		into = "COPY " + table + ` ("` + strings.Join(columns, `", "`) + `") FROM STDIN`
	}
	statement, err := tx.Tx.Prepare(into)
	require.NoError(t, err)
	return func(row ...any) {
		if len(row) == 0 {
			if s.d == &postgres {
				_, err := statement.Exec()
				require.NoError(t, err)
			}
			require.NoError(t, statement.Close())
			return
		}
		_, err := statement.Exec(row...)
		require.NoError(t, err)
	}
}
