package client

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	jsonType = "application/json"
	// bodyRoom is more than what surrounds the secrets in a body.
	bodyRoom = 128
)

// body is the text of a request that holds secrets. It is wiped once all who hold it have let go:
// its maker, and every reader that was opened, for net/http may read after it has answered.
type body struct {
	text    []byte
	holders atomic.Int32
}

// encodeJob returns the body of POST /hash, held once.
func encodeJob(secret []byte, a Algorithm) (*body, error) {
	b := newBody(`{"password":`, quoted(secret))
	err := b.quote(secret)
	return b.end(a, "", err)
}

// encodeBatch returns the body of POST /hash/batch, held once.
func encodeBatch(secrets [][]byte, a Algorithm) (b *body, err error) {
	room := 0
	for _, s := range secrets {
		room += quoted(s) + 1
	}
	b = newBody(`{"passwords":[`, room)
	for i, s := range secrets {
		if i > 0 {
			b.text = append(b.text, ',')
		}
		if err = b.quote(s); err != nil {
			break
		}
	}
	return b.end(a, "]", err)
}

// newBody returns a body with that much room beyond what surrounds the secrets: growing would
// leave copies of them behind.
func newBody(start string, room int) *body {
	b := &body{text: make([]byte, 0, room+bodyRoom)}
	b.text = append(b.text, start...)
	b.holders.Store(1)
	return b
}

// quoted returns how long the secret can be as a JSON string.
func quoted(secret []byte) int {
	n := len(secret) + len(`""`)
	for _, c := range secret {
		if c < ' ' || c == '"' || c == '\\' || c == 0x7f {
			n += len(`\u0000`) - 1
		}
	}
	return n
}

// quote appends a secret. encoding/json would replace what is no UTF-8, and two different secrets
// would get one hash; this refuses it.
func (b *body) quote(secret []byte) (err error) {
	text, err := jsontext.AppendQuote(b.text, secret)
	if err != nil {
		return ErrEncoding
	}
	b.text = text
	return nil
}

// end finishes the document, or wipes it if err says that it can't be.
func (b *body) end(a Algorithm, after string, err error) (*body, error) {
	if err != nil {
		clear(b.text[:cap(b.text)])
		return nil, err
	}
	b.text = append(b.text, after...)
	if a != "" {
		b.text = append(b.text, `,"algorithm":`...)
		if b.text, err = jsontext.AppendQuote(b.text, string(a)); err != nil {
			clear(b.text)
			return nil, ErrEncoding
		}
	}
	b.text = append(b.text, '}')
	return b, nil
}

// open returns a reader of the text, which holds it until it is closed.
func (b *body) open() io.ReadCloser {
	b.holders.Add(1)
	return &bodyReader{Reader: bytes.NewReader(b.text), release: sync.OnceFunc(b.release)}
}

// release lets go of the text.
func (b *body) release() {
	if b.holders.Add(-1) == 0 {
		clear(b.text)
	}
}

// describe is a request editor. It tells net/http what it can't find out of a reader it does not
// know: the length, and how to read again when a connection turns out to be closed.
func (b *body) describe(_ context.Context, req *http.Request) error {
	req.ContentLength = int64(len(b.text))
	req.GetBody = func() (io.ReadCloser, error) { return b.open(), nil }
	return nil
}

type bodyReader struct {
	*bytes.Reader
	release func()
}

// Close implements io.Closer.
func (r *bodyReader) Close() error {
	r.release()
	return nil
}
