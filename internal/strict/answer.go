package strict

import (
	"bytes"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"sync"
)

// answers keeps the buffers in which answers are encoded.
var answers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// WriteJSON answers with the status and the body as JSON. If the body cannot be encoded it
// returns an error and has answered nothing.
func WriteJSON(w http.ResponseWriter, status int, body any) error {
	return write(w, "application/json", status, body)
}

// WriteProblem answers with a problem document (RFC 9457), else like WriteJSON.
func WriteProblem(w http.ResponseWriter, status int, body any) error {
	return write(w, "application/problem+json", status, body)
}

func write(w http.ResponseWriter, contentType string, status int, body any) error {
	b := answers.Get().(*bytes.Buffer)
	defer answers.Put(b)
	b.Reset()
	if err := encode(b, body); err != nil {
		return fmt.Errorf("encode %T: %w", body, err)
	}
	b.WriteByte('\n') // for those who read it on a terminal
	SetHeader(w, "Content-Type", contentType)
	w.WriteHeader(status)
	_, err := w.Write(b.Bytes())
	return err
}

// WriteNDJSON answers with a line of JSON for each item. The items that are yielded together are sent
// at once. It returns an error that comes before any of them, and has answered nothing; after a later
// one the answer is cut off, or the client would take it for whole.
func WriteNDJSON[T any](w http.ResponseWriter, status int, lines iter.Seq2[[]T, error]) error {
	begun := false
	begin := func() {
		if !begun {
			SetHeader(w, "Content-Type", "application/x-ndjson")
			w.WriteHeader(status)
			begun = true
		}
	}
	for items, err := range lines {
		if err != nil && !begun {
			return err
		}
		begin()
		if err != nil || writeLines(w, items) != nil {
			panic(http.ErrAbortHandler)
		}
	}
	begin()
	return nil
}

func writeLines[T any](w http.ResponseWriter, items []T) error {
	b := answers.Get().(*bytes.Buffer)
	defer answers.Put(b)
	b.Reset()
	for i := range items {
		if err := encode(b, &items[i]); err != nil {
			return err
		}
		b.WriteByte('\n')
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return err
	}
	return http.NewResponseController(w).Flush()
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
