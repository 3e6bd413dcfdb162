package domain

import (
	"errors"
	"fmt"
)

// Kind says what sort of trouble an error is. Every edge translates kinds in one table.
type Kind string

// The kinds. An error that is not an *Error is KindInternal.
const (
	KindInternal        Kind = "internal"
	KindInvalid         Kind = "invalid"
	KindUnauthenticated Kind = "unauthenticated"
	KindDenied          Kind = "denied"
	KindNotFound        Kind = "not_found"
	KindConflict        Kind = "conflict"
	KindTooLarge        Kind = "too_large"
	KindUnsupported     Kind = "unsupported"
	KindUnprocessable   Kind = "unprocessable"
	KindExhausted       Kind = "exhausted"
	KindUnavailable     Kind = "unavailable"
	KindTimeout         Kind = "timeout"
	KindCanceled        Kind = "canceled"
)

// Kinds lists every kind; tables at the edges are tested against it.
func Kinds() []Kind {
	return []Kind{
		KindInternal, KindInvalid, KindUnauthenticated, KindDenied, KindNotFound, KindConflict, KindTooLarge,
		KindUnsupported, KindUnprocessable, KindExhausted, KindUnavailable, KindTimeout, KindCanceled,
	}
}

// Error is an error that keeps its kind and code over every wire. Code is a stable noun_problem for programs, Message a
// sentence for people: what happened, to what, what to do. Details holds facts a program may want (counts, limits).
type Error struct {
	Kind    Kind
	Code    string
	Message string
	Details map[string]any
	Err     error // the cause; logged, never sent
}

// Error returns the text for people.
func (e *Error) Error() string {
	if e.Err != nil && e.Kind == KindInternal {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is an *Error with the same code, so that errors.Is(err, ErrJobNotFound) holds whatever the
// message says and however the error travelled.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Because returns a copy of e that carries cause.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.Err = cause
	return &c
}

// Withf returns a copy of e with another message.
func (e *Error) Withf(format string, args ...any) *Error {
	c := *e
	c.Message = fmt.Sprintf(format, args...)
	return &c
}

// WithDetails returns a copy of e with details.
func (e *Error) WithDetails(details map[string]any) *Error {
	c := *e
	c.Details = details
	return &c
}

// KindOf returns the kind of err: "" for nil, KindInternal for anything that is not an *Error.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return KindInternal
}

// Invalid says that a field of the input is out of its range or type. The code is <field>_invalid.
func Invalid(field, format string, args ...any) *Error {
	return &Error{Kind: KindInvalid, Code: field + "_invalid", Message: fmt.Sprintf(format, args...), Details: map[string]any{"field": field}}
}

// Internal wraps an unexpected cause. Its text is for the log; edges send a fixed sentence.
func Internal(doing string, cause error) *Error {
	return &Error{Kind: KindInternal, Code: "internal_error", Message: doing, Err: cause}
}

