package strict_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/strict"
)

// An instant is told in RFC 3339, to the nanosecond, or left out.
func TestTime(t *testing.T) {
	type answer struct {
		At strict.Time `json:"at,omitzero"`
	}
	at := time.Date(2026, 11, 23, 21, 17, 5, 250, time.UTC)
	for want, a := range map[string]answer{`{"at":"2026-11-23T21:17:05.00000025Z"}`: {strict.Time{Time: at}}, `{}`: {}} {
		w := httptest.NewRecorder()
		if err := strict.WriteJSON(w, http.StatusOK, &a); err != nil || w.Body.String() != want+"\n" {
			t.Errorf("%s, error %v, want %s", w.Body, err, want)
		}
	}
	a := answer{strict.Time{Time: time.Unix(1<<40, 0)}}
	if err := strict.WriteJSON(httptest.NewRecorder(), http.StatusOK, &a); err == nil {
		t.Error("a year of five digits is no RFC 3339")
	}
}
