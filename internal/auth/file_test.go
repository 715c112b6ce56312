package auth

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/private"
)

// content returns a keys file.
func content(t testing.TB, keys ...Key) []byte {
	t.Helper()
	b, err := format(keys)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What an earlier version wrote is read for ever, and its tokens open what they did: nothing in
// testdata/frozen is ever adapted to a change of the code.
func TestFrozenFile(t *testing.T) {
	text, err := os.ReadFile("testdata/frozen/keys.json")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open("testdata/frozen/tokens.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	seen := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		seen++
		token, want, _ := strings.Cut(lines.Text(), " ")
		got := "-"
		if k, err := keys.Find(token, time.Date(2026, 11, 26, 14, 0, 0, 0, time.UTC)); err == nil {
			expires := "-"
			if !k.Expires.IsZero() {
				expires = k.Expires.Format(time.RFC3339Nano)
			}
			got = fmt.Sprint(k.Name, " ", k.Tenant, " ", k.Scopes, " ", k.Created.Format(time.RFC3339Nano), " ", expires, " ", cmp.Or(k.Rate.String(), "-"), " ", k.Quota)
		}
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if seen != 5 {
		t.Errorf("%d tokens", seen)
	}
}

// entry is a good entry, in which a test replaces a part.
const entry = `{"name": "ci", "id": "0123456789", "hash": "b697cc07a516d04d4d2d6487415d6a1a774a533418eb89df2a0ac09ba686807c",
"tenant": "acme", "scopes": ["read"], "created": "2026-11-26T13:00:00Z", "expires": "2027-11-26T13:00:00Z", "rate": "1/s", "quota": 1,
"revoked": "2026-12-26T13:00:00Z"}`

func file(entries ...string) string {
	return "{\"format\": 1,\n\"keys\": [" + strings.Join(entries, ",\n") + "]}"
}

// secretText is what somebody may have put into the file by mistake.
const secretText = "hashd_5k7bsby4qb_ZOY2HGNRE3M5YC7X2NHPUXPWQO2Rdfwl"

func TestBadFiles(t *testing.T) {
	change := func(old, with string) string {
		if !strings.Contains(entry, old) {
			t.Fatal(old)
		}
		return file(strings.Replace(entry, old, with, 1))
	}
	if _, err := Parse([]byte(file(entry))); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"":                                      "it is empty",
		" \n\t":                                 "it is empty",
		"\x00\x00":                              "line 1 is no JSON",
		"null":                                  "its format is 0",
		"{}":                                    "its format is 0",
		`[]`:                                    "line 1 is not as",
		`{"format": 2}`:                         "its format is 2, and this version reads 1",
		`{"format": 1}`:                         "no member keys",
		`{"format":1,"keys":null}`:              "no member keys",
		`{"format": "1", "keys": []}`:           "line 1 (/format) is not as",
		`{"format": 1, "keys": {}}`:             "line 1 (/keys) is not as",
		`{"format": 1, "Keys": []}`:             "line 1 is not as",
		`{"format": 1, "keys": [], "keys": []}`: "is there twice",
		file(entry) + "x":                       "no JSON",
		file(entry)[:200]:                       "no JSON",
		file(entry, entry):                      "entry 2 (ci): its id is that of an entry before it",
		file("null"):                            "entry 1: name",
		file(entry[:len(entry)-1] + `, "` + secretText + `": 1}`):  "line 4",
		file(`"` + secretText + `"`):                               "line 2 (/keys/0) is not as",
		change(`"ci"`, `"`+secretText+`"`):                         "entry 1: name",
		change(`"ci"`, `"Ci"`):                                     "entry 1: name",
		change(`"ci"`, `7`):                                        "(/keys/0/name)",
		change(`"ci"`, "\"\xff\""):                                 "no JSON",
		change(`"name"`, `"NAME"`):                                 "not as",
		change(`"id": "0123456789"`, `"id": "012345678A"`):         "id: it is not 10",
		change(`"0123456789"`, `"`+secretText+`"`):                 "id: it is not 10",
		change(`"0123456789"`, `""`):                               "id: it is not 10",
		change(`7c"`, `7"`):                                        "hash: it is not",
		change(`7c"`, `7C0"`):                                      "hash: it is not",
		change(`7c"`, `7g"`):                                       "hash: it is not",
		change(`"acme"`, `"`+secretText+`"`):                       "tenant: ",
		change(`"acme"`, `""`):                                     "tenant: ",
		change(`["read"]`, `[]`):                                   "scopes: ",
		change(`["read"]`, `null`):                                 "scopes: ",
		change(`["read"]`, `["read", "read"]`):                     "scopes: ",
		change(`["read"]`, `["`+secretText+`"]`):                   "scopes: ",
		change(`["read"]`, `"read"`):                               "(/keys/0/scopes)",
		change(`"2026-11-26T13:00:00Z"`, `null`):                   "created: it is missing",
		change(`"2026-11-26T13:00:00Z"`, `"2026-11-26"`):           "(/keys/0/created)",
		change(`"2027-11-26T13:00:00Z"`, `"0001-01-01T00:00:00Z"`): "expires: it is before",
		change(`"2026-12-26T13:00:00Z"`, `"0001-01-01T00:00:00Z"`): "revoked: it is before",
		change(`"2027-11-26T13:00:00Z"`, `"`+secretText+`"`):       "(/keys/0/expires)",
		change(`"2027-11-26T13:00:00Z"`, `""`):                     "(/keys/0/expires)",
		change(`"1/s"`, `""`):                                      "rate: ",
		change(`"1/s"`, `"`+secretText+`"`):                        "rate: ",
		change(`"quota": 1`, `"quota": 0`):                         "quota: ",
		change(`"quota": 1`, `"quota": -1`):                        "quota: ",
		change(`"quota": 1`, `"quota": 1.5`):                       "(/keys/0/quota)",
		change(`"quota": 1`, `"quota": 1000000001`):                "quota: ",
		change(`"quota": 1`, `"quota": "1"`):                       "(/keys/0/quota)",
	} {
		_, err := Parse([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), secretText[17:30]) {
			t.Errorf("the error quotes the file: %v", err)
		}
	}
}

// What may be left out may be null too, and a file may hold no key.
func TestSparseFiles(t *testing.T) {
	for _, text := range []string{
		file(), file(`{"name": "ci", "id": "0123456789", "hash": "` + strings.Repeat("0F", 32) + `", "scopes": ["read"], "created": "2026-11-26T15:00:00+02:00"}`),
		file(`{"name": "ci", "id": "0123456789", "hash": "` + strings.Repeat("0f", 32) + `", "tenant": null, "scopes": ["read"], "created": "2026-11-26T13:00:00Z",
			"expires": null, "rate": null, "quota": null, "revoked": null}`),
	} {
		keys, err := Parse([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		for k := range keys.All() {
			want := Key{Name: "ci", ID: "0123456789", Hash: [32]byte(bytes.Repeat([]byte{15}, 32)), Tenant: "default", Scopes: Read, Created: time.Date(2026, 11, 26, 13, 0, 0, 0, time.UTC)}
			if *k != want {
				t.Errorf("got %+v, want %+v", *k, want)
			}
		}
	}
}

func TestEditKeepsTheRest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	frozen, err := os.ReadFile("testdata/frozen/keys.json")
	if err = errors.Join(err, os.WriteFile(path, frozen, 0o600)); err != nil {
		t.Fatal(err)
	}
	before, _ := Parse(frozen)
	now := time.Date(2026, 11, 26, 14, 0, 0, 0, time.UTC)
	added, _, err := Add(path, Wish{Name: "new"}, now)
	if err != nil {
		t.Fatal(err)
	}
	after, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(after.list, append(slices.Clone(before.list), added)) {
		t.Errorf("got %+v, want %+v and the new one", after.list, before.list)
	}
}

// Entries that are of no use any more go with a later change, long after.
func TestEditDropsOldEntries(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	expired, _ := made(func(k *Key) { k.Expires = noon })
	revoked, _ := made(func(k *Key) { k.Revoked = noon })
	lasting, _ := made(nil)
	for days, want := range map[int]int{89: 4, 90: 2} {
		if err := os.WriteFile(path, content(t, expired, revoked, lasting), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Add(path, Wish{Name: "new"}, noon.AddDate(0, 0, days)); err != nil {
			t.Fatal(err)
		}
		keys, err := ReadFile(path)
		if err != nil || len(keys.list) != want {
			t.Errorf("after %d days: %d entries, want %d", days, len(keys.list), want)
		}
	}
}

func TestRotate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	first, firstToken, err := Add(path, Wish{Name: "ci", Life: 10 * time.Hour}, noon)
	if err != nil {
		t.Fatal(err)
	}
	second, secondToken, err := Rotate(path, "ci", time.Hour, noon.Add(5*time.Hour))
	if err != nil || second.Expires != noon.Add(15*time.Hour) || second.ID == first.ID {
		t.Fatalf("%+v, error %v", second, err)
	}
	third, thirdToken, err := Rotate(path, "ci", time.Hour, noon.Add(5*time.Hour+30*time.Minute))
	if err != nil || third.Expires != noon.Add(15*time.Hour+30*time.Minute) {
		t.Fatalf("%+v, error %v", third, err)
	}
	keys, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for token, until := range map[string]time.Duration{firstToken: 6 * time.Hour, secondToken: 6*time.Hour + 30*time.Minute, thirdToken: 15*time.Hour + 30*time.Minute} {
		if _, err := keys.Find(token, noon.Add(until-1)); err != nil {
			t.Errorf("just before %v: error %v", until, err)
		}
		if _, err := keys.Find(token, noon.Add(until)); err != ErrUnknownKey {
			t.Errorf("at %v: error %v", until, err)
		}
	}
	// An overlap makes no key live longer than it was to, and no clock makes one live for ever.
	late, lateToken, err := Rotate(path, "ci", 100*time.Hour, noon.Add(15*time.Hour))
	if err != nil || late.Expires.IsZero() {
		t.Fatal(err)
	}
	if keys, err = ReadFile(path); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Find(thirdToken, noon.Add(15*time.Hour+30*time.Minute)); err != ErrUnknownKey {
		t.Errorf("an overlap lets a key live longer: error %v", err)
	}
	if _, err := keys.Find(lateToken, noon.Add(25*time.Hour)); err != ErrUnknownKey {
		t.Errorf("error %v", err)
	}
	ahead, _ := made(func(k *Key) { k.Created, k.Expires = noon.Add(48*time.Hour), noon.Add(24*time.Hour) })
	if got := ahead.life(noon); got != 24*time.Hour {
		t.Errorf("a key of another clock lives %v", got)
	}
}

func TestRevokeEndsAllOfAName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	_, one, err := Add(path, Wish{Name: "ci"}, noon)
	if err != nil {
		t.Fatal(err)
	}
	_, two, err := Rotate(path, "ci", time.Hour, noon)
	if err != nil {
		t.Fatal(err)
	}
	_, other, err := Add(path, Wish{Name: "cd"}, noon)
	if err != nil {
		t.Fatal(err)
	}
	revoked, err := Revoke(path, "ci", noon)
	if err != nil || len(revoked) != 2 {
		t.Errorf("%+v, error %v", revoked, err)
	}
	keys, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for token, want := range map[string]error{one: ErrUnknownKey, two: ErrUnknownKey, other: nil} {
		if _, err := keys.Find(token, noon); err != want {
			t.Errorf("error %v, want %v", err, want)
		}
	}
	for name, do := range map[string]func() error{
		"revoke": func() error { _, err := Revoke(path, "ci", noon); return err },
		"rotate": func() error { _, _, err := Rotate(path, "ci", 0, noon); return err },
	} {
		if unknown, ok := errors.AsType[*NameError](do()); !ok || unknown.Nearest != "cd" {
			t.Errorf("%s again: %v", name, unknown)
		}
	}
	if _, err := Revoke(path, secretText, noon); !errors.Is(err, ErrName) || strings.Contains(err.Error(), secretText) {
		t.Errorf("a token for a name: error %v", err)
	}
}

// A file is made only where nobody can replace it, and never past what can be read again.
func TestAddRefuses(t *testing.T) {
	open := filepath.Join(t.TempDir(), "open")
	if err := errors.Join(os.Mkdir(open, 0o700), os.Chmod(open, 0o777)); err != nil {
		t.Fatal(err)
	}
	_, _, err := Add(filepath.Join(open, "keys.json"), Wish{Name: "ci"}, noon)
	if _, is := errors.AsType[*private.ExposedError](err); !is {
		t.Errorf("in a folder open to all: error %v", err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("nowhere", link); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Add(link, Wish{Name: "ci"}, noon); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a link that leads nowhere: error %v", err)
	}
	if _, _, err := Add(filepath.Join(t.TempDir(), "keys.json"), Wish{Name: secretText}, noon); !errors.Is(err, ErrName) || strings.Contains(err.Error(), secretText) {
		t.Errorf("a token for a name: error %v", err)
	}

	var many []Key
	for range 2500 {
		k, _ := made(func(k *Key) { k.Name = strings.Repeat("n", 63); k.Tenant = strings.Repeat("t", 63) })
		many = append(many, k)
	}
	full := filepath.Join(t.TempDir(), "keys.json")
	for len(content(t, many...)) > maxFile {
		many = many[:len(many)-1]
	}
	before := content(t, many...)
	if err := os.WriteFile(full, before, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Add(full, Wish{Name: strings.Repeat("m", 63), Tenant: strings.Repeat("t", 63)}, noon); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a file with %d keys: error %v", len(many), err)
	}
	if after, err := os.ReadFile(full); err != nil || !bytes.Equal(before, after) {
		t.Errorf("a full file is changed, error %v", err)
	}
}

// What is read can be written, and says the same; what is not read is not quoted.
func FuzzParse(f *testing.F) {
	frozen, err := os.ReadFile("testdata/frozen/keys.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{"", "{}", file(), file(entry), file(entry, entry), string(frozen), file(strings.Replace(entry, "ci", secretText, 1))} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := Parse(text)
		if err != nil {
			if tokens.MatchString(err.Error()) || len(err.Error()) > 300 {
				t.Errorf("the error quotes the file: %v", err)
			}
			return
		}
		again, err := parse(content(t, keys.list...))
		if err != nil || !slices.Equal(again, keys.list) {
			t.Errorf("read as %+v, then as %+v, error %v", keys.list, again, err)
		}
		for k := range keys.All() {
			if k.Scopes == 0 || CheckName(k.Name) != nil || CheckName(k.Tenant) != nil || k.Quota < 0 || k.Created.IsZero() {
				t.Errorf("%+v", *k)
			}
		}
	})
}
