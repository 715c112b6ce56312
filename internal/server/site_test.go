package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"go.uber.org/goleak"

	wire "github.com/hashd-project/hashd/v2/gen/server"
	"github.com/hashd-project/hashd/v2/internal/contracttest"
	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/service"
	"github.com/hashd-project/hashd/v2/internal/strict"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// canary is the secret that tests submit, in bodies and in places where none belongs. No answer
// and no line of any log may hold any part of it.
const canary = "Zq7xVw93Kp"

// sings returns a part of the canary that the text holds, or the empty string.
func sings(text string) string {
	for i := range len(canary) - 3 {
		if part := canary[i : i+4]; strings.Contains(text, part) {
			return part
		}
	}
	return ""
}

// oracle is the contract as kin-openapi understands it, which shares no code with ours.
type oracle struct {
	*openapi3.T
	routers.Router
}

// newOracle reads the contract.
func newOracle() (oracle, error) {
	doc, router, err := contracttest.Load()
	return oracle{doc, router}, err
}

// sharedOracle is for those who do not change it.
var sharedOracle = sync.OnceValues(newOracle)

// journal is the log of a server under test. It fails the test for any part of the canary.
type journal struct {
	testing.TB
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if part := sings(string(p)); part != "" {
		j.Errorf("the log holds %q, a part of the secret: %s", part, p)
	}
	return j.text.Write(p)
}

// lines returns the log's lines with that message.
func (j *journal) lines(message string) (lines []map[string]any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for text := range strings.Lines(j.text.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			j.Fatalf("line %q: %v", text, err)
		}
		if line["msg"] == message {
			lines = append(lines, line)
		}
	}
	return lines
}

// site is a server under test. Every request of this package goes through ask or examine, which
// hold each answer to what the contract promises for all of them.
type site struct {
	testing.TB
	cfg     Config
	service Service
	handler http.Handler
	log     *journal
	oracle  oracle
}

