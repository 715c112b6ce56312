package strict_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hashd-project/hashd/v2/internal/strict"
)

// streamed is an answer with a Stream, and with a number that only its end tells.
type streamed struct {
	Before string             `json:"before"`
	Items  strict.Stream[row] `json:"items"`
	Count  strict.Late        `json:"count"`
}

type row struct {
	ID   int64         `json:"id"`
	Name string        `json:"name,omitempty,omitzero"`
	Hash strict.Base64 `json:"hash,omitempty,omitzero"`
}

// of returns an answer with n rows in pieces of so many, and then the error, if any.
func of(n, piece int, err error) *streamed {
	count := int64(0)
	return &streamed{Before: "b", Count: func() int64 { return count }, Items: func(yield func([]row, error) bool) {
		rows := make([]row, 0, piece)
		for ; count < int64(n); rows = rows[:0] {
			for len(rows) < piece && count < int64(n) {
				count++
				rows = append(rows, row{ID: count, Hash: []byte{byte(count)}})
			}
			if !yield(rows, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}}
}

// pieces counts the writes.
type pieces struct {
	*httptest.ResponseRecorder
	writes, longest int
	broken          error // what every write but the first returns
}

func (p *pieces) Write(b []byte) (int, error) {
	if p.writes++; p.writes > 1 && p.broken != nil {
		return 0, p.broken
	}
	p.longest = max(p.longest, len(b))
	return p.ResponseRecorder.Write(b)
}

func TestStreams(t *testing.T) {
	for _, n := range []int{0, 1, 2, 7, 256, 10_000} {
		for _, piece := range []int{1, 256} {
			w := &pieces{ResponseRecorder: httptest.NewRecorder()}
			if err := strict.WriteJSON(w, http.StatusOK, of(n, piece, nil)); err != nil {
				t.Fatal(err)
			}
			var want strings.Builder
			want.WriteString(`{"before":"b","items":[`)
			for i := range n {
				if i > 0 {
					want.WriteByte(',')
				}
				fmt.Fprintf(&want, `{"id":%d,"hash":%q}`, i+1, strict64(byte(i+1)))
			}
			fmt.Fprintf(&want, "],\"count\":%d}\n", n)
			if w.Body.String() != want.String() {
				t.Errorf("%d in pieces of %d: %.200s", n, piece, w.Body)
			}
			if w.longest > 40<<10 || n < 257 && w.writes != 1 {
				t.Errorf("%d in pieces of %d: %d writes, the longest of %d bytes", n, piece, w.writes, w.longest)
			}
		}
	}
}

// strict64 is the base64 of one byte.
func strict64(b byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	return string([]byte{alphabet[b>>2], alphabet[b&3<<4], '=', '='})
}

// An error before anything is sent leaves room for another answer. After that, and if nobody is there to
// read, the answer is cut off: nobody may take a part for the whole.
func TestStreamsThatFail(t *testing.T) {
	broken := errors.New("broken")
	for what, write := range map[string]func(http.ResponseWriter, *streamed) error{
		"JSON": func(w http.ResponseWriter, s *streamed) error { return strict.WriteJSON(w, http.StatusOK, s) },
		"NDJSON": func(w http.ResponseWriter, s *streamed) error {
			return strict.WriteNDJSON(w, http.StatusOK, iter.Seq2[[]row, error](s.Items))
		},
	} {
		for name, tt := range map[string]struct {
			rows  int
			err   error
			write error
			cut   bool
		}{
			"at once": {0, broken, nil, false}, "later": {2_000, broken, nil, true},
			"client gone": {0, fmt.Errorf("read: %w", context.Canceled), nil, true}, "client gone while written to": {20_000, nil, broken, true},
		} {
			w := &pieces{ResponseRecorder: httptest.NewRecorder(), broken: tt.write}
			err, cut := error(nil), any(nil)
			func() {
				defer func() { cut = recover() }()
				err = write(w, of(tt.rows, 256, tt.err))
			}()
			if tt.cut && cut != http.ErrAbortHandler || !tt.cut && (!errors.Is(err, broken) || w.writes > 0) {
				t.Errorf("%s, %s: error %v, panic %v, %d writes", what, name, err, cut, w.writes)
			}
			if tt.write != nil && w.writes != 2 {
				t.Errorf("%s, %s: %d writes", what, name, w.writes)
			}
		}
	}
}

// What is yielded together is sent at once, and no more is asked for than is read.
func TestLinesAreSentAsTheyCome(t *testing.T) {
	w := &pieces{ResponseRecorder: httptest.NewRecorder()}
	if err := strict.WriteNDJSON(w, http.StatusOK, iter.Seq2[[]row, error](of(3, 2, nil).Items)); err != nil {
		t.Fatal(err)
	}
	if want := "{\"id\":1,\"hash\":\"AQ==\"}\n{\"id\":2,\"hash\":\"Ag==\"}\n{\"id\":3,\"hash\":\"Aw==\"}\n"; w.Body.String() != want || w.writes < 2 || !w.Flushed {
		t.Errorf("%d writes: %s", w.writes, w.Body)
	}
}

// An item costs no memory of its own.
func TestStreamsDoNotAllocate(t *testing.T) {
	rows := make([]row, 256)
	for i := range rows {
		rows[i] = row{ID: int64(i), Name: "sha512", Hash: make([]byte, 64)}
	}
	body := &streamed{Count: func() int64 { return 1 }, Items: func(yield func([]row, error) bool) {
		for range 20 {
			if !yield(rows, nil) {
				return
			}
		}
	}}
	w := nowhere{http.Header{}}
	if n := testing.AllocsPerRun(20, func() { _ = strict.WriteJSON(w, http.StatusOK, body) }); n > 20 {
		t.Errorf("%v allocations for 5,120 items", n)
	}
}

func BenchmarkStream(b *testing.B) {
	b.ReportAllocs()
	rows := make([]row, 256)
	for i := range rows {
		rows[i] = row{ID: 1<<50 + int64(i), Name: "sha512", Hash: make([]byte, 64)}
	}
	w := nowhere{http.Header{}}
	n := 0
	body := &streamed{Count: func() int64 { return 1 }, Items: func(yield func([]row, error) bool) {
		for n = 0; n < 10_000 && yield(rows, nil); n += len(rows) {
		}
	}}
	for b.Loop() {
		if err := strict.WriteJSON(w, http.StatusOK, body); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/item")
}
