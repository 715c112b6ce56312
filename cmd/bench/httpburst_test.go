//go:build linux

package main

import (
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func hashOf(i int64) string {
	var password [passwordText]byte
	setPassword(password[:], i)
	sum := sha512.Sum512(password[:])
	return base64.StdEncoding.EncodeToString(sum[:])
}

// answerOf is hashd's answer for the ids from first on, each with the hash of the job of that number.
func answerOf(first, count int64) string {
	var results []string
	for id := first; id < first+count; id++ {
		results = append(results, fmt.Sprintf(`{"id":%d,"status":"done","algorithm":"sha512","hash":"%s"}`, id, hashOf(id)))
	}
	return `{"results":[` + strings.Join(results, ",") + `],"pending":0}`
}

// What is scanned byte by byte, and what is decoded, give the same; what tells of other jobs, or not of
// a hash, is an error.
func TestScanAnswer(t *testing.T) {
	whole := answerOf(9, 3)
	lost := strings.Replace(whole, fmt.Sprintf(`{"id":10,"status":"done","algorithm":"sha512","hash":"%s"}`, hashOf(10)), `{"id":10,"status":"gone"}`, 1)
	for _, tc := range []struct {
		name, text string
		fast       bool
		done       int // -1 for an error
	}{
		{"as hashd writes it", whole, true, 3},
		{"with an end of line", whole + "\n", true, 3},
		{"with spaces", strings.ReplaceAll(whole, `":`, `": `), false, 3},
		{"one gone", lost, false, 2},
		{"another id", strings.Replace(whole, `"id":10`, `"id":12`, 1), false, -1},
		{"one fewer", answerOf(9, 2), false, -1},
		{"one more", answerOf(9, 4), false, -1},
		{"from elsewhere", answerOf(10, 3), false, -1},
		{"another algorithm", strings.Replace(whole, "sha512", "sha256", 1), false, -1},
		{"a short hash", strings.Replace(whole, hashOf(10), hashOf(10)[1:], 1), false, -1},
		{"cut off", whole[:len(whole)-3], false, -1},
		{"two documents", whole + whole, false, -1},
		{"a member nobody knows", strings.Replace(whole, `"pending"`, `"ending"`, 1), false, -1},
		{"none", `{"results":[],"pending":0}`, false, -1},
		{"nothing", "", false, -1},
	} {
		to := make([]byte, 3*hashText)
		if fast := scanDone([]byte(tc.text), 9, slices.Clone(to)); fast != tc.fast {
			t.Errorf("%s: scanned byte by byte: %v, want %v", tc.name, fast, tc.fast)
		}
		done, err := scanAnswer([]byte(tc.text), 9, to)
		if (err != nil) != (tc.done < 0) || err == nil && done != tc.done {
			t.Errorf("%s: %d done, error %v, want %d", tc.name, done, err, tc.done)
		}
		if tc.done == 3 && string(to) != hashOf(9)+hashOf(10)+hashOf(11) {
			t.Errorf("%s: got %q", tc.name, to)
		}
	}
}

func TestWrongHashes(t *testing.T) {
	b := httpBurst{size: 5, batches: 2}
	for i := range b.jobs() {
		b.hashes = append(b.hashes, hashOf(i)...)
	}
	copy(b.hashes[3*hashText:], hashOf(4)) // that of another job
	b.hashes[8*hashText+87] ^= 1
	clear(b.hashes[6*hashText : 7*hashText]) // lost
	var r httpBurstResult
	if r.verify(&b); r.Wrong != 2 || r.Lost != 0 {
		t.Errorf("found %+v, want 2 wrong", r.findings)
	}
}

func TestPasswordsDiffer(t *testing.T) {
	p := newPasswords(3)
	for first, want := range map[int64]string{
		9:  `{"passwords":["000000000009","000000000010","000000000011"]}`,
		12: `{"passwords":["000000000012","000000000013","000000000014"]}`,
	} {
		if got := string(p.of(first)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// A program that is no hashd, or one that refuses its flags, is an error that shows what it said.
func TestDaemonDoesNotStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hashd")
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho no such flag >&2\nexit 2\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := startDaemon(t.Context(), path); err == nil || !strings.Contains(err.Error(), "no such flag") {
		t.Errorf("got error %v", err)
	}
}
