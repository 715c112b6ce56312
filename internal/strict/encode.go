package strict

import (
	"bytes"
	"encoding"
	"encoding/base64"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// encode encodes the body as JSON. An object of texts, whole numbers and instants, such as each job's
// answer, is written by a plan, in a third of the time that the library takes. The library writes all
// else. After an error the text may hold a part of it.
func (a *answer) encode(body any) error {
	v := reflect.ValueOf(body)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return a.marshal(body)
	}
	return a.item(planOf(v.Type()), body)
}

func (a *answer) marshal(body any) error {
	b := bytes.NewBuffer(a.text)
	err := json.MarshalWrite(b, body)
	a.text = b.Bytes()
	return err
}

// item encodes what the pointer is of. The plan is its type's, if that has one: of many values it is looked up once.
func (a *answer) item(p *plan, item any) error {
	if p == nil {
		return a.marshal(item)
	}
	return p.encode(a, reflect.ValueOf(item).Elem())
}

// plan says how a struct is written: member by member.
type plan []member

type member struct {
	label  string // the name in quotes, and a colon
	field  int
	append func([]byte, reflect.Value) ([]byte, error)
	stream bool                     // it is a streamer, and append is nil
	absent func(reflect.Value) bool // says that the member is left out; nil if it never is
}

// plans holds each type's plan once it was asked for, nil for a type without one.
var plans sync.Map

func planOf(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	p := newPlan(t)
	plans.Store(t, p)
	return p
}

// newPlan returns nil unless t, which is a pointer's type, points to a struct of which every member can
// be in a plan.
func newPlan(t reflect.Type) *plan {
	if t.Elem().Kind() != reflect.Struct || marshalsItself(t.Elem()) {
		return nil
	}
	var p plan
	for f := range t.Elem().Fields() {
		m, ok := newMember(f)
		if !ok {
			return nil
		}
		p = append(p, m)
	}
	return &p
}

func newMember(f reflect.StructField) (member, bool) {
	name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	plain := name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") == ""
	m := member{label: `"` + name + `":`, field: f.Index[0], append: appender(f.Type), stream: f.Type.Implements(reflect.TypeFor[streamer]())}
	switch {
	case options == "":
	case options != "omitzero" && options != "omitempty,omitzero":
		return m, false
	case f.Type == reflect.TypeFor[Time]():
		m.absent = func(v reflect.Value) bool { return v.Addr().Interface().(*Time).IsZero() }
	case f.Type.Kind() == reflect.String, f.Type == reflect.TypeFor[Base64]():
		m.absent = func(v reflect.Value) bool { return v.Len() == 0 }
	default:
		return m, false
	}
	return m, plain && (m.append != nil || m.stream) && f.IsExported() && !f.Anonymous
}

// appender returns what writes values of the type; nil if they cannot be in a plan.
func appender(t reflect.Type) func([]byte, reflect.Value) ([]byte, error) {
	switch {
	case t == reflect.TypeFor[Time]():
		return func(b []byte, v reflect.Value) ([]byte, error) {
			return appendTime(b, &v.Addr().Interface().(*Time).Time)
		}
	case t == reflect.TypeFor[time.Time]():
		return func(b []byte, v reflect.Value) ([]byte, error) {
			return appendTime(b, v.Addr().Interface().(*time.Time))
		}
	case t == reflect.TypeFor[Base64]():
		return func(b []byte, v reflect.Value) ([]byte, error) {
			return append(base64.StdEncoding.AppendEncode(append(b, '"'), v.Bytes()), '"'), nil
		}
	case t == reflect.TypeFor[Late]():
		return func(b []byte, v reflect.Value) ([]byte, error) {
			return strconv.AppendInt(b, v.Interface().(Late)(), 10), nil
		}
	case marshalsItself(t):
		return nil
	case t.Kind() == reflect.String:
		return func(b []byte, v reflect.Value) ([]byte, error) { return jsontext.AppendQuote(b, v.String()) }
	case t.Kind() == reflect.Int64, t.Kind() == reflect.Int32:
		return func(b []byte, v reflect.Value) ([]byte, error) { return strconv.AppendInt(b, v.Int(), 10), nil }
	}
	return nil
}

// marshalsItself says whether the type's own methods write it.
func marshalsItself(t reflect.Type) bool {
	for _, i := range []reflect.Type{
		reflect.TypeFor[json.MarshalerTo](), reflect.TypeFor[json.Marshaler](),
		reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextAppender](),
	} {
		if reflect.PointerTo(t).Implements(i) {
			return true
		}
	}
	return false
}

func appendTime(b []byte, t *time.Time) ([]byte, error) {
	b, err := t.AppendText(append(b, '"'))
	return append(b, '"'), err
}

// encode encodes the object. v is addressable.
func (p *plan) encode(a *answer, v reflect.Value) (err error) {
	a.text = append(a.text, '{')
	first := true
	for i := range *p {
		m := &(*p)[i]
		field := v.Field(m.field)
		if m.absent != nil && m.absent(field) {
			continue
		}
		if !first {
			a.text = append(a.text, ',')
		}
		first = false
		a.text = append(a.text, m.label...)
		if m.stream {
			err = field.Interface().(streamer).stream(a)
		} else {
			a.text, err = m.append(a.text, field)
		}
		if err != nil {
			return err
		}
	}
	a.text = append(a.text, '}')
	return nil
}
