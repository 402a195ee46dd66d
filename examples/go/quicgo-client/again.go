package main

import (
	"context"

	"github.com/quic-go/quic-go"
)

// runAgain makes further connections, one after the other, from the socket of connection 0: what a client does whose
// connections have one quic.Transport. They begin with the first line on standard input, while the others are held.
func runAgain(o *options, held hold, shared <-chan *quic.Transport, run func(*connection)) {
	if o.again == 0 {
		return
	}
	<-held.again
	transport := <-shared
	if transport == nil {
		return
	}
	free, cancel := context.WithCancel(context.Background())
	cancel()
	for number := range o.again {
		run(&connection{options: o, number: o.count + number, hold: hold{ctx: free}, borrowed: transport})
	}
}
