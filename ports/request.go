package ports

import "context"

type requestKey struct{}

// WithRequest returns a context that carries the id of the request it serves, so that what is logged on its behalf, at any
// depth, can be found by that id.
func WithRequest(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestKey{}, id)
}

// RequestOf returns the id of the request that ctx serves; empty when it serves none.
func RequestOf(ctx context.Context) string {
	id, _ := ctx.Value(requestKey{}).(string)
	return id
}
