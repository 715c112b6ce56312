package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	wire "github.com/hashd-project/hashd/v2/gen/server"
)

// doors are servers of each engine that ask for keys.
func doors(t *testing.T, keys keysFile, args ...string) map[string]func(t *testing.T) *instance {
	t.Helper()
	args = append([]string{"--delay=5s", "--api-keys=" + string(keys)}, args...)
	return map[string]func(t *testing.T) *instance{
		"memory":    func(t *testing.T) *instance { t.Helper(); return start(t, args...) },
		"file":      func(t *testing.T) *instance { t.Helper(); return start(t, append(onDisk(t.TempDir()), args...)...) },
		"jetstream": func(t *testing.T) *instance { t.Helper(); return newFleet(t, args...).start(t) },
	}
}

// operation is a request for one of the operations that have a scope; its path may have an id in it.
type operation struct{ method, path, body, scope string }

func secured() []operation {
	return []operation{
		{http.MethodPost, "/hash", submission("secret"), "submit"},
		{http.MethodPost, "/hash/batch", batchOf("one", "two"), "submit"},
		{http.MethodGet, "/hash/%d", "", "read"},
		{http.MethodGet, "/hash/batch?first=%d&count=2", "", "read"},
		{http.MethodGet, "/hash?after=%d", "", "read"},
		{http.MethodDelete, "/hash/%d", "", "cancel"},
		{http.MethodDelete, "/hash/batch?first=%d&count=2", "", "cancel"},
		{http.MethodGet, "/stats", "", "stats"},
		{http.MethodGet, "/v/status", "", ""},
	}
}

func (o operation) at(id int64) string {
	if strings.Contains(o.path, "%d") {
		return fmt.Sprintf(o.path, id)
	}
	return o.path
}

// own is what two answers to the same question may differ in: the number of the request and the time.
var own = regexp.MustCompile(`urn:hashd:request:[^"]*|"(id|after)":\d+`)

// shown is all that a client sees of an answer, but for what is its own.
func (a answer) shown() string {
	h := a.header.Clone()
	h.Del("X-Request-Id")
	h.Del("Date")
	h.Del("Content-Length") // of the body, in which the request's number is longer or shorter
	return fmt.Sprintln(a.status, h, own.ReplaceAllString(string(a.body), "…"))
}

// A key that opens nothing is answered the same on every operation, whatever is wrong with it.
func TestKeysThatOpenNothing(t *testing.T) {
	t.Parallel()
	keys := newKeysFile(t)
	good := keys.add(t, "good")
	revoked := keys.add(t, "revoked")
	keys.run(t, "revoke", "revoked")
	expired := keys.add(t, "expired", "--expires=1s")
	other := newKeysFile(t).add(t, "good")
	swapped := good[:len("hashd_")+10] + other[len("hashd_")+10:]
	i := start(t, "--delay=0s", "--api-keys="+string(keys))
	c := i.client(t)
	id := c.decodeJob(t, c.do(t, http.MethodPost, "/hash", submission("angryMonkey"), bearer(good)))
	for deadline := time.Now().Add(patience); c.do(t, http.MethodGet, "/v/status", "", bearer(expired)).status == http.StatusOK; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a key does not expire")
		}
	}
	for _, o := range secured() {
		want := c.do(t, o.method, o.at(id), o.body).wantProblem(t, http.StatusUnauthorized, "unauthorized")
		if got := want.header.Get("WWW-Authenticate"); got != `Bearer realm="hashd"` {
			t.Errorf("%s %s: WWW-Authenticate %q", o.method, o.path, got)
		}
		for what, authorization := range map[string]string{
			"revoked": "Bearer " + revoked, "expired": "Bearer " + expired, "of another server": "Bearer " + other,
			"a known id with a wrong secret": "Bearer " + swapped, "no token": "Bearer", "another scheme": "Basic " + good,
			"cut": "Bearer " + good[:40], "longer": "Bearer " + good + "A", "not base 62": "Bearer hashd_-", "long": "Bearer " + strings.Repeat("a", 8000),
		} {
			if got := c.do(t, o.method, o.at(id), o.body, header("Authorization", authorization)); got.shown() != want.shown() {
				t.Errorf("%s %s, %s: %s\nwithout a key: %s", o.method, o.path, what, got.shown(), want.shown())
			}
		}
	}
	c.do(t, http.MethodGet, path(id), "", bearer(good), header("Prefer", "wait=20")).want(t, http.StatusOK)
	if log := i.stderr.String(); strings.Contains(log, "hashd_") {
		t.Errorf("a token is in the log:\n%s", log)
	}
	i.stop(t)
}

