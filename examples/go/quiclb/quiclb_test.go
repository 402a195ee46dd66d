package quiclb

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
)

type vector struct {
	config               Config
	serverID, nonce, cid []byte
}

func readVectors(t *testing.T) []vector {
	t.Helper()
	text, err := os.ReadFile("../../quic-lb-vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		rotation, err := strconv.ParseUint(fields[1], 10, 8)
		if err != nil {
			t.Fatal(err)
		}
		v := vector{serverID: octets(t, fields[2]), nonce: octets(t, fields[3]), cid: octets(t, fields[4])}
		v.config = Config{Rotation: uint8(rotation), ServerIDLength: len(v.serverID), NonceLength: len(v.nonce)}
		if fields[0] != "-" {
			v.config.Key = octets(t, fields[0])
		}
		vectors = append(vectors, v)
	}
	return vectors
}

func octets(t *testing.T, text string) []byte {
	t.Helper()
	value, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestBuildsAndReadsEveryVector(t *testing.T) {
	vectors := readVectors(t)
	if len(vectors) != 8+120 {
		t.Fatalf("%d vectors", len(vectors))
	}
	for _, v := range vectors {
		codec, err := NewCodec(v.config)
		if err != nil {
			t.Fatal(err)
		}
		cid, err := codec.Encode(v.config.LengthOctet(), v.serverID, v.nonce)
		if err != nil || !bytes.Equal(cid, v.cid) {
			t.Errorf("built %x (%v), not %x", cid, err, v.cid)
		}
		serverID, nonce, routable := codec.Decode(append(v.cid, 0xee))
		if !routable || !bytes.Equal(serverID, v.serverID) || !bytes.Equal(nonce, v.nonce) {
			t.Errorf("%x: read server ID %x, nonce %x, %v", v.cid, serverID, nonce, routable)
		}
	}
}

func TestDoesNotReadOtherRotationsAndShortOnes(t *testing.T) {
	codec, _ := NewCodec(Config{Rotation: 1, ServerIDLength: 3, NonceLength: 4})
	for _, cid := range []string{"", "27", "27c4605e4504cc", "07c4605e4504cc4f", "e7c4605e4504cc4f"} {
		if _, _, routable := codec.Decode(octets(t, cid)); routable {
			t.Errorf("%q is read as routable", cid)
		}
	}
}

func TestManyAtOnceMintNoneTwice(t *testing.T) {
	for _, key := range [][]byte{nil, octets(t, "8f95f09245765f80256934e50c66207f")} {
		config := Config{Rotation: 6, NonceLength: 4, Key: key}
		minter, err := NewMinter(config, octets(t, "c4605e"), nil)
		if err != nil {
			t.Fatal(err)
		}
		var minted sync.Map
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 2_000 {
					cid, err := Generator{minter}.GenerateConnectionID()
					if err != nil || cid.Len() != minter.Length() || cid.Bytes()[0] != 0xc7 {
						t.Errorf("minted %s: %v", cid, err)
					}
					if _, twice := minted.LoadOrStore(cid.String(), true); twice {
						t.Errorf("%s was minted twice", cid)
					}
				}
			})
		}
		all.Wait()
		if remaining := minter.Remaining(); remaining != 1<<32-16_000 {
			t.Errorf("%d remain", remaining)
		}
	}
}

func TestCountsUpAndAroundUntilTheStart(t *testing.T) {
	config := Config{ServerIDLength: 1, NonceLength: 4, Key: make([]byte, 16)}
	minter, err := NewMinter(config, []byte{9}, octets(t, "fffffffe"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"fffffffe", "ffffffff", "00000000"} {
		cid, err := minter.Mint()
		if err != nil {
			t.Fatal(err)
		}
		if _, nonce, _ := minter.codec.Decode(cid); hex.EncodeToString(nonce) != want {
			t.Errorf("nonce %x, not %s", nonce, want)
		}
	}
	minter.next = octets(t, "fffffffd")
	if _, err := minter.Mint(); err != nil {
		t.Error(err)
	}
	for range 2 {
		if _, err := minter.Mint(); !errors.Is(err, ErrNoncesExhausted) {
			t.Errorf("%v", err)
		}
	}
}

func TestRefusesWrongOptions(t *testing.T) {
	for want, minter := range map[string]func() (*Minter, error){
		"rotation must be 0 to 6":  func() (*Minter, error) { return NewMinter(Config{Rotation: 7, NonceLength: 4}, []byte{1}, nil) },
		"server ID must have 1 to": func() (*Minter, error) { return NewMinter(Config{NonceLength: 4}, nil, nil) },
		"nonce must have 4 to 18":  func() (*Minter, error) { return NewMinter(Config{NonceLength: 3}, []byte{1}, nil) },
		"at most 19 octets":        func() (*Minter, error) { return NewMinter(Config{NonceLength: 18}, []byte{1, 2}, nil) },
		"key must have 16 octets":  func() (*Minter, error) { return NewMinter(Config{NonceLength: 4, Key: []byte{}}, []byte{1}, nil) },
		"server ID must have 2":    func() (*Minter, error) { return NewMinter(Config{ServerIDLength: 2, NonceLength: 4}, []byte{1}, nil) },
		"nonce must have 4 octets": func() (*Minter, error) { return NewMinter(Config{NonceLength: 4}, []byte{1}, []byte{1}) },
	} {
		if _, err := minter(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, not %q", err, want)
		}
	}
}

func TestUnroutableSaysSo(t *testing.T) {
	for _, length := range []int{8, 20} {
		cid, err := Unroutable(length)
		if err != nil || len(cid) != length || cid[0] != 0xe0|byte(length-1) {
			t.Errorf("%x, %v", cid, err)
		}
	}
	for _, length := range []int{7, 21} {
		if _, err := Unroutable(length); err == nil {
			t.Errorf("%d octets are allowed", length)
		}
	}
}
