package quiclb

import (
	"crypto/aes"
	"crypto/cipher"
)

// bodyCipher encrypts what follows a Connection ID's first octet: exactly 16 octets as one AES block, any other length
// in four passes of a Feistel network (section 5.4 of the draft).
type bodyCipher struct {
	block  cipher.Block
	length int
}

// key has 16 octets.
func newBodyCipher(key []byte, length int) bodyCipher {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // only for a key of another length
	}
	return bodyCipher{block, length}
}

func (c bodyCipher) seal(body []byte) {
	if c.length == aes.BlockSize {
		c.block.Encrypt(body, body)
		return
	}
	c.passes(body, [4]byte{1, 2, 3, 4})
}

func (c bodyCipher) open(body []byte) {
	if c.length == aes.BlockSize {
		c.block.Decrypt(body, body)
		return
	}
	c.passes(body, [4]byte{4, 3, 2, 1})
}

type half [aes.BlockSize]byte

// passes lets odd passes change the right half by the left one and even passes the left half by the right one.
func (c bodyCipher) passes(body []byte, numbers [4]byte) {
	size := (c.length + 1) / 2
	var left, right half
	copy(left[:], body[:size])
	copy(right[:], body[c.length-size:])
	c.keepOwnNibble(&left, &right)
	for _, number := range numbers {
		if number%2 == 1 {
			c.pass(&left, number, &right)
		} else {
			c.pass(&right, number, &left)
		}
		c.keepOwnNibble(&left, &right)
	}
	middle := left[size-1]
	copy(body, left[:size])
	copy(body[c.length-size:], right[:size])
	if c.length%2 != 0 {
		body[size-1] = middle | right[0]
	}
}

// keepOwnNibble: with an odd length the middle octet is split, its high nibble ends the left half and its low nibble
// begins the right one.
func (c bodyCipher) keepOwnNibble(left, right *half) {
	if c.length%2 != 0 {
		left[(c.length+1)/2-1] &= 0xf0
		right[0] &= 0x0f
	}
}

// pass: into ^= truncate(AES(from, zeroes, length, number))
func (c bodyCipher) pass(from *half, number byte, into *half) {
	pad := *from
	pad[14], pad[15] = byte(c.length), number
	c.block.Encrypt(pad[:], pad[:])
	for i := range (c.length + 1) / 2 {
		into[i] ^= pad[i]
	}
}