func (c *client) decodeJob(t *testing.T, a answer) int64 {
	t.Helper()
	return decode[wire.Job](t, a.want(t, http.StatusAccepted)).Id
}

// Each operation is open to the one scope that it names, and to admin.
func TestScopes(t *testing.T) {
	t.Parallel()
	keys := newKeysFile(t)
	tokens := map[string]string{}
	for _, scope := range []string{"submit", "read", "cancel", "stats", "metrics", "admin"} {
		tokens[scope] = keys.add(t, scope, "--scope="+scope)
	}
	i := start(t, "--delay=0s", "--api-keys="+string(keys))
	c := i.client(t)
	id := c.decodeJob(t, c.do(t, http.MethodPost, "/hash", submission("angryMonkey"), bearer(tokens["submit"])))
	for _, o := range secured() {
		for scope, token := range tokens {
			a := c.do(t, o.method, o.at(id), o.body, bearer(token))
			if open := o.scope == "" || scope == o.scope || scope == "admin"; open == (a.status == http.StatusForbidden) {
				t.Errorf("%s %s with scope %s: %d %s", o.method, o.path, scope, a.status, a.body)
			}
			if a.status == http.StatusForbidden && !strings.Contains(string(a.wantProblem(t, 403, "forbidden").body), "the scope "+o.scope+".") {
				t.Errorf("%s %s does not name its scope: %s", o.method, o.path, a.body)
			}
		}
	}
	for scope, token := range tokens { // it is no operation of the contract
		want := http.StatusForbidden
		if scope == "metrics" || scope == "admin" {
			want = http.StatusOK
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.base+"/metrics", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		bearer(token)(req)
		resp, err := c.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("metrics with scope %s: %s", scope, resp.Status)
		}
	}
	if status, _ := fetch(t, c.base+"/metrics", ""); status != http.StatusUnauthorized {
		t.Errorf("metrics without a key: %d", status)
	}
	for _, open := range []string{"/healthz", "/readyz", "/", "/page/main.js", "/docs", "/openapi.json", "/openapi.yaml"} {
		if status, _ := fetch(t, c.base+open, ""); status != http.StatusOK {
			t.Errorf("GET %s: %d", open, status)
		}
	}
	i.stop(t)
}

// stranger has a key of another tenant, and compares what it is told of others' ids with what it is told of an id
// that was never given.
type stranger struct {
	*client
	key            func(*http.Request)
	probes, leaks  int
	foreign, never []time.Duration
}

func (s *stranger) probe(t *testing.T, o operation, foreign, never int64, edits ...func(*http.Request)) {
	t.Helper()
	edits = append(edits, s.key)
	ask := func(id int64) (string, time.Duration) {
		began := time.Now()
		a := s.do(t, o.method, o.at(id), o.body, edits...)
		return a.shown(), time.Since(began)
	}
	want, took := ask(never)
	s.never = append(s.never, took)
	got, took := ask(foreign)
	s.foreign = append(s.foreign, took)
	s.probes++
	if got != want {
		if s.leaks++; s.leaks < 10 {
			t.Errorf("%s %s of another's id %d answers\n%s, and of one never given\n%s", o.method, o.path, foreign, got, want)
		}
	}
}

