package digest

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
)

// The password of the contract's example.
const example = "angryMonkey"

// The answers were computed with openssl, so an error in our use of the standard library shows.
var answers = []struct {
	algorithm Algorithm
	name      string
	size      int
	secret    string
	encoded   string
}{
	{SHA512, "sha512", 64, example, "ZEHhWB65gUlzdVwtDQArEyx+KVLzp/aTaRaPlBzYRIFj6vjFdqEb0Q5B8zVKCZ0vKbZPZklJz0Fd7su2A+gf7Q=="},
	{SHA512, "sha512", 64, "", "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=="},
	{SHA256, "sha256", 32, example, "/iKaK4dQuFt0w2h6u20dpZQ7EPaM30pdx/sWN4BXIR8="},
	{SHA256, "sha256", 32, "", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},
	{SHA3x512, "sha3-512", 64, example, "mI69WEOKBqrPpD70UoCZngg7gW57kTMCU6H0pPPG9tB8SrDurArkzvspjhu8/PJ/Q34NFEmKce1VZ42D41Z+Lg=="},
	{SHA3x512, "sha3-512", 64, "", "pp9zzKI6msXItWfcGFp1bpfJghZP4lhZ4NHcwUdcgKYVshI68fX5TBHj6UAsOsVY9QAZnZW20+MBdYWGKB3NJg=="},
}

func TestKnownAnswers(t *testing.T) {
	for _, want := range answers {
		var dst [MaxSize]byte
		want.algorithm.Sum(&dst, []byte(want.secret))
		if got := Encode(dst[:want.algorithm.Size()]); got != want.encoded {
			t.Errorf("%v of %q is %s, want %s", want.algorithm, want.secret, got, want.encoded)
		}
	}
}

// A short digest must not leave a part of what was in its place before: that was a secret.
func TestSumClearsTheRest(t *testing.T) {
	for _, want := range answers {
		dst := [MaxSize]byte(bytes.Repeat([]byte{0xAA}, MaxSize))
		want.algorithm.Sum(&dst, []byte(want.secret))
		if rest := dst[want.size:]; !bytes.Equal(rest, make([]byte, len(rest))) {
			t.Errorf("%v left %x behind its digest", want.algorithm, rest)
		}
	}
}

func TestSumOverItsOwnSecret(t *testing.T) {
	for _, want := range answers {
		for _, at := range []int{0, 1, 12, MaxSize - len(want.secret)} {
			dst := [MaxSize]byte(bytes.Repeat([]byte{0xAA}, MaxSize))
			secret := dst[at : at+copy(dst[at:], want.secret)]
			want.algorithm.Sum(&dst, secret)
			if got := Encode(dst[:want.size]); got != want.encoded {
				t.Errorf("%v of %q lying at %d of its digest is %s, want %s", want.algorithm, want.secret, at, got, want.encoded)
			}
		}
	}
}

func TestSumDoesNotAllocate(t *testing.T) {
	secret := bytes.Repeat([]byte("s"), 4096)
	for a := range algorithms {
		var dst [MaxSize]byte
		if n := testing.AllocsPerRun(100, func() { a.Sum(&dst, secret) }); n != 0 {
			t.Errorf("%v allocates %v times", a, n)
		}
	}
}

func TestNames(t *testing.T) {
	for _, want := range answers {
		a, ok := Parse(want.name)
		if a != want.algorithm || !ok {
			t.Errorf("Parse(%q) = %v, %v", want.name, a, ok)
		}
		if got := want.algorithm.String(); got != want.name {
			t.Errorf("algorithm %d is called %q, want %q", want.algorithm, got, want.name)
		}
		if got := want.algorithm.Size(); got != want.size {
			t.Errorf("%v has size %d, want %d", want.algorithm, got, want.size)
		}
		if !want.algorithm.Valid() {
			t.Errorf("%v is not valid", want.algorithm)
		}
	}
}

// Numbers lie in stored records: they must never change their meaning.
func TestNumbersAreFixed(t *testing.T) {
	for number, name := range []string{"sha512", "sha256", "sha3-512"} {
		if got := Algorithm(number).String(); got != name {
			t.Errorf("number %d means %s, and meant %s before", number, got, name)
		}
	}
}

func TestUnknownNames(t *testing.T) {
	for _, name := range []string{"", "SHA512", "sha-512", "sha512 ", "md5", "unknown"} {
		if a, ok := Parse(name); ok {
			t.Errorf("Parse(%q) found %v", name, a)
		}
	}
	for _, a := range []Algorithm{algorithms, 127, 255} {
		if a.Valid() || a.String() != "unknown" {
			t.Errorf("algorithm %d: valid %v, name %q", a, a.Valid(), a)
		}
	}
}

// The URL-safe alphabet, or none of the padding, is a different contract.
func TestEncodeUsesTheStandardAlphabet(t *testing.T) {
	if got := Encode([]byte{0xFB, 0xFF, 0xFE, 0xFF}); got != "+//+/w==" {
		t.Errorf("encoded as %s", got)
	}
	if got := Encode(nil); got != "" {
		t.Errorf("nothing is encoded as %q", got)
	}
}

// A hash that is appended to its input, as Sum(password) does by mistake, shows the password.
func TestSecretIsNotInTheDigest(t *testing.T) {
	secret := strings.Repeat(example, 3)
	for a := range algorithms {
		var dst [MaxSize]byte
		a.Sum(&dst, []byte(secret))
		encoded := Encode(dst[:a.Size()])
		if want := base64.StdEncoding.EncodedLen(a.Size()); len(encoded) != want {
			t.Errorf("%v is encoded in %d characters, want %d", a, len(encoded), want)
		}
		if bytes.Contains(dst[:], []byte(example)) || strings.Contains(encoded, base64.StdEncoding.EncodeToString([]byte(example))[:12]) {
			t.Errorf("%v shows its secret: %s", a, encoded)
		}
	}
}
