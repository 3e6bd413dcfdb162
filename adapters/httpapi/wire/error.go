package wire

import (
	"encoding/json"
	"net/http"

	"github.com/heysubinoy/remora/domain"
)

// StatusClientClosed answers a request whose caller has gone; it is only ever seen in a log.
const StatusClientClosed = 499

// statuses is the one table of kinds and HTTP statuses, one to one, read in both directions.
var statuses = map[domain.Kind]int{
	domain.KindInternal:        http.StatusInternalServerError,
	domain.KindInvalid:         http.StatusBadRequest,
	domain.KindUnauthenticated: http.StatusUnauthorized,
	domain.KindDenied:          http.StatusForbidden,
	domain.KindNotFound:        http.StatusNotFound,
	domain.KindConflict:        http.StatusConflict,
	domain.KindTooLarge:        http.StatusRequestEntityTooLarge,
	domain.KindUnsupported:     http.StatusUnsupportedMediaType,
	domain.KindUnprocessable:   http.StatusUnprocessableEntity,
	domain.KindExhausted:       http.StatusTooManyRequests,
	domain.KindUnavailable:     http.StatusServiceUnavailable,
	domain.KindTimeout:         http.StatusGatewayTimeout,
	domain.KindCanceled:        StatusClientClosed,
}

// Status returns the HTTP status of a kind; 500 for one that is not in the table.
func Status(k domain.Kind) int {
	if s, ok := statuses[k]; ok {
		return s
	}
	return http.StatusInternalServerError
}

// KindOf is the reverse of Status. Statuses that only HTTP itself has are given the nearest kind; a status that says
// nothing is KindInternal.
func KindOf(status int) domain.Kind {
	for k, s := range statuses {
		if s == status {
			return k
		}
	}
	switch status {
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return domain.KindUnsupported
	case http.StatusRequestedRangeNotSatisfiable:
		return domain.KindInvalid
	case http.StatusBadGateway:
		return domain.KindUnavailable
	case http.StatusRequestTimeout:
		return domain.KindTimeout
	}
	return domain.KindInternal
}

// InternalText is all that is ever said of an internal error; its cause stands in the log under the request id.
const InternalText = "something went wrong inside Remora; its log tells more under this request id"

// Error is the body of every answer that is not a success.
type Error struct {
	Error     string         `json:"error"`
	Code      string         `json:"code"`
	RequestID string         `json:"request_id"`
	Details   map[string]any `json:"details,omitempty"`
}

// ErrorOf says what may be told of an error: of an internal one its code and a fixed sentence.
func ErrorOf(e *domain.Error, requestID string) Error {
	if Status(e.Kind) == http.StatusInternalServerError {
		return Error{Error: InternalText, Code: e.Code, RequestID: requestID}
	}
	return Error{Error: e.Message, Code: e.Code, RequestID: requestID, Details: e.Details}
}

// Domain returns the error as it was on the other side, its details' whole numbers as int64.
func (e Error) Domain(kind domain.Kind) *domain.Error {
	return &domain.Error{Kind: kind, Code: e.Code, Message: e.Error, Details: numbers(e.Details)}
}

// ReadError reads an error body; false when it is none.
func ReadError(body []byte) (Error, bool) {
	var e Error
	if json.Unmarshal(body, &e) != nil || e.Code == "" || e.Error == "" {
		return Error{}, false
	}
	return e, true
}

func numbers(m map[string]any) map[string]any {
	for k, v := range m {
		// Whole numbers below 2^53 are exact in a float64; counts and limits are.
		if f, ok := v.(float64); ok && f == float64(int64(f)) {
			m[k] = int64(f)
		}
	}
	return m
}
