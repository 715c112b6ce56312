package strict_test

import (
	"net/url"
	"regexp"
	"testing"
)

// saidOfQuery is all that a refusal of a query can say: of what the client made up, a plain name at most.
var saidOfQuery = regexp.MustCompile(`^invalid request: (` + queryViolation + `)(; (` + queryViolation + `)){0,19}$`)

const queryViolation = `query( parameter "[A-Za-z0-9._\[\]-]+")? must not be there; the operation takes n, f, b, s, l|` +
	`query must be name=value pairs with & between them, percent-encoded|` +
	`query parameter "n" is required|` +
	`query parameter "[nfbs]" must not be repeated|` +
	`query parameter "n" must be an integer from 1 to 9|` +
	`query parameter "f" must be a number from 0 to 1|` +
	`query parameter "b" must be true or false|` +
	`query parameter "s" must be (text in UTF-8|from 1 to 3 characters long)|` +
	`query parameter "s" must match \^\[a-z\]\+\$|` +
	`query parameter "l" must be (one of x, y z|an array of 0 to 2 items)`

// A query that is taken is well-formed and closed: net/url reads nothing in it but what the operation takes.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{
		"", "n=1", "n=1&n=1", "n=01", "%6E=9&f=1e-1", "n=1&l=x&l=y+z", "n=1;b=true", "n=1&s=%", "n=1&s=%ff", "n=1&x[]=1", "&n=1&", "n", "=1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		list, err := readQuery(raw)
		if err != nil {
			if !saidOfQuery.MatchString(err.Error()) {
				t.Errorf("%q: the error says something of its own: %v", raw, err)
			}
			return
		}
		query, err := url.ParseQuery(raw)
		if err != nil || len(query["n"]) != 1 || len(query["l"]) != len(list) || len(list) > 2 {
			t.Errorf("%q is taken: %v, list %q, error %v", raw, query, list, err)
		}
		delete(query, "l")
		for name, values := range query {
			if len(name) != 1 || len(values) != 1 || name != "n" && name != "f" && name != "b" && name != "s" {
				t.Errorf("%q is taken with %q", raw, name)
			}
		}
	})
}
