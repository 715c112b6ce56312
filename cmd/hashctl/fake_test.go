package main

import (
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fake is a hashd that can be brought into any state, also those that none should ever be in.
type fake struct {
	address string

	mu      sync.Mutex
	store   string
	next    int64
	secrets map[int64]string
	keys    map[string]int64 // the first id of each batch
	wrong   bool             // it answers with hashes of other secrets
	posts   int
	leaves  int              // after so many hashes were fetched it answers nothing more; 0 is never
	fetched func(hashes int) // called without the lock after each
	hashes  int
	loses   string // the name of the store that it has, with no jobs, from the first time on that it is asked for hashes
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{store: "a", next: 1000, secrets: map[int64]string{}, keys: map[string]int64{}}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	f.address = strings.TrimPrefix(s.URL, "http://")
	return f
}

// on has the function called whenever so many hashes were fetched.
func (f *fake) on(fetched func(hashes int)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fetched = fetched
}

// lie has it answer with hashes of other secrets, or no more.
func (f *fake) lie(wrong bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wrong = wrong
}

// restore makes it what it was before its first job, of the same name or another.
func (f *fake) restore(store string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forget(store)
}

func (f *fake) forget(store string) {
	f.store, f.next, f.secrets, f.keys = store, 1000, map[int64]string{}, map[string]int64{}
}

// strangers gives the next ids to others.
func (f *fake) strangers(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range n {
		f.secrets[f.next] = "another's"
		f.next++
	}
}

// ServeHTTP implements http.Handler.
func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	if f.leaves > 0 && f.hashes >= f.leaves {
		f.mu.Unlock()
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	hashes := f.hashes
	switch {
	case r.URL.Path == "/v/status":
		fmt.Fprintf(w, `{"status":"ok","api":"2.0.0","version":"v","commit":"c","go":"go","started":"2026-01-01T00:00:00Z","store":%q}`, f.store)
	case r.Method == http.MethodPost:
		f.submit(w, r)
	case r.URL.Path == "/hash/batch":
		f.getBatch(w, r)
	default:
		f.get(w, strings.TrimPrefix(r.URL.Path, "/hash/"))
	}
	now, fetched := f.hashes, f.fetched
	f.mu.Unlock()
	for n := hashes + 1; n <= now && fetched != nil; n++ {
		fetched(n)
	}
}

func (f *fake) submit(w http.ResponseWriter, r *http.Request) {
	f.posts++
	var batch struct{ Passwords []string }
	if err := json.NewDecoder(r.Body).Decode(&batch); err != nil { // the client has gone
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	first, known := f.keys[r.Header.Get("Idempotency-Key")]
	if !known {
		first = f.next
		f.keys[r.Header.Get("Idempotency-Key")] = first
		for _, s := range batch.Passwords {
			f.secrets[f.next] = s
			f.next++
		}
	}
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintf(w, `{"first":%d,"count":%d,"algorithm":"sha512","due":%q}`, first, len(batch.Passwords), time.Now().Format(time.RFC3339))
}

// getBatch answers with the hashes of a range.
func (f *fake) getBatch(w http.ResponseWriter, r *http.Request) {
	if f.loses != "" {
		f.forget(f.loses)
		f.loses = ""
	}
	query := r.URL.Query()
	first, _ := strconv.ParseInt(query.Get("first"), 10, 64)
	count, _ := strconv.ParseInt(query.Get("count"), 10, 64)
	var results []string
	for id := first; id < first+count; id++ {
		secret, ok := f.secrets[id]
		if !ok {
			results = append(results, fmt.Sprintf(`{"id":%d,"status":"unknown"}`, id))
			continue
		}
		f.hashes++
		results = append(results, fmt.Sprintf(`{"id":%d,"status":"done","algorithm":"sha512","hash":%q}`, id, f.hashOf(secret)))
	}
	if r.Header.Get("Accept") == "application/x-ndjson" {
		w.Header().Set("Content-Type", "application/x-ndjson")
		_, _ = io.WriteString(w, strings.Join(results, "\n")+"\n")
		return
	}
	fmt.Fprintf(w, `{"results":[%s],"pending":0}`, strings.Join(results, ","))
}

func (f *fake) hashOf(secret string) string {
	if f.wrong {
		secret += "!"
	}
	sum := sha512.Sum512([]byte(secret))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func (f *fake) get(w http.ResponseWriter, id string) {
	n, _ := strconv.ParseInt(id, 10, 64)
	secret, ok := f.secrets[n]
	if !ok {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"type":"urn:hashd:problem:unknown-job","title":"Unknown job","status":404,"detail":"No.","instance":"urn:x"}`)
		return
	}
	f.hashes++
	fmt.Fprintf(w, `{"id":%d,"status":"done","algorithm":"sha512","hash":%q}`, n, f.hashOf(secret))
}
