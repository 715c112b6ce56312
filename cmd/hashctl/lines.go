package main

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
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
	r    *bufio.Reader
	line int64 // the last one read, from 1
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, 64<<10)}
}

// next returns the secret of the next line, which is valid until the next call, or io.EOF.
func (l *lineReader) next() ([]byte, error) {
	text, err := l.r.ReadSlice('\n')
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return nil, err
	}
	if errors.Is(err, io.EOF) && len(text) == 0 {
		return nil, io.EOF
	}
	l.line++
	secret := trimNewline(text) // with bufio.ErrBufferFull it is too long anyway
	if bad := flaw(secret); bad != "" {
		return nil, &usageError{fmt.Sprintf("line %d %s", l.line, bad), "a line is a secret of 1 to 1,024 characters of UTF-8"}
	}
	return secret, nil
}

// checkLines reads all lines and returns how many there are.
func checkLines(ctx context.Context, r io.Reader) (int64, error) {
	l := newLineReader(r)
	for {
		switch _, err := l.next(); {
		case errors.Is(err, io.EOF):
			return l.line, nil
		case err != nil:
			return 0, err
		case ctx.Err() != nil:
			return 0, ctx.Err()
		}
	}
}

// batch is some lines that are submitted together.
type batch struct {
	number  int
	line    int64 // the number of its first line, from 1
	text    []byte
	secrets [][]byte // parts of text
}

// nextBatch reads up to size lines, or exactly those of a batch read before if whole is set; an
// empty one is the end of the file.
func (l *lineReader) nextBatch(number, size int, whole bool) (*batch, error) {
	b := &batch{number: number, line: l.line + 1, text: make([]byte, 0, min(batchBytes, size*maxSecretBytes))}
	var ends []int
	for len(ends) < size && (whole || cap(b.text)-len(b.text) >= maxSecretBytes) {
		secret, err := l.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			b.wipe()
			return nil, err
		}
		b.text = append(b.text, secret...)
		ends = append(ends, len(b.text))
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