// The errors that ports and verbs name.
var (
	ErrJobNotFound    = &Error{Kind: KindNotFound, Code: "job_not_found", Message: "there is no job with this id"}
	ErrJobExists      = &Error{Kind: KindConflict, Code: "job_exists", Message: "a job with this id exists"}
	ErrJobFinal       = &Error{Kind: KindConflict, Code: "job_finished", Message: "the job has finished"}
	ErrJobActive      = &Error{Kind: KindConflict, Code: "job_active", Message: "the job has not finished yet"}
	ErrIllegalMove    = &Error{Kind: KindConflict, Code: "job_move_illegal", Message: "the job cannot make this move now"}
	ErrStaleJob       = &Error{Kind: KindConflict, Code: "job_changed", Message: "the job was changed by someone else meanwhile"}
	ErrLeaseLost      = &Error{Kind: KindConflict, Code: "lease_lost", Message: "another worker has taken over this job"}
	ErrStaleOutput    = &Error{Kind: KindConflict, Code: "output_changed", Message: "output was stored from this offset by someone else"}
	ErrIdempotencyKey = &Error{Kind: KindConflict, Code: "idempotency_key_reused", Message: "this Idempotency-Key was used for another request; send a new key"}

	ErrBatchNotFound = &Error{Kind: KindNotFound, Code: "batch_not_found", Message: "there is no batch with this id"}
	ErrBatchEmpty    = &Error{Kind: KindUnprocessable, Code: "batch_empty", Message: "no active server is named; a batch needs one at least"}
	ErrBatchTooLarge = &Error{Kind: KindTooLarge, Code: "batch_too_large", Message: "the batch is larger than is taken at once"}
	ErrBatchFinished = &Error{Kind: KindConflict, Code: "batch_finished", Message: "every job of the batch has finished"}
	ErrBatchActive   = &Error{Kind: KindConflict, Code: "batch_active", Message: "jobs of the batch are still queued or running; wait for their end or cancel the batch"}

	ErrServerNotFound     = &Error{Kind: KindNotFound, Code: "server_not_found", Message: "there is no server with this id"}
	ErrServerNameTaken    = &Error{Kind: KindConflict, Code: "server_name_taken", Message: "a server with this name exists"}
	ErrServerChanged      = &Error{Kind: KindConflict, Code: "server_changed", Message: "the server was changed by someone else meanwhile; read it again"}
	ErrServerInactive     = &Error{Kind: KindConflict, Code: "server_inactive", Message: "the server is not active; activate it first"}
	ErrServerHasJobs      = &Error{Kind: KindConflict, Code: "server_has_jobs", Message: "the server has jobs"}
	ErrServerIsJump       = &Error{Kind: KindConflict, Code: "server_is_jump", Message: "other servers are reached through this server"}
	ErrJumpNotFound       = jumpInvalid("proxy_jump_invalid", "there is no server with the id that proxy_jump names")
	ErrJumpLoop           = jumpInvalid("proxy_jump_loop", "the server would be reached through itself; name another as proxy_jump")
	ErrJumpTooLong        = jumpInvalid("proxy_jump_too_long", "a way has two jump servers at most; name one as proxy_jump that is nearer")
	ErrCredentialNeeded   = &Error{Kind: KindConflict, Code: "credential_needed", Message: "the server needs its password or key anew, because its address, user or host key was changed"}
	ErrHostKeyUnknown     = &Error{Kind: KindConflict, Code: "host_key_unknown", Message: "nobody has confirmed the server's host key"}
	ErrHostKeyMismatch    = &Error{Kind: KindConflict, Code: "host_key_mismatch", Message: "the server showed another host key than the confirmed one"}
	ErrKeyUnreadable      = &Error{Kind: KindUnprocessable, Code: "key_unreadable", Message: "this is not a private key that can be read"}
	ErrKeyNotFound        = &Error{Kind: KindNotFound, Code: "key_not_found", Message: "there is no stored key with this name"}
	ErrKeyNameTaken       = &Error{Kind: KindConflict, Code: "key_name_taken", Message: "a stored key with this name exists"}
	ErrKeyInUse           = &Error{Kind: KindConflict, Code: "key_in_use", Message: "servers log in with this key"}
	ErrShellNotAllowed    = &Error{Kind: KindInvalid, Code: "shell_not_allowed", Message: "this shell is not allowed"}
	ErrVaultSealed        = &Error{Kind: KindUnavailable, Code: "vault_sealed", Message: "the vault is sealed: the master key is missing or is not the one that sealed the stored secrets"}
	ErrWorkerNotFound     = &Error{Kind: KindNotFound, Code: "worker_not_found", Message: "the worker is not registered, or was declared silent"}
	ErrUnauthenticated    = &Error{Kind: KindUnauthenticated, Code: "token_invalid", Message: "sign in first: the token is missing or unknown"}
	ErrTokenExpired       = &Error{Kind: KindUnauthenticated, Code: "token_expired", Message: "the token has expired; ask an administrator for another"}
	ErrSessionOver        = &Error{Kind: KindUnauthenticated, Code: "session_over", Message: "the session is over; sign in again"}
	ErrCodeUsed           = &Error{Kind: KindUnauthenticated, Code: "code_invalid", Message: "this sign-in address was used before or is too old; `remora dashboard` prints another"}
	ErrTokenNotFound      = &Error{Kind: KindNotFound, Code: "token_not_found", Message: "there is no token with this id"}
	ErrTokenNameTaken     = &Error{Kind: KindConflict, Code: "token_name_taken", Message: "a token with this name exists"}
	ErrTokenInUse         = &Error{Kind: KindConflict, Code: "token_in_use", Message: "this token is somebody's already"}
	ErrTokenRevoked       = &Error{Kind: KindConflict, Code: "token_revoked", Message: "this token was removed or replaced and never lets anybody in again"}
	ErrLastAdmin          = &Error{Kind: KindConflict, Code: "token_last_admin", Message: "this is the last token of an administrator; make another one first"}
	ErrQueueFull          = &Error{Kind: KindExhausted, Code: "queue_full", Message: "the queue is full; try again later"}
	ErrQueueUnavailable   = &Error{Kind: KindUnavailable, Code: "queue_unavailable", Message: "the queue cannot be reached"}
	ErrReceiptStale       = &Error{Kind: KindConflict, Code: "receipt_stale", Message: "the ticket's lease ran out or it was settled before"}
	ErrStorageUnavailable = &Error{Kind: KindUnavailable, Code: "database_unavailable", Message: "the database cannot be reached"}
	ErrCanceled           = &Error{Kind: KindCanceled, Code: "request_canceled", Message: "the request was canceled"}
	ErrTimeout            = &Error{Kind: KindTimeout, Code: "request_timeout", Message: "the request took too long"}
)
