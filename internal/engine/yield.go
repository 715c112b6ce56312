package engine

import "context"

// yield is the key of what Yielding puts into a context.
type yield struct{}

// Yielding returns a context whose Yield calls leave.
func Yielding(ctx context.Context, leave func()) context.Context {
	return context.WithValue(ctx, yield{}, leave)
}

// Yield says that what is done for the context has to wait now for something that takes no core, such as a
// job or a disk. It may be called again.
func Yield(ctx context.Context) {
	if leave, ok := ctx.Value(yield{}).(func()); ok {
		leave()
	}
}
