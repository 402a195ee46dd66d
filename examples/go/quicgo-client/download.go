package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"

	"github.com/quic-go/quic-go/http3"
)

// expectations are the sizes and digests of the files that downloads must equal.
type expectations struct{ files map[string]expectation }

type expectation struct {
	octets int64
	digest [sha256.Size]byte
}

// newExpectations reads the files once for all connections.
func newExpectations(o *options) (*expectations, error) {
	e := &expectations{files: map[string]expectation{}}
	if o.expectDirectory == "" {
		return e, nil
	}
	for _, target := range o.urls {
		data, err := os.ReadFile(filepath.Join(o.expectDirectory, filepath.Base(target.Path)))
		if err != nil {
			return nil, err
		}
		e.files[target.Path] = expectation{int64(len(data)), sha256.Sum256(data)}
	}
	return e, nil
}

func (e *expectations) check(path string, octets int64, digest []byte) error {
	want, known := e.files[path]
	switch {
	case !known:
		return nil
	case octets != want.octets:
		return fmt.Errorf("has %d of %d octets", octets, want.octets)
	case !bytes.Equal(digest, want.digest[:]):
		return errors.New("has other content")
	}
	return nil
}

const readOctets = 16 << 10

// download reads a body to its end and checks it. progress is called after each piece.
func download(
	ctx context.Context, client *http3.ClientConn, target *url.URL, content *expectations, progress func(int) error,
) (int64, error) {
	response, err := get(ctx, client, target)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	digest := sha256.New()
	buffer := make([]byte, readOctets)
	var octets int64
	for {
		length, err := response.Body.Read(buffer)
		octets += int64(length)
		digest.Write(buffer[:length])
		if fault := progress(length); fault != nil {
			return octets, fault
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return octets, errors.Join(err, context.Cause(ctx))
		}
	}
	if response.ContentLength >= 0 && octets != response.ContentLength {
		return octets, fmt.Errorf("has %d of %d octets", octets, response.ContentLength)
	}
	return octets, content.check(target.Path, octets, digest.Sum(nil))
}
