package quiclb

import "fmt"

// Codec builds and reads Connection IDs of one config. It is safe for concurrent use.
type Codec struct {
	config Config
	cipher *bodyCipher
}

// NewCodec fails for a config that is wrong.
func NewCodec(config Config) (*Codec, error) {
	if err := config.Check(); err != nil {
		return nil, err
	}
	codec := &Codec{config: config}
	if config.Key != nil {
		cipher := newBodyCipher(config.Key, config.bodyLength())
		codec.cipher = &cipher
	}
	return codec, nil
}

// Encode makes a Connection ID. Never use a nonce twice under one key: two equal ones reveal it.
func (c *Codec) Encode(firstOctet byte, serverID, nonce []byte) ([]byte, error) {
	if len(serverID) != c.config.ServerIDLength || len(nonce) != c.config.NonceLength {
		return nil, fmt.Errorf("quiclb: server ID and nonce must have %d and %d octets, not %d and %d",
			c.config.ServerIDLength, c.config.NonceLength, len(serverID), len(nonce))
	}
	cid := make([]byte, 0, c.config.Length())
	cid = append(cid, firstOctet)
	cid = append(cid, serverID...)
	cid = append(cid, nonce...)
	if c.cipher != nil {
		c.cipher.seal(cid[1:])
	}
	return cid, nil
}

// Decode reads server ID and nonce. It is false when the Connection ID has another rotation or is too short; a longer
// one is fine.
func (c *Codec) Decode(cid []byte) (serverID, nonce []byte, routable bool) {
	if len(cid) < c.config.Length() || cid[0]>>5 != c.config.Rotation {
		return nil, nil, false
	}
	body := append([]byte(nil), cid[1:c.config.Length()]...)
	if c.cipher != nil {
		c.cipher.open(body)
	}
	return body[:c.config.ServerIDLength], body[c.config.ServerIDLength:], true
}
