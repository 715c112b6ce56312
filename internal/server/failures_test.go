package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	wire "github.com/hashd-project/hashd/v2/gen/server"
	"github.com/hashd-project/hashd/v2/internal/secret"
	"github.com/hashd-project/hashd/v2/internal/strict"
)

// stub is a service of which a test says what three of its operations do.
type stub struct {
	wire.StrictServerInterface
	submit   func(*wire.HashRequest) (wire.SubmitHashResponseObject, error)
	batch    func(*wire.BatchRequest) (wire.SubmitBatchResponseObject, error)
	get      func(context.Context) (wire.GetHashResponseObject, error)
	answered *[]time.Duration
}

func (s stub) SubmitHash(_ context.Context, req wire.SubmitHashRequestObject) (wire.SubmitHashResponseObject, error) {
	return s.submit(req.Body)
}

func (s stub) SubmitBatch(_ context.Context, req wire.SubmitBatchRequestObject) (wire.SubmitBatchResponseObject, error) {
	return s.batch(req.Body)
}

func (s stub) GetHash(ctx context.Context, _ wire.GetHashRequestObject) (wire.GetHashResponseObject, error) {
	return s.get(ctx)
}

func (s stub) GetHealth(context.Context, wire.GetHealthRequestObject) (wire.GetHealthResponseObject, error) {
	return wire.GetHealth200JSONResponse{Body: wire.Health{Status: "ok"}}, nil
}

func (s stub) Answered(_ context.Context, took time.Duration) {
	if s.answered != nil {
		*s.answered = append(*s.answered, took)
	}
}

// none is a map that cannot be written to.
var none map[string]int

const (
	outOfRange = "runtime error: index out of range [3] with length 0"
	wrongType  = "interface conversion: interface {} is string, not int"
)

// begun is an answer that fails after it has begun.
type begun struct{ fail func() error }

func (b begun) VisitSubmitHashResponse(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Location", "/hash/1")
	w.Header().Set("Retry-After", "1")
	w.WriteHeader(http.StatusAccepted)
	_, _ = w.Write([]byte(`{"id":1,"status":"pending","algorithm":"sha512","due":"2026-11-23T21:17:05Z"}`))
	return b.fail()
}

// A failure in the middle of an answer is logged, and adds nothing to what was sent.
func TestFailureAfterTheAnswerHasBegun(t *testing.T) {
	for logged, fail := range map[string]func() error{
		"broken":        func() error { return errors.New("broken") },
		"panic: string": func() error { panic(canary) },
	} {
		s := newSite(t, stub{submit: func(*wire.HashRequest) (wire.SubmitHashResponseObject, error) { return begun{fail}, nil }})
		if a := s.ask("POST /hash", password).want(202); a.body != `{"id":1,"status":"pending","algorithm":"sha512","due":"2026-11-23T21:17:05Z"}` {
			t.Errorf("%s: body %s", logged, a.body)
		}
		if lines := s.log.lines("request failed"); len(lines) != 1 || lines[0]["error"] != logged {
			t.Errorf("logged %v, want %s", lines, logged)
		}
	}
}

// unencodable is an answer that has no JSON.
type unencodable struct{ wire.SubmitHashResponseObject }

func (unencodable) VisitSubmitHashResponse(w http.ResponseWriter) error {
	return wire.SubmitHash202JSONResponse{Body: wire.Job{Id: 1, Due: strict.Time{Time: time.Unix(1<<40, 0)}}}.VisitSubmitHashResponse(w)
}

// An answer that cannot be encoded becomes an internal error, though its headers were set.
func TestAnswerThatCannotBeEncoded(t *testing.T) {
	s := newSite(t, stub{submit: func(*wire.HashRequest) (wire.SubmitHashResponseObject, error) { return unencodable{}, nil }})
	s.ask("POST /hash", password).wantProblem(500, "internal")
	if lines := s.log.lines("request failed"); len(lines) != 1 || !strings.HasPrefix(lines[0]["error"].(string), "encode *server.Job: ") {
		t.Errorf("logged %v", lines)
	}
}

// A secret keeps itself to itself even where an error was made of it.
func TestErrorMadeOfASecret(t *testing.T) {
	s := newSite(t, stub{submit: func(b *wire.HashRequest) (wire.SubmitHashResponseObject, error) {
		return nil, fmt.Errorf("cannot hash %v %s %x %#v %+v", b.Password, b.Password, b.Password, *b, b)
	}})
	s.ask("POST /hash", password).wantProblem(500, "internal")
	if lines := s.log.lines("request failed"); len(lines) != 1 || !strings.Contains(lines[0]["error"].(string), secret.Redacted) {
		t.Errorf("logged %v", lines)
	}
}
