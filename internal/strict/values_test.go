package strict_test

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/hashd-project/hashd/v2/internal/strict"
)

// values are of each kind that is read.
type values struct {
	text    string
	one     *string
	small   int32
	large   int64
	number  float64
	flag    bool
	numbers []int32
}

// read reads the member that has the name.
func (v *values) read(d *strict.Decoder) {
	d.Object(nil, func(name []byte) bool {
		switch string(name) {
		case "text":
			d.Text(&v.text, 1, 3, "^[a-z€\n]+$")
		case "one":
			d.Enum(strict.New(&v.one), "red", "blue")
		case "small":
			d.Int32(&v.small, -5, math.MaxInt64)
		case "large":
			d.Int64(&v.large, math.MinInt64, math.MaxInt64)
		case "number":
			d.Number(&v.number, -0.5, math.MaxFloat64)
		case "flag":
			d.Bool(&v.flag)
		case "numbers":
			for range d.Items(1, 2) {
				d.Int32(strict.Append(&v.numbers), 0, 9)
			}
		default:
			return false
		}
		return true
	})
}

func TestValues(t *testing.T) {
	for body, want := range map[string]values{
		`{"text":"a\u20ac\n"}`:           {text: "a€\n"},
		`{"one":"\u0072ed"}`:             {one: new("red")},
		`{"small":-5}`:                   {small: -5},
		`{"small":2147483647}`:           {small: math.MaxInt32},
		`{"large":-9223372036854775808}`: {large: math.MinInt64},
		`{"large":12.50e1}`:              {large: 125},
		`{"large":-0}`:                   {},
		`{"large":9.007199254740992e15}`: {large: 1 << 53},
		`{"number":1e-3}`:                {number: 0.001},
		`{"number":-0.5}`:                {number: -0.5},
		`{"flag":true}`:                  {flag: true},
		`{"flag":false}`:                 {},
		`{"numbers":[7, 8.0]}`:           {numbers: []int32{7, 8}},
	} {
		var got values
		if err := strict.Decode(strings.NewReader(body), -1, limit, schema(got.read)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, error %v, want %+v", body, got, err, want)
		}
	}
	for body, want := range map[string]string{
		`{"text":""}`:                    `"#/text" must be from 1 to 3 characters long`,
		`{"text":"abcd"}`:                `"#/text" must be from 1 to 3 characters long`,
		`{"text":"A"}`:                   "\"#/text\" must match ^[a-z€\n]+$",
		`{"text":1}`:                     `"#/text" must be a string`,
		`{"one":"RED"}`:                  `"#/one" must be one of red, blue`,
		`{"one":null}`:                   `"#/one" must be a string`,
		`{"small":-6}`:                   `"#/small" must be an integer from -5 to 2147483647`,
		`{"small":2147483648}`:           `"#/small" must be an integer from -5 to 2147483647`,
		`{"small":"1"}`:                  `"#/small" must be an integer`,
		`{"large":1.5}`:                  `"#/large" must be an integer from -9223372036854775808 to 9223372036854775807`,
		`{"large":1e999999999}`:          `"#/large" must be an integer from -9223372036854775808 to 9223372036854775807`,
		`{"large":9.007199254740994e15}`: `"#/large" must be an integer from -9223372036854775808 to 9223372036854775807`,
		`{"number":-0.51}`:               `"#/number" must be a number from -0.5 to 1.7976931348623157e+308`,
		`{"number":1e400}`:               `"#/number" must be a number from -0.5 to 1.7976931348623157e+308`,
		`{"number":true}`:                `"#/number" must be a number`,
		`{"flag":1}`:                     `"#/flag" must be true or false`,
		`{"flag":"true"}`:                `"#/flag" must be true or false`,
		`{"flag":nope}`:                  `"#" must be valid JSON in UTF-8; it is not from byte 9 on`,
		`{"numbers":[]}`:                 `"#/numbers" must be an array of 1 to 2 items`,
		`{"numbers":[1,2,3,{"a":4}]}`:    `"#/numbers" must be an array of 1 to 2 items`,
		`{"numbers":[1,"x"]}`:            `"#/numbers/1" must be an integer`,
		`{"numbers":1}`:                  `"#/numbers" must be an array`,
		`{"numbers":[1,`:                 `"#" must be valid JSON in UTF-8; it is not from byte 14 on`,
	} {
		var got values
		err := strict.Decode(strings.NewReader(body), -1, limit, schema(got.read))
		if err == nil {
			t.Errorf("%s: taken", body)
		} else if told := refusal(t, err); told != want {
			t.Errorf("%s: %s, want %s", body, told, want)
		}
	}
}

// What comes after the last item that is allowed gets no memory.
func TestItemsAreBounded(t *testing.T) {
	var got values
	body := `{"numbers":[` + strings.Repeat("1,", 5000) + `1]}`
	if err := strict.Decode(strings.NewReader(body), -1, limit, schema(got.read)); err == nil || len(got.numbers) != 2 {
		t.Errorf("%d items, error %v", len(got.numbers), err)
	}
}
