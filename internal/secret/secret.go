// Package secret holds the types in which submitted secrets travel through the server, one alone
// or a list. Printed, logged or marshaled in any way they say Redacted; only Bytes and Slices give
// them out. It knows nothing of where secrets come from or go to.
package secret

import (
	"fmt"
	"io"
	"log/slog"
)

// Redacted is what a secret shows of itself.
const Redacted = "[redacted]"

// Secret is a submitted secret. The zero value is empty. Copies share the bytes, so wiping one
// wipes all. It is not safe for concurrent use.
//
// The bytes lie behind two pointers because fmt calls no method on an unexported field. It prints
// what such a field holds, and with a verb that does not suit pointers also what one points to,
// but never follows a second.
type Secret struct{ bytes **[]byte }

// New returns a secret that takes over b: the caller must not use it any more.
func New(b []byte) Secret {
	p := &b
	return Secret{&p}
}

// Bytes returns the secret itself, valid until Wipe.
func (s Secret) Bytes() []byte {
	if s.bytes == nil {
		return nil
	}
	return **s.bytes
}

// Wipe overwrites the secret with zeros and leaves it empty.
func (s Secret) Wipe() {
	if s.bytes != nil {
		clear(**s.bytes)
		**s.bytes = nil
	}
}

// Format implements fmt.Formatter, for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// String implements fmt.Stringer.
func (s Secret) String() string { return Redacted }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalText implements encoding.TextMarshaler, and with it JSON, XML and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(Redacted), nil }
