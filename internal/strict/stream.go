package strict

import (
	"iter"
	"reflect"
)

// Stream is an array of an answer that is never held whole: it yields the items piece by piece, each
// piece valid until the next. After an error it yields no more.
type Stream[T any] iter.Seq2[[]T, error]

// Late is a whole number of an answer that is asked for when its turn to be written comes: after a Stream
// that stands before it.
type Late func() int64

// Base64 is bytes that an answer shows in standard base64 with padding (RFC 4648, section 4).
type Base64 []byte

// streamer is what Streams of all types are.
type streamer interface{ stream(a *answer) error }

// stream encodes the items, and sends them as they become many.
func (s Stream[T]) stream(a *answer) error {
	p := planOf(reflect.TypeFor[*T]())
	a.text = append(a.text, '[')
	first := true
	for items, err := range s {
		if err != nil {
			return err
		}
		for i := range items {
			if !first {
				a.text = append(a.text, ',')
			}
			first = false
			if err := a.item(p, &items[i]); err != nil {
				return err
			}
			if len(a.text) < pieceBytes {
				continue
			}
			if err := a.send(); err != nil {
				return err
			}
		}
	}
	a.text = append(a.text, ']')
	return nil
}
