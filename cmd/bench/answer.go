//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// hashText is the length of a SHA-512 in base64.
const hashText = 88

// answer is what GET /hash/batch says, but for what the scanner takes from it.
type answer struct {
	Results []struct {
		ID                      int64
		Status, Algorithm, Hash string
	}
	Pending int
}

// scanAnswer puts the hashes of an answer into to, hashText bytes each, and returns how many of the jobs
// are done; the place of another is left as it is. The answer must tell of exactly the ids from first on.
func scanAnswer(text []byte, first int64, to []byte) (done int, err error) {
	if scanDone(text, first, to) {
		return len(to) / hashText, nil
	}
	var a answer
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		return 0, fmt.Errorf("answer: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return 0, errors.New("answer: more than one document")
	}
	if len(a.Results)*hashText != len(to) {
		return 0, fmt.Errorf("answer: %d results in place of %d", len(a.Results), len(to)/hashText)
	}
	for n, r := range a.Results {
		if r.ID != first+int64(n) {
			return 0, fmt.Errorf("answer: job %d in place of %d", r.ID, first+int64(n))
		}
		if r.Status != "done" {
			continue
		}
		if r.Algorithm != "sha512" || len(r.Hash) != hashText {
			return 0, fmt.Errorf("answer: no SHA-512 of job %d", r.ID)
		}
		copy(to[n*hashText:], r.Hash)
		done++
	}
	return done, nil
}

// scanDone reads the answer that hashd gives when all jobs are done, byte by byte as it writes it, and says
// whether it is that: a reader beside the server must cost little.
func scanDone(text []byte, first int64, to []byte) bool {
	const begin, middle, end = `{"results":[`, `,"status":"done","algorithm":"sha512","hash":"`, `],"pending":0}`
	rest, ok := bytes.CutPrefix(text, []byte(begin))
	expect := make([]byte, 0, 128)
	for id := first; ok && len(to) > 0; id++ {
		expect = append(strconv.AppendInt(append(expect[:0], `{"id":`...), id, 10), middle...)
		rest, ok = bytes.CutPrefix(rest, expect)
		if !ok || len(rest) < hashText+3 || rest[hashText] != '"' || rest[hashText+1] != '}' {
			return false
		}
		copy(to, rest[:hashText])
		to, rest = to[hashText:], rest[hashText+2:]
		if len(to) > 0 {
			rest, ok = bytes.CutPrefix(rest, []byte(","))
		}
	}
	return ok && string(bytes.TrimSpace(rest)) == end
}
