package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"hash"
	"io"
	"os"
	"strings"
)

// output is where records go.
type output interface {
	io.WriteCloser
	Sync() error    // returns once all that was written is kept
	digest() string // of all that was written, "" if nothing is kept
}

// stream is an output that keeps nothing.
type stream struct{ io.Writer }

func (stream) Sync() error    { return nil }
func (stream) Close() error   { return nil }
func (stream) digest() string { return "" }

// outputFile is an output that a bulk can go on with.
type outputFile struct {
	*os.File
	sum hash.Hash // of all that it holds
}

// Write implements io.Writer.
func (f *outputFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	_, _ = f.sum.Write(p[:n]) // never fails
	return n, err
}

func (f *outputFile) digest() string { return base64.RawStdEncoding.EncodeToString(f.sum.Sum(nil)) }

// openOutput opens the output at the place where a bulk begins or goes on, with its state.
func (p *program) openOutput(o bulkOptions) (output, *state, error) {
	a := asked{Server: strings.TrimRight(p.server, "/"), Algorithm: o.algorithm, Format: o.format, Wait: !o.noWait, Raw: o.raw}
	if o.output == "" {
		return stream{p.stdout}, newState(a), nil
	}
	const hint = "check --output"
	info, err := os.Stat(o.output)
	if err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(o.output, os.O_WRONLY, 0)
		if err != nil {
			return nil, nil, &failure{err, hint}
		}
		return stream{f}, newState(a), nil
	}
	name := o.output + stateSuffix
	if _, missing := os.Lstat(name); err == nil && errors.Is(missing, os.ErrNotExist) {
		return nil, nil, &usageError{o.output + " exists, and is not the output of an unfinished bulk", "remove it, or name another --output"}
	}
	s, err := openState(name, a)
	if err != nil {
		return nil, nil, &failure{err, hint}
	}
	f, err := s.openAt(o.output)
	if err != nil {
		return nil, nil, &failure{errors.Join(err, s.close(false)), hint}
	}
	return f, s, nil
}

// openAt opens the output to write on where the state says that it ends, if that is what this bulk has
// written. What lies beyond is removed: it is of a write that was cut short, of which no step tells.
func (s *state) openAt(name string) (*outputFile, error) {
	flag := os.O_RDWR
	if s.end == 0 {
		flag |= os.O_CREATE
	}
	file, err := os.OpenFile(name, flag, 0o600) //nolint:gosec // the user names it
	if errors.Is(err, os.ErrNotExist) && s.end > 0 {
		return nil, s.notOurs(name, "is missing, though this bulk has written records to it")
	}
	if err != nil {
		return nil, err
	}
	f := &outputFile{file, sha256.New()}
	if err = s.check(f); err == nil {
		err = errors.Join(f.Truncate(s.end), seek(file, s.end))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// check reads the output and says how it differs from what this bulk has written.
func (s *state) check(f *outputFile) error {
	n, err := io.CopyN(f.sum, f.File, s.end)
	switch {
	case errors.Is(err, io.EOF) || err == nil && n < s.end:
		return s.notOurs(f.Name(), "is shorter than this bulk has left it")
	case err != nil:
		return err
	case s.output != "" && s.output != f.digest():
		return s.notOurs(f.Name(), "was changed since this bulk has written it")
	}
	want := []byte(beginning(s.nextLine(), s.asked.Format))
	tail := make([]byte, len(want))
	size, err := io.ReadFull(f.File, tail)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	tail = tail[:size]
	if !bytes.HasPrefix(want, tail) && len(bytes.Trim(tail, "\x00")) > 0 { // a loss of power may leave zeros
		return s.notOurs(f.Name(), "has something at its end that this bulk has not written")
	}
	return nil
}

func (s *state) notOurs(output, problem string) error {
	return &usageError{output + " " + problem, "put it back as it was to go on, or remove it and " + s.file.Name() + " to begin anew"}
}
