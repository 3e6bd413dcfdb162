package memory

import (
	"encoding/base64"
	"encoding/json"

	"github.com/heysubinoy/remora/domain"
)

var errCursor = domain.Invalid("cursor", "cursor is not one of this list; start again without it")

func encodeCursor(last any) string {
	text, _ := json.Marshal(last) // plain fields: it cannot fail
	return base64.RawURLEncoding.EncodeToString(text)
}

func decodeCursor[T any](cursor string) (last T, err error) {
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return last, errCursor
	}
	if json.Unmarshal(text, &last) != nil {
		return last, errCursor
	}
	return last, nil
}