// sweep asks for the ids in ranges, which must tell nothing of any.
func (s *stranger) sweep(t *testing.T, first int64, count int) {
	t.Helper()
	target := fmt.Sprintf("/hash/batch?first=%d&count=%d", first, count)
	results := decode[struct {
		Results []struct{ Status string }
		Pending int
	}](t, s.do(t, http.MethodGet, target, "", s.key).want(t, http.StatusOK))
	for _, r := range results.Results {
		if s.probes++; r.Status != "unknown" {
			s.leaks++
		}
	}
	ended := decode[wire.Ended](t, s.do(t, http.MethodDelete, target, "", s.key).want(t, http.StatusOK))
	s.probes += count
	s.leaks += count - int(ended.Unknown) + results.Pending
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// A tenant learns nothing of another's jobs: pending, done, canceled or erased, one by one, in ranges, by the cursor, by
// idempotency keys and by statistics; nor does it end any of them.
func TestTenantsLearnNothingOfOthers(t *testing.T) {
	t.Parallel()
	keys := newKeysFile(t)
	red, blue, admin := keys.add(t, "red", "--tenant=red"), keys.add(t, "blue", "--tenant=blue"), keys.add(t, "boss", "--scope=admin")
	for engine, open := range doors(t, keys) {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			i := open(t)
			c := i.client(t)
			s := &stranger{client: c, key: bearer(blue)}
			const n = 200
			secrets := make([]string, n)
			for k := range secrets {
				secrets[k] = fmt.Sprint("secret ", k)
			}
			submit := func() int64 {
				a := c.do(t, http.MethodPost, "/hash/batch", batchOf(secrets...), bearer(red), header("Idempotency-Key", "shared")).want(t, http.StatusAccepted)
				return decode[wire.AcceptedBatch](t, a).First
			}
			first := submit()
			c.do(t, http.MethodDelete, path(first), "", bearer(red)).want(t, http.StatusNoContent)
			never := first + 1_000_000
			s.ask(t, first, n, never)
			c.do(t, http.MethodGet, path(first+n-1), "", bearer(red), header("Prefer", "wait=20")).want(t, http.StatusOK)
			c.do(t, http.MethodDelete, path(first+1), "", bearer(red)).want(t, http.StatusNoContent)
			s.ask(t, first, n, never)

			// The same idempotency key is another one, and the jobs behind it are the stranger's own.
			mine := decode[wire.AcceptedBatch](t, c.do(t, http.MethodPost, "/hash/batch", batchOf("mine"), s.key, header("Idempotency-Key", "shared")).want(t, http.StatusAccepted)).First
			if mine < first+n {
				t.Errorf("the stranger's job has the id %d", mine)
			}
			c.do(t, http.MethodGet, path(mine), "", s.key, header("Prefer", "wait=20")).want(t, http.StatusOK)
			c.do(t, http.MethodGet, path(mine), "", bearer(red)).want(t, http.StatusNotFound)
			if again := submit(); again != first {
				t.Errorf("the owner's idempotency key gives job %d, want %d", again, first)
			}
			if st := decode[wire.Stats](t, c.do(t, http.MethodGet, "/stats", "", s.key)); st.Total != 1 || st.Kept != 1 || st.Canceled != 0 || st.Recent.Accepted > 1 {
				t.Errorf("the stranger's statistics: %+v", st)
			}
			if st := decode[wire.Stats](t, c.do(t, http.MethodGet, "/stats", "", bearer(admin))); st.Total != n+1 || st.Canceled != 1 || st.Kept != n-1 {
				t.Errorf("the statistics of all: %+v", st)
			}

			// The owner, and who has the scope admin, find all as it was.
			for _, token := range []string{red, admin} {
				c.do(t, http.MethodGet, path(first), "", bearer(token)).want(t, http.StatusGone)
				c.do(t, http.MethodGet, path(first+1), "", bearer(token)).want(t, http.StatusGone)
				results := decode[struct{ Results []struct{ ID int64 } }](t, c.do(t, http.MethodGet, fmt.Sprint("/hash?limit=10000&after=", first-1), "", bearer(token)))
				want := n - 2
				if token == admin {
					want++
				}
				if len(results.Results) != want {
					t.Errorf("%d results, want %d", len(results.Results), want)
				}
			}
			if s.leaks > 0 {
				t.Errorf("%d leaks", s.leaks)
			}
			t.Logf("%s: %d probes, %d leaks; the median of an answer to another's id took %.2f times that to an id never given",
				engine, s.probes, s.leaks, float64(median(s.foreign))/float64(median(s.never)))
			i.stop(t)
		})
	}
}

