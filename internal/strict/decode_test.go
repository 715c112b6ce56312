package strict_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"unsafe"

	wire "github.com/hashd-project/hashd/v2/gen/server"
	"github.com/hashd-project/hashd/v2/internal/secret"
	"github.com/hashd-project/hashd/v2/internal/strict"
)

// padded returns a valid body of n bytes.
func padded(n int) string {
	const body = `{"password":"` + canary + `"}`
	return strings.Repeat(" ", n-len(body)) + body
}

func TestLimit(t *testing.T) {
	for _, limit := range []int{25, 26, 511, 512, 513, 4096, 16384} {
		for n := max(limit-1, len(padded(25))); n <= limit+1; n++ {
			for _, size := range []int64{int64(n), -1} {
				var into wire.HashRequest
				err := strict.Decode(strings.NewReader(padded(n)), size, limit, &into)
				switch {
				case n > limit && err != strict.ErrTooLarge:
					t.Errorf("%d bytes, told %d, limit %d: error %v, want ErrTooLarge", n, size, limit, err)
				case n <= limit && (err != nil || string(into.Password.Bytes()) != canary):
					t.Errorf("%d bytes, told %d, limit %d: error %v", n, size, limit, err)
				}
			}
		}
	}
}

// What is known to be too large is not even read.
func TestTooLargeIsNotRead(t *testing.T) {
	r := strings.NewReader(padded(100))
	if err := strict.Decode(r, 100, 99, new(wire.HashRequest)); err != strict.ErrTooLarge || r.Len() != 100 {
		t.Errorf("error %v, %d bytes left, want ErrTooLarge and 100", err, r.Len())
	}
}

// An endless body costs no more than the limit.
func TestEndlessBody(t *testing.T) {
	r := &io.LimitedReader{R: endless{}, N: 1 << 40}
	if err := strict.Decode(r, -1, 1000, new(wire.HashRequest)); err != strict.ErrTooLarge {
		t.Errorf("error %v, want ErrTooLarge", err)
	}
	if read := 1<<40 - r.N; read != 1001 {
		t.Errorf("%d bytes read, want 1001", read)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte{' '}, len(p))), nil }

// How a body arrives makes no difference.
func TestReaders(t *testing.T) {
	for name, reader := range map[string]func(io.Reader) io.Reader{
		"one byte at a time":   iotest.OneByteReader,
		"half at a time":       iotest.HalfReader,
		"end with the data":    iotest.DataErrReader,
		"nothing now and then": func(r io.Reader) io.Reader { return io.MultiReader(strings.NewReader(""), r) },
	} {
		for _, n := range []int{25, 600, 5000} {
			for _, size := range []int64{int64(n), -1} {
				var into wire.HashRequest
				err := strict.Decode(reader(strings.NewReader(padded(n))), size, limit, &into)
				if err != nil || string(into.Password.Bytes()) != canary {
					t.Errorf("%s, %d bytes, told %d: error %v", name, n, size, err)
				}
			}
		}
	}
}

// An error of the reader is the caller's, and comes before any of the body's own.
func TestReaderFails(t *testing.T) {
	broken := errors.New("broken")
	for n := range len(padded(25)) {
		for _, size := range []int64{25, -1} {
			into := new(wire.HashRequest)
			err := strict.Decode(io.MultiReader(strings.NewReader(padded(25)[:n]), iotest.ErrReader(broken)), size, limit, into)
			if !errors.Is(err, broken) || into.Password.Bytes() != nil {
				t.Errorf("broken after %d bytes: error %v", n, err)
			}
		}
	}
	if err := strict.Decode(iotest.TimeoutReader(strings.NewReader(padded(25))), -1, limit, new(wire.HashRequest)); !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("timeout: error %v", err)
	}
}

// witness is a reader that remembers the memory it was given to write to.
type witness struct {
	io.Reader
	memory []byte // from the first byte on
	moved  bool   // a later read did not follow on the one before
	read   int
}

func (w *witness) Read(p []byte) (int, error) {
	if w.memory == nil {
		w.memory = p[:cap(p)]
	}
	w.moved = w.moved || unsafe.SliceData(p) != unsafe.SliceData(w.memory[w.read:])
	n, err := w.Reader.Read(p)
	w.read += n
	return n, err
}

