package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/hashd-project/hashd/v2/internal/filelock"
)

// stateSuffix makes the name of the state file from that of the output.
const stateSuffix = ".state"

// state is how far a bulk has come, kept in a file beside the output: a line of JSON for what was
// asked for, then one for each step of each batch, in the order in which the steps were taken. A
// step is on disk before what depends on it is done, so that a bulk which was killed at any point
// goes on where it was. It holds no secret. Its methods may be called by any number of goroutines.
type state struct {
	asked   asked
	resumed bool

	mu      sync.Mutex
	file    *os.File // nil if the output is no file: then nothing is kept
	batches []step   // what is known of each batch
	written int      // batches whose records are in the output
	end     int64    // then the output's size
	output  string   // its digest, "" if an older hashctl has written it
	missing int64    // and how many lines of it have no hash
	broken  error    // of a step that could not be kept: none may follow, for part of it may be there
}

// asked is what must be the same when a bulk goes on.
type asked struct {
	Version   int    `json:"hashctl"`   // of this format
	Run       string `json:"run"`       // begins the idempotency key of each batch
	Key       []byte `json:"key"`       // of the fingerprints
	Server    string `json:"server"`    // which knows the jobs
	Algorithm string `json:"algorithm"` // "" for the server's default
	Format    string `json:"format"`
	Wait      bool   `json:"wait"`
	Raw       bool   `json:"raw,omitempty"`
}

const stateVersion = 1

// step says something about a batch: that it is about to be submitted (lines, fingerprint), that the
// server accepted it (first, store, algorithm), or that its records are written (end, output, missing).
type step struct {
	Batch       int    `json:"batch"`
	Lines       int    `json:"lines,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"`
	First       int64  `json:"first,omitempty"`
	Store       string `json:"store,omitempty"`     // of the server: another may know no jobs, or others
	Algorithm   string `json:"algorithm,omitempty"` // that the server says it takes; "" if it does not say
	End         *int64 `json:"end,omitempty"`
	Output      string `json:"output,omitempty"` // digest of all that is written
	Missing     int64  `json:"missing,omitempty"`
}

// newState returns the state of a new bulk that is kept nowhere.
func newState(a asked) *state {
	a.Version, a.Run, a.Key = stateVersion, rand.Text(), make([]byte, 32)
	_, _ = rand.Read(a.Key) // never fails
	return &state{asked: a}
}

// openState returns the state kept in the file, or a new one if there is no file. It is the
// caller's to close, and no other process's meanwhile.
func openState(name string, a asked) (*state, error) {
	file, err := openOwn(name)
	if err != nil {
		return nil, err
	}
	s := newState(a)
	s.file = file
	switch locked, failed := filelock.Try(file); {
	case failed != nil:
		err = failed
	case !locked:
		err = &usageError{name + " is in use", "wait for the other hashctl that writes this output"}
	default:
		err = s.load(a)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return s, nil
}

// openOwn opens the file, or makes it. It holds ids and a key, so nobody else may read it, and none that
// somebody else has put there is taken.
func openOwn(name string) (*os.File, error) {
	info, err := os.Lstat(name)
	if err == nil && !info.Mode().IsRegular() || err == nil && !owned(info) {
		return nil, &usageError{name + " is no file of yours", "remove it, or name another --output"}
	}
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the user names it
	if err != nil {
		return nil, err
	}
	opened, err := file.Stat()
	if err == nil && info != nil && !os.SameFile(info, opened) {
		err = errors.New(name + " was replaced just now")
	}
	if err = errors.Join(err, file.Chmod(0o600)); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// load reads what the file holds, or begins it.
func (s *state) load(a asked) error {
	text, err := io.ReadAll(s.file)
	if err != nil {
		return err
	}
	whole := bytes.LastIndexByte(text, '\n') + 1 // a line that was being written is as if it had not
	if err := errors.Join(s.file.Truncate(int64(whole)), seek(s.file, int64(whole))); err != nil {
		return err
	}
	if whole == 0 {
		return s.append(s.asked)
	}
	first, rest, _ := bytes.Cut(text[:whole], []byte("\n"))
	var kept asked
	if json.Unmarshal(first, &kept) != nil || kept.Version != stateVersion || len(kept.Key) == 0 {
		return s.damaged()
	}
	a.Version, a.Run, a.Key = kept.Version, kept.Run, kept.Key
	if changed := a.differs(kept); changed != "" {
		return &usageError{
			"this output was begun with another " + changed,
			"give the same options to go on, or remove " + s.file.Name() + " and the output to begin anew",
		}
	}
	s.asked, s.resumed = kept, true
	for line := range bytes.Lines(rest) {
		var t step
		if json.Unmarshal(line, &t) != nil || !s.take(t) {
			return s.damaged()
		}
	}
	return nil
}

func (s *state) damaged() error {
	return &usageError{s.file.Name() + " is damaged, or is no state of this hashctl", "remove it and the output to begin anew"}
}

// differs names what differs, or returns "".
func (a asked) differs(b asked) string {
	switch {
	case a.Server != b.Server:
		return "--server (" + b.Server + ")"
	case a.Algorithm != b.Algorithm:
		return "--algorithm"
	case a.Format != b.Format:
		return "--format (" + b.Format + ")"
	case a.Wait != b.Wait:
		return "--no-wait"
	case a.Raw != b.Raw:
		return "--raw"
	}
	return ""
}

// take adds a step to what is known, and says whether it can follow.
func (s *state) take(t step) bool {
	if t.Lines > 0 && t.Batch == len(s.batches) {
		s.batches = append(s.batches, t)
		return true
	}
	if t.Batch < 0 || t.Batch >= len(s.batches) {
		return false
	}
	known := &s.batches[t.Batch]
	switch {
	case t.First > 0 && t.Store != "":
		known.First, known.Store, known.Algorithm = t.First, t.Store, t.Algorithm
	case t.End != nil && t.Batch == s.written && *t.End >= s.end:
		s.written, s.end, s.output, s.missing = t.Batch+1, *t.End, t.Output, s.missing+t.Missing
	default:
		return false
	}
	return true
}

// known returns what is known of a batch; nothing if it was never read.
func (s *state) known(batch int) (t step, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if batch >= len(s.batches) {
		return step{}, false
	}
	return s.batches[batch], true
}

// record keeps a step: it is on disk when this returns.
func (s *state) record(t step) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.take(t) {
		return fmt.Errorf("batch %d takes a step out of order", t.Batch)
	}
	return s.append(t)
}

func (s *state) append(v any) error {
	if s.file == nil || s.broken != nil {
		return s.broken
	}
	line, err := json.Marshal(v)
	if err == nil {
		_, err = s.file.Write(append(line, '\n'))
	}
	if err = errors.Join(err, s.file.Sync()); err != nil {
		s.broken = fmt.Errorf("write the state: %w", err)
	}
	return s.broken
}

// nextLine returns the number of the line whose record comes next.
func (s *state) nextLine() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := int64(1)
	for _, b := range s.batches[:s.written] {
		line += int64(b.Lines)
	}
	return line
}

// progress returns how many batches are written, the output's size then, and how many of its
// lines have no hash.
func (s *state) progress() (batches int, end, missing int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.written, s.end, s.missing
}

// close closes the file, and removes it if the bulk is finished.
func (s *state) close(finished bool) error {
	if s.file == nil {
		return nil
	}
	var err error
	if finished {
		err = os.Remove(s.file.Name())
	}
	return errors.Join(err, filelock.Unlock(s.file), s.file.Close())
}

func seek(f *os.File, offset int64) error {
	_, err := f.Seek(offset, io.SeekStart)
	return err
}
