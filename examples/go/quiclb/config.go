// Package quiclb mints and reads the routable Connection IDs of draft-ietf-quic-load-balancers, revisions 19 and later.
package quiclb

import (
	"errors"
	"fmt"
)

// Config says how the Connection IDs of one configuration are laid out. It is the same on the load balancer and on all
// its servers.
type Config struct {
	Rotation       uint8  // config rotation bits, 0 to 6
	ServerIDLength int    // octets, 1 to 15
	NonceLength    int    // octets, 4 to 18; with the server ID at most 19
	Key            []byte // AES-128 key, 16 octets; nil for plain text
}

// ErrNoncesExhausted is returned instead of a second Connection ID with the same nonce. It is time for a config of
// another rotation and key.
var ErrNoncesExhausted = errors.New("quiclb: all nonces are used: go on with a config of another rotation and key")

const (
	keyOctets          = 16
	mostBodyOctets     = 19
	unroutableRotation = 7
)

func (c Config) bodyLength() int { return c.ServerIDLength + c.NonceLength }

// Length is the number of octets of a Connection ID.
func (c Config) Length() int { return 1 + c.bodyLength() }

// LengthOctet is the first octet of a Connection ID that tells its own length.
func (c Config) LengthOctet() byte { return c.Rotation<<5 | byte(c.bodyLength()) }

// Check says what is wrong with the config, or nil.
func (c Config) Check() error {
	switch {
	case c.Rotation > 6:
		return fmt.Errorf(`quiclb: the rotation must be 0 to 6 (7 means "not routable"), not %d`, c.Rotation)
	case c.ServerIDLength < 1 || c.ServerIDLength > 15:
		return fmt.Errorf("quiclb: the server ID must have 1 to 15 octets, not %d", c.ServerIDLength)
	case c.NonceLength < 4 || c.NonceLength > 18:
		return fmt.Errorf("quiclb: the nonce must have 4 to 18 octets, not %d", c.NonceLength)
	case c.bodyLength() > mostBodyOctets:
		return fmt.Errorf("quiclb: server ID and nonce must have at most 19 octets together, not %d", c.bodyLength())
	case c.Key != nil && len(c.Key) != keyOctets:
		return fmt.Errorf("quiclb: the key must have 16 octets (AES-128), not %d", len(c.Key))
	}
	return nil
}
