package strict

import (
	"iter"
	"math"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// The methods below read the next value of a body. Those of Params with the same names read a parameter.

// Text reads a string of shortest to longest characters that matches the pattern; "" is none.
func (d *Decoder) Text(to *string, shortest, longest int, pattern string) {
	if raw, ok := d.string(); ok {
		s := unquote(raw)
		*to = string(s)
		wipeUnquoted(s, raw)
		d.judge(text(*to, shortest, longest, pattern))
	}
}

// Enum reads one of the values.
func (d *Decoder) Enum(to *string, values ...string) {
	if raw, ok := d.string(); ok {
		s := unquote(raw)
		value, wrong := oneOf(string(s), values)
		wipeUnquoted(s, raw)
		*to = value
		d.judge(wrong)
	}
}

// Int64 reads an integer of lowest to highest. 1.0 and 1e0 are integers, as JSON Schema has it.
func (d *Decoder) Int64(to *int64, lowest, highest int64) {
	raw, ok := d.literal('0', "an integer")
	if !ok {
		return
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil && strings.ContainsAny(string(raw), ".eE") {
		n, err = whole(string(raw))
	}
	*to = n
	d.judge(integer(n, err, lowest, highest))
}

// whole reads an integer with a fraction or an exponent, as far as a float64 holds all of them.
func whole(raw string) (int64, error) {
	const exact = 1 << 53
	f, err := strconv.ParseFloat(raw, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > exact {
		return 0, strconv.ErrRange
	}
	return int64(f), nil
}

// Int32 reads an integer as Int64 does.
func (d *Decoder) Int32(to *int32, lowest, highest int64) {
	var n int64
	d.Int64(&n, max(lowest, math.MinInt32), min(highest, math.MaxInt32))
	*to = int32(n)
}

// Number reads a number of lowest to highest.
func (d *Decoder) Number(to *float64, lowest, highest float64) {
	if raw, ok := d.literal('0', "a number"); ok {
		n, wrong := number(string(raw), lowest, highest)
		*to = n
		d.judge(wrong)
	}
}

// Bool reads true or false.
func (d *Decoder) Bool(to *bool) {
	kind := d.json.PeekKind()
	if kind != 't' {
		kind = 'f'
	}
	if raw, ok := d.literal(kind, "true or false"); ok {
		*to = raw[0] == 't'
	}
}

// Items reads an array of fewest to most items, each of which the loop's body reads. What comes after
// most is passed over.
func (d *Decoder) Items(fewest, most int) iter.Seq[int] {
	return func(yield func(int) bool) {
		if !d.begin('[', "an array") {
			return
		}
		n := 0
		for ; d.json.PeekKind() != ']'; n++ {
			if n >= most {
				d.skip()
			} else if !yield(n) {
				return
			}
			if d.broken {
				return
			}
		}
		_, _ = d.json.ReadToken() // the bracket just seen
		if n < fewest || n > most {
			d.wrong(d.here(), items(fewest, most))
		}
	}
}

// judge notes what is wrong with the value that was read last, unless that is nothing.
func (d *Decoder) judge(wrong string) {
	if wrong != "" {
		d.wrong(d.here(), wrong)
	}
}

// literal reads a value that is no string and returns it as it stands, valid until the next read.
func (d *Decoder) literal(kind jsontext.Kind, article string) (jsontext.Value, bool) {
	if got := d.json.PeekKind(); got != kind && got != 0 {
		d.refuse("must be " + article)
		return nil, false
	}
	raw, err := d.json.ReadValue()
	if err != nil {
		d.fail(err)
		return nil, false
	}
	return raw, true
}
