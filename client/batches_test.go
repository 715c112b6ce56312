package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
)

func jobText(id int) string { return strconv.Itoa(id) }

// taker takes batches within its limits.
type taker struct {
	status      string
	batch, body int
	reads       int
	sizes       []int
	keys        map[string]int
	secrets     []string
}

func (s *taker) Do(req *http.Request) (*http.Response, error) {
	if req.URL.Path == "/v/status" {
		s.reads++
		return answer(200, s.status)(req)
	}
	text, _ := io.ReadAll(req.Body)
	var batch struct{ Passwords []string }
	if err := json.Unmarshal(text, &batch); err != nil {
		return nil, err
	}
	n := len(batch.Passwords)
	switch {
	case len(text) > s.body:
		return problem(413, "body-too-large")(req)
	case n > s.batch || n == 0:
		return answer(400, `{"type":"urn:hashd:problem:invalid-request","title":"T","status":400,"detail":"D.","instance":"urn:i",`+
			`"errors":[{"pointer":"#/passwords","detail":"has too many"}]}`)(req)
	}
	first := len(s.secrets) + 1
	s.secrets = append(s.secrets, batch.Passwords...)
	s.sizes = append(s.sizes, n)
	s.keys[req.Header.Get("Idempotency-Key")]++
	return answer(202, fmt.Sprintf(`{"first":%d,"count":%d,"algorithm":"sha512","due":"2026-01-01T00:00:00Z"}`, first, n))(req)
}

func (s *taker) jobs(t *testing.T) *Jobs {
	t.Helper()
	s.keys = map[string]int{}
	j, err := NewJobs(Config{Server: "http://fake", HTTP: s})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func secretsOf(n int) (list [][]byte) {
	for i := range n {
		list = append(list, fmt.Appendf(nil, `sécret "%d"`, i))
	}
	return list
}

// submitAll submits the secrets and checks that each is there once, in order.
func submitAll(t *testing.T, s *taker, j *Jobs, secrets [][]byte, o Options) {
	t.Helper()
	from := len(s.secrets)
	n := 0
	for b, err := range j.SubmitBatches(t.Context(), secrets, o) {
		if err != nil {
			t.Fatal(err)
		}
		n += int(b.Count)
	}
	for i, secret := range s.secrets[from:] {
		if secret != string(secrets[i]) {
			t.Fatalf("secret %d is another", i)
		}
	}
	if n != len(secrets) || len(s.secrets)-from != n {
		t.Errorf("%d of %d secrets", n, len(secrets))
	}
}

// Batches are as large as the server tells, in secrets and in bytes; the limits are read once.
func TestSubmitBatchesByLimits(t *testing.T) {
	s := &taker{status: `{"limits":{"batch":30,"batchBody":10000}}`, batch: 30, body: 10_000}
	j := s.jobs(t)
	submitAll(t, s, j, secretsOf(100), Options{})
	if fmt.Sprint(s.sizes) != "[30 30 30 10]" || s.reads != 1 || len(s.keys) != 4 {
		t.Errorf("batches of %v, status read %d times, %d keys", s.sizes, s.reads, len(s.keys))
	}
	s = &taker{status: `{"limits":{"batchBody":1000}}`, batch: 10_000, body: 1_000}
	j = s.jobs(t)
	submitAll(t, s, j, secretsOf(500), Options{})
	if len(s.sizes) > 20 || s.reads != 1 {
		t.Errorf("%d batches, status read %d times", len(s.sizes), s.reads)
	}
}

// A server that tells no limits, or wrong ones, is found out.
func TestSubmitBatchesWithoutLimits(t *testing.T) {
	for _, status := range []string{
		`{}`, `{"limits":null}`, `{"limits":{"batch":-1,"batchBody":"1"}}`, `{"limits":{"batch":1000,"batchBody":100000}}`, `<html>`,
	} {
		s := &taker{status: status, batch: 30, body: 700}
		submitAll(t, s, s.jobs(t), secretsOf(200), Options{})
	}
}

// Limits that have changed are read again.
func TestSubmitBatchesAfterChange(t *testing.T) {
	s := &taker{status: `{"limits":{"batch":100}}`, batch: 100, body: 1 << 20}
	j := s.jobs(t)
	submitAll(t, s, j, secretsOf(100), Options{})
	s.status, s.batch = `{"limits":{"batch":20}}`, 20
	submitAll(t, s, j, secretsOf(100), Options{})
	if fmt.Sprint(s.sizes) != "[100 20 20 20 20 20]" || s.reads != 2 {
		t.Errorf("batches of %v, status read %d times", s.sizes, s.reads)
	}
}

// One batch has the caller's key; several have one each, the same whenever they are submitted again.
func TestSubmitBatchesKeys(t *testing.T) {
	s := &taker{status: `{"limits":{"batch":2}}`, batch: 2, body: 1 << 20}
	j := s.jobs(t)
	submitAll(t, s, j, secretsOf(2), Options{Key: "mine"})
	submitAll(t, s, j, secretsOf(4), Options{Key: "mine"})
	submitAll(t, s, j, secretsOf(4), Options{Key: "mine"})
	if len(s.keys) != 3 || s.keys["mine"] != 1 {
		t.Errorf("keys %v", s.keys)
	}
}

// A secret that is too long by itself, one that is no text, and no secret at all are refused, and no error shows them.
func TestSubmitBatchesRefused(t *testing.T) {
	for _, secrets := range [][][]byte{{[]byte(strings.Repeat("topsecret", 1000))}, {[]byte("topsecret\xff")}, nil} {
		s := &taker{status: `{}`, batch: 10, body: 1_000}
		n := 0
		for _, err := range s.jobs(t).SubmitBatches(t.Context(), secrets, Options{}) {
			if n++; err == nil || strings.Contains(err.Error(), "topsecret") {
				t.Errorf("error %v", err)
			}
		}
		if n != 1 || len(s.secrets) != 0 {
			t.Errorf("%d yields, %d secrets accepted", n, len(s.secrets))
		}
	}
	for _, err := range (&taker{}).jobs(t).SubmitBatches(t.Context(), secretsOf(1), Options{Key: "two words"}) {
		if !errors.Is(err, ErrKey) {
			t.Errorf("error %v", err)
		}
	}
}

func TestSubmitBatchAndWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		batch := func(first JobID) string {
			text, _ := json.Marshal(AcceptedBatch{First: first, Count: 1, Algorithm: Sha512})
			return string(text)
		}
		f := newFake(t, answer(200, `{"limits":{"batch":1}}`), answer(202, batch(5)), answer(202, batch(1)),
			lines(`{"id":5,"status":"done","algorithm":"sha512","hash":"QUJD"}`+"\n"), lines(`{"id":1,"status":"gone"}`+"\n"))
		got, err := f.jobs(Config{}).SubmitBatchAndWait(t.Context(), secretsOf(2), Options{})
		if err != nil || len(got) != 2 || got[0].Id != 5 || *got[0].Hash != "QUJD" || got[1].Status != ResultStatusGone {
			t.Errorf("%+v, error %v", got, err)
		}
		if f.ended(); f.seen[3].prefer != "wait=30" {
			t.Errorf("asked %+v", f.seen[3])
		}
	})
}
