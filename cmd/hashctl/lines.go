package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	// maxBatch is the most secrets that a batch may have.
	maxBatch = 10_000
	// batchBytes bounds the secrets of a batch. In JSON a byte takes up to six, so that the body
	// stays below 4 MiB, half of what a server takes by default.
	batchBytes = 640 << 10
)

// lineReader reads the secrets of a file, one a line. It holds one line at a time.
type lineReader struct {
	r     *bufio.Reader
	raw   bool  // lines end with LF alone, and are taken whatever is in them
	line  int64 // the last one read, from 1
	other int64 // the first one that is not in the form NFC, 0 if there is none
}

func newLineReader(r io.Reader, raw bool) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, 64<<10), raw: raw}
}

// next returns the secret of the next line, which is valid until the next call, or io.EOF. Past a
// *badLineError it can go on.
func (l *lineReader) next() ([]byte, error) {
	if l.line == 0 {
		start, err := l.r.Peek(4)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if err = otherEncoding(start, l.raw); err != nil {
			return nil, err
		}
	}
	text, err := l.r.ReadSlice('\n')
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return nil, err
	}
	if errors.Is(err, io.EOF) && len(text) == 0 {
		return nil, io.EOF
	}
	l.line++
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil, l.skipLong()
	}
	secret := bytes.TrimSuffix(text, []byte("\n"))
	if !l.raw {
		secret = trimNewline(text)
	}
	if bad := flaw(secret, l.raw); bad != "" {
		return nil, &badLineError{l.line, bad, flaw(secret, true) == ""}
	}
	if l.other == 0 && !l.raw && !oneSpelling(secret) {
		l.other = l.line
	}
	return secret, nil
}

// skipLong reads to the end of a line that is too long.
func (l *lineReader) skipLong() error {
	for {
		switch _, err := l.r.ReadSlice('\n'); {
		case err == nil || errors.Is(err, io.EOF):
			return &badLineError{l.line, flaw(make([]byte, maxSecretBytes+1), l.raw), false}
		case !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

// badLineError is a line that is not taken.
type badLineError struct {
	line    int64
	problem string
	doubt   bool // raw, it would be
}

func (b *badLineError) Error() string { return fmt.Sprintf("line %d %s", b.line, b.problem) }

// toldLines is how many bad lines are told one by one.
const toldLines = 20

// badLines is what is wrong with an input.
type badLines struct {
	told  []string
	count int
	doubt bool // about some of them
}

// take notes a bad line, and returns any other error.
func (b *badLines) take(err error) error {
	bad, ok := errors.AsType[*badLineError](err)
	if !ok {
		return err
	}
	b.count++
	b.doubt = b.doubt || bad.doubt
	if len(b.told) < toldLines {
		b.told = append(b.told, bad.Error())
	}
	return nil
}

// err returns an error if there are bad lines. Its hint ends with what was done till then.
func (b *badLines) err(done string) error {
	if b.count == 0 {
		return nil
	}
	problem := b.told[0]
	if b.count > 1 {
		problem = fmt.Sprintf("%d lines can't be taken:\n  %s", b.count, strings.Join(b.told, "\n  "))
	}
	if more := b.count - len(b.told); more > 0 {
		problem += fmt.Sprintf("\n  and %d more", more)
	}
	hint := "a line is a secret of 1 to 1,024 characters of UTF-8"
	if b.doubt {
		hint = "what is in a line would be hashed too: correct the lines, or use --raw, which takes all of a line except its LF"
	}
	return &usageError{problem, hint + "; " + done}
}

// checkLines reads all lines and returns how many there are.
func checkLines(ctx context.Context, r io.Reader, raw bool) (int64, error) {
	l := newLineReader(r, raw)
	var bad badLines
	for {
		_, err := l.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err = cmp.Or(bad.take(err), ctx.Err()); err != nil {
			return 0, err
		}
	}
	if err := bad.err("nothing was submitted"); err != nil {
		return 0, err
	}
	return l.line, nil
}

// batch is some lines that are submitted together.
type batch struct {
	number  int
	line    int64 // the number of its first line, from 1
	text    []byte
	secrets [][]byte // parts of text
}

// nextBatch reads up to size lines, or exactly those of a batch read before if whole is set; an
// empty one is the end of the file. If there are bad lines among them, all of those are told.
func (l *lineReader) nextBatch(number, size int, whole bool) (*batch, error) {
	b := &batch{number: number, line: l.line + 1, text: make([]byte, 0, min(batchBytes, size*maxSecretBytes))}
	var ends []int
	var bad badLines
	for len(ends)+bad.count < size && (whole || cap(b.text)-len(b.text) >= maxSecretBytes) {
		secret, err := l.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err = bad.take(err); err != nil {
			b.wipe()
			return nil, err
		}
		if secret != nil {
			b.text = append(b.text, secret...)
			ends = append(ends, len(b.text))
		}
	}
	if err := bad.err(fmt.Sprintf("lines from %d on were not submitted", b.line)); err != nil {
		b.wipe()
		return nil, err
	}
	b.secrets = make([][]byte, len(ends))
	start := 0
	for i, end := range ends {
		b.secrets[i] = b.text[start:end:end]
		start = end
	}
	return b, nil
}

// wipe overwrites the secrets.
func (b *batch) wipe() { clear(b.text[:cap(b.text)]) }

// fingerprint returns what tells a changed batch from the one that was submitted. It is keyed, and so
// tells nothing without the key.
func (b *batch) fingerprint(key []byte) string {
	mac := hmac.New(sha256.New, key)
	var length [4]byte
	for _, s := range b.secrets {
		binary.BigEndian.PutUint32(length[:], uint32(len(s)))
		mac.Write(length[:])
		mac.Write(s)
	}
	return base64.RawStdEncoding.EncodeToString(mac.Sum(nil))
}
