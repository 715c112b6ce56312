package strict_test

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	wire "github.com/hashd-project/hashd/v2/gen/server"
	"github.com/hashd-project/hashd/v2/internal/strict"
)

// canary is the secret of the corpus. No error may hold any part of it.
const canary = "Zq7xVw93Kp"

// limit is larger than any body here.
const limit = 16 << 10

// sample is a line of testdata/bodies.txt.
type sample struct {
	name, body string
	secret     string // of a body to be accepted
	refusal    string // what the error says of a body to be refused
}

// corpus reads testdata/bodies.txt, whose head tells its format.
func corpus(t testing.TB) []sample { return readCorpus(t, "bodies.txt") }

func readCorpus(t testing.TB, name string) (samples []sample) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	literal := func(s string) string {
		s, err := strconv.Unquote(s)
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		return s
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		column := strings.Split(line, "\t")
		if len(column) != 4 {
			t.Fatalf("%q: %d columns", line, len(column))
		}
		s := sample{name: column[1], body: literal(column[2])}
		switch column[0] {
		case "accept":
			s.secret = literal(column[3])
		case "refuse":
			s.refusal = column[3]
		default:
			t.Fatalf("%q: unknown verdict", line)
		}
		samples = append(samples, s)
	}
	return samples
}

// decode decodes a body of POST /hash by the generated decoder.
func decode(body string) (*wire.HashRequest, error) {
	var into wire.HashRequest
	return &into, strict.Decode(strings.NewReader(body), int64(len(body)), limit, &into)
}

// refusal returns what the error says, which must be a *strict.Error that quotes nothing.
func refusal(t testing.TB, err error) string {
	t.Helper()
	if _, ok := errors.AsType[*strict.Error](err); !ok {
		t.Fatalf("error %v, want a *strict.Error", err)
	}
	for i := range len(canary) - 3 {
		if part := canary[i : i+4]; strings.Contains(err.Error(), part) {
			t.Errorf("the error holds %q, a part of the secret: %v", part, err)
		}
	}
	return strings.TrimPrefix(err.Error(), "invalid request: ")
}

func TestCorpus(t *testing.T) {
	for _, s := range corpus(t) {
		t.Run(s.name, func(t *testing.T) {
			body, err := decode(s.body)
			if s.refusal != "" {
				if got := refusal(t, err); got != s.refusal {
					t.Errorf("body %q:\ngot  %s\nwant %s", s.body, got, s.refusal)
				}
				return
			}
			if got := string(body.Password.Bytes()); err != nil || got != s.secret {
				t.Errorf("body %q: secret %q, error %v, want %q", s.body, got, err, s.secret)
			}
		})
	}
}

// The optional member is read as it is told, and left nil where it is not.
func TestAlgorithm(t *testing.T) {
	for body, want := range map[string]string{
		`{"password":"x"}`:                             "none",
		`{"password":"x","algorithm":"sha512"}`:        "sha512",
		`{"password":"x","algorithm":"sha256"}`:        "sha256",
		`{"algorithm":"sha3-512","password":"x"}`:      "sha3-512",
		`{"password":"x","algorithm":"\u0073ha3-512"}`: "sha3-512",
	} {
		into, err := decode(body)
		got := "none"
		if into.Algorithm != nil {
			got = string(*into.Algorithm)
		}
		if err != nil || got != want {
			t.Errorf("body %s: algorithm %s, error %v, want %s", body, got, err, want)
		}
	}
}

// The bounds count characters, however many bytes each takes raw or escaped.
func TestLength(t *testing.T) {
	for name, character := range map[string]struct{ written, utf8 string }{
		"ASCII":                      {"x", "x"},
		"ASCII, escaped":             {`\u0078`, "x"},
		"NUL":                        {`\u0000`, "\x00"},
		"newline":                    {`\n`, "\n"},
		"two bytes":                  {"é", "é"},
		"three bytes":                {"€", "€"},
		"three bytes, escaped":       {`\u20ac`, "€"},
		"four bytes":                 {"🐒", "🐒"},
		"four bytes, surrogate pair": {`\ud83d\udc12`, "🐒"},
		"combining mark":             {"\u0301", "\u0301"},
	} {
		for _, n := range []int{1, 2, 1023, 1024, 1025, 1100} {
			into, err := decode(`{"password":"` + strings.Repeat(character.written, n) + `"}`)
			if n > 1024 {
				const want = `"#/password" must be from 1 to 1024 characters long`
				if got := refusal(t, err); got != want {
					t.Errorf("%d of %s: %s, want %s", n, name, got, want)
				}
				continue
			}
			if err != nil || string(into.Password.Bytes()) != strings.Repeat(character.utf8, n) {
				t.Errorf("%d of %s: error %v, or other bytes than its UTF-8", n, name, err)
			}
		}
	}
}

// A document that ends too early is refused wherever it ends.
func TestTruncated(t *testing.T) {
	for _, whole := range []string{
		`{"password":"` + canary + `","algorithm":"sha3-512"}`,
		` { "\u0070assword" : "\ud83d\udc12é` + canary + `\n" } `,
	} {
		if _, err := decode(whole); err != nil {
			t.Fatalf("whole: %v", err)
		}
		for n := range strings.LastIndex(whole, "}") + 1 {
			_, err := decode(whole[:n])
			refusal(t, err)
		}
	}
}

func TestHugeButShallowOrDeep(t *testing.T) {
	deep := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	const unknown = `"#" must have no members but those of the contract; names are case-sensitive`
	for name, tt := range map[string]struct{ value, want string }{
		"long number":      {strings.Repeat("9", 10_000), unknown},
		"long fraction":    {"0." + strings.Repeat("3", 10_000), unknown},
		"long exponent":    {"1e" + strings.Repeat("9", 10_000), unknown},
		"long string":      {`"` + strings.Repeat("x", 10_000) + `"`, unknown},
		"wide array":       {"[0" + strings.Repeat(",0", 5_000) + "]", unknown},
		"deep":             {deep(7_000), unknown},
		"deep, never ends": {strings.Repeat("[", 9_000), "at byte 9032"},
		"deep objects":     {strings.Repeat(`{"":`, 3_000) + "0" + strings.Repeat("}", 3_000), unknown},
		"far too deep":     {strings.Repeat("[", 12_000), "at byte 10031"},
	} {
		_, err := decode(`{"password":"` + canary + `","user":` + tt.value + `}`)
		if at, ok := strings.CutPrefix(tt.want, "at byte "); ok {
			tt.want = `"#" must be valid JSON in UTF-8; it is not from byte ` + at + " on"
		}
		if got := refusal(t, err); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
	if _, err := decode(`{"password":` + deep(8_000) + `}`); refusal(t, err) != `"#/password" must be a string` {
		t.Errorf("deep password: %v", err)
	}
}

// A body that is wrong all over gets an answer of bounded size.
func TestViolationsAreBounded(t *testing.T) {
	var b strings.Builder
	for i := range 300 {
		fmt.Fprintf(&b, `"%s%d":null,`, canary, i)
	}
	_, err := decode("{" + b.String() + `"password":null}`)
	refusal(t, err)
	if e, _ := errors.AsType[*strict.Error](err); len(e.Fields) != 20 {
		t.Errorf("%d violations, want 20", len(e.Fields))
	}
}
