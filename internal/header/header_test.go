package header_test

import (
	"strings"
	"testing"

	"github.com/hashd-project/hashd/v2/internal/header"
)

func TestOneIsNotRepeated(t *testing.T) {
	fields := map[string][]string{"None": {}, "Once": {"a, b"}, "Empty": {""}, "Twice": {"a", "a"}}
	for name, want := range map[string]string{"Absent": "", "None": "", "Once": "a, b", "Empty": "", "Twice": "repeated"} {
		got, ok := header.One(fields, name)
		if !ok {
			got += "repeated"
		}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestPreference(t *testing.T) {
	for prefer, want := range map[string]string{
		"wait=10": "10", "WAIT=10": "10", `wait="10"`: "10", "wait = 10": "10", "\twait\t=\t10\t": "10", `wait="1\0"`: "10", `wait="\1\0"`: "10",
		", wait=20": "20", ",,\t, wait=20": "20", "foo, wait=10": "10", "foo;wait=1, wait=10": "10", "foo=bar;wait=1, wait=10": "10",
		"wait=10;a=b": "10", `wait=10 ; a="x, wait=3"`: "10", "wait=10, wait=20": "10", `wait="a, b"`: "a, b", `wait="a\"b"`: `a"b`, `wait=""`: "",

		// What stands in quotes is no list, and an escaped quote does not end it.
		`foo="a, wait=20", wait=10`: "10", `foo="a\", wait=20", wait=10`: "10", `foo="\\", wait=10`: "10", `foo;x="a, wait=20", wait=10`: "10",
		`foo="a, wait=20"`: "none", `foo="a\", wait=20"`: "none", `foo="a, wait=20`: "none", `foo="a\\\", wait=20`: "none",

		// The first counts, and if it makes no sense there is none.
		"wait, wait=20": "none", "wait;a=b, wait=20": "none", `wait="10, wait=20`: "none", `wait="10"x, wait=20`: "none", `wait="1"0", wait=20`: "none",
		"": "none", ",": "none", "=": "none", "=10": "none", "wait": "none", "wait=": "none", "wait=1 0": "none", "waits=10": "none", "await=10": "none",
		"wait\u00a0=10": "none", "wait=\u00a010": "none", `"wait"=10`: "none", `wait="10\`: "none", `wait="10\"`: "none", `wait="`: "none",
	} {
		got, ok := header.Preference(prefer, "wait")
		if !ok {
			got = "none"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", prefer, got, want)
		}
	}
}

// A list in several lines is the same list in one, wherever it was cut (RFC 9110, section 5.3).
func TestLinesAreOneList(t *testing.T) {
	for _, lines := range [][]string{{"", "wait=20"}, {"wait=20", ""}, {"foo", "", "wait=20, wait=3"}, {",", " ,", "wait=20"}, {`foo="a, b"`, "wait=20"}} {
		if got, ok := header.Preference(header.Join(lines), "wait"); !ok || got != "20" {
			t.Errorf("%q: %q, %v", lines, got, ok)
		}
	}
	if got := header.Join(nil); got != "" {
		t.Errorf("no lines: %q", got)
	}
}

func TestPrefers(t *testing.T) {
	for accept, want := range map[string]bool{
		"gzip": true, "GZip": true, "x-gzip": true, "gzip, br": true, "br;q=1.0, gzip;q=0.8, *;q=0.1": true, "*": true, "br, *": true,
		"gzip;q=1": true, "gzip;q=1.000": true, "gzip;q=0.001": true, "gzip ; Q=0.5": true, "identity;q=0, gzip": true, "identity;q=0.5, gzip;q=0.5": true,
		"identity;q=0, *": true, ", ,gzip": true, "gzip;q=0, gzip": true, "*;q=0, gzip": true, "identity, gzip": true,

		"": false, " ": false, ",": false, "br": false, "identity": false, "gzip;q=0": false, "gzip;q=0.000": false, "gzip; q=0": false, "*;q=0": false,
		"gzip;q=0, *": false, "gzip;q=0.5, identity": false, "gzip;q=0.5, identity;q=0.501": false, "*;q=0.2, identity": false, "br;q=1, gzip;q=0": false,

		// Whole names only.
		"gzipped": false, "notgzip": false, "bgzip, br": false, "x-x-gzip": false, "gzip/1": false, "g zip": false, `"gzip"`: false, `br;x="gzip"`: false, `br;x=", gzip"`: false,

		// Weights that make no sense.
		"gzip;q=": true, "gzip;q=2": false, "gzip;q=1.5": false, "gzip;q=1.001": false, "gzip;q=0.0001": false, "gzip;q=-1": false, "gzip;q=x": false, "gzip;q=0.x": false,
		"gzip;q=.5": false, "gzip;q=10": false, "gzip;q=1e0": false,
	} {
		if got := header.Prefers(accept, "gzip"); got != want {
			t.Errorf("%q: %v, want %v", accept, got, want)
		}
	}
}

func TestKey(t *testing.T) {
	const none = "none"
	for value, want := range map[string]string{
		"abc": "abc", `"abc"`: "abc", `"a b, c;d"`: "a b, c;d", `"a\"b"`: `a"b`, `"a\\b"`: `a\b`, `"a\\"`: `a\`, `"\\\""`: `\"`, `""`: none, "": "",
		"8e03978e-40d5-43e8-bc93-6894a57f9324": "8e03978e-40d5-43e8-bc93-6894a57f9324", `"8e03978e-40d5-43e8-bc93-6894a57f9324"`: "8e03978e-40d5-43e8-bc93-6894a57f9324",
		`abc"`: `abc"`, `a"b"c`: `a"b"c`, `a\b`: `a\b`, "'abc'": "'abc'", "ключ": "ключ",
		`"`: none, `"abc`: none, `"abc"d`: none, `"abc" `: none, `"abc";a=b`: none, `"abc", "d"`: none, `"a"b"`: none, `"a\bc"`: none, `"abc\"`: none, `"\`: none,
		`"ключ"`: none, "\"a\tb\"": none, "\"a\x7f\"": none,
	} {
		got, ok := header.Key(value)
		if !ok {
			got = none
		}
		if got != want {
			t.Errorf("%s: %q, want %q", value, got, want)
		}
	}
}

func TestMediaType(t *testing.T) {
	for value, want := range map[string]string{
		"application/json": "application/json", "Application/JSON": "application/json", `application/json; charset="UTF-8"`: "application/json UTF-8",
		`application/json;CHARSET="UT\F-8"`: "application/json UTF-8", "application/json ; charset=utf-8": "application/json utf-8",
		"application/json;": "application/json", "application/json; a=b;; charset=x": "application/json x", `application/json; a="; charset=y"`: "application/json",
		"": "none", "json": "none", "/": "none", "a/b/c": "none", "application/json, text/plain": "none", "application/json; utf-8": "none", "application/json; charset=": "none",
		"application/json; charset*=utf-8''x": "application/json", "application/json charset=utf-8": "none", "application/json; charset=a; charset=b": "none", `application/json; charset="a`: "none",
	} {
		media, charset, ok := header.MediaType(value)
		got := strings.TrimSpace(media + " " + charset)
		if !ok {
			got = "none"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}

// No value makes a reader fail, and what it finds does not depend on white space around elements.
func FuzzReaders(f *testing.F) {
	for _, s := range []string{`foo="a\", wait=20", wait=10;x`, "gzip;q=0.5, *;q=0", `"a\\b"`, `"`, `\`, ","} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		value, ok := header.Preference(s, "wait")
		if again, found := header.Preference(" ,"+s, "wait"); again != value || found != ok {
			t.Errorf("%q: %q, %v; behind an empty element %q, %v", s, value, ok, again, found)
		}
		if header.Prefers(s, "gzip") != header.Prefers("\t,"+s, "gzip") {
			t.Errorf("%q: an empty element decides", s)
		}
		if key, ok := header.Key(s); ok && len(key) > len(s) {
			t.Errorf("%q: key %q", s, key)
		}
		header.MediaType(s)
	})
}

func TestQuality(t *testing.T) {
	for _, tt := range []struct {
		accept string
		want   float64
	}{
		{"", 1}, {" , ", 1}, {"*/*", 1}, {"a/b", 1}, {"A/B", 1}, {"a/*", 1}, {"a/b;q=0.5", 0.5}, {"a/b ; Q=0", 0}, {"a/c", 0}, {"b/*", 0}, {"*/b", 0},
		{"*/*;q=0.1, a/b;q=0.3, a/*;q=0.2", 0.3}, {"a/*;q=0.2, */*", 0.2}, {"a/b;q=0, */*", 0}, {"text/html, */*;q=0.1", 0.1},
		{"a/b;v=1", 0}, {"a/b;v=1, */*;q=0.5", 0.5}, {"a/b;q=2", 0}, {"a/b;q=-1", 0}, {"a/b;q=NaN", 0}, {"a/b;q", 0}, {"a/b;q=x", 0}, {`"a/b`, 0}, {`x;y=",", a/b;q=0.7`, 0.7},
	} {
		if got := header.Quality(tt.accept, "a/b"); got != tt.want {
			t.Errorf("%q: %v, want %v", tt.accept, got, tt.want)
		}
	}
}
