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

	"github.com/hashd-project/hashd/internal/secret"
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
	exported   struct{ S secret.Secret }
	unexported struct{ s secret.Secret }
	pointers   struct {
		S *secret.Secret
		s *secret.Secret
	}
	deep struct {
		in  []map[string]unexported
		any any
	}
	embedded struct{ secret.Secret }
)

// carriers returns values that hold the secret in all the ways that Go has to hold a value.
func carriers() map[string]any {
	s := secret.New([]byte(text))
	channel := make(chan secret.Secret, 1)
	channel <- s
	return map[string]any{
		"value":               s,
		"pointer":             &s,
		"pointer to pointer":  func() **secret.Secret { p := &s; return &p }(),
		"exported field":      exported{s},
		"unexported field":    unexported{s},
		"pointer to struct":   &unexported{s},
		"fields of pointers":  pointers{&s, &s},
		"embedded":            embedded{s},
		"slice":               []secret.Secret{s},
		"slice of pointers":   []*secret.Secret{&s},
		"slice of structs":    []unexported{{s}},
		"array":               [1]secret.Secret{s},
		"map value":           map[string]secret.Secret{"key": s},
		"map key":             map[secret.Secret]int{s: 1},
		"map key in a struct": map[unexported]int{{s}: 1},
		"any":                 []any{s, &s, unexported{s}},
		"deep":                &deep{[]map[string]unexported{{"key": {s}}}, any(&s)},
		"channel":             channel,
		"method":              s.Bytes,
		"closure":             func() secret.Secret { return s },
		"error":               fmt.Errorf("cannot hash %v: %w", s, io.EOF),
		"joined error":        errors.Join(fmt.Errorf("%x %d %v: %w", s, s, unexported{s}, io.EOF), io.EOF),
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
	s := secret.New([]byte(text))
	for _, verb := range strings.Map(func(r rune) rune {
		if strings.ContainsRune("TpwZ!", r) {
			return -1
		}
		return r
	}, verbs) {
		for _, flag := range flags {
			for _, v := range []any{s, &s, secret.Secret{}} {
				if got := fmt.Sprintf("%"+flag+string(verb), v); got != secret.Redacted {
					t.Errorf("%%%s%c prints %s", flag, verb, got)
				}
			}
		}
	}
	if got := s.String(); got != secret.Redacted {
		t.Errorf("String returns %s", got)
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
	if v := slog.AnyValue(secret.New([]byte(text))).Resolve(); v.Kind() != slog.KindString || v.String() != secret.Redacted {
		t.Errorf("logged as %s %v", v.Kind(), v)
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
		output, err := marshal(exported{secret.New([]byte(text))})
		if encoding != "gob" && (err != nil || !strings.Contains(string(output), secret.Redacted)) {
			t.Errorf("%s: %s, error %v, want it to say %s", encoding, output, err, secret.Redacted)
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

func TestZeroValue(t *testing.T) {
	var s secret.Secret
	s.Wipe()
	if s.Bytes() != nil || s.String() != secret.Redacted {
		t.Errorf("the zero value holds %q", s.Bytes())
	}
	for name, v := range map[string]any{"nil pointer": (*secret.Secret)(nil), "struct": unexported{}, "pointers": pointers{}} {
		if output := fmt.Sprintf("%v %+v %#v %s %d", v, v, v, v, v); strings.Contains(output, "PANIC") {
			t.Errorf("%s prints %s", name, output)
		}
	}
}