// newSite makes a site that logs all there is to log, with limits that are out of the way but
// for the body's, which is the one that the contract's example names.
func newSite(tb testing.TB, s Service, changes ...func(*Config)) *site {
	tb.Helper()
	log := &journal{TB: tb}
	cfg := Config{
		MaxBodyBytes: 16384, MaxBatchBytes: 1 << 20, MaxBatchMemory: 4 << 20, MaxConnections: 100,
		ReadHeaderTimeout: time.Hour, ReadTimeout: time.Hour, WriteTimeout: time.Hour, IdleTimeout: time.Hour,
		Log: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, change := range changes {
		change(&cfg)
	}
	o, err := sharedOracle()
	if err != nil {
		tb.Fatal(err)
	}
	return &site{TB: tb, cfg: cfg, service: s, handler: Handler(cfg, s), log: log, oracle: o}
}

// on returns the service on an engine.
func on(e engine.Engine) *service.Service {
	return service.New(service.Config{
		Engine: e, MaxWait: time.Minute, FingerprintKey: []byte("a key"),
		Build:  service.Build{API: "1.0.0", Version: "v1.0.0", Commit: "unknown", Go: "go1.26"},
		Limits: service.Limits{Delay: delay, Retention: time.Hour, BodyBytes: 16384, BatchBodyBytes: 1 << 20}, EngineName: "memory",
	})
}

// answer is what came back, already held to what all answers promise.
type answer struct {
	*site
	what   *request
	status int
	header http.Header
	body   string
}

// ask sends a request such as "GET /hash/42", with header lines such as "Prefer: wait=1". A
// body is JSON unless a line says otherwise; an empty Content-Type leaves it out.
func (s *site) ask(what, body string, lines ...string) answer {
	s.Helper()
	return s.send(what, strings.NewReader(body), lines...)
}

func (s *site) send(what string, body io.Reader, lines ...string) answer {
	s.Helper()
	method, target, _ := strings.Cut(what, " ")
	r := httptest.NewRequest(method, target, body)
	r.Header.Set("Content-Type", "application/json")
	given := http.Header{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ":")
		given.Add(name, strings.TrimSpace(value))
	}
	maps.Copy(r.Header, given)
	if r.Header.Get("Content-Type") == "" {
		r.Header.Del("Content-Type")
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return s.examine(r, w.Result())
}

// request shows itself in messages as method and target.
type request http.Request

func (r *request) String() string { return r.Method + " " + r.URL.RequestURI() }

// examine reads an answer and holds it to what all answers promise.
func (s *site) examine(r *http.Request, res *http.Response) answer {
	s.Helper()
	what := (*request)(r)
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.Fatalf("%s: %v", what, err)
	}
	_ = res.Body.Close()
	a := answer{s, what, res.StatusCode, res.Header, string(body)}
	if part := sings(res.Status + string(body)); part != "" {
		s.Errorf("%s: the answer holds %q, a part of the secret: %s", what, part, body)
	}
	for name, lines := range res.Header {
		if part := sings(name + strings.Join(lines, " ")); part != "" || len(lines) != 1 {
			s.Errorf("%s: header %s: %q", what, name, lines)
		}
	}
	if !isRequestID(a.header.Get("X-Request-Id")) {
		s.Errorf("%s: X-Request-Id %q", what, a.header.Get("X-Request-Id"))
	}
	if caching := a.header.Get("Cache-Control"); caching != "no-store" && s.cfg.Pages[r.URL.Path] == nil {
		s.Errorf("%s: Cache-Control %q", what, caching)
	}
	if a.header.Get("X-Content-Type-Options") != "nosniff" {
		s.Errorf("%s: the type may be guessed", what)
	}
	for name, want := range map[string]string{
		"Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
	} {
		if got := a.header.Get(name); got != want && s.cfg.Pages[r.URL.Path] == nil {
			s.Errorf("%s: %s is %q", what, name, got)
		}
	}
	if r.Method == http.MethodHead && len(body) == 0 {
		return a // over a network; without one there is the body that net/http would leave out
	}
	if err := a.obeys(s.oracle); err != nil {
		s.Errorf("%s: answer %d breaks the contract: %v\n%s", what, a.status, err, body)
	}
	if a.status >= 400 {
		a.problem()
	}
	return a
}

// always is how many header fields every answer has: X-Request-Id, Cache-Control, X-Content-Type-Options,
// and those of security.
const always = 6

// varies returns the line of Vary that names the header fields which an operation's answers depend on, if there are any.
func (s *site) varies(what string) []string {
	method, target, _ := strings.Cut(what, " ")
	route, _, err := s.oracle.FindRoute(httptest.NewRequest(method, target, http.NoBody))
	if err != nil {
		s.Fatal(err)
	}
	// The operations of a path share what they depend on.
	var names []string
	for _, operation := range route.PathItem.Operations() {
		for _, p := range operation.Parameters {
			if p.Value.In == openapi3.ParameterInHeader && !slices.Contains(names, p.Value.Name) {
				names = append(names, p.Value.Name)
			}
		}
		if operation.Security != nil && !slices.Contains(names, "Authorization") {
			names = append(names, "Authorization")
		}
		if answer := operation.Responses.Value("200"); answer != nil && len(answer.Value.Content) > 1 {
			names = append(names, "Accept")
		}
	}
	if names == nil {
		return nil
	}
	if len(s.cfg.Origins) > 0 {
		names = append(names, "Origin")
	}
	slices.Sort(names)
	return []string{"Vary: " + strings.Join(names, ", ")}
}

