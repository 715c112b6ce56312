// Package transcript keeps what a program writes, and lets tests wait for a line of its log.
package transcript

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"
)

// patience bounds each wait: nothing is expected to take anywhere near it.
const patience = 60 * time.Second

// Transcript is all that a program writes. It is safe for concurrent use.
type Transcript struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // closed and replaced with each write
}

// New returns an empty one.
func New() *Transcript { return &Transcript{changed: make(chan struct{})} }

// Write implements io.Writer.
func (s *Transcript) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
	return s.text.Write(p)
}

// String returns all that was written so far.
func (s *Transcript) String() string {
	text, _ := s.read()
	return text
}

func (s *Transcript) read() (string, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String(), s.changed
}

// Record is one line of a log in JSON.
type Record map[string]any

// Want checks attributes of the record by how they print.
func (r Record) Want(t *testing.T, attrs ...any) {
	t.Helper()
	for i := 0; i < len(attrs); i += 2 {
		name, want := attrs[i].(string), fmt.Sprint(attrs[i+1])
		if got := fmt.Sprint(r[name]); got != want {
			t.Errorf("log %q: %s is %s, want %s", r["msg"], name, got, want)
		}
	}
}

// Find returns the lines with that message.
func (s *Transcript) Find(message string) (found []Record) {
	for line := range bytes.Lines([]byte(s.String())) {
		var r Record
		d := json.NewDecoder(bytes.NewReader(line))
		d.UseNumber() // so that numbers print as they are written
		if d.Decode(&r) == nil && r["msg"] == message {
			found = append(found, r)
		}
	}
	return found
}

// Await returns the n-th line with that message once it is there. It fails the test if the
// program, whose end closes ended, does not write it.
func (s *Transcript) Await(t *testing.T, ended <-chan struct{}, message string, n int) Record {
	t.Helper()
	timeout := time.After(patience)
	for over := false; ; {
		_, changed := s.read()
		if found := s.Find(message); len(found) >= n {
			return found[n-1]
		}
		if over {
			t.Fatalf("it ended without line %d %q:\n%s", n, message, s)
		}
		select {
		case <-changed:
		case <-ended:
			over = true
		case <-timeout:
			t.Fatalf("no line %d %q:\n%s", n, message, s)
		}
	}
}
