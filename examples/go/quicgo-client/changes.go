package main

import (
	"context"
	"sync"
	"time"
)

// changes gives a connection its other sockets while it downloads.
type changes struct {
	connection *connection
	ctx        context.Context
	cancel     context.CancelFunc
	ended      sync.WaitGroup
	err        error
	octets     int64
}

func (c *connection) startChanges(ctx context.Context) *changes {
	ctx, cancel := context.WithCancel(ctx)
	made := &changes{connection: c, ctx: ctx, cancel: cancel}
	if c.options.kind != noChange && c.options.trigger.after > 0 {
		made.ended.Go(made.byTime)
	}
	return made
}

func (c *changes) byTime() {
	ticker := time.NewTicker(c.connection.options.trigger.after)
	defer ticker.Stop()
	for c.connection.changed < c.connection.options.changes && c.err == nil {
		select {
		case <-ticker.C:
			c.err = c.connection.change(c.ctx)
		case <-c.ctx.Done():
			return
		}
	}
}

// progress takes the octets of body that have just been read; the next ones are read when it returns.
func (c *changes) progress(octets int) error {
	o := c.connection.options
	c.octets += int64(octets)
	if o.trigger.octets == 0 || c.connection.changed >= o.changes {
		return nil
	}
	if c.octets < o.trigger.octets*int64(c.connection.changed+1) {
		return nil
	}
	return c.connection.change(c.ctx)
}

// stop waits for a change that is under way and tells whether one failed.
func (c *changes) stop() error {
	c.cancel()
	c.ended.Wait()
	return c.err
}
