package strict

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hashd-project/hashd/v2/internal/secret"
)

// Body is a request body whose decoder is generated from its schema.
type Body interface {
	// DecodeStrict reads the body from d, which collects the violations.
	DecodeStrict(d *Decoder)
}

// ErrTooLarge is returned for a body over its limit.
var ErrTooLarge = errors.New("body too large")

// Unbounded is the greatest length, for a schema that sets none.
const Unbounded = int(^uint(0) >> 1)

// Decode reads one JSON document of at most limit bytes from r into body. size is the length r is known
// to have, or -1. It returns an *Error for what breaks the contract, ErrTooLarge, or r's own error. It
// wipes every copy of a secret that it made; after an error, those in body too.
func Decode(r io.Reader, size int64, limit int, body Body) (err error) {
	if size > int64(limit) {
		return ErrTooLarge
	}
	d := decoders.Get().(*Decoder)
	defer func() {
		d.wipe(err != nil)
		// After an error the JSON decoder may hold names that the client made up.
		if err == nil && d.text.Cap() <= pooledBytes {
			decoders.Put(d)
		}
	}()
	if err := d.fill(r, size, limit); err != nil {
		return err
	}
	d.json.Reset(&d.text, jsontext.AllowDuplicateNames(true)) // Object looks for those itself
	body.DecodeStrict(d)
	d.end()
	return d.err()
}

// Decoder reads one JSON document for generated code. It is for one goroutine.
type Decoder struct {
	violations
	json   *jsontext.Decoder
	text   bytes.Buffer
	source io.LimitedReader
	size   int     // of the text
	broken bool    // the syntax failed: nothing more can be read
	levels []names // of the value that is being skipped

	secrets []interface{ Wipe() } // those given to the body
}

// pooledBytes is the largest buffer kept for the next request: that of a batch would hold on to
// megabytes.
const pooledBytes = 64 << 10

// decoders keeps Decoders between requests: one costs several allocations.
var decoders = sync.Pool{New: func() any { return &Decoder{json: jsontext.NewDecoder(new(bytes.Buffer))} }}

// fill reads all of r. The buffer gets its full size first, for growing it later would leave
// a part of a secret behind in memory.
func (d *Decoder) fill(r io.Reader, size int64, limit int) error {
	if size < 0 {
		size = int64(limit)
	}
	d.text.Grow(int(size) + bytes.MinRead + 1)
	d.source = io.LimitedReader{R: r, N: int64(limit) + 1}
	n, err := d.text.ReadFrom(&d.source)
	d.size = int(n)
	if n > int64(limit) {
		return ErrTooLarge
	}
	return err
}

// wipe clears what was read, with refused set also the secrets that the body was given.
func (d *Decoder) wipe(refused bool) {
	for _, s := range d.secrets {
		if refused {
			s.Wipe()
		}
	}
	d.text.Reset()
	b := d.text.AvailableBuffer()
	clear(b[:cap(b)])
	d.source.R = nil
	d.violations = violations{}
	d.broken = false
	clear(d.secrets)
	d.secrets = d.secrets[:0]
}

// end refuses anything after the document.
func (d *Decoder) end() {
	if d.broken {
		return
	}
	if _, err := d.json.ReadToken(); err == nil {
		d.wrong("", "must be one JSON document, with nothing after it")
	} else if !errors.Is(err, io.EOF) {
		d.fail(err)
	}
}

// fail notes a syntax error. Its own text may quote the body, so only its kind and place
// are told.
func (d *Decoder) fail(err error) {
	d.broken = true
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.EOF) && d.json.InputOffset() == 0:
		d.wrong("", "must not be empty")
	case errors.Is(err, jsontext.ErrDuplicateName):
		d.wrong("", "must not hold a member twice")
	case errors.As(err, &syntax):
		d.wrong("", "must be valid JSON in UTF-8; it is not from byte "+strconv.FormatInt(syntax.ByteOffset, 10)+" on")
	default:
		d.wrong("", "must be complete JSON")
	}
}

// wrong notes what is wrong with the value that the JSON Pointer leads to, "" being the whole body.
// Pointers hold no names but the contract's, and so need no percent-encoding in a fragment.
func (d *Decoder) wrong(pointer, detail string) {
	d.add(FieldError{Pointer: "#" + pointer, Detail: detail})
}

// here returns the pointer to the value that was read last.
func (d *Decoder) here() string { return string(d.json.StackPointer()) }