// ask asks for others' jobs in every way.
func (s *stranger) ask(t *testing.T, first int64, n int, never int64) {
	t.Helper()
	for k := range int64(n) {
		for _, o := range secured() {
			if strings.Contains(o.path, "/%d") {
				s.probe(t, o, first+k, never)
			}
		}
	}
	for k := range int64(10) {
		s.probe(t, operation{method: http.MethodGet, path: "/hash/%d"}, first+k, never, header("Prefer", "wait=5"))
		s.probe(t, operation{method: http.MethodGet, path: "/hash/batch?first=%d&count=1"}, first+k, never, header("Prefer", "wait=5"))
		s.probe(t, operation{method: http.MethodGet, path: "/hash/batch?first=%d&count=1"}, first+k, never, header("Prefer", "wait=5"), header("Accept", "application/x-ndjson"))
	}
	for range 5 {
		s.sweep(t, first, n)
	}
	all := decode[struct {
		Results []struct{ ID int64 }
		Next    int64
	}](t, s.do(t, http.MethodGet, fmt.Sprint("/hash?after=", first-1), "", s.key))
	if s.probes += n; len(all.Results) > 0 || all.Next != first-1 {
		s.leaks++
	}
}

// A tenant's number is its own for as long as the store lives, also in the next process.
func TestTenantsAfterARestart(t *testing.T) {
	t.Parallel()
	keys := newKeysFile(t)
	red, blue := keys.add(t, "red", "--tenant=red"), keys.add(t, "blue", "--tenant=blue")
	f := newFleet(t, "--delay=0s", "--api-keys="+string(keys))
	dir := t.TempDir()
	for engine, open := range map[string]func() *instance{
		"file":      func() *instance { return start(t, onDisk(dir, "--delay=0s", "--api-keys="+string(keys))...) },
		"jetstream": func() *instance { return f.start(t) },
	} {
		i := open()
		c := i.client(t)
		id := c.decodeJob(t, c.do(t, http.MethodPost, "/hash", submission("angryMonkey"), bearer(red)))
		i.stop(t)
		i = open()
		c = i.client(t)
		c.do(t, http.MethodPost, "/hash", submission("angryMonkey"), bearer(blue)).want(t, http.StatusAccepted) // the first to ask for its number
		if a := c.do(t, http.MethodGet, path(id), "", bearer(blue)); a.status != http.StatusNotFound {
			t.Errorf("%s: another tenant is answered %d", engine, a.status)
		}
		c.do(t, http.MethodGet, path(id), "", bearer(red), header("Prefer", "wait=20")).want(t, http.StatusOK)
		i.stop(t)
	}
}

// The burst of one tenant leaves the others room, and its rate and quota are its own.
func TestNoTenantLocksOutAnother(t *testing.T) {
	t.Parallel()
	keys := newKeysFile(t)
	red, blue, slow := keys.add(t, "red", "--tenant=red"), keys.add(t, "blue", "--tenant=blue", "--quota=5"), keys.add(t, "slow", "--tenant=slow", "--rate=3/h")
	i := start(t, "--delay=1h", "--max-pending=1000", "--api-keys="+string(keys))
	c := i.client(t)
	fill := func(token string) (n int, refused answer) {
		for {
			a := c.do(t, http.MethodPost, "/hash", submission("secret"), bearer(token))
			if a.status != http.StatusAccepted {
				return n, a
			}
			n++
		}
	}
	n, refused := fill(red)
	if refused.wantProblem(t, http.StatusTooManyRequests, "quota-exceeded"); n < 880 || n > 890 {
		t.Errorf("%d jobs of the first", n)
	}
	n, refused = fill(blue)
	if refused.wantProblem(t, http.StatusTooManyRequests, "quota-exceeded"); n != 5 || refused.header.Get("Retry-After") == "" {
		t.Errorf("%d jobs of a quota of 5", n)
	}
	// What is larger than the quota is never taken, so a client is told before and after.
	a := c.do(t, http.MethodGet, "/v/status", "", bearer(blue))
	if most := decode[wire.Status](t, a).Limits.Batch; most != 5 {
		t.Errorf("a caller with a quota of 5 is told of batches of %d", most)
	}
	refused = c.do(t, http.MethodPost, "/hash/batch", batchOf("1", "2", "3", "4", "5", "6"), bearer(blue))
	if p := decode[wire.Problem](t, refused.wantProblem(t, http.StatusTooManyRequests, "quota-exceeded")); !strings.Contains(p.Detail, "smaller batch") {
		t.Errorf("detail %q", p.Detail)
	}
	n, refused = fill(slow)
	if refused.wantProblem(t, http.StatusTooManyRequests, "rate-limited"); n != 3 ||
		refused.header.Get("RateLimit-Policy") != `"jobs";q=3;w=3600` || !strings.HasPrefix(refused.header.Get("RateLimit"), `"jobs";r=0;t=`) {
		t.Errorf("%d jobs of a rate of 3: %v", n, refused.header)
	}
	for _, name := range []string{"red", "blue"} {
		i.awaitLine(t, `"kind":"quota-exceeded","name":"`+name+`"`)
	}
	i.awaitLine(t, `"kind":"rate-limited","name":"slow"`)
	i.kill(t)
}

