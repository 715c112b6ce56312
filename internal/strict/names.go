package strict

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// names are the members of an object that were read, each by a hash (FNV-1a). jsontext would look for
// duplicates too, but keeps copies of them: a name that a client made up may be a secret, and nobody
// could wipe it there.
type names struct {
	few  [8]uint64
	n    int
	more map[uint64]bool
}

// twice notes the name and says whether it was noted before.
func (s *names) twice(name []byte) bool {
	hash := uint64(14695981039346656037)
	for _, b := range name {
		hash = (hash ^ uint64(b)) * 1099511628211
	}
	if slices.Contains(s.few[:s.n], hash) || s.more[hash] {
		return true
	}
	if s.n < len(s.few) {
		s.few[s.n] = hash
		s.n++
		return false
	}
	if s.more == nil {
		s.more = make(map[uint64]bool)
	}
	s.more[hash] = true
	return false
}

// skip passes a value and reports whether it could. No object in it may have a member twice either.
func (d *Decoder) skip() bool {
	var err error
	outer := d.json.StackDepth()
	d.levels = d.levels[:0]
	for first := true; err == nil && (first || d.json.StackDepth() > outer); first = false {
		kind, n := d.json.StackIndex(d.json.StackDepth())
		if !first && kind == '{' && n%2 == 0 && d.json.PeekKind() == '"' {
			err = d.skipName(&d.levels[len(d.levels)-1])
			continue
		}
		var token jsontext.Token
		token, err = d.json.ReadToken()
		if kind := token.Kind(); kind == '{' || kind == '[' {
			d.levels = append(d.levels, names{})
		} else if kind == '}' || kind == ']' {
			d.levels = d.levels[:len(d.levels)-1]
		}
	}
	if err != nil {
		d.fail(err)
	}
	return err == nil
}

func (d *Decoder) skipName(of *names) error {
	raw, err := d.json.ReadValue()
	if err != nil {
		return err
	}
	name := unquote(raw)
	defer wipeUnquoted(name, raw)
	if of.twice(name) {
		return jsontext.ErrDuplicateName
	}
	return nil
}

// wipeUnquoted clears what unquote returned, if that is not a part of raw.
func wipeUnquoted(text []byte, raw jsontext.Value) {
	if len(text)+len(`""`) != len(raw) {
		clear(text)
	}
}
