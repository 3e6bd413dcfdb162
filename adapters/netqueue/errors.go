package netqueue

import (
	"context"
	"errors"

	"github.com/heysubinoy/remora/domain"
)

// kinds is the one table of kinds on the wire. Numbers are never given to another kind.
var kinds = map[domain.Kind]byte{
	domain.KindInternal: 0, domain.KindInvalid: 1, domain.KindUnauthenticated: 2, domain.KindDenied: 3, domain.KindNotFound: 4,
	domain.KindConflict: 5, domain.KindTooLarge: 6, domain.KindUnprocessable: 7, domain.KindExhausted: 8, domain.KindUnavailable: 9,
	domain.KindTimeout: 10, domain.KindCanceled: 11, domain.KindUnsupported: 12,
}

var kindOf = func() map[byte]domain.Kind {
	m := make(map[byte]domain.Kind, len(kinds))
	for k, b := range kinds {
		m[b] = k
	}
	return m
}()

// appendError appends an ERROR frame. The text of an internal error stays here: it is for the log.
func appendError(dst []byte, correlation uint32, err error) []byte {
	e, ok := errors.AsType[*domain.Error](err)
	if !ok || e.Kind == domain.KindInternal {
		e = &domain.Error{Kind: domain.KindInternal, Code: "internal_error", Message: "the queue failed; its log says why"}
	}
	b, start := beginFrame(dst, verbError, correlation)
	b = append(b, kinds[e.Kind])
	b = appendText(b, e.Code)
	b = appendText(b, e.Message)
	return endFrame(b, start)
}

// parseError reads the body of an ERROR. What it returns is an error in any case; a kind that is not known is internal.
func parseError(b []byte) error {
	r := body{b: b}
	kind, ok := kindOf[r.u8()]
	if !ok {
		kind = domain.KindInternal
	}
	e := &domain.Error{Kind: kind, Code: r.text(), Message: r.text()}
	if err := r.done(verbError); err != nil {
		return err
	}
	return e
}

// contextError returns the domain's word for a done context.
func contextError(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return domain.ErrTimeout.Because(context.Cause(ctx))
	}
	return domain.ErrCanceled.Because(context.Cause(ctx))
}
