package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// heldPause after each piece of at most 16 KiB: downloads stay alive and go on, but last.
const heldPause = 200 * time.Millisecond

// hold makes downloads slow until standard input ends. Without -hold they are free from the start.
type hold struct {
	ctx   context.Context // done: free
	again chan struct{}   // closed: further connections may begin
}

func newHold(o *options) hold {
	ctx, free := context.WithCancel(context.Background())
	again := make(chan struct{})
	if !o.hold {
		free()
		close(again)
		return hold{ctx, again}
	}
	go func() {
		input := bufio.NewReader(os.Stdin)
		_, _ = input.ReadString('\n')
		close(again)
		_, _ = io.Copy(io.Discard, input)
		free()
	}()
	return hold{ctx, again}
}

func (h hold) free() bool { return h.ctx.Err() != nil }

// begun tells on standard error that body arrives, so that the handshake is complete on both sides.
func (h hold) begun(connection int) {
	if !h.free() {
		fmt.Fprintf(os.Stderr, "begun %d\n", connection)
	}
}

func (h hold) pause(ctx context.Context) {
	if h.free() {
		return
	}
	select {
	case <-time.After(heldPause):
	case <-h.ctx.Done():
	case <-ctx.Done():
	}
}

// check: what ends before it is let go was not live all the time that it was held.
func (h hold) check() error {
	if h.free() {
		return nil
	}
	return errors.New("the transfer ended while it was held")
}
