package server

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/header"
	"github.com/hashd-project/hashd/v2/internal/strict"
)

// Why a body is refused before its content is looked at.
var (
	errMediaType = errors.New("unsupported media type") // not plain JSON in UTF-8
	errBodyRead  = errors.New("body could not be read")
)

// binder reads request bodies strictly. Echo's own binder is lax.
type binder struct{ cfg *Config }

// read is the generated code's BodyReader.
func (b binder) read(c echoContext, body strict.Body) error {
	r := c.Request()
	if err := checkContent(r.Header); err != nil {
		return err
	}
	limit, _ := b.cfg.bodyLimit(c.Path())
	client := clientBehind(r)
	receiving := client.receive(c.Response())
	err := strict.Decode(r.Body, r.ContentLength, limit, body)
	client.received(receiving)
	if err == nil {
		client.tookBody()
		return nil
	}
	if _, invalid := errors.AsType[*strict.Error](err); invalid || errors.Is(err, strict.ErrTooLarge) {
		return err
	}
	return fmt.Errorf("%w: %w", errBodyRead, err)
}

// What announces a body, and how ours must be announced.
const (
	contentTypeHeader     = "Content-Type"
	contentEncodingHeader = "Content-Encoding"
	mediaTypeJSON         = "application/json"
)

// checkContent refuses a body that is not announced as plain JSON, or announced twice.
func checkContent(h http.Header) error {
	contentType, once := header.One(h, contentTypeHeader)
	if !once {
		return repeated(contentTypeHeader)
	}
	encoding, once := header.One(h, contentEncodingHeader)
	if !once {
		return repeated(contentEncodingHeader)
	}
	if !isJSON(contentType) || encoding != "" {
		return errMediaType
	}
	return nil
}

// repeated refuses a header field that is sent more than once.
func repeated(name string) error {
	return &strict.Error{Fields: []strict.FieldError{{In: "header", Parameter: name, Detail: strict.Once}}}
}

// batchPath is the one path whose bodies are large.
const batchPath = "/hash/batch"

// bodyLimit returns the largest size in bytes of a body to the path, and the setting it comes from.
func (c *Config) bodyLimit(path string) (limit int, setting string) {
	if path == batchPath {
		return c.MaxBatchBytes, "max-batch-bytes"
	}
	return c.MaxBodyBytes, "max-body-bytes"
}

// batchRoom bounds the memory of the batches that are being read: the largest batch on every connection
// would take more than any machine has.
type batchRoom struct {
	cfg  *Config
	free *semaphore.Weighted
	used atomic.Int64
}

func newBatchRoom(cfg *Config) *batchRoom {
	return &batchRoom{cfg: cfg, free: semaphore.NewWeighted(cfg.MaxBatchMemory)}
}

// take reserves memory for a batch, twice the size of its body: for the text and for the secrets in it.
// release gives it back. A batch never waits for room: that would tie up its connection.
func (b *batchRoom) take(c echoContext) (release func(), err error) {
	size := c.Request().ContentLength
	if limit := int64(b.cfg.MaxBatchBytes); size < 0 || size > limit {
		size = limit
	}
	size = min(2*size, b.cfg.MaxBatchMemory)
	if !b.free.TryAcquire(size) {
		return nil, &engine.FullError{Limit: "max-batch-memory", RetryAfter: batchesPass}
	}
	b.used.Add(size)
	return func() {
		b.used.Add(-size)
		b.free.Release(size)
	}, nil
}

// batchesPass is how soon there should be room for a batch again: each takes room only while it is read.
const batchesPass = time.Second

// isJSON says whether the content type is JSON in UTF-8, which is JSON's only encoding between
// systems (RFC 8259, section 8.1).
func isJSON(contentType string) bool {
	if contentType == mediaTypeJSON {
		return true // nearly always, and parsing is slow
	}
	mediaType, charset, ok := header.MediaType(contentType)
	return ok && mediaType == mediaTypeJSON && (charset == "" || strings.EqualFold(charset, "utf-8"))
}
