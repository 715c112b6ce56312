package secret_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	jsonv2 "github.com/go-json-experiment/json"
	"go.yaml.in/yaml/v3"

	"github.com/hashd-project/hashd/v2/internal/secret"
)

const text = "Zq7xVw93Kp"

// verbs are those of package fmt, and some it does not have.
const verbs = "vdsqxXobOeEfFgGUctTpwZ!"

// flags are put between the percent sign and the verb.
var flags = []string{"", "+", "#", "-", " ", "0", "30", "-30", ".3", "30.3", "+#", "# ", "#0"}

// forms are the ways in which package fmt writes the first bytes of the secret, and base64. Each
// is longer than an address, which could be any number.
var forms = sync.OnceValue(func() []string {
	first := text[:6]
	forms := map[string]bool{base64.StdEncoding.EncodeToString([]byte(first)): true}
	for _, flag := range flags {
		forms[strings.Trim(fmt.Sprintf("%"+flag+"q", first), "\"` ")] = true
		forms[strings.TrimSpace(fmt.Sprintf("%"+flag+"s", first))] = true
		for _, verb := range "dxXobOcUq" {
			var bytes []string
			for _, b := range []byte(first) {
				bytes = append(bytes, fmt.Sprintf("%"+flag+string(verb), b))
			}
			for _, between := range []string{"", " ", ", "} {
				forms[strings.Join(bytes, between)] = true
			}
		}
	}
	return slices.Collect(maps.Keys(forms))
})

// leak returns the form in which the output gives the secret away, or the empty string.
func leak(output string) string {
	for _, form := range forms() {
		if strings.Contains(output, form) {
			return form
		}
	}
	return ""
}

type (
	exported[T any]   struct{ S T }
	unexported[T any] struct{ s T }
	pointers[T any]   struct {
		S *T
		s *T
	}
	deep[T comparable] struct {
		in  []map[string]unexported[T]
		any any
	}
	embedded     struct{ secret.Secret }
	embeddedList struct{ secret.List }
)

// carriers returns values that hold the secret, alone and in a list, in all the ways that Go has
// to hold a value.
func carriers() map[string]any {
	alone, list := secret.New([]byte(text)), secret.NewList([][]byte{[]byte(text), []byte(text)})
	all := map[string]any{
		"embedded": embedded{alone}, "method": alone.Bytes, "embedded list": embeddedList{list}, "method of a list": list.Slices,
	}
	maps.Copy(all, carriersOf(alone))
	for name, v := range carriersOf(list) {
		all["list, "+name] = v
	}
	return all
}

func carriersOf[T interface {
	comparable
	fmt.Formatter
}](s T) map[string]any {
	channel := make(chan T, 1)
	channel <- s
	return map[string]any{
		"value":               s,
		"pointer":             &s,
		"pointer to pointer":  func() **T { p := &s; return &p }(),
		"exported field":      exported[T]{s},
		"unexported field":    unexported[T]{s},
		"pointer to struct":   &unexported[T]{s},
		"fields of pointers":  pointers[T]{&s, &s},
		"slice":               []T{s},
		"slice of pointers":   []*T{&s},
		"slice of structs":    []unexported[T]{{s}},
		"array":               [1]T{s},
		"map value":           map[string]T{"key": s},
		"map key":             map[T]int{s: 1},
		"map key in a struct": map[unexported[T]]int{{s}: 1},
		"any":                 []any{s, &s, unexported[T]{s}},
		"deep":                &deep[T]{[]map[string]unexported[T]{{"key": {s}}}, any(&s)},
		"channel":             channel,
		"closure":             func() T { return s },
		"error":               fmt.Errorf("cannot hash %v: %w", s, io.EOF),
		"joined error":        errors.Join(fmt.Errorf("%x %d %v: %w", s, s, unexported[T]{s}, io.EOF), io.EOF),
	}
}

// The test would find a secret that shows itself.
func TestLeakIsFound(t *testing.T) {
	bare := struct{ b []byte }{[]byte(text)}
	for _, verb := range "vdsqxXboOUc" {
		for _, flag := range flags {
			if strings.Contains(flag, ".") && strings.ContainsRune("xX", verb) {
				continue // cut short to what could be an address
			}
			format := "%" + flag + string(verb)
			if output := fmt.Sprintf(format, bare); leak(output) == "" {
				t.Errorf("%s prints %s, and it is not found", format, output)
			}
		}
	}
	if leak("no such thing, "+secret.Redacted) != "" {
		t.Error("a leak is found where there is none")
	}
}

func TestFormat(t *testing.T) {
	for name, carrier := range carriers() {
		for _, verb := range verbs {
			for _, flag := range flags {
				format := "%" + flag + string(verb)
				if output := fmt.Sprintf(format, carrier); leak(output) != "" {
					t.Errorf("%s by %s prints %s", name, format, output)
				}
			}
		}
		for what, output := range map[string]string{
			"Sprint": fmt.Sprint(carrier), "Sprintln": fmt.Sprintln(carrier), "Append": string(fmt.Append(nil, carrier)),
			"no verb": sprintf("", carrier), "bad width": sprintf("%*d", carrier, carrier), "twice": sprintf("%[1]v%[1]d", carrier),
		} {
			if leak(output) != "" {
				t.Errorf("%s by %s prints %s", name, what, output)
			}
		}
	}
}

// sprintf is fmt.Sprintf for formats that go vet would rightly refuse.
var sprintf = fmt.Sprintf

