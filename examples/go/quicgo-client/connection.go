package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// path is one socket that the connection has used.
type path struct {
	Local    string `json:"local"`
	Sent     int64  `json:"sent"`
	Received int64  `json:"received"`
}

// result is one line of output.
type result struct {
	Connection int    `json:"connection"`
	Server     string `json:"server,omitempty"`
	Octets     int64  `json:"octets"`
	DurationMs int64  `json:"durationMs"`
	// Datagrams by each socket, in the order of use.
	Paths []path `json:"paths"`
	// Datagrams that came to a socket after its NAT mapping was gone.
	Late  int64  `json:"late"`
	Fault string `json:"fault,omitempty"`
}

// connection is one QUIC connection with all sockets that it has had.
type connection struct {
	options    *options
	number     int
	hold       hold
	shared     chan *quic.Transport
	borrowed   *quic.Transport
	remote     net.Addr
	quic       *quic.Conn
	sockets    []*socket
	switches   []*switchSocket
	transports []*quic.Transport
	changed    int
}

// run makes the connection, downloads everything in it and tells what came of it.
func (c *connection) run(content *expectations) result {
	o := c.options
	started := time.Now()
	ctx, cancel := context.WithTimeoutCause(context.Background(), o.timeout, fmt.Errorf("not done after %s", o.timeout))
	defer cancel()
	r := result{Connection: c.number, Paths: []path{}}
	err := c.open(ctx)
	if err == nil {
		err = c.downloadAll(ctx, content, &r)
	}
	err = errors.Join(err, c.close())
	for _, used := range c.sockets {
		r.Paths = append(r.Paths, path{used.LocalAddr().String(), used.sent.Load(), used.received.Load()})
	}
	for _, used := range c.switches {
		r.Late += used.late.Load()
	}
	if err == nil {
		err = c.checkChanges(r.Paths)
	}
	if err != nil {
		r.Fault = err.Error()
	}
	r.DurationMs = time.Since(started).Milliseconds()
	return r
}

const windowOctets = 64 << 10

func (c *connection) open(ctx context.Context) error {
	remote, err := net.ResolveUDPAddr("udp", c.options.connect)
	if err != nil {
		return err
	}
	c.remote = remote
	transport, err := c.firstPath()
	if err != nil {
		return err
	}
	// A client that only receives notices nothing of a path that is gone, unless it sends from time to time.
	config := &quic.Config{MaxIdleTimeout: c.options.timeout, KeepAlivePeriod: c.options.keepAlive}
	if c.options.trigger.octets > 0 || c.options.hold {
		// Of what the server has sent before a change, little is still unread: the rest has to come by the new socket.
		config.InitialStreamReceiveWindow, config.MaxStreamReceiveWindow = windowOctets, windowOctets
	}
	tlsConfig := c.options.tls.Clone()
	tlsConfig.NextProtos = []string{http3.NextProtoH3}
	c.quic, err = transport.Dial(ctx, remote, tlsConfig, config)
	return err
}

func (c *connection) openSocket() (*socket, error) {
	local := ""
	if locals := c.options.locals; len(locals) > 0 {
		local = locals[len(c.sockets)%len(locals)]
	}
	next, err := openSocket(local)
	if err == nil {
		c.sockets = append(c.sockets, next)
	}
	return next, err
}

func (c *connection) openPath() (*quic.Transport, error) {
	first, err := c.openSocket()
	if err != nil {
		return nil, err
	}
	s := newSwitchSocket(first)
	transport := &quic.Transport{Conn: s, ConnectionIDLength: c.options.cidLength}
	c.switches = append(c.switches, s)
	c.transports = append(c.transports, transport)
	return transport, nil
}

// firstPath is a new socket, or that of another connection.
func (c *connection) firstPath() (*quic.Transport, error) {
	if c.borrowed != nil {
		return c.borrowed, nil
	}
	transport, err := c.openPath()
	if c.number == 0 {
		c.shared <- transport
	}
	return transport, err
}

func (c *connection) close() error {
	if c.quic != nil {
		_ = c.quic.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "")
	}
	var faults []error
	for i, transport := range c.transports {
		faults = append(faults, transport.Close(), c.switches[i].Close())
	}
	return errors.Join(faults...)
}

// change gives the connection another socket.
func (c *connection) change(ctx context.Context) error {
	c.changed++
	if c.options.kind == rebind {
		next, err := c.openSocket()
		if err == nil {
			err = c.switches[0].changeTo(ctx, next)
		}
		return err
	}
	transport, err := c.openPath()
	if err != nil {
		return err
	}
	newPath, err := c.quic.AddPath(transport)
	if err != nil {
		return fmt.Errorf("adding a path: %w", err)
	}
	if err := newPath.Probe(ctx); err != nil {
		return fmt.Errorf("probing the new path: %w", err)
	}
	return newPath.Switch()
}

// checkChanges: a change counts only when data crossed in both directions before and after it.
func (c *connection) checkChanges(paths []path) error {
	if c.options.kind == noChange {
		return nil
	}
	if c.changed < c.options.changes {
		return fmt.Errorf("the transfer ended after %d of %d changes of socket", c.changed, c.options.changes)
	}
	for i, used := range paths {
		if used.Sent == 0 || used.Received == 0 {
			return fmt.Errorf("socket %d (%s) sent %d and received %d datagrams", i+1, used.Local, used.Sent, used.Received)
		}
	}
	return nil
}

func (c *connection) downloadAll(ctx context.Context, content *expectations, r *result) error {
	client := (&http3.Transport{}).NewClientConn(c.quic)
	if c.options.whoami != "" {
		name, err := askName(ctx, client, c.options)
		if err != nil {
			return err
		}
		r.Server = name
	}
	changes := c.startChanges(ctx)
	for i, target := range c.options.urls {
		if i > 0 {
			time.Sleep(c.options.pause)
		}
		octets, err := download(ctx, client, target, content, c.progress(ctx, changes))
		r.Octets += octets
		if err != nil {
			return errors.Join(fmt.Errorf("%s: %w", target, err), changes.stop())
		}
	}
	return errors.Join(c.hold.check(), changes.stop())
}

func (c *connection) progress(ctx context.Context, changes *changes) func(int) error {
	return func(octets int) error {
		if changes.octets == 0 && octets > 0 {
			c.hold.begun(c.number)
		}
		err := changes.progress(octets)
		c.hold.pause(ctx)
		return err
	}
}

const mostNameOctets = 256

func askName(ctx context.Context, client *http3.ClientConn, o *options) (string, error) {
	target := *o.urls[0]
	target.Path, target.RawQuery = o.whoami, ""
	response, err := get(ctx, client, &target)
	if err != nil {
		return "", fmt.Errorf("%s: %w", &target, err)
	}
	defer response.Body.Close()
	name, err := io.ReadAll(io.LimitReader(response.Body, mostNameOctets))
	return string(name), err
}

func get(ctx context.Context, client *http3.ClientConn, target *url.URL) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, err
	}
	response, err := client.RoundTrip(request)
	if err != nil {
		return nil, errors.Join(err, context.Cause(ctx))
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		return nil, errors.New(response.Status)
	}
	return response, nil
}
