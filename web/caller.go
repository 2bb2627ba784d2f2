package web

import "context"

// caller is who makes a request. The zero value is somebody at the control
// socket, who can do all that we can anyway.
type caller struct {
	remote bool // came over TCP
	reads  bool // over TCP: may do no more than read
}

type callerKey struct{}

func withCaller(ctx context.Context, c caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}
