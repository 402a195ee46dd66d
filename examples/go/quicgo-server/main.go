// Command quicgo-server serves the files of a directory over HTTP/3. With -server-id its Connection IDs are routable by
// QUIC-LB; without, they are those of quic-go.
package main

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"quicproxy.io/examples/go/quiclb"
)

type options struct {
	listen         string
	certificate    string
	key            string
	directory      string
	serverID       string
	cidKey         string
	nonceLength    int
	rotation       uint
	noIDs          bool
	retry          bool
	logConnections bool
	idleTimeout    time.Duration
}

func readOptions() options {
	var o options
	flag.StringVar(&o.listen, "listen", ":4433", "UDP `address:port` to listen on")
	flag.StringVar(&o.certificate, "cert", "", "PEM `file` with the certificate")
	flag.StringVar(&o.key, "key", "", "PEM `file` with its private key")
	flag.StringVar(&o.directory, "dir", ".", "`directory` to serve")
	flag.StringVar(&o.serverID, "server-id", "", "QUIC-LB server ID in `hex`; absent: Connection IDs are not routable")
	flag.IntVar(&o.nonceLength, "nonce-length", 8, "`octets` of the QUIC-LB nonce, 4 to 18")
	flag.StringVar(&o.cidKey, "cid-key", "", "QUIC-LB AES-128 key in `hex`; absent: plain text")
	flag.UintVar(&o.rotation, "rotation", 0, "QUIC-LB config rotation `bits`, 0 to 6")
	flag.BoolVar(&o.noIDs, "zero-length-ids", false, "empty Connection IDs, with which there is one connection at a time")
	flag.BoolVar(&o.retry, "retry", false, "answer the first Initial of every client with a Retry")
	flag.BoolVar(&o.logConnections, "log-connections", false, "print a line of JSON for each connection that ends")
	flag.DurationVar(&o.idleTimeout, "idle-timeout", 30*time.Second, "`time` after which a silent connection ends")
	flag.Parse()
	return o
}

func main() {
	o := readOptions()
	if flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "takes no arguments, only options")
		os.Exit(2)
	}
	generator, err := newGenerator(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if err := serve(o, generator); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// emptyIDs: a client is then known by its address alone (RFC 9000 section 5.1).
type emptyIDs struct{}

func (emptyIDs) GenerateConnectionID() (quic.ConnectionID, error) { return quic.ConnectionID{}, nil }
func (emptyIDs) ConnectionIDLen() int                             { return 0 }

// newGenerator is nil when no server ID was given: then quic-go makes its own Connection IDs.
func newGenerator(o options) (quic.ConnectionIDGenerator, error) {
	if o.noIDs {
		return emptyIDs{}, nil
	}
	if o.serverID == "" {
		return nil, nil
	}
	serverID, err := hex.DecodeString(o.serverID)
	if err != nil {
		return nil, fmt.Errorf("-server-id: %w", err)
	}
	config := quiclb.Config{Rotation: uint8(min(o.rotation, 255)), NonceLength: o.nonceLength}
	if o.cidKey != "" {
		if config.Key, err = hex.DecodeString(o.cidKey); err != nil {
			return nil, fmt.Errorf("-cid-key: %w", err)
		}
	}
	minter, err := quiclb.NewMinter(config, serverID, nil)
	if err != nil {
		return nil, err
	}
	return quiclb.Generator{Minter: minter}, nil
}

func serve(o options, generator quic.ConnectionIDGenerator) error {
	certificate, err := tls.LoadX509KeyPair(o.certificate, o.key)
	if err != nil {
		return err
	}
	address, err := net.ResolveUDPAddr("udp", o.listen)
	if err != nil {
		return err
	}
	socket, err := net.ListenUDP("udp", address)
	if err != nil {
		return err
	}
	defer socket.Close()
	transport := &quic.Transport{
		Conn:                  socket,
		ConnectionIDGenerator: generator,
		VerifySourceAddress:   func(net.Addr) bool { return o.retry },
	}
	tlsConfig := http3.ConfigureTLSConfig(&tls.Config{Certificates: []tls.Certificate{certificate}})
	config := &quic.Config{MaxIdleTimeout: o.idleTimeout, Allow0RTT: true}
	listener, err := transport.ListenEarly(tlsConfig, config)
	if err != nil {
		return err
	}
	log := connectionLog{enabled: o.logConnections}
	server := &http3.Server{Handler: http.FileServer(http.Dir(o.directory)), ConnContext: log.watch}

	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- server.ServeListener(listener) }()
	fmt.Printf("listening on %s\n", socket.LocalAddr())
	select {
	case err := <-ended:
		return err
	case <-stop.Done():
	}
	err = errors.Join(server.Close(), transport.Close())
	log.open.Wait()
	return err
}

// connectionLog prints where each connection's client was at its first and at its last datagram.
type connectionLog struct {
	enabled bool
	print   sync.Mutex
	open    sync.WaitGroup
}

func (l *connectionLog) watch(ctx context.Context, connection *quic.Conn) context.Context {
	if !l.enabled {
		return ctx
	}
	first := connection.RemoteAddr().String()
	l.open.Go(func() {
		<-connection.Context().Done()
		l.print.Lock()
		defer l.print.Unlock()
		// A line on standard output that cannot be written is no reason to stop serving.
		_ = json.NewEncoder(os.Stdout).Encode(map[string]string{
			"first": first,
			"last":  connection.RemoteAddr().String(),
			"end":   context.Cause(connection.Context()).Error(),
		})
	})
	return ctx
}
