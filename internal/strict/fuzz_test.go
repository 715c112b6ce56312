package strict_test

import (
	"encoding/json"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	wire "github.com/hashd-project/hashd/v2/gen/server"
	"github.com/hashd-project/hashd/v2/internal/strict"
)

// said is all that a refusal of a HashRequest can say. That an error matches it proves that
// the error quotes nothing of the body but an offset.
var said = refusals(violation)

// saidOfBatch is all that a refusal of a BatchRequest can say.
var saidOfBatch = refusals(strings.ReplaceAll(violation, `"#/password"`, `"#/passwords(/[0-9]{1,4})?"`) +
	`|"#/passwords" must be an array|"#/passwords" must be an array of 1 to 10000 items`)

func refusals(violation string) *regexp.Regexp {
	return regexp.MustCompile(`^invalid request: (` + violation + `)(; (` + violation + `)){0,19}$`)
}

const violation = `"#" must be one JSON document, with nothing after it|` +
	`"#" must not be empty|` +
	`"#" must not hold a member twice|` +
	`"#" must be valid JSON in UTF-8; it is not from byte [0-9]+ on|` +
	`"#" must be an object|` +
	`"#" must have no members but those of the contract; names are case-sensitive|` +
	`"#/password" is required|` +
	`"#/password" must be a string|` +
	`"#/password" must be from 1 to 1024 characters long|` +
	`"#/algorithm" must be a string|` +
	`"#/algorithm" must be one of sha512, sha256, sha3-512`

func FuzzDecodeHashRequest(f *testing.F) {
	for _, s := range corpus(f) {
		f.Add([]byte(s.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > limit {
			t.Skip("over the limit")
		}
		into, err := decode(string(body))
		if again := strict.Decode(strings.NewReader(string(body)), -1, limit, new(wire.HashRequest)); text(again) != text(err) {
			t.Errorf("with its length %v, without %v", err, again)
		}
		if err != nil {
			if !said.MatchString(err.Error()) {
				t.Errorf("the error says something of its own: %v", err)
			}
			return
		}
		checkAccepted(t, body, string(into.Password.Bytes()))
	})
}

func FuzzDecodeBatchRequest(f *testing.F) {
	for _, s := range batches(f) {
		f.Add([]byte(s.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > limit {
			t.Skip("too large to be worth it")
		}
		into, err := decodeBatch(string(body))
		if again := strict.Decode(strings.NewReader(string(body)), -1, limit, new(wire.BatchRequest)); text(again) != text(err) {
			t.Errorf("with its length %v, without %v", err, again)
		}
		if err != nil {
			if !saidOfBatch.MatchString(err.Error()) || into.Passwords.Slices() != nil {
				t.Errorf("the error says something of its own, or leaves secrets: %v", err)
			}
			return
		}
		checkAcceptedBatch(t, body, texts(into.Passwords))
	})
}

// checkAcceptedBatch is checkAccepted for the secrets of a batch.
func checkAcceptedBatch(t *testing.T, body []byte, secrets []string) {
	if len(secrets) < 1 || len(secrets) > 10_000 {
		t.Errorf("%d secrets are accepted", len(secrets))
	}
	for _, secret := range secrets {
		if n := utf8.RuneCountInString(secret); !utf8.ValidString(secret) || n < 1 || n > 1024 {
			t.Errorf("a secret of %d characters is accepted, or one that is no UTF-8: %q", n, secret)
		}
	}
	var lax struct{ Passwords []string }
	if err := json.Unmarshal(body, &lax); err != nil || !slices.Equal(lax.Passwords, secrets) {
		t.Errorf("read %q, encoding/json reads %q, error %v", secrets, lax.Passwords, err)
	}
	if again, err := decodeBatch(batchOf(secrets...)); err != nil || !slices.Equal(texts(again.Passwords), secrets) {
		t.Errorf("written anew, read %q, error %v, want %q", texts(again.Passwords), err, secrets)
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// checkAccepted holds the secret of an accepted body to what encoding/json reads, and to what
// comes back of it when encoding/json writes it.
func checkAccepted(t *testing.T, body []byte, secret string) {
	if n := utf8.RuneCountInString(secret); !utf8.ValidString(secret) || n < 1 || n > 1024 {
		t.Errorf("a secret of %d characters is accepted, or one that is no UTF-8: %q", n, secret)
	}
	var lax struct{ Password string }
	if err := json.Unmarshal(body, &lax); err != nil || lax.Password != secret {
		t.Errorf("read %q, encoding/json reads %q, error %v", secret, lax.Password, err)
	}
	written, err := json.Marshal(map[string]string{"password": secret})
	if err != nil {
		t.Fatal(err)
	}
	if again, err := decode(string(written)); err != nil || string(again.Password.Bytes()) != secret {
		t.Errorf("written anew %s, read %q, error %v, want %q", written, again.Password.Bytes(), err, secret)
	}
}

func FuzzPathID(f *testing.F) {
	for _, s := range []string{"1", "42", "0", "-1", "+1", "007", "9223372036854775807", "9223372036854775808", "1.5", "1_0", "%31", " 1", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		var p strict.Params
		got := pathInt64(&p, "id", raw, 1, math.MaxInt64)
		want, ok := new(big.Int).SetString(raw, 10)
		ok = ok && want.Sign() > 0 && want.IsInt64() && want.String() == raw // each id has one spelling
		switch err := p.Err(); {
		case ok && (err != nil || got != want.Int64()):
			t.Errorf("%q: %d, error %v, want %d", raw, got, err, want)
		case !ok && text(err) != `invalid request: path parameter "id" must be an integer from 1 to 9223372036854775807`:
			t.Errorf("%q: error %v", raw, err)
		}
	})
}