// awaitLine waits for a text in the log.
func (p *process) awaitLine(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(patience); !strings.Contains(p.stderr.String(), text); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %s in the log:\n%s", text, p.stderr)
		}
	}
}

// Clients that mean no good get no key's service, and keep nobody with a key from it: bodies of a GiB, announced or
// endless, headers without end, header floods, and thousands of connections that say nothing.
func TestAbuse(t *testing.T) {
	t.Parallel()
	keys := newKeysFile(t)
	token := keys.add(t, "good")
	i := start(t, "--delay=0s", "--api-keys="+string(keys), "--read-header-timeout=10s", "--read-timeout=10s")
	c := i.client(t)
	before := i.resident(t)
	connect(t, i, 2000)
	for what, attack := range map[string]string{
		"1 GiB, announced, without a key": "POST /hash HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1073741824\r\n\r\n",
		"1 GiB, announced":                "POST /hash/batch HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + token + "\r\nContent-Type: application/json\r\nContent-Length: 1073741824\r\n\r\n",
		"endless, without a key":          "POST /hash HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
		"endless":                         "POST /hash HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + token + "\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
		"a header without end":            "GET /hash/1 HTTP/1.1\r\nHost: localhost\r\nX: ",
		"many headers":                    "GET /hash/1 HTTP/1.1\r\nHost: localhost\r\n" + strings.Repeat("X-A: b\r\n", 5000),
		"a slow header":                   "GET /hash/1 HTTP/1.1\r\nHo",
	} {
		sent, answer := i.attack(t, attack)
		c.do(t, http.MethodGet, "/healthz", "").want(t, http.StatusOK)
		c.do(t, http.MethodPost, "/hash", submission("angryMonkey"), bearer(token)).want(t, http.StatusAccepted)
		status, _, _ := strings.Cut(answer, "\r\n")
		t.Logf("%s: %d KiB were taken, answer %q", what, sent>>10, status)
		if sent > 64<<20 || strings.HasPrefix(answer, "HTTP/1.1 2") {
			t.Errorf("%s: %d bytes were taken, answer %q", what, sent, status)
		}
	}
	grown := i.resident(t) - before
	t.Logf("2000 idle connections and all of that: %d MiB more", grown>>20)
	if grown > 512<<20 {
		t.Errorf("memory has grown by %d MiB", grown>>20)
	}
	i.stop(t)
}

// attack sends the beginning of a request, and then more of it until the server hangs up or a GiB is sent. It returns
// how much was sent and what came back.
func (i *instance) attack(t *testing.T, begin string) (sent int, answer string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", i.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	came := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(io.LimitReader(conn, 64<<10))
		came <- string(b)
	}()
	n, err := io.WriteString(conn, begin)
	sent = n
	piece := []byte(strings.Repeat("a", 16<<10))
	if strings.Contains(begin, "chunked") {
		piece = append(append([]byte("4000\r\n"), piece...), '\r', '\n')
	}
	slow := !strings.Contains(begin, "\r\n\r\n") && !strings.Contains(begin, "X")
	for err == nil && sent < 1<<30 {
		if slow {
			piece = piece[:1]
			time.Sleep(50 * time.Millisecond)
		}
		n, err = conn.Write(piece)
		sent += n
	}
	return sent, <-came
}

// resident returns the memory of the process that is in RAM, in bytes.
func (p *process) resident(t *testing.T) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.cmd.Process.Pid))
	if err != nil {
		t.Skip("no /proc")
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(b), &size, &resident); err != nil {
		t.Fatal(err)
	}
	return resident * int64(os.Getpagesize())
}
