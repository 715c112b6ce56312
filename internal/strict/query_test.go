package strict_test

import (
	"testing"

	"github.com/hashd-project/hashd/v2/internal/strict"
)

// readQuery reads the parameters of a query, each of another kind, and returns what is wrong with them.
func readQuery(raw string) (list []string, err error) {
	var d strict.Params
	var n int32
	var f float64
	var b bool
	var s string
	d.Query(raw, "n", "f", "b", "s", "l")
	if d.QueryOne("n", true) {
		d.Int32(&n, 1, 9)
	}
	if d.QueryOne("f", false) {
		d.Number(&f, 0, 1)
	}
	if d.QueryOne("b", false) {
		d.Bool(&b)
	}
	if d.QueryOne("s", false) {
		d.Text(&s, 1, 3, "^[a-z]+$")
	}
	if d.QueryList("l", false) {
		for range d.Items(0, 2) {
			d.Enum(strict.Append(&list), "x", "y z")
		}
	}
	return list, d.Err()
}

func TestQuery(t *testing.T) {
	for raw, want := range map[string]string{
		"n=1&f=0.5&b=true&s=abc&l=x&l=y+z": "",
		"%6E=9&f=1e-1":                     "",
		"":                                 `query parameter "n" is required`,
		"n=1&n=1":                          `query parameter "n" must not be repeated`,
		"n=01":                             `query parameter "n" must be an integer from 1 to 9`,
		"n=1&f=1.5":                        `query parameter "f" must be a number from 0 to 1`,
		"n=1&f=+1":                         `query parameter "f" must be a number from 0 to 1`,
		"n=1&f=0x1":                        `query parameter "f" must be a number from 0 to 1`,
		"n=1&f=Inf":                        `query parameter "f" must be a number from 0 to 1`,
		"n=1&b=1":                          `query parameter "b" must be true or false`,
		"n=1&s=":                           `query parameter "s" must be from 1 to 3 characters long`,
		"n=1&s=A":                          `query parameter "s" must match ^[a-z]+$`,
		"n=1&s=%ff":                        `query parameter "s" must be text in UTF-8`,
		"n=1&l=z":                          `query parameter "l" must be one of x, y z`,
		"n=1&l=x&l=x&l=x":                  `query parameter "l" must be an array of 0 to 2 items`,
		"n=1&N=1":                          `query parameter "N" must not be there; the operation takes n, f, b, s, l`,
		"n=1&" + canary + "%00=1":          `query must not be there; the operation takes n, f, b, s, l`,
		"n=1&s=%":                          `query must be name=value pairs with & between them, percent-encoded`,
	} {
		_, err := readQuery(raw)
		if want == "" && err == nil {
			continue
		}
		if got := refusal(t, err); got != want {
			t.Errorf("?%s: %s, want %s", raw, got, want)
		}
	}
	if list, err := readQuery("n=1&l=x&l=y%20z"); err != nil || len(list) != 2 || list[1] != "y z" {
		t.Errorf("list %q, error %v", list, err)
	}
}

func TestPathText(t *testing.T) {
	for _, tt := range []struct {
		raw     string
		encoded bool
		want    string
	}{
		{"a%20b", true, "a b"}, {"a%20b", false, "a%20b"}, {"é", false, "é"}, {"%zz", true, ""},
	} {
		var d strict.Params
		var got string
		d.Path("name", tt.raw, tt.encoded)
		d.Text(&got, 1, 9, "")
		if err := d.Err(); got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s, encoded %t: %q, error %v", tt.raw, tt.encoded, got, err)
		}
	}
}

func TestLists(t *testing.T) {
	var d strict.Params
	var sizes []int64
	var tags []string
	d.PathList("sizes", "1,2", false)
	for range d.Items(1, 2) {
		d.Int64(strict.Append(&sizes), 0, 9)
	}
	if !d.HeaderItems("Tags", []string{"a , b", "c"}, true) {
		t.Error("the header is not there")
	}
	for range d.Items(1, 3) {
		d.Text(strict.Append(&tags), 1, 1, "")
	}
	if d.HeaderItems("None", nil, false) || d.Header("None", nil, false) {
		t.Error("what is not there is")
	}
	if err := d.Err(); err != nil || len(sizes) != 2 || len(tags) != 3 || tags[0] != "a" {
		t.Errorf("sizes %v, tags %q, error %v", sizes, tags, err)
	}
	d.Header("Some", nil, true)
	if got, want := refusal(t, d.Err()), `header parameter "Some" is required`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
