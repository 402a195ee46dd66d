package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const socketBufferOctets = 1 << 20

// socket counts the datagrams that crossed it.
type socket struct {
	*net.UDPConn
	sent, received atomic.Int64
}

func openSocket(local string) (*socket, error) {
	address := &net.UDPAddr{}
	if local != "" {
		ip, err := netip.ParseAddr(local)
		if err != nil {
			return nil, err
		}
		address = net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 0))
	}
	conn, err := net.ListenUDP("udp", address)
	if err != nil {
		return nil, err
	}
	// The kernel bounds it; a smaller one is no reason to fail.
	_ = conn.SetReadBuffer(socketBufferOctets)
	return &socket{UDPConn: conn}, nil
}

// switchSocket is the net.PacketConn of one path. It changes the socket beneath it, and quic-go does not notice: what a
// client sees behind a NAT that gives it another mapping. As there, the new mapping comes into being with the next
// datagram that the client sends; what arrives at the old one from then on is thrown away.
type switchSocket struct {
	mutex   sync.Mutex
	current atomic.Pointer[socket]
	next    atomic.Pointer[socket]
	old     []*socket
	late    atomic.Int64
	drained sync.WaitGroup
}

var _ net.PacketConn = (*switchSocket)(nil)

func newSwitchSocket(first *socket) *switchSocket {
	s := &switchSocket{}
	s.current.Store(first)
	return s
}

// settledDatagrams are more than the server needs to probe a path: data has come by it.
const settledDatagrams = 8

// changeTo takes the socket for the datagrams from the next one on. It waits until the change before is settled.
func (s *switchSocket) changeTo(ctx context.Context, next *socket) error {
	for s.next.Load() != nil || s.current.Load().received.Load() < settledDatagrams {
		select {
		case <-ctx.Done():
			return errors.Join(errors.New("the change of socket before it came to nothing"), context.Cause(ctx), next.Close())
		case <-time.After(time.Millisecond):
		}
	}
	s.next.Store(next)
	return nil
}

func (s *switchSocket) WriteTo(datagram []byte, to net.Addr) (int, error) {
	if s.next.Load() != nil {
		s.change()
	}
	by := s.current.Load()
	by.sent.Add(1)
	return by.WriteTo(datagram, to)
}

func (s *switchSocket) change() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if next := s.next.Swap(nil); next != nil {
		old := s.current.Swap(next)
		s.old = append(s.old, old)
		// Ends the read that is under way on it.
		_ = old.SetReadDeadline(time.Now())
	}
}

func (s *switchSocket) ReadFrom(buffer []byte) (int, net.Addr, error) {
	for {
		from := s.current.Load()
		length, address, err := from.ReadFromUDP(buffer)
		if s.current.Load() == from {
			if err == nil {
				from.received.Add(1)
			}
			return length, address, err
		}
		if err == nil {
			s.late.Add(1)
		}
		s.drained.Go(func() { s.drain(from) })
	}
}

func (s *switchSocket) drain(from *socket) {
	_ = from.SetReadDeadline(time.Time{})
	buffer := make([]byte, 2048)
	for {
		if _, _, err := from.ReadFromUDP(buffer); errors.Is(err, net.ErrClosed) {
			return
		} else if err == nil {
			s.late.Add(1)
		}
	}
}

func (s *switchSocket) Close() error {
	s.mutex.Lock()
	err := s.current.Load().Close()
	if next := s.next.Load(); next != nil {
		err = errors.Join(err, next.Close())
	}
	for _, old := range s.old {
		err = errors.Join(err, old.Close())
	}
	s.mutex.Unlock()
	s.drained.Wait()
	return err
}

func (s *switchSocket) LocalAddr() net.Addr            { return s.current.Load().LocalAddr() }
func (s *switchSocket) SetDeadline(at time.Time) error { return s.current.Load().SetDeadline(at) }
func (s *switchSocket) SetReadDeadline(at time.Time) error {
	return s.current.Load().SetReadDeadline(at)
}
func (s *switchSocket) SetWriteDeadline(at time.Time) error {
	return s.current.Load().SetWriteDeadline(at)
}
func (s *switchSocket) SetReadBuffer(octets int) error { return s.current.Load().SetReadBuffer(octets) }
func (s *switchSocket) SetWriteBuffer(octets int) error {
	return s.current.Load().SetWriteBuffer(octets)
}
