package strict_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/hashd-project/hashd/v2/internal/strict"
)

func TestWriteJSON(t *testing.T) {
	body := struct {
		ID   int64  `json:"id"`
		Hash string `json:"hash"`
	}{42, "a+/="}
	for contentType, write := range map[string]func(http.ResponseWriter, int, any) error{
		"application/json":         strict.WriteJSON,
		"application/problem+json": strict.WriteProblem,
	} {
		w := httptest.NewRecorder()
		w.Header().Set("Content-Type", "text/plain")
		if err := write(w, http.StatusTeapot, &body); err != nil {
			t.Fatal(err)
		}
		if got, want := w.Body.String(), `{"id":42,"hash":"a+/="}`+"\n"; got != want || w.Code != http.StatusTeapot {
			t.Errorf("answer %d %q, want 418 %q", w.Code, got, want)
		}
		if got := w.Header()["Content-Type"]; !reflect.DeepEqual(got, []string{contentType}) {
			t.Errorf("content type %q, want %q", got, contentType)
		}
	}
}

// What cannot be encoded leaves the answer open, so that there can be another.
func TestWriteJSONOfWhatCannotBeEncoded(t *testing.T) {
	w := httptest.NewRecorder()
	err := strict.WriteJSON(w, http.StatusOK, struct{ F func() }{})
	if err == nil || !strings.Contains(err.Error(), "encode struct { F func() }") {
		t.Errorf("error %v", err)
	}
	if len(w.Header()) > 0 || w.Body.Len() > 0 {
		t.Errorf("answered %v %q", w.Header(), w.Body)
	}
	if err := strict.WriteJSON(w, http.StatusAccepted, 1); err != nil || w.Body.String() != "1\n" {
		t.Errorf("next answer %q, error %v", w.Body, err)
	}
}

var errGone = errors.New("the client has gone")

type goneWriter struct{ http.ResponseWriter }

func (goneWriter) Write([]byte) (int, error) { return 0, errGone }

func TestWriteJSONToAClientThatHasGone(t *testing.T) {
	if err := strict.WriteJSON(goneWriter{httptest.NewRecorder()}, http.StatusOK, 1); !errors.Is(err, errGone) {
		t.Errorf("error %v, want %v", err, errGone)
	}
}

// Buffers go from one answer to the next: none must hold another's text.
func TestParallelAnswers(t *testing.T) {
	var group sync.WaitGroup
	for g := range 8 {
		group.Go(func() {
			for i := range 200 {
				w := httptest.NewRecorder()
				text := strings.Repeat(fmt.Sprint(g), i)
				if err := strict.WriteJSON(w, http.StatusOK, text); err != nil || w.Body.String() != `"`+text+"\"\n" {
					t.Errorf("answer %q, error %v, want %q", w.Body, err, text)
				}
			}
		})
	}
	group.Wait()
}

func TestSetHeader(t *testing.T) {
	text := "wait=1"
	w := httptest.NewRecorder()
	strict.SetHeader(w, "Location", "/hash/41")
	strict.SetHeader(w, "Location", "/hash/42")
	strict.SetHeader(w, "Preference-Applied", &text)
	strict.SetHeader(w, "Vary", (*string)(nil))
	strict.SetHeader(w, "Retry-After", int64(-9223372036854775808))
	want := http.Header{"Location": {"/hash/42"}, "Preference-Applied": {"wait=1"}, "Retry-After": {"-9223372036854775808"}}
	if got := w.Header(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
