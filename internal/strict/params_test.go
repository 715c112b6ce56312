package strict_test

import (
	"math"
	"strings"
	"testing"

	"github.com/hashd-project/hashd/v2/internal/strict"
)

// pathInt64 reads an integer from a path segment, as generated code does.
func pathInt64(p *strict.Params, name, raw string, lowest, highest int64) (n int64) {
	p.Path(name, raw, false)
	p.Int64(&n, lowest, highest)
	return n
}

func TestPathInt64(t *testing.T) {
	for raw, want := range map[string]int64{
		"1": 1, "42": 42, "10": 10, "9223372036854775807": math.MaxInt64,
	} {
		var p strict.Params
		if got := pathInt64(&p, "id", raw, 1, math.MaxInt64); p.Err() != nil || got != want {
			t.Errorf("%q: %d, error %v, want %d", raw, got, p.Err(), want)
		}
	}
	for _, raw := range []string{
		"+1", "01", "007", "+5", "00042", "09223372036854775807", // other spellings of what is right
		"", "0", "-1", "-0", "+0", "00", "-9223372036854775808", "9223372036854775808", "18446744073709551617", "-9223372036854775809",
		strings.Repeat("9", 1000), "1.0", "1e3", "0x1", "0b1", "1_000", "1,000", " 1", "1 ", "1\n", "1\x00", "--1", "++1", "+", "-",
		"one", "１", "٣", "²", "NaN", "null", "1/2", "1;a=b", "%", "%31", "%2531", "%zz", canary,
	} {
		var p strict.Params
		pathInt64(&p, "id", raw, 1, math.MaxInt64)
		const want = `path parameter "id" must be an integer from 1 to 9223372036854775807`
		if got := refusal(t, p.Err()); got != want {
			t.Errorf("%q: %s, want %s", raw, got, want)
		}
	}
}

func TestPathInt64Bounds(t *testing.T) {
	for raw, ok := range map[string]bool{
		"-4": false, "-3": true, "0": true, "7": true, "8": false, "-03": false, "-0": false, "00": false, "+0": false, "+7": false, "07": false,
	} {
		var p strict.Params
		pathInt64(&p, "n", raw, -3, 7)
		if err := p.Err(); (err == nil) != ok {
			t.Errorf("%s from -3 to 7: error %v", raw, err)
		}
	}
}

func TestHeaderList(t *testing.T) {
	for _, tt := range []struct {
		name              string
		lines             []string
		shortest, longest int
		want              string // what it reads
		ok                bool
	}{
		{"empty, allowed", []string{""}, 0, 3, "", true},
		{"empty, refused", []string{""}, 1, 3, "", false},
		{"shortest", []string{"x"}, 1, 3, "x", true},
		{"longest", []string{"xyz"}, 1, 3, "xyz", true},
		{"too long", []string{"wxyz"}, 1, 3, "wxyz", false},
		{"characters, not bytes", []string{"é€🐒"}, 1, 3, "é€🐒", true},
		{"one character too many", []string{"é€🐒🐒"}, 1, 3, "é€🐒🐒", false},
		{"each invalid byte counts", []string{"\xff\xfe\xfd\xfc"}, 1, 3, "\xff\xfe\xfd\xfc", false},
		{"two lines are one value", []string{"a", "b"}, 1, 4, "a, b", true},
		{"whose length counts as one", []string{"a", "b"}, 1, 3, "a, b", false},
		{"two empty lines", []string{"", ""}, 1, 3, ", ", true},
		{"no bound", []string{strings.Repeat("x", 5000)}, 0, strict.Unbounded, strings.Repeat("x", 5000), true},
	} {
		var p strict.Params
		got := p.HeaderList("Prefer", tt.lines, tt.shortest, tt.longest)
		if got == nil || *got != tt.want {
			t.Errorf("%s: read %v, want %q", tt.name, got, tt.want)
		}
		if err := p.Err(); (err == nil) != tt.ok {
			t.Errorf("%s: error %v", tt.name, err)
		}
	}
	var p strict.Params
	if got := p.HeaderList("Prefer", nil, 1, 3); got != nil || p.Err() != nil {
		t.Errorf("absent: %v, error %v, want nil and none", got, p.Err())
	}
}

// A key is the same with its quotes and without.
func TestHeaderKey(t *testing.T) {
	const (
		long  = "must be from 1 to 5 characters long"
		quote = "must not begin with a quote, or be a string in quotes (RFC 9651)"
	)
	for _, tt := range []struct{ line, key, wrong string }{
		{"abc", "abc", ""}, {`"abc"`, "abc", ""}, {`"a\\c"`, `a\c`, long}, {`"\\"`, `\`, ""}, {"x", "x", ""}, {`"x"`, "x", ""}, {"äé€🐒x", "äé€🐒x", ""},
		{"", "", long}, {`""`, "", quote}, {"uvwxyz", "", long}, {`"wxyz"`, "", long},
		{`"a`, "", quote}, {`"` + canary, "", quote + `; header parameter "Key" ` + long},
	} {
		var p strict.Params
		got := p.HeaderKey("Key", []string{tt.line}, 1, 5)
		if err := p.Err(); tt.wrong != "" && refusal(t, err) != `header parameter "Key" `+tt.wrong || tt.wrong == "" && (err != nil || *got != tt.key) {
			t.Errorf("%s: key %v, error %v, want %s%s", tt.line, got, err, tt.key, tt.wrong)
		}
	}
	var p strict.Params
	if got := p.HeaderKey("Key", nil, 1, 3); got != nil || p.Err() != nil {
		t.Errorf("absent: %v, error %v", got, p.Err())
	}
	p.HeaderKey("Key", []string{"a", "a"}, 1, 3)
	if got := refusal(t, p.Err()); got != `header parameter "Key" must not be repeated` {
		t.Errorf("twice: %s", got)
	}
}

// All that is wrong with a request is told at once.
func TestParamsCollect(t *testing.T) {
	var p strict.Params
	pathInt64(&p, "id", canary, 1, 2)
	p.HeaderList("Prefer", []string{canary}, 1, 3)
	const want = `path parameter "id" must be an integer from 1 to 2; header parameter "Prefer" must be from 1 to 3 characters long`
	if got := refusal(t, p.Err()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
