package strict

import (
	"bytes"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
)

type word string

func (word) Valid() bool { return true }

type shout string

func (s shout) MarshalText() ([]byte, error) { return []byte(strings.ToUpper(string(s))), nil }

// planned is an answer of each kind of member that a plan can have.
type planned struct {
	ID    int64     `json:"id"`
	Count int32     `json:"count"`
	Word  word      `json:"some_word"`
	At    time.Time `json:"at"`
	Due   Time      `json:"due,omitempty,omitzero"` //nolint:modernize // as in generated code
	Hash  string    `json:"hash,omitempty,omitzero"`
	Note  word      `json:"note,omitzero"`
}

// sparse may have no member at all.
type sparse struct {
	Hash string `json:"hash,omitzero"`
	Due  Time   `json:"due,omitzero"`
}

// What has a plan is written as the library would write it, byte for byte, and in the same cases not at all.
func TestPlansWriteWhatTheLibraryDoes(t *testing.T) {
	now := time.Now()
	for _, body := range []any{
		&planned{}, &sparse{}, &sparse{Hash: "x"}, &sparse{Due: Time{now}}, &sparse{Hash: "x", Due: Time{now.UTC()}},
		&planned{math.MaxInt64, math.MinInt32, "a", now, Time{now.UTC()}, "aGFzaA==", "b"},
		&planned{ID: math.MinInt64, Word: "<&>\"\\/\u2028\x00\x7f\n é 😀", Hash: "\t"},
		&planned{At: now.In(time.FixedZone("", 5*3600+1800)), Due: Time{time.Unix(0, 0).UTC()}},
		&planned{At: now.In(time.FixedZone("", 61))}, &planned{At: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
		&planned{Due: Time{time.Time{}.Local()}}, &planned{Due: Time{time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)}},
		&planned{Word: "\xff"}, &planned{Hash: "a\xed\xa0\x80"}, (*planned)(nil),
	} {
		if planOf(reflect.TypeOf(body)) == nil {
			t.Errorf("%T has no plan", body)
		}
		wantSame(t, body)
	}
}

// What no plan can have is left to the library.
func TestWhatHasNoPlan(t *testing.T) {
	type inner struct {
		A int64 `json:"a"`
	}
	text := "text"
	for _, body := range []any{
		&struct {
			A inner `json:"a"`
		}{},
		&struct {
			A shout `json:"a"`
		}{"loud"},
		&struct {
			A *string `json:"a,omitempty"`
		}{&text},
		&struct {
			A string `json:"a,omitempty"`
		}{},
		&struct {
			A int64 `json:"a,omitzero"`
		}{},
		&struct {
			A int64 `json:"a,string"`
		}{1},
		&struct {
			A string `json:"-"`
		}{"x"},
		&struct {
			A string `json:"größe"`
		}{"x"},
		&struct{ A string }{"x"},
		&struct {
			inner
		}{inner{1}},
		&struct {
			A float64 `json:"a"`
		}{0.5},
		&Time{time.Now()}, &text, inner{1}, []int{1}, map[string]int{"a": 1}, nil,
	} {
		if v := reflect.ValueOf(body); v.Kind() == reflect.Pointer && planOf(v.Type()) != nil {
			t.Errorf("%T has a plan", body)
		}
		wantSame(t, body)
	}
}

// wantSame fails the test unless the body is written as by the library, after what the buffer holds.
func wantSame(t *testing.T, body any) {
	t.Helper()
	got, want := answer{text: []byte("before ")}, bytes.NewBufferString("before ")
	err, wantErr := got.encode(body), json.MarshalWrite(want, body)
	if (err == nil) != (wantErr == nil) || err == nil && string(got.text) != want.String() {
		t.Errorf("%T: got %s, error %v, want %s, error %v", body, got.text, err, want, wantErr)
	}
}

// One answer a job: neither its text nor how it is written costs memory.
func TestPlansDoNotAllocate(t *testing.T) {
	var a answer
	body := &planned{ID: 1, Word: "a", At: time.Now(), Due: Time{time.Now()}, Hash: "x"}
	if n := testing.AllocsPerRun(100, func() {
		a.text = a.text[:0]
		_ = a.encode(body)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
