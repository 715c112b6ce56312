package server

import (
	"io"
	"reflect"
	"sync"
	"unsafe"
)

// streamBody is the body of a request of HTTP/2. net/http gathers a body in chunks, which it shares between
// requests and does not clear. So a Read takes what is there and leaves zeros, under net/http's own lock, and
// then has net/http take these away.
type streamBody struct {
	io.ReadCloser               // net/http's
	pipe          reflect.Value // its pipe
	mu            *sync.Mutex   // the pipe's, which guards its chunks
}

// newStreamBody returns nil for a body that is empty, or not made as that of Go 1.26: then
// TestBodyOverHTTP2IsCleared fails.
func newStreamBody(body io.ReadCloser) *streamBody {
	v := reflect.ValueOf(body)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return nil
	}
	pipe := v.Elem().FieldByName("pipe")
	if !pipe.IsValid() || pipe.Kind() != reflect.Pointer || pipe.IsNil() {
		return nil
	}
	pipe = pipe.Elem()
	mu := pipe.FieldByName("mu")
	if !mu.IsValid() || mu.Type() != reflect.TypeFor[sync.Mutex]() || !pipe.FieldByName("b").IsValid() {
		return nil
	}
	return &streamBody{body, pipe, (*sync.Mutex)(unsafe.Pointer(mu.UnsafeAddr()))} //nolint:gosec // of the type just asked for
}

// gathered is what net/http has gathered of a body.
type gathered struct {
	chunks [][]byte
	read   int // how much of the first chunk was read
	size   int // of what was not
}

// buffer is where net/http gathers the body; not valid once there is nothing more. The caller holds mu.
func (b *streamBody) buffer() (buffer reflect.Value) {
	if v := b.pipe.FieldByName("b"); v.Kind() == reflect.Interface && !v.IsNil() {
		if v = v.Elem(); v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct {
			return v.Elem()
		}
	}
	return buffer
}

// gatheredIn returns what is in the buffer.
func gatheredIn(buffer reflect.Value) (g gathered) {
	if !buffer.IsValid() {
		return g
	}
	chunks, read, size := buffer.FieldByName("chunks"), buffer.FieldByName("r"), buffer.FieldByName("size")
	if !chunks.IsValid() || chunks.Type() != reflect.TypeFor[[][]byte]() || !read.IsValid() || !read.CanInt() || !size.IsValid() || !size.CanInt() {
		return g
	}
	return gathered{*(*[][]byte)(unsafe.Pointer(chunks.UnsafeAddr())), int(read.Int()), int(size.Int())} //nolint:gosec // of the type just asked for
}

// take moves what is there into p, and leaves zeros.
func (b *streamBody) take(p []byte) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := gatheredIn(b.buffer())
	p = p[:min(len(p), g.size)]
	for _, chunk := range g.chunks {
		moved := copy(p[n:], chunk[g.read:])
		clear(chunk[g.read : g.read+moved])
		n += moved
		g.read = 0
	}
	return n
}

// Read implements io.Reader. Where nothing is there it waits for the next byte alone, which stays.
func (b *streamBody) Read(p []byte) (int, error) {
	n := b.take(p)
	if n == 0 {
		return b.ReadCloser.Read(p[:min(len(p), 1)])
	}
	for zeros := make([]byte, n); len(zeros) > 0; {
		passed, err := b.ReadCloser.Read(zeros)
		if err != nil {
			clear(p[:n])
			return 0, err //nolint:wrapcheck // net/http's own
		}
		zeros = zeros[passed:]
	}
	return n, nil
}

// Close implements io.Closer. Nothing of the body is read any more, and what comes is dropped.
func (b *streamBody) Close() error {
	b.mu.Lock()
	buffer := b.buffer()
	b.mu.Unlock()
	err := b.ReadCloser.Close() // from here on nothing else has the chunks
	for _, chunk := range gatheredIn(buffer).chunks {
		clear(chunk)
	}
	return err //nolint:wrapcheck // net/http's own
}
