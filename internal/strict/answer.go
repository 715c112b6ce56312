package strict

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"reflect"
	"strconv"
	"sync"
)

// WriteJSON answers with the status and the body as JSON. If the body cannot be encoded it
// returns an error and has answered nothing. A body with a Stream is sent piece by piece; an error after
// the first piece cuts the answer off, or the client would take it for whole.
func WriteJSON(w http.ResponseWriter, status int, body any) error {
	return write(w, "application/json", status, body)
}

// WriteProblem answers with a problem document (RFC 9457), else like WriteJSON.
func WriteProblem(w http.ResponseWriter, status int, body any) error {
	return write(w, "application/problem+json", status, body)
}

func write(w http.ResponseWriter, contentType string, status int, body any) error {
	a := newAnswer(w, contentType, status)
	defer a.close()
	if err := a.encode(body); err != nil {
		return a.fail(fmt.Errorf("encode %T: %w", body, err))
	}
	a.text = append(a.text, '\n') // for those who read it on a terminal
	return a.send()
}

// WriteNDJSON answers with a line of JSON for each item. The items that are yielded together are sent
// at once. It returns an error that comes before any of them, and has answered nothing; after a later
// one the answer is cut off, or the client would take it for whole.
func WriteNDJSON[T any](w http.ResponseWriter, status int, lines iter.Seq2[[]T, error]) error {
	a := newAnswer(w, "application/x-ndjson", status)
	defer a.close()
	p := planOf(reflect.TypeFor[*T]())
	for items, err := range lines {
		for i := range items {
			if err == nil {
				err = a.item(p, &items[i])
				a.text = append(a.text, '\n')
			}
		}
		if err == nil {
			err = a.send()
		}
		if err != nil {
			return a.fail(err)
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			return a.fail(err)
		}
	}
	return a.send()
}

// pieceBytes is about how much of an answer is sent at once, and held in memory.
const pieceBytes = 32 << 10

// answer is one that is being written, piece by piece.
type answer struct {
	w           http.ResponseWriter
	contentType string
	status      int
	begun       bool
	text        []byte // not yet sent
}

// answers keeps those that are not in use, for their text's memory.
var answers = sync.Pool{New: func() any { return new(answer) }}

func newAnswer(w http.ResponseWriter, contentType string, status int) *answer {
	a := answers.Get().(*answer)
	*a = answer{w: w, contentType: contentType, status: status, text: a.text[:0]}
	return a
}

func (a *answer) close() {
	a.w = nil
	answers.Put(a)
}

// send sends what is encoded so far.
func (a *answer) send() error {
	if !a.begun {
		SetHeader(a.w, "Content-Type", a.contentType)
		a.w.WriteHeader(a.status)
		a.begun = true
	}
	_, err := a.w.Write(a.text)
	a.text = a.text[:0]
	return err
}

// fail returns the error if nothing is sent yet. Otherwise, or if the client has gone, it cuts the answer off.
func (a *answer) fail(err error) error {
	if a.begun || errors.Is(err, context.Canceled) {
		panic(http.ErrAbortHandler)
	}
	return err
}

// SetHeader sets a header field of a kind that the contract's headers have; a nil pointer
// leaves it out. The name must be in canonical form: bringing it there, as http.Header.Set
// does, would cost a sixth of answering a request.
func SetHeader[T string | *string | int64 | *int64](w http.ResponseWriter, name string, value T) {
	switch v := any(value).(type) {
	case string:
		w.Header()[name] = []string{v}
	case *string:
		if v != nil {
			w.Header()[name] = []string{*v}
		}
	case int64:
		w.Header()[name] = []string{strconv.FormatInt(v, 10)}
	case *int64:
		if v != nil {
			w.Header()[name] = []string{strconv.FormatInt(*v, 10)}
		}
	}
}
