package main

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// readAll reads batches of up to size lines and returns them as text.
func readAll(t *testing.T, r io.Reader, size int) (batches [][]string, err error) {
	t.Helper()
	l := newLineReader(r, false)
	for n := 0; ; n++ {
		line := l.line + 1
		b, err := l.nextBatch(n, size, false)
		if err != nil {
			return batches, err
		}
		if b.line != line || b.number != n {
			t.Errorf("batch %d from line %d, want %d from %d", b.number, b.line, n, line)
		}
		if len(b.secrets) == 0 {
			return batches, nil
		}
		var secrets []string
		for _, s := range b.secrets {
			secrets = append(secrets, string(s))
		}
		batches = append(batches, secrets)
		b.wipe()
		if strings.Trim(string(b.text), "\x00") != "" {
			t.Error("not wiped")
		}
	}
}

func TestBatches(t *testing.T) {
	long := strings.Repeat("😀", maxSecretChars)
	for _, tt := range []struct {
		text string
		size int
		want [][]string
	}{
		{"", 2, nil},
		{"a\nb\r\nc", 2, [][]string{{"a", "b"}, {"c"}}},
		{"a\nb\n", 2, [][]string{{"a", "b"}}},
		{" a\t\n\tb \n", 10, [][]string{{" a\t", "\tb "}}},
		{long + "\r\n" + long, 1, [][]string{{long}, {long}}},
	} {
		for name, r := range map[string]io.Reader{"whole": strings.NewReader(tt.text), "byte by byte": iotest.OneByteReader(strings.NewReader(tt.text))} {
			got, err := readAll(t, r, tt.size)
			if err != nil || !slices.EqualFunc(got, tt.want, slices.Equal) {
				t.Errorf("%.20q %s: %.40q, %v", tt.text, name, got, err)
			}
		}
	}
}

// Long lines make smaller batches, whose text stays within the room it was given.
func TestBatchBytes(t *testing.T) {
	l := newLineReader(strings.NewReader(strings.Repeat(strings.Repeat("😀", maxSecretChars)+"\n", 400)), false)
	lines := 0
	for n := 0; ; n++ {
		b, err := l.nextBatch(n, maxBatch, false)
		if err != nil {
			t.Fatal(err)
		}
		if lines += len(b.secrets); len(b.secrets) == 0 {
			break
		}
		if cap(b.text) != batchBytes || len(b.secrets) > batchBytes/maxSecretBytes {
			t.Errorf("batch %d has %d secrets in %d bytes", n, len(b.secrets), cap(b.text))
		}
	}
	if lines != 400 {
		t.Errorf("%d lines", lines)
	}
}

func TestBadLines(t *testing.T) {
	for text, want := range map[string]string{
		"a\n\nb":                             "line 2 is empty",
		"\r\n":                               "line 1 is empty",
		"a\nb\xff\n":                         "line 2 is not valid UTF-8",
		strings.Repeat("x", 1025) + "\n":     "line 1 is longer than 1,024 characters",
		"a\n" + strings.Repeat("x", 200_000): "line 2 is longer than 1,024 characters",
		strings.Repeat("\xff", 1024):         "line 1 is not valid UTF-8",
		"x" + strings.Repeat("😀", 50_000):    "line 1 is longer than 1,024 characters",
	} {
		if _, err := readAll(t, strings.NewReader(text), 10); err == nil || err.Error() != want {
			t.Errorf("%.20q: %v, want %s", text, err, want)
		}
		lines, err := checkLines(t.Context(), strings.NewReader(text), false)
		if _, mistake := errors.AsType[*usageError](err); !mistake || lines != 0 {
			t.Errorf("%.20q: %d lines, %v", text, lines, err)
		}
	}
	if n, err := checkLines(t.Context(), strings.NewReader("a\nb"), false); n != 2 || err != nil {
		t.Errorf("%d lines, %v", n, err)
	}
	if _, err := checkLines(t.Context(), iotest.ErrReader(errors.New("broken")), false); err == nil || err.Error() != "broken" {
		t.Errorf("got %v", err)
	}
}

// A fingerprint tells secrets, their order and where each ends, and is another with another key.
func TestFingerprint(t *testing.T) {
	of := func(key string, secrets ...string) string {
		b := &batch{}
		for _, s := range secrets {
			b.secrets = append(b.secrets, []byte(s))
		}
		return b.fingerprint([]byte(key))
	}
	all := []string{of("k"), of("k", "a", "b"), of("k", "b", "a"), of("k", "ab"), of("k", "a", "c"), of("l", "a", "b")}
	slices.Sort(all)
	if len(slices.Compact(all)) != 6 {
		t.Errorf("fingerprints %q", all)
	}
}