// obeys says how the answer breaks the contract: what it has for the operation, or if there is
// none its schema of problems.
func (a answer) obeys(o oracle) error {
	r := (*http.Request)(a.what)
	if r.Method == http.MethodHead {
		r = r.Clone(context.Background())
		r.Method = http.MethodGet // answers the same
	}
	route, params, err := o.FindRoute(r)
	switch {
	case err == nil:
		return openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
			RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route},
			Status:                 a.status, Header: a.header, Body: io.NopCloser(strings.NewReader(a.body)),
			Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
		})
	case r.Method == http.MethodOptions && a.status == http.StatusNoContent:
		return nil // HTTP's own question about a path, answered in Allow
	case r.Method == http.MethodGet && a.cfg.Pages[r.URL.Path] != nil && a.status < 400:
		return nil // beside the contract
	}
	var body any
	if err := json.Unmarshal([]byte(a.body), &body); err != nil {
		return err
	}
	return o.Components.Schemas["Problem"].Value.VisitJSON(body, openapi3.VisitAsResponse(), openapi3.MultiErrors())
}

// problem reads the answer as the problem that it must be, and holds it to what all of them
// promise.
func (a answer) problem() (p wire.Problem) {
	a.Helper()
	a.into(&p)
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		a.Errorf("%s: content type %q", a.what, got)
	}
	if int(p.Status) != a.status || p.Title == "" || !strings.HasSuffix(p.Detail, ".") {
		a.Errorf("%s: problem %+v with status %d", a.what, p, a.status)
	}
	if want := "urn:hashd:request:" + a.header.Get("X-Request-Id"); p.Instance != want {
		a.Errorf("%s: instance %q, want %q", a.what, p.Instance, want)
	}
	a.asInTheContract(p)
	return p
}

// asInTheContract compares a problem with the contract's example of its type, if there is one.
func (a answer) asInTheContract(p wire.Problem) {
	a.Helper()
	if strings.HasSuffix(p.Type, ":malformed-request") {
		return // one of many such: TestRefusedUnread
	}
	for name, response := range a.oracle.Components.Responses {
		for _, e := range response.Value.Content["application/problem+json"].Examples {
			example := e.Value.Value.(map[string]any)
			detail := example["detail"]
			if a.what.URL.Path == batchPath && (a.status == http.StatusRequestEntityTooLarge || strings.HasSuffix(p.Type, ":full")) {
				detail = p.Detail // which names limits of its own, and advice: TestBatchTooLarge, TestFullNamesTheLimit
			}
			if strings.HasSuffix(p.Type, ":unknown-path") {
				detail = p.Detail // which lists the server's paths: wantUnknown
			}
			if strings.Contains(p.Detail, "max-connections") || strings.Contains(p.Detail, maxInFlight) {
				detail = p.Detail // TestMaxConnectionsRefuses, TestOverloadIsRefusedByTheContract
			}
			if example["type"] == p.Type && (example["title"] != p.Title || example["status"] != float64(p.Status) || detail != p.Detail) {
				a.Errorf("%s:\nproblem %+v\nexample %s %v", a.what, p, name, example)
			}
		}
	}
}

