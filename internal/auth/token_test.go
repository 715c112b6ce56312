package auth

import (
	"go/ast"
	"go/parser"
	"go/token"
	"hash/crc32"
	"regexp"
	"strings"
	"testing"
)

// forge returns a well-formed token with the id of one and the secret of another.
func forge(id, from string) string {
	body := []byte(tokenPrefix + id + from[len(tokenPrefix)+idLength:tokenLength-checksumLength])
	sum := checksum(body)
	return string(body) + string(sum[:])
}

// Tokens have the form that is published for those who look for secrets, and no two are alike.
func TestTokensHaveTheirForm(t *testing.T) {
	form, seen := regexp.MustCompile(`^`+TokenPattern+`$`), map[string]bool{}
	for range 1000 {
		token, id := newToken()
		if !form.MatchString(token) || !look(token).formed || id != token[6:16] || seen[id] || seen[token[17:43]] {
			t.Fatalf("a token of another form, or seen before: %s", token[:16])
		}
		seen[id], seen[token[17:43]] = true, true
	}
	if bits := secretLength * 5; bits < 128 {
		t.Errorf("%d bits", bits)
	}
}

// The checksum is the CRC-32 that every language has, in base 62 with the digits in the order of ASCII.
func TestChecksum(t *testing.T) {
	for _, text := range []string{"", "a", "hashd_0123456789_ABCDEFGHIJKLMNOPQRSTUVWXYZ", strings.Repeat("\xff", 99)} {
		sum := uint64(0)
		for _, digit := range checksum([]byte(text)) {
			sum = sum*62 + uint64(strings.IndexByte(base62, digit))
		}
		if want := crc32.ChecksumIEEE([]byte(text)); sum != uint64(want) {
			t.Errorf("%q: %x, want %x", text, sum, want)
		}
	}
	if got := checksum([]byte("123456789")); string(got[:]) != "3jZRME" { // 0xCBF43926
		t.Errorf("got %s", got)
	}
}

// A token with any character changed, taken away or added is none.
func TestMistypedTokens(t *testing.T) {
	good, _ := newToken()
	for i := range good {
		for _, bad := range []string{good[:i] + "!" + good[i+1:], good[:i] + other(good[i]) + good[i+1:], good[:i] + good[i+1:], good[:i] + "a" + good[i:]} {
			if look(bad).formed {
				t.Errorf("%d: a mistyped token is taken for one", i)
			}
		}
	}
}

// other is another character of a token.
func other(c byte) string {
	if c == 'a' {
		return "b"
	}
	return "a"
}

func TestRedact(t *testing.T) {
	token, id := newToken()
	for text, want := range map[string]string{
		token:                                   "hashd_" + id + "_…",
		`a "` + token + `" b ` + token + "x":    `a "hashd_` + id + `_…" b hashd_` + id + "_…",
		"hashd_" + id:                           "hashd_" + id,
		"hashd key, hashd_total, " + token[:20]: "hashd key, hashd_total, hashd_" + id + "_…",
		"/keys/" + token + "/0":                 "/keys/hashd_" + id + "_…/0",
	} {
		if got := Redact(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// What is shown to Find is hashed and compared, whatever it is and whether or not a key has its id: no
// step that could end it comes before, and none depends on what the keys are.
func TestFindComparesAlways(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "keys.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var find *ast.FuncDecl
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == "Find" {
			find = f
		}
	}
	compared, branches := false, 0
	for _, statement := range find.Body.List { // not those inside of others: they may be left out
		if assign, ok := statement.(*ast.AssignStmt); ok && calls(assign, "ConstantTimeCompare") {
			compared = true
		}
		if branch, ok := statement.(*ast.IfStmt); ok {
			branches++
			if !compared && (returns(branch) || len(branch.Body.List) != 1 || branch.Else != nil) {
				t.Error("something ends Find, or takes other steps, before it has compared")
			}
		}
	}
	if !compared || branches != 2 {
		t.Errorf("compared %v, %d branches: Find has changed, and this test has not", compared, branches)
	}
}

func calls(n ast.Node, name string) (found bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		if selector, ok := n.(*ast.SelectorExpr); ok && selector.Sel.Name == name {
			found = true
		}
		return true
	})
	return found
}

func returns(n ast.Node) (found bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		if _, ok := n.(*ast.ReturnStmt); ok {
			found = true
		}
		return true
	})
	return found
}

func FuzzFind(f *testing.F) {
	good, token := made(nil)
	revoked, dead := made(func(k *Key) { k.Revoked = noon })
	keys := NewKeys([]Key{good, revoked})
	for _, text := range []string{"", token, dead, token + " ", token[1:], forge(good.ID, dead), "hashd_", "Bearer " + token, strings.Repeat("x", 1<<16)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k, err := keys.Find(text, noon)
		if text == token {
			if err != nil || k.ID != good.ID {
				t.Errorf("error %v", err)
			}
		} else if err != ErrUnknownKey || k != nil {
			t.Errorf("%q opens something, error %v", text, err)
		}
		if look(text).formed && !regexp.MustCompile(`^`+TokenPattern+`$`).MatchString(text) {
			t.Errorf("%q is taken for a token", text)
		}
	})
}