// Object reads an object. member is called with each member's name, reads its value and
// returns true, or returns false for a name the schema does not have, which is a violation.
// required names the members that must be there, 64 at most.
func (d *Decoder) Object(required []string, member func(name []byte) bool) {
	if !d.begin('{', "an object") {
		return
	}
	var seen uint64
	var members names
	for d.json.PeekKind() == '"' {
		raw, err := d.json.ReadValue()
		if err != nil {
			d.fail(err)
			return
		}
		name := unquote(raw)
		for i := range required {
			if required[i] == string(name) {
				seen |= 1 << i
			}
		}
		if members.twice(name) {
			d.fail(jsontext.ErrDuplicateName)
			return
		}
		known := member(name)
		wipeUnquoted(name, raw)
		if !known && d.skip() {
			d.wrong("", "must have no members but those of the contract; names are case-sensitive")
		}
		if d.broken {
			return
		}
	}
	if _, err := d.json.ReadToken(); err != nil {
		d.fail(err)
		return
	}
	for i, name := range required {
		if seen&(1<<i) == 0 {
			d.wrong(d.here()+"/"+name, "is required")
		}
	}
}

// unquote returns the text of a valid JSON string, mostly in place.
func unquote(raw jsontext.Value) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	b, _ := jsontext.AppendUnquote(nil, raw)
	return b
}

// Secret reads a string of shortest to longest characters into memory of its own.
func (d *Decoder) Secret(to *secret.Secret, shortest, longest int) {
	raw, ok := d.string()
	if !ok {
		return
	}
	// Unquoted, a JSON string is never longer than quoted, so this buffer does not grow, which
	// would leave a part of the secret behind.
	b, _ := jsontext.AppendUnquote(make([]byte, 0, len(raw)), raw)
	if !d.fits(b, shortest, longest) {
		return
	}
	*to = secret.New(b)
	d.secrets = append(d.secrets, *to)
}

// Secrets reads an array of fewest to most strings, each of shortest to longest characters. All
// of them get one piece of memory. What comes after most is passed over, or a body of many small
// items would take many times its size.
func (d *Decoder) Secrets(to *secret.List, fewest, most, shortest, longest int) {
	if !d.begin('[', "an array") {
		return
	}
	// No larger than the body, so it does not grow; see Secret.
	room := make([]byte, 0, d.size)
	var list [][]byte
	defer func() {
		*to = secret.NewList(list)
		d.secrets = append(d.secrets, *to)
	}()
	n := 0
	for ; d.json.PeekKind() != ']'; n++ {
		if n >= most {
			d.skip()
		} else if raw, ok := d.string(); ok {
			all, _ := jsontext.AppendUnquote(room, raw)
			if s := all[len(room):len(all):len(all)]; d.fits(s, shortest, longest) {
				list = append(list, s)
				room = all
			}
		}
		if d.broken {
			return
		}
	}
	_, _ = d.json.ReadToken() // the bracket just seen
	if n < fewest || n > most {
		d.wrong(d.here(), items(fewest, most))
	}
}

// fits says whether the secret has shortest to longest characters. One that has not is wiped.
func (d *Decoder) fits(s []byte, shortest, longest int) bool {
	n := utf8.RuneCount(s)
	if n >= shortest && n <= longest {
		return true
	}
	clear(s)
	d.wrong(d.here(), outside(int64(shortest), int64(longest), " characters")+" long")
	return false
}

// string reads a string and returns it as it stands in the text, valid until the next read.
func (d *Decoder) string() (jsontext.Value, bool) {
	if kind := d.json.PeekKind(); kind != '"' && kind != 0 {
		d.refuse("must be a string")
		return nil, false
	}
	raw, err := d.json.ReadValue()
	if err != nil {
		d.fail(err)
		return nil, false
	}
	return raw, true
}

// begin reads the start of an object or array.
func (d *Decoder) begin(kind jsontext.Kind, article string) bool {
	if got := d.json.PeekKind(); got != kind && got != 0 {
		d.refuse("must be " + article)
		return false
	}
	if _, err := d.json.ReadToken(); err != nil {
		d.fail(err)
		return false
	}
	return true
}

// refuse skips a value of the wrong kind and notes what is wrong with it, unless skip has noted a syntax
// error in it.
func (d *Decoder) refuse(detail string) {
	if d.skip() {
		d.wrong(d.here(), detail)
	}
}
