package strict

import (
	"bytes"
	"fmt"
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

// SetHeader sets a header field of a kind that the contract's headers have; a nil pointer
// leaves it out. The name must be in canonical form: bringing it there, as http.Header.Set
// does, would cost a sixth of answering a request.
func SetHeader[T string | *string | int64](w http.ResponseWriter, name string, value T) {
	switch v := any(value).(type) {
	case string:
		w.Header()[name] = []string{v}
	case *string:
		if v != nil {
			w.Header()[name] = []string{*v}
		}
	case int64:
		w.Header()[name] = []string{strconv.FormatInt(v, 10)}
	}
}
