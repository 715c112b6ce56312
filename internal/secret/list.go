package secret

import (
	"fmt"
	"io"
	"log/slog"
)

// List is the secrets of a batch. The zero value is empty. Copies share the secrets, so wiping one
// wipes all. It is not safe for concurrent use. The secrets lie behind two pointers for the reason
// that those of a Secret do.
type List struct{ secrets **[][]byte }

// NewList returns a list that takes over the secrets: the caller must not use them any more.
func NewList(secrets [][]byte) List {
	p := &secrets
	return List{&p}
}

// Slices returns the secrets themselves, valid until Wipe.
func (l List) Slices() [][]byte {
	if l.secrets == nil {
		return nil
	}
	return **l.secrets
}

// Wipe overwrites the secrets with zeros and leaves the list empty.
func (l List) Wipe() {
	if l.secrets == nil {
		return
	}
	for _, s := range **l.secrets {
		clear(s)
	}
	**l.secrets = nil
}

// Format implements fmt.Formatter, for every verb.
func (l List) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// String implements fmt.Stringer.
func (l List) String() string { return Redacted }

// LogValue implements slog.LogValuer.
func (l List) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalText implements encoding.TextMarshaler, and with it JSON, XML and YAML.
func (l List) MarshalText() ([]byte, error) { return []byte(Redacted), nil }
