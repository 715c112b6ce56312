package strict

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Time is an instant that an answer may lack: it is left out if it is zero. Its methods are those of a
// pointer, or asking whether it is zero would allocate for each answer.
type Time struct{ time.Time }

// IsZero reports whether there is no instant.
func (t *Time) IsZero() bool { return t.Time.IsZero() }

// MarshalJSONTo implements json.MarshalerTo, in the form of RFC 3339.
func (t *Time) MarshalJSONTo(e *jsontext.Encoder) error {
	b, err := t.AppendText(append(e.AvailableBuffer(), '"'))
	if err != nil {
		return err
	}
	return e.WriteValue(append(b, '"'))
}