// The memory that a body is read into is wiped whatever comes of it, and the body never moves
// out of it, for that would leave a copy behind.
func TestReadBufferIsWiped(t *testing.T) {
	for name, body := range map[string]string{
		"accepted":  padded(300),
		"refused":   `{"password":"` + canary + `","user":1}`,
		"broken":    `{"password":"` + canary,
		"too large": padded(limit + 1),
		"maximal":   padded(limit),
	} {
		for _, size := range []int64{int64(len(body)), -1} {
			if size > limit {
				continue // it would not be read
			}
			for _, reader := range []io.Reader{strings.NewReader(body), iotest.OneByteReader(strings.NewReader(body))} {
				w := &witness{Reader: reader}
				runtime.GC() // twice, so that the pool is empty and a buffer has yet to be made
				runtime.GC()
				_ = strict.Decode(w, size, limit, new(wire.HashRequest))
				if w.read < len(body) {
					t.Fatalf("%s: %d of %d bytes read", name, w.read, len(body))
				}
				if w.moved {
					t.Errorf("%s, told %d: the body moved while it was read", name, size)
				}
				if i := bytes.IndexFunc(w.memory, func(r rune) bool { return r != 0 }); i >= 0 {
					t.Errorf("%s, told %d: not wiped from byte %d on", name, size, i)
				}
			}
		}
	}
}

// spy is a body that keeps the decoder, to look into it.
type spy struct {
	wire.HashRequest
	decoder *strict.Decoder
	during  bool // the canary could be found in the decoder while it had been read
}

func (s *spy) DecodeStrict(d *strict.Decoder) {
	s.HashRequest.DecodeStrict(d)
	s.decoder, s.during = d, remembers(d)
}

// remembers reports whether the canary lies in memory that v leads to.
func remembers(v any) bool {
	found := false
	search(reflect.ValueOf(v), map[unsafe.Pointer]bool{}, func(b []byte) { found = found || bytes.Contains(b, []byte(canary)) })
	return found
}

// search calls visit with all bytes that v leads to, also through unexported fields, and up to
// the capacity of slices.
func search(v reflect.Value, seen map[unsafe.Pointer]bool, visit func([]byte)) {
	switch v.Kind() {
	case reflect.Pointer:
		if p := v.UnsafePointer(); p != nil && !seen[p] {
			seen[p] = true
			search(v.Elem(), seen, visit)
		}
	case reflect.Interface:
		search(v.Elem(), seen, visit)
	case reflect.Struct:
		for _, field := range v.Fields() {
			search(field, seen, visit)
		}
	case reflect.String:
		visit([]byte(v.String()))
	case reflect.Array, reflect.Slice:
		if v.Kind() == reflect.Slice {
			v = v.Slice(0, v.Cap())
			if v.Type().Elem().Kind() == reflect.Uint8 {
				visit(v.Bytes())
				return
			}
		}
		for i := range v.Len() {
			search(v.Index(i), seen, visit)
		}
	case reflect.Map:
		for k, e := range v.Seq2() {
			search(k, seen, visit)
			search(e, seen, visit)
		}
	}
}

// A decoder goes back to the pool without any copy of the secret.
func TestDecoderForgetsTheSecret(t *testing.T) {
	for _, body := range []string{
		`{"password":"` + canary + `"}`,
		`{"password":"` + canary + `","password":"` + canary + `"}`,
		`{"password":"` + canary + `","algorithm":"` + canary + `"}`,
		`{"password":["` + canary + `"]}`,
		`{"password":"` + canary + `\ud800"}`,
		`{"user":{"x":["` + canary + `"]}}`,
		`{"password":"` + canary,
		`{"password":"` + canary + `"} ` + canary,
		`"` + canary + `"`,
	} {
		var s spy
		_ = strict.Decode(strings.NewReader(body), -1, limit, &s)
		if !s.during {
			t.Errorf("body %s: the secret is not where this test looks for it", body)
		}
		if remembers(s.decoder) {
			t.Errorf("body %s: the decoder still holds the secret", body)
		}
	}
}