// On its own a secret says that it is one, whatever the verb but those for type and address.
func TestFormatSaysRedacted(t *testing.T) {
	s, l := secret.New([]byte(text)), secret.NewList([][]byte{[]byte(text)})
	for _, verb := range strings.Map(func(r rune) rune {
		if strings.ContainsRune("TpwZ!", r) {
			return -1
		}
		return r
	}, verbs) {
		for _, flag := range flags {
			for _, v := range []any{s, &s, secret.Secret{}, l, &l, secret.List{}} {
				if got := fmt.Sprintf("%"+flag+string(verb), v); got != secret.Redacted {
					t.Errorf("%%%s%c prints %s", flag, verb, got)
				}
			}
		}
	}
	if s.String() != secret.Redacted || l.String() != secret.Redacted {
		t.Errorf("String returns %s and %s", s.String(), l.String())
	}
}

func TestLogs(t *testing.T) {
	for name, carrier := range carriers() {
		var b bytes.Buffer
		for _, h := range []slog.Handler{
			slog.NewTextHandler(&b, &slog.HandlerOptions{AddSource: true}), slog.NewJSONHandler(&b, nil),
		} {
			l := slog.New(h).With("with", carrier)
			l.Info("text", "value", carrier, slog.Group("group", "inner", carrier))
			l.LogAttrs(context.Background(), slog.LevelInfo, fmt.Sprint(carrier), slog.Any("any", carrier))
		}
		log.New(&b, "", 0).Print(carrier)
		if output := b.String(); leak(output) != "" {
			t.Errorf("%s is logged as %s", name, output)
		}
	}
	// A handler of any other kind gets a string before it can look inside.
	for _, held := range []any{secret.New([]byte(text)), secret.NewList([][]byte{[]byte(text)})} {
		if v := slog.AnyValue(held).Resolve(); v.Kind() != slog.KindString || v.String() != secret.Redacted {
			t.Errorf("logged as %s %v", v.Kind(), v)
		}
	}
}

func TestMarshal(t *testing.T) {
	gobbed := func(v any) ([]byte, error) {
		var b bytes.Buffer
		err := gob.NewEncoder(&b).Encode(v)
		return b.Bytes(), err
	}
	for encoding, marshal := range map[string]func(any) ([]byte, error){
		"json": json.Marshal, "json v2": func(v any) ([]byte, error) { return jsonv2.Marshal(v) },
		"xml": xml.Marshal, "yaml": marshalYAML, "gob": gobbed,
	} {
		for name, carrier := range carriers() {
			output, err := marshal(carrier) // an error is fine, for many kinds cannot be encoded
			if leak(string(output)) != "" || leak(fmt.Sprint(err)) != "" {
				t.Errorf("%s is %s %s, error %v", name, encoding, output, err)
			}
		}
		for _, v := range []any{
			exported[secret.Secret]{secret.New([]byte(text))}, exported[secret.List]{secret.NewList([][]byte{[]byte(text)})},
		} {
			output, err := marshal(v)
			if encoding != "gob" && (err != nil || !strings.Contains(string(output), secret.Redacted)) {
				t.Errorf("%s: %s, error %v, want it to say %s", encoding, output, err, secret.Redacted)
			}
		}
	}
}

// marshalYAML is yaml.Marshal, which panics where others return an error.
func marshalYAML(v any) (b []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return yaml.Marshal(v)
}

func TestBytesAndWipe(t *testing.T) {
	b := []byte(text)
	s := secret.New(b)
	copied := s
	if string(s.Bytes()) != text || &s.Bytes()[0] != &b[0] {
		t.Fatalf("holds %q, or a copy", s.Bytes())
	}
	copied.Wipe()
	if string(b) != strings.Repeat("\x00", len(text)) {
		t.Errorf("wiped: %q", b)
	}
	if s.Bytes() != nil || copied.Bytes() != nil {
		t.Error("a wiped secret is not empty")
	}
	b[0] = 'x' // the memory may be anybody's by now
	s.Wipe()
	if b[0] != 'x' {
		t.Error("wiped twice")
	}
}

func TestSlicesAndWipe(t *testing.T) {
	memory := []byte(text + text + "other")
	secrets := [][]byte{memory[:len(text)], memory[len(text) : 2*len(text)]}
	l := secret.NewList(secrets)
	copied := l
	if got := l.Slices(); len(got) != 2 || string(got[1]) != text || &got[0][0] != &memory[0] {
		t.Fatalf("holds %q, or a copy", got)
	}
	copied.Wipe()
	if string(memory) != strings.Repeat("\x00", 2*len(text))+"other" {
		t.Errorf("wiped: %q", memory)
	}
	if l.Slices() != nil || copied.Slices() != nil {
		t.Error("a wiped list is not empty")
	}
	memory[0] = 'x' // the memory may be anybody's by now
	l.Wipe()
	if memory[0] != 'x' {
		t.Error("wiped twice")
	}
	empty := secret.NewList(nil)
	if empty.Wipe(); empty.Slices() != nil {
		t.Errorf("an empty list holds %q", empty.Slices())
	}
}

func TestZeroValue(t *testing.T) {
	var s secret.Secret
	var l secret.List
	s.Wipe()
	l.Wipe()
	if s.Bytes() != nil || l.Slices() != nil || s.String() != secret.Redacted || l.String() != secret.Redacted {
		t.Errorf("the zero values hold %q and %q", s.Bytes(), l.Slices())
	}
	for name, v := range map[string]any{
		"nil pointer": (*secret.Secret)(nil), "struct": unexported[secret.Secret]{}, "pointers": pointers[secret.Secret]{},
		"nil pointer to a list": (*secret.List)(nil), "struct of a list": unexported[secret.List]{}, "pointers to a list": pointers[secret.List]{},
	} {
		if output := fmt.Sprintf("%v %+v %#v %s %d", v, v, v, v, v); strings.Contains(output, "PANIC") {
			t.Errorf("%s prints %s", name, output)
		}
	}
}
