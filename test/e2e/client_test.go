package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	wire "github.com/hashd-project/hashd/v2/gen/server"
	"github.com/hashd-project/hashd/v2/internal/contracttest"
)

// contract loads openapi.yaml once, to check answers against.
var contract = sync.OnceValues(contracttest.New)

// client talks to a server and holds each of its answers to the contract. It is safe for
// concurrent use.
type client struct {
	base     string
	http     *http.Client
	contract *contracttest.Contract
}

func newClient(t *testing.T, address string) *client {
	t.Helper()
	c, err := contract()
	if err != nil {
		t.Fatalf("openapi.yaml: %v", err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &client{
		base: "http://" + address,
		http: &http.Client{
			Transport:     transport,
			Timeout:       patience,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		contract: c,
	}
}

// client returns a client of the instance, which it reaches over loopback whatever it listens on.
func (i *instance) client(t *testing.T) *client {
	t.Helper()
	port := i.address[strings.LastIndexByte(i.address, ':'):]
	return newClient(t, "127.0.0.1"+port)
}

// answer is a response, read and found to keep the contract.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// decode reads the body as a type of the contract.
func decode[T any](t *testing.T, a answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	return v
}

// do sends a request and fails the test if there is no answer or the answer breaks the contract.
// edits may change the request before it goes out.
func (c *client) do(t *testing.T, method, path, body string, edits ...func(*http.Request)) answer {
	t.Helper()
	a, err := c.try(t.Context(), method, path, body, edits...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// try is do for any goroutine. It asks again as long as the server is overloaded, as clients do: on a busy machine it can be
// at any moment, with more than a few requests at a time.
func (c *client) try(ctx context.Context, method, path, body string, edits ...func(*http.Request)) (a answer, err error) {
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		a, err = c.tryOnce(ctx, method, path, body, edits...)
		if err != nil || !overloaded(string(a.body)) || time.Now().After(end) {
			return a, err
		}
	}
}

// overloaded says whether the text of an answer refuses a request unread, because too many are under way.
func overloaded(text string) bool {
	return strings.Contains(text, "The limit max-in-flight is reached.")
}

func (c *client) tryOnce(ctx context.Context, method, path, body string, edits ...func(*http.Request)) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, edit := range edits {
		edit(req)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	data, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return answer{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	a := answer{resp.StatusCode, resp.Header, data}
	if err := c.contract.Check(req, a.status, a.header, a.body); err != nil {
		return answer{}, fmt.Errorf("%s %s answers %d %s, which breaks the contract: %w", method, path, a.status, data, err)
	}
	return a, nil
}

// want checks the answer's status.
func (a answer) want(t *testing.T, status int) answer {
	t.Helper()
	if a.status != status {
		t.Errorf("status %d, want %d: %s", a.status, status, a.body)
	}
	return a
}

// wantProblem checks that the answer is a problem of that status and kind.
func (a answer) wantProblem(t *testing.T, status int, kind string) answer {
	t.Helper()
	a.want(t, status)
	if got, want := decode[wire.Problem](t, a).Type, "urn:hashd:problem:"+kind; got != want {
		t.Errorf("problem type %s, want %s", got, want)
	}
	return a
}

// header is an edit that sets a header field; an empty value leaves it out.
func header(name, value string) func(*http.Request) {
	return func(req *http.Request) {
		req.Header.Del(name)
		if value != "" {
			req.Header.Set(name, value)
		}
	}
}

// whenWritten is an edit that calls f once the request has gone out to the server.
func whenWritten(f func()) func(*http.Request) {
	return func(req *http.Request) {
		trace := &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { f() }}
		*req = *req.WithContext(httptrace.WithClientTrace(req.Context(), trace))
	}
}

// submission is the body that submits the secret.
func submission(secret string) string {
	b, _ := json.Marshal(map[string]string{"password": secret}) // a string can always be marshaled
	return string(b)
}

// batchOf is the body that submits the secrets at once.
func batchOf(secrets ...string) string {
	b, _ := json.Marshal(map[string][]string{"passwords": secrets}) // strings can always be marshaled
	return string(b)
}

// submit submits a secret that must be accepted.
func (c *client) submit(t *testing.T, secret string) wire.Job {
	t.Helper()
	return decode[wire.Job](t, c.do(t, http.MethodPost, "/hash", submission(secret)).want(t, http.StatusAccepted))
}

// trySubmit is submit for any goroutine; it returns the job's id.
func (c *client) trySubmit(ctx context.Context, secret string) (int64, error) {
	a, err := c.try(ctx, http.MethodPost, "/hash", submission(secret))
	if err != nil {
		return 0, err
	}
	if a.status != http.StatusAccepted {
		return 0, fmt.Errorf("submit: status %d %s", a.status, a.body)
	}
	var accepted wire.Job
	err = json.Unmarshal(a.body, &accepted)
	return accepted.Id, err
}

// path is where the job is.
func path(id int64) string { return fmt.Sprintf("/hash/%d", id) }

// await long-polls until the job is done and returns its hash.
func (c *client) await(ctx context.Context, id int64, edits ...func(*http.Request)) (string, error) {
	edits = append(edits, header("Prefer", "wait=30"))
	a, err := c.try(ctx, http.MethodGet, path(id), "", edits...)
	for end := time.Now().Add(patience); err == nil && a.status == http.StatusAccepted && time.Now().Before(end); {
		a, err = c.try(ctx, http.MethodGet, path(id), "", edits...)
	}
	if err != nil {
		return "", err
	}
	if a.status != http.StatusOK {
		return "", fmt.Errorf("job %d: status %d %s", id, a.status, a.body)
	}
	var result wire.Job
	err = json.Unmarshal(a.body, &result)
	if err == nil && result.Id != id {
		err = fmt.Errorf("job %d answers as job %d", id, result.Id)
	}
	return result.Hash, err
}

// stats returns the statistics.
func (c *client) stats(t *testing.T) wire.Stats {
	t.Helper()
	return decode[wire.Stats](t, c.do(t, http.MethodGet, "/stats", "").want(t, http.StatusOK))
}

// wantStats fails the test unless the counters since the start, lateness and times aside, are these.
func wantStats(t *testing.T, got, want wire.Stats) {
	t.Helper()
	got.Average, got.Lateness, got.Recent, got.Limits, got.Started, got.Refusing = 0, wire.Lateness{}, wire.Recent{}, nil, time.Time{}, nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("stats %+v, want %+v", got, want)
	}
}
