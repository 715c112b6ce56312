package digest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// The password of the contract's example.
const example = "angryMonkey"

// published holds, in hex, the digests that the makers of each algorithm publish: of the one-block and
// the two-block example messages of FIPS 180, for SHA-3 as the Keccak team's vectors give them, and
// of the empty message (NIST CAVP, Len = 0).
var published = map[string]map[string]string{
	"sha512": {
		"abc": "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a" +
			"2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
		"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu": "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018" +
			"501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909",
		"": "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce" +
			"47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
	},
	"sha256": {
		"abc": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq": "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
		"": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	},
	"sha3-512": {
		"abc": "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e" +
			"10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0",
		"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq": "04a371e84ecfb5b8b77cb48610fca8182dd457ce6f326a0fd3d7ec2f1e91636d" +
			"ee691fbe0c985302ba1b0d8dc78c086346b533b49c030d99a27daf1139d6e75e",
		"": "a69f73cca23a9ac5c8b567dc185a756e97c982164fe25859e0d1dcc1475c80a6" +
			"15b2123af1f5f94c11e3e9402c3ac558f500199d95b6d3e301758586281dcd26",
	},
}

// An algorithm is in the contract, in this package and among the published answers, or in none of
// them: one that was added to a part of these alone is served wrongly, or not at all.
func TestEachAlgorithmOfTheContractGivesPublishedAnswers(t *testing.T) {
	names := contractNames(t)
	for _, a := range All() {
		if !slices.Contains(names, a.String()) {
			t.Errorf("the contract lacks %v", a)
		}
		if f := functions[a]; f.name == "" || f.size < 1 || f.size > MaxSize || f.sum == nil {
			t.Errorf("algorithm %d is incomplete: %+v", a, f)
		}
	}
	for _, name := range names {
		a, ok := Parse(name)
		if !ok {
			t.Errorf("the contract has %s, and nothing computes it", name)
			continue
		}
		if len(published[name]) < 3 {
			t.Errorf("%s: %d published answers, want 3 or more", name, len(published[name]))
		}
		for message, want := range published[name] {
			var dst [MaxSize]byte
			a.Sum(&dst, []byte(message))
			if got := hex.EncodeToString(dst[:a.Size()]); got != want {
				t.Errorf("%s of %q is %s, want %s", name, message, got, want)
			}
		}
	}
}

// contractNames returns the algorithms that a client can ask for.
func contractNames(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../api/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Components struct {
			Schemas struct {
				Algorithm struct{ Enum []string } `yaml:"Algorithm"`
			}
		}
	}
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	names := doc.Components.Schemas.Algorithm.Enum
	if len(names) == 0 {
		t.Fatal("the contract has no algorithms")
	}
	return names
}

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
	for _, a := range All() {
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
		} else if a.Valid() {
			t.Errorf("Parse(%q) found nothing and yet returns %v", name, a)
		}
	}
	for _, a := range []Algorithm{Algorithm(len(functions)), 127, 255} {
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
	for _, a := range All() {
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
