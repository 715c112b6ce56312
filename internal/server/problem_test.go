package server

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// The code's kinds of problems are those of the contract and of docs/api.md, with their statuses:
// none more, none less.
func TestProblemTypesAreInTheContract(t *testing.T) {
	inCode := map[string]int{}
	for k, p := range problemTypes {
		if p.name == "" || p.title == "" || inCode[p.name] != 0 {
			t.Errorf("kind %d: %+v", k, p)
		}
		inCode[p.name] = p.status
	}
	o, err := newOracle()
	if err != nil {
		t.Fatal(err)
	}
	inContract := map[string]int{}
	for name, response := range o.Components.Responses {
		for _, e := range response.Value.Content["application/problem+json"].Examples {
			example := e.Value.Value.(map[string]any)
			kind, ok := strings.CutPrefix(example["type"].(string), problemPrefix)
			if !ok {
				t.Errorf("%s: type %s", name, example["type"])
			}
			inContract[kind] = int(example["status"].(float64))
		}
	}
	if !maps.Equal(inCode, inContract) {
		t.Errorf("in code %v\nin contract %v", inCode, inContract)
	}
	if inPage := typesOfPage(t); !maps.Equal(inCode, inPage) {
		t.Errorf("in code %v\nin docs/api.md %v", inCode, inPage)
	}
}

// typesOfPage reads the table of problems in docs/api.md.
func typesOfPage(t *testing.T) map[string]int {
	t.Helper()
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "| `type` behind `urn:hashd:problem:` |")
	if !found {
		t.Fatal("docs/api.md has no table of problems")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	types := map[string]int{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*`) \\| (\\d+) \\|").FindAllStringSubmatch(table, -1) {
		status, err := strconv.Atoi(row[2])
		if err != nil {
			t.Fatal(err)
		}
		for name := range strings.SplitSeq(row[1], ", ") {
			types[strings.Trim(name, "`")] = status
		}
	}
	return types
}

// What the engine refuses with, and how each operation answers it.
func TestRefusals(t *testing.T) {
	const hash, batch, get, del = "POST /hash", "POST /hash/batch", "GET /hash/7", "DELETE /hash/7"
	for _, tt := range []struct {
		err     error
		whats   []string
		status  int
		kind    string
		headers []string
	}{
		{engine.ErrUnknown, []string{get, del}, 404, "unknown-job", nil},
		{engine.ErrGone, []string{get, del}, 410, "job-gone", nil},
		{engine.ErrIdempotencyKeyReused, []string{hash, batch}, 422, "idempotency-key-reused", nil},
		{engine.ErrDraining, []string{hash, batch}, 503, "draining", []string{"Retry-After: 5"}},
		{engine.ErrDown, []string{hash, batch, get, del}, 503, "down", []string{"Retry-After: 5"}},
		{engine.ErrClosed, []string{hash, batch, get, del}, 503, "draining", []string{"Retry-After: 5"}},
		{&engine.FullError{Limit: "max-pending", RetryAfter: time.Second}, []string{hash, batch}, 503, "full", []string{"Retry-After: 1"}},
		{&engine.FullError{Limit: "max-pending", RetryAfter: 61*time.Second + 1}, []string{hash, batch}, 503, "full", []string{"Retry-After: 62"}},
		{engine.ErrInvalid, []string{hash, batch}, 500, "internal", nil},
		{errors.New("the disk is broken"), []string{hash, batch, get, del}, 500, "internal", nil},
	} {
		for _, what := range tt.whats {
			for _, prefer := range []string{"", "wait=1"} {
				s := newSite(t, on(fake{err: tt.err}))
				body := map[string]string{hash: password, batch: passwords}[what]
				a := s.ask(what, body, "Prefer:"+prefer)
				p := a.wantProblem(tt.status, tt.kind)
				wanted := append(append(tt.headers, s.varies(what)...), "Content-Type: application/problem+json")
				a.want(tt.status, wanted...)
				if extra := len(a.header) - len(wanted) - always; extra != 0 {
					t.Errorf("%s, %v: %d headers more than wanted: %v", what, tt.err, extra, a.header)
				}
				if failed := s.log.lines("request failed"); tt.status == 500 {
					if len(failed) != 1 || !strings.Contains(failed[0]["error"].(string), tt.err.Error()) || failed[0]["level"] != "ERROR" {
						t.Errorf("%s, %v: logged %v", what, tt.err, failed)
					}
					if strings.Contains(p.Detail, "disk") {
						t.Errorf("%s: the client learns of the disk: %s", what, p.Detail)
					}
				} else if len(failed) > 0 {
					t.Errorf("%s, %v: a refusal is logged as a failure: %v", what, tt.err, failed)
				}
			}
		}
	}
}

// The refusal names the limit that caused it, and may have been wrapped on its way.
func TestFullNamesTheLimit(t *testing.T) {
	h := handler{}
	if p := h.problemOf(fmt.Errorf("tenant: %w", engine.ErrTenants), "/stats"); p.kind != full || !strings.Contains(p.detail, "The limit tenants is reached.") {
		t.Errorf("no number for a tenant: %+v", p)
	}
	for _, limit := range []string{"max-pending", "max-secret-bytes"} {
		for path, want := range map[string]string{
			"/hash":       "The limit " + limit + " is reached. Try again after Retry-After.",
			"/hash/batch": "The limit " + limit + " is reached. Try again after Retry-After, or send a smaller batch.",
		} {
			p := h.problemOf(fmt.Errorf("submit: %w", &engine.FullError{Limit: limit, RetryAfter: 3 * time.Second}), path)
			if p.detail != want || p.retryAfter != 3*time.Second || p.kind != full {
				t.Errorf("limit %s: %+v", limit, p)
			}
		}
	}
}
