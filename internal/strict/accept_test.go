package strict_test

import (
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/hashd-project/hashd/v2/internal/strict"
)

func TestNegotiate(t *testing.T) {
	for accept, want := range map[string]string{
		"": "a/b", "*/*": "a/b", "c/d": "c/d", "text/html": "a/b", "a/b;q=0.1, c/d;q=0.2": "c/d", "a/b;q=0, */*;q=0.1": "c/d", "c/*, a/b;q=0.9": "c/d",
	} {
		if got := strict.Negotiate([]string{accept}, "a/b", "c/d"); got != want {
			t.Errorf("%q: %s, want %s", accept, got, want)
		}
	}
	if got := strict.Negotiate([]string{"a/b;q=0.1", "c/d"}, "a/b", "c/d"); got != "c/d" {
		t.Errorf("two lines: %s", got)
	}
}

// Header values that answers share are not written to.
func TestVaryByAccept(t *testing.T) {
	shared := make([]string, 1, 2)
	shared[0] = "Prefer"
	w := httptest.NewRecorder()
	w.Header()["Vary"] = shared
	strict.VaryByAccept(w)
	if got := w.Header()["Vary"]; len(got) != 2 || got[1] != "Accept" || shared[:2][1] != "" {
		t.Errorf("Vary %q, shared %q", got, shared[:2])
	}
}

func TestWriteNDJSON(t *testing.T) {
	w := httptest.NewRecorder()
	err := strict.WriteNDJSON(w, 200, func(yield func([]int, error) bool) {
		_ = yield([]int{1, 2}, nil) && yield(nil, nil) && yield([]int{3}, nil)
	})
	if err != nil || w.Body.String() != "1\n2\n3\n" || !w.Flushed || w.Header().Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("body %q, header %v, error %v", w.Body, w.Header(), err)
	}
	w = httptest.NewRecorder()
	if err := strict.WriteNDJSON(w, 201, func(func([]int, error) bool) {}); err != nil || w.Code != 201 || w.Body.Len() != 0 {
		t.Errorf("nothing: status %d, error %v", w.Code, err)
	}
	broken := errors.New("broken")
	w = httptest.NewRecorder()
	if err := strict.WriteNDJSON(w, 200, func(yield func([]int, error) bool) { yield(nil, broken) }); !errors.Is(err, broken) || len(w.Header()) > 0 {
		t.Errorf("header %v, error %v", w.Header(), err)
	}
}
