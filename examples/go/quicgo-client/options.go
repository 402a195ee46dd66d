package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

type changeKind string

const (
	noChange changeKind = ""
	// rebind: the client's datagrams leave by another socket, as behind a NAT that forgot it. The Connection ID stays.
	rebind changeKind = "rebind"
	// migrate: the client probes a path from another socket and goes over to it, with a new Connection ID.
	migrate changeKind = "migrate"
)

// trigger fires after a time or after so many octets of body.
type trigger struct {
	after  time.Duration
	octets int64
}

func (t *trigger) String() string { return "" }

func (t *trigger) Set(text string) error {
	if octets, err := strconv.ParseInt(text, 10, 64); err == nil && octets > 0 {
		t.octets = octets
		return nil
	}
	after, err := time.ParseDuration(text)
	if err != nil || after <= 0 {
		return errors.New("must be a time such as 300ms, or a number of octets of body such as 262144")
	}
	t.after = after
	return nil
}

type options struct {
	connect         string
	locals          []string
	authorities     string
	insecure        bool
	expectDirectory string
	whoami          string
	kind            changeKind
	trigger         trigger
	changes         int
	count           int
	parallel        int
	timeout         time.Duration
	keepAlive       time.Duration
	pause           time.Duration
	cidLength       int
	hold            bool
	again           int
	urls            []*url.URL
	tls             *tls.Config
}

func readOptions() (*options, error) {
	o := &options{}
	var local string
	var rebindAfter, migrateAfter trigger
	flag.StringVar(&o.connect, "connect", "", "`host:port` to send to, whatever the URLs say")
	flag.StringVar(&local, "local", "", "local IP `addresses`, comma-separated: the first socket of a connection has the first, the next one the next, around")
	flag.StringVar(&o.authorities, "ca", "", "PEM `file` of the authorities to trust; default: those of the system")
	flag.BoolVar(&o.insecure, "insecure", false, "take any certificate")
	flag.StringVar(&o.expectDirectory, "expect-dir", "", "`directory` whose files of the same names the downloads must equal")
	flag.StringVar(&o.whoami, "whoami", "", "`path` of a small file in which the server says who it is")
	flag.Var(&rebindAfter, "rebind-after", "`time` or octets of body after which the socket changes under the same Connection ID")
	flag.Var(&migrateAfter, "migrate-after", "`time` or octets of body after which the client migrates to a new socket and Connection ID")
	flag.IntVar(&o.changes, "changes", 1, "how many `times`, each after as much again")
	flag.IntVar(&o.count, "count", 1, "`connections` to make")
	flag.IntVar(&o.parallel, "parallel", 10, "`connections` at a time")
	flag.DurationVar(&o.timeout, "timeout", 30*time.Second, "`time` for each connection")
	flag.DurationVar(&o.keepAlive, "keep-alive", time.Second, "`time` of silence after which the client sends a PING; 0: never")
	flag.DurationVar(&o.pause, "pause", 0, "`time` between two downloads of a connection")
	flag.BoolVar(&o.hold, "hold", false, "download slowly until standard input ends; each connection says begun and its number on standard error once body arrives")
	flag.IntVar(&o.again, "again", 0, "with -hold: `connections` to make from the socket of the first one, one after the other, once a line comes on standard input")
	flag.IntVar(&o.cidLength, "cid-length", 8, "`octets` of the client's own Connection IDs, 0 to 20")
	flag.Parse()
	if local != "" {
		o.locals = strings.Split(local, ",")
	}
	return o, errors.Join(o.readChange(rebindAfter, migrateAfter), o.readURLs(flag.Args()), o.readTLS(), o.checkNumbers())
}

func (o *options) readChange(rebindAfter, migrateAfter trigger) error {
	switch none := (trigger{}); {
	case rebindAfter != none && migrateAfter != none:
		return errors.New("only one of -rebind-after and -migrate-after")
	case rebindAfter != none:
		o.kind, o.trigger = rebind, rebindAfter
	case migrateAfter != none:
		o.kind, o.trigger = migrate, migrateAfter
	}
	return nil
}

func (o *options) readURLs(texts []string) error {
	if len(texts) == 0 {
		return errors.New("no URL: quicgo-client [options] https://host:port/path ...")
	}
	for _, text := range texts {
		target, err := url.Parse(text)
		if err != nil {
			return err
		}
		if target.Scheme != "https" || target.Host == "" {
			return fmt.Errorf("%s: must be https://host[:port]/path", text)
		}
		if len(o.urls) > 0 && target.Host != o.urls[0].Host {
			return fmt.Errorf("%s: all URLs must have one host and port, %s", text, o.urls[0].Host)
		}
		o.urls = append(o.urls, target)
	}
	if o.connect == "" {
		o.connect = o.urls[0].Host
		if o.urls[0].Port() == "" {
			o.connect += ":443"
		}
	}
	return nil
}

func (o *options) readTLS() error {
	o.tls = &tls.Config{InsecureSkipVerify: o.insecure}
	if len(o.urls) > 0 {
		o.tls.ServerName = o.urls[0].Hostname()
	}
	if o.authorities == "" {
		return nil
	}
	text, err := os.ReadFile(o.authorities)
	if err != nil {
		return err
	}
	o.tls.RootCAs = x509.NewCertPool()
	if !o.tls.RootCAs.AppendCertsFromPEM(text) {
		return fmt.Errorf("%s: no certificate in it", o.authorities)
	}
	return nil
}

func (o *options) checkNumbers() error {
	if o.count < 1 || o.parallel < 1 || o.changes < 1 || o.timeout <= 0 {
		return errors.New("-count, -parallel, -changes and -timeout must be above 0")
	}
	if o.again < 0 || (o.again > 0 && (!o.hold || o.kind != noChange)) {
		return errors.New("-again must be above 0, with -hold and without a change of address")
	}
	if o.pause < 0 {
		return errors.New("-pause must not be negative")
	}
	if o.cidLength < 0 || o.cidLength > 20 {
		return errors.New("-cid-length must be 0 to 20")
	}
	if o.kind == migrate && o.cidLength == 0 {
		return errors.New("-migrate-after needs a -cid-length above 0: a zero-length Connection ID cannot change")
	}
	return nil
}
