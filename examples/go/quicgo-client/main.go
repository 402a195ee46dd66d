// Command quicgo-client downloads over HTTP/3, in many connections if asked, checks what arrives, and changes the
// client's address in the middle: as a NAT does (-rebind-after) or as a client that migrates does (-migrate-after).
// It prints one line of JSON for each connection and one for all. Exit code: 0 all in order, 1 a connection failed or
// its address did not change as asked, 2 wrong options.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
)

type summary struct {
	Summary     bool           `json:"summary"`
	Connections int            `json:"connections"`
	Failed      int            `json:"failed"`
	Octets      int64          `json:"octets"`
	Late        int64          `json:"late"`
	Servers     map[string]int `json:"servers"`
	DurationMs  int64          `json:"durationMs"`
}

func main() {
	o, err := readOptions()
	if err == nil {
		var content *expectations
		if content, err = newExpectations(o); err == nil {
			os.Exit(runAll(o, content))
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(2)
}

func runAll(o *options, content *expectations) int {
	started := time.Now()
	held := newHold(o)
	shared := make(chan *quic.Transport, 1)
	results := make(chan result)
	numbers := make(chan int)
	var workers sync.WaitGroup
	for range min(o.parallel, o.count) {
		workers.Go(func() {
			for number := range numbers {
				c := &connection{options: o, number: number, hold: held, shared: shared}
				results <- c.run(content)
			}
		})
	}
	go func() {
		for number := range o.count {
			numbers <- number
		}
		close(numbers)
		runAgain(o, held, shared, func(c *connection) { results <- c.run(content) })
		workers.Wait()
		close(results)
	}()
	total := summary{Summary: true, Servers: map[string]int{}}
	code := 0
	output := json.NewEncoder(os.Stdout)
	for r := range results {
		if err := output.Encode(r); err != nil {
			code = 1
		}
		total.add(r)
	}
	total.DurationMs = time.Since(started).Milliseconds()
	if err := output.Encode(total); err != nil || total.Failed > 0 || total.Connections != o.count+o.again {
		code = 1
	}
	return code
}

func (s *summary) add(r result) {
	s.Connections++
	s.Octets += r.Octets
	s.Late += r.Late
	if r.Fault != "" {
		s.Failed++
	}
	if r.Server != "" {
		s.Servers[r.Server]++
	}
}