// A request that is refused leaves no secret behind either, wherever it is wrong.
func TestRefusedSecretIsWiped(t *testing.T) {
	for _, body := range []string{
		`{"password":"` + canary + `","user":1}`,
		`{"password":"` + canary + `","algorithm":"md5"}`,
		`{"password":"` + canary + `","password":"x"}`,
		`{"password":"` + canary + `"`,
		`{"password":"` + canary + `"} trailing`,
	} {
		var k keeper
		if err := strict.Decode(strings.NewReader(body), -1, limit, &k); err == nil || len(k.bytes) != len(canary) {
			t.Fatalf("body %s: error %v, secret of %d bytes", body, err, len(k.bytes))
		}
		if string(k.bytes) != strings.Repeat("\x00", len(canary)) || k.Password.Bytes() != nil {
			t.Errorf("body %s: the secret is not wiped", body)
		}
	}
}

// keeper is a body that keeps the memory of its secret.
type keeper struct {
	wire.HashRequest
	bytes []byte
}

func (k *keeper) DecodeStrict(d *strict.Decoder) {
	k.HashRequest.DecodeStrict(d)
	k.bytes = k.Password.Bytes()
}

// Decoders go from one request to the next: none must see another's secret or error.
func TestParallelRequests(t *testing.T) {
	var group sync.WaitGroup
	for g := range 8 {
		group.Go(func() {
			for i := range 200 {
				want := fmt.Sprintf("%s %d %d", canary, g, i)
				body := `{"password":"` + want + `"}`
				into, err := decode(body)
				if got := string(into.Password.Bytes()); err != nil || got != want {
					t.Errorf("got %q, error %v, want %q", got, err, want)
				}
				if _, err := decode(body[:len(body)-1-i%9]); err == nil {
					t.Errorf("body %q is accepted", body[:len(body)-1-i%9])
				}
			}
		})
	}
	group.Wait()
}

// schema is a body that reads as the function says: what no schema of the contract asks for
// today.
type schema func(d *strict.Decoder)

func (s schema) DecodeStrict(d *strict.Decoder) { s(d) }

// Required members need not be first, and each that is missing is told.
func TestRequiredMembers(t *testing.T) {
	for body, want := range map[string]string{
		`{"a":"1","b":"2","c":"3"}`: "",
		`{"c":"","b":"","a":"0"}`:   "",
		`{"b":"x","\u0061":"1"}`:    "",
		`{"b":"1"}`:                 `"#/a" is required`,
		`{}`:                        `"#/a" is required; "#/b" is required`,
	} {
		var text string
		err := strict.Decode(strings.NewReader(body), -1, limit, schema(func(d *strict.Decoder) {
			d.Object([]string{"a", "b"}, func([]byte) bool {
				d.Text(&text, 0, 10, "")
				return true
			})
		}))
		if err == nil && want != "" || err != nil && refusal(t, err) != want {
			t.Errorf("body %s: error %v, want %s", body, err, want)
		}
	}
}

// Pointers lead into nested objects, and no bound is a bound as well.
func TestNestedObject(t *testing.T) {
	for body, want := range map[string]string{
		`{"in":{"text":"` + strings.Repeat("x", 9_000) + `"}}`: "",
		`{"in":{"text":""}}`: "",
		`{"in":{}}`:          `"#/in/text" is required`,
		`{"in":{"text":1}}`:  `"#/in/text" must be a string`,
		`{"in":[]}`:          `"#/in" must be an object`,
		`{"in":{"text":"x"`:  `"#" must be valid JSON in UTF-8; it is not from byte 17 on`,
	} {
		var text secret.Secret
		err := strict.Decode(strings.NewReader(body), -1, limit, schema(func(d *strict.Decoder) {
			d.Object(nil, func(name []byte) bool {
				d.Object([]string{"text"}, func(name []byte) bool {
					d.Secret(&text, 0, strict.Unbounded)
					return string(name) == "text"
				})
				return string(name) == "in"
			})
		}))
		if err == nil && want != "" || err != nil && refusal(t, err) != want {
			t.Errorf("body %.40s: error %v, want %s", body, err, want)
		}
	}
}

// A decoder that asks for more than there is gets an error, not a panic.
func TestReadingPastTheEnd(t *testing.T) {
	err := strict.Decode(strings.NewReader(`{}`), -1, limit, schema(func(d *strict.Decoder) {
		for range 2 {
			d.Object(nil, func([]byte) bool { return false })
		}
	}))
	if got, want := refusal(t, err), `"#" must be complete JSON`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
