package sqlstore

import (
	"database/sql"
	"encoding/json"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
)

// dialect is all that differs between the two databases when a statement is written or a value is handed to it.
type dialect struct {
	kind   string
	bind   int
	words  *strings.Replacer
	moment func(t time.Time) any
	list   func(values []string) any
	longs  func(values []int64) any
	holds  func(column, part string) (term string, arg any) // the column holds part, both folded
	fault  func(err error) fault

	snapshot *sql.TxOptions // of a transaction that reads
}

// The placeholders of statements. PostgreSQL locks rows; SQLite lets one transaction write at a time and needs none of it.
//
//	{now}         the database's clock
//	{lease}       {now} and a number of microseconds, given as an argument, after it
//	{ago}         {now} and a number of microseconds before it
//	{in}          one of a list, given as one argument
//	{true}        the truth value
//	{zero}        the zero time, which columns hold as NULL
//	{lock}        lock the chosen rows
//	{lock skip}   lock the chosen rows, leaving out those that others have locked
//	{lock server} keep others from giving or taking places on the server s
//	{share server} keep others from giving places on the server s
//	{lock batch}  keep others from giving or taking places of the batch b, and from stopping it
//	{of in flight} read through the index of jobs in flight; SQLite would take that of all jobs a server ever had
//	{share}       keep others from deleting the chosen rows
//	{of batch}, {of batch in flight}, {waiting for batch}, {waiting for server} alike, through their own indexes
//	{position}    the function that finds a text in a text, 0 for not at all
//	{by order}    before a column: read in the order of the list and look at this on the way. PostgreSQL knows from its statistics
//	{connected}   whether a server's last check got through
//	{elements}    the function that makes rows with a column value of a JSON list
var (
	postgres = dialect{
		kind: "postgres",
		bind: sqlx.DOLLAR,
		words: strings.NewReplacer(
			"{now}", "now()", "{lease}", "now() + ? * interval '1 microsecond'", "{in}", "= ANY (?)",
			"{ago}", "now() - ? * interval '1 microsecond'", "{true}", "TRUE", "{zero}", "timestamptz '0001-01-01 00:00:00+00'",
			"{lock}", "FOR UPDATE", "{share}", "FOR KEY SHARE", "{lock skip}", "FOR UPDATE SKIP LOCKED",
			"{lock server}", "FOR NO KEY UPDATE OF s", "{share server}", "FOR SHARE OF s",
			"{lock batch}", "FOR NO KEY UPDATE OF b",
			"{of in flight}", "", "{of batch}", "", "{of batch in flight}", "", "{waiting for batch}", "", "{waiting for server}", "",
			"{by order}", "", "{connected}", "(last_check ->> 'connected')::boolean",
			"{position}", "strpos", "{elements}", "json_array_elements_text",
		),
		moment: func(t time.Time) any { return t },
		list:   func(values []string) any { return pq.Array(values) },
		longs:  func(values []int64) any { return pq.Array(values) },
		holds: func(column, part string) (string, any) {
			return column + " LIKE ?", "%" + likeSpecial.Replace(part) + "%" // what pg_trgm's index serves
		},
		fault: postgresFault,

		snapshot: &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true},
	}
	sqlite = dialect{
		kind: "sqlite",
		bind: sqlx.QUESTION,
		words: strings.NewReplacer(
			"{now}", sqliteNow, "{lease}", sqliteNow+" + ?", "{in}", "IN (SELECT value FROM json_each(?))",
			"{ago}", sqliteNow+" - ?", "{true}", "1", "{zero}", "-62135596800000000",
			"{lock}", "", "{share}", "", "{lock skip}", "", "{lock server}", "", "{share server}", "", "{lock batch}", "",
			"{of in flight}", "INDEXED BY jobs_in_flight", "{of batch}", "INDEXED BY jobs_of_batch",
			"{of batch in flight}", "INDEXED BY jobs_in_flight_of_batch", "{waiting for batch}", "INDEXED BY jobs_waiting_for_batch",
			"{waiting for server}", "INDEXED BY jobs_waiting_for_server", "{position}", "instr", "{elements}", "json_each",
			"{by order}", "+", "{connected}", "last_check ->> 'connected'",
		),
		moment: func(t time.Time) any { return t.UnixMicro() },
		list:   sqliteList[string],
		longs:  sqliteList[int64],
		holds:  func(column, part string) (string, any) { return "instr(" + column + ", ?) > 0", part },
		fault:  sqliteFault,
	}
)

// sqliteNow counts microseconds as the columns do; SQLite's clock has milliseconds.
const sqliteNow = "CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000"

var likeSpecial = strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`)

func sqliteList[T string | int64](values []T) any {
	text, err := json.Marshal(values)
	if err != nil {
		panic("sqlstore: a list of texts or numbers is always JSON: " + err.Error())
	}
	return string(text)
}

// statement returns a statement as the database understands it.
func (d *dialect) statement(query string) string { return sqlx.Rebind(d.bind, d.words.Replace(query)) }

// at returns a time as an argument, whole microseconds, the zero time as NULL.
func (d *dialect) at(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return d.instant(t)
}

// instant is at for times that are compared: the zero time is a time.
func (d *dialect) instant(t time.Time) any { return d.moment(t.UTC().Truncate(time.Microsecond)) }

// ids returns a list of identifiers as one argument.
func ids[T ~string](d *dialect, list []T) any {
	values := make([]string, len(list))
	for i, id := range list {
		values[i] = string(id)
	}
	return d.list(values)
}