// into decodes the body, which must be one document with no members but those of the type.
func (a answer) into(v any) {
	a.Helper()
	d := json.NewDecoder(strings.NewReader(a.body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil || d.Decode(new(any)) != io.EOF {
		a.Errorf("%s: body %q: %v, or more than one document", a.what, a.body, err)
	}
}

// want fails the test unless the answer has the status, and the headers in lines such as
// "Retry-After: 5".
func (a answer) want(status int, lines ...string) answer {
	a.Helper()
	if a.status != status {
		a.Errorf("%s: status %d, want %d: %s", a.what, a.status, status, a.body)
	}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		if got := a.header[name]; !slices.Equal(got, []string{value}) {
			a.Errorf("%s: header %s %q, want %q", a.what, name, got, value)
		}
	}
	return a
}

// wantProblem fails the test unless the answer is that kind of problem, with these violations,
// such as `"#/password" is required`, if any.
func (a answer) wantProblem(status int, kind string, violations ...string) wire.Problem {
	a.Helper()
	a.want(status)
	p := a.problem()
	if p.Type != "urn:hashd:problem:"+kind {
		a.Errorf("%s: problem of type %s, want %s", a.what, p.Type, kind)
	}
	var got []string
	if p.Errors != nil {
		for _, e := range *p.Errors {
			got = append(got, strict.FieldError(e).String())
		}
	}
	if !slices.Equal(got, violations) {
		a.Errorf("%s: errors %q, want %q", a.what, got, violations)
	}
	return p
}

// fake is an engine that does as it is told: take every job, show every id, or fail.
type fake struct {
	engine.Engine
	err    error                               // what all calls return, if anything
	record engine.Record                       // what is shown under any id
	accept func(engine.Job)                    // sees the jobs
	batch  func(engine.Batch)                  // sees the batches
	wait   func(context.Context) engine.Record // instead of showing record at once
}

// delay is from acceptance to due.
const delay = 5 * time.Second

func (f fake) Accept(_ context.Context, job engine.Job) (engine.Receipt, error) {
	if f.accept != nil {
		f.accept(job)
	}
	return engine.Receipt{ID: 42, Due: time.Now().Add(delay)}, f.err
}

func (f fake) AcceptBatch(_ context.Context, batch engine.Batch) (engine.Receipt, error) {
	if f.batch != nil {
		f.batch(batch)
	}
	return engine.Receipt{ID: 42, Due: time.Now().Add(delay)}, f.err
}

func (f fake) Get(_ context.Context, id int64) (engine.Record, error) {
	rec := f.record
	rec.ID = id
	if rec.State == engine.Pending {
		rec.Due = time.Now().Add(delay)
	}
	return rec, f.err
}

func (f fake) Ready(context.Context) error { return nil }

func (f fake) Wait(ctx context.Context, id int64) (engine.Record, error) {
	if f.wait != nil {
		f.record = f.wait(ctx)
	}
	return f.Get(ctx, id)
}

func (f fake) Read(ctx context.Context, first int64, to []engine.Record) error {
	for i := range to {
		to[i], _ = f.Get(ctx, first+int64(i))
	}
	return f.err
}

func (f fake) Survey(ctx context.Context, first int64, count int) (engine.Survey, error) {
	last, err := f.Get(ctx, first+int64(count)-1)
	if err != nil || last.State != engine.Pending {
		return engine.Survey{}, err
	}
	return engine.Survey{Pending: count, Last: last}, nil
}

// Completed says that there are no jobs but those from 8 to 10.
func (f fake) Completed(ctx context.Context, after int64, to []engine.Record) (n int, next int64, err error) {
	if f.record.State != engine.Done {
		return 0, after, f.err
	}
	for id := max(after+1, 8); id <= 10 && n < len(to); id++ {
		to[n], _ = f.Get(ctx, id)
		n, after = n+1, id
	}
	return n, after, f.err
}

func (f fake) AwaitCompleted(ctx context.Context, _ int64) error {
	if f.wait != nil {
		f.wait(ctx)
	}
	return f.err
}

func (f fake) CancelRange(_ context.Context, _ int64, count int) (engine.Ended, error) {
	return engine.Ended{Canceled: count - 1, Gone: 1}, f.err
}

func (f fake) Cancel(context.Context, int64) error { return f.err }
func (f fake) Drain(context.Context) error         { return nil }
func (f fake) Full() string                        { return "" }
func (f fake) Stats() engine.Stats                 { return engine.Stats{Accepted: 3, Pending: 1} }
func (f fake) Uses() []engine.Use                  { return []engine.Use{{Name: "max-pending", Limit: 10, Used: 1}} }

// done is the record of a job that is done.
var done = engine.Record{State: engine.Done}

// password is a valid body that holds the canary, and passwords a batch of two.
const (
	password  = `{"password":"` + canary + `"}`
	passwords = `{"passwords":["` + canary + `","x"]}`
)
