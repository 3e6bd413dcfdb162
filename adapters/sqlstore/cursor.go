package sqlstore

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/heysubinoy/remora/domain"
)

var errCursor = domain.Invalid("cursor", "cursor is not one of this list; start again without it")

// cursor is the last row of a page. Callers see it as text and must not read anything into it.
type cursor struct {
	Query  string `json:"q"` // fingerprint of the query: another query's cursor would leave rows out
	Number int64  `json:"n,omitempty"`
	Text   string `json:"t,omitempty"`
	ID     string `json:"i,omitempty"`
}

// The numbers in cursors are times, in microseconds, and priorities; a made-up one may be more than the database knows times for.
var (
	leastNumber = time.Time{}.UnixMicro()
	mostNumber  = time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC).UnixMicro()
)

func (c cursor) encode() string { return base64.RawURLEncoding.EncodeToString(mustJSON(c)) }

func decodeCursor(given, query string) (cursor, error) {
	var c cursor
	raw, err := base64.RawURLEncoding.DecodeString(given)
	if err != nil {
		return c, errCursor
	}
	if json.Unmarshal(raw, &c) != nil || c.Query != query || c.Text != text(c.Text) || c.ID != text(c.ID) {
		return c, errCursor
	}
	if c.Number < leastNumber || c.Number > mostNumber {
		return c, errCursor
	}
	return c, nil
}

// fingerprint tells queries apart.
func fingerprint(query any) string {
	sum := sha256.Sum256(mustJSON(query))
	return hex.EncodeToString(sum[:6])
}

func mustJSON(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic("sqlstore: a cursor is plain fields: " + err.Error())
	}
	return raw
}
