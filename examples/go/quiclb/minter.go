package quiclb

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"math"
	"sync"
)

// Minter mints the Connection IDs of one server. It is safe for concurrent use.
type Minter struct {
	codec    *Codec
	serverID []byte
	// Where no key hides them, counted nonces would tell how many connections the server has: a one-to-one map of all
	// nonces that only this process knows.
	shuffle *bodyCipher

	mutex     sync.Mutex
	first     []byte
	next      []byte
	minted    uint64
	exhausted bool
}

// NewMinter counts nonces up from firstNonce, or from a random start when it is nil. A server that goes on under the
// same key after a restart passes what NextNonce gave before. config.ServerIDLength may be 0: the server ID tells it.
func NewMinter(config Config, serverID, firstNonce []byte) (*Minter, error) {
	if config.ServerIDLength == 0 {
		config.ServerIDLength = len(serverID)
	}
	codec, err := NewCodec(config)
	if err != nil {
		return nil, err
	}
	if len(serverID) != config.ServerIDLength {
		return nil, fmt.Errorf("quiclb: the server ID must have %d octets, not %d", config.ServerIDLength, len(serverID))
	}
	if firstNonce == nil {
		firstNonce = randomOctets(config.NonceLength)
	}
	if len(firstNonce) != config.NonceLength {
		return nil, fmt.Errorf("quiclb: the nonce must have %d octets, not %d", config.NonceLength, len(firstNonce))
	}
	minter := &Minter{codec: codec, serverID: bytes.Clone(serverID), first: bytes.Clone(firstNonce), next: bytes.Clone(firstNonce)}
	if config.Key == nil {
		shuffle := newBodyCipher(randomOctets(keyOctets), config.NonceLength)
		minter.shuffle = &shuffle
	}
	return minter, nil
}

func randomOctets(count int) []byte {
	octets := make([]byte, count)
	rand.Read(octets) // never fails: crypto/rand ends the program instead
	return octets
}

// Length is the number of octets of every Connection ID of this minter.
func (m *Minter) Length() int { return m.codec.config.Length() }

// Mint gives a Connection ID that no other call gave, or ErrNoncesExhausted.
func (m *Minter) Mint() ([]byte, error) {
	nonce, err := m.takeNonce()
	if err != nil {
		return nil, err
	}
	if m.shuffle != nil {
		m.shuffle.seal(nonce)
	}
	return m.codec.Encode(m.codec.config.LengthOctet(), m.serverID, nonce)
}

func (m *Minter) takeNonce() ([]byte, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.exhausted {
		return nil, ErrNoncesExhausted
	}
	nonce := bytes.Clone(m.next)
	increment(m.next)
	m.minted++
	m.exhausted = bytes.Equal(m.next, m.first)
	return nonce, nil
}

func increment(number []byte) {
	for i := len(number) - 1; i >= 0; i-- {
		number[i]++
		if number[i] != 0 {
			return
		}
	}
}

// NextNonce is what to pass to NewMinter in the process that comes after this one.
func (m *Minter) NextNonce() []byte {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return bytes.Clone(m.next)
}

// Remaining tells how many Connection IDs can still be minted; math.MaxUint64 stands for that many or more.
func (m *Minter) Remaining() uint64 {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if bits := 8 * m.codec.config.NonceLength; bits < 64 {
		return 1<<bits - m.minted
	}
	return math.MaxUint64
}

// Unroutable makes a random Connection ID of 8 to 20 octets that says of itself that it is not routable: for a server
// without config.
func Unroutable(length int) ([]byte, error) {
	if length < 8 || length > 1+mostBodyOctets {
		return nil, fmt.Errorf("quiclb: an unroutable Connection ID must have 8 to 20 octets, not %d", length)
	}
	cid := randomOctets(length)
	cid[0] = unroutableRotation<<5 | byte(length-1)
	return cid, nil
}
