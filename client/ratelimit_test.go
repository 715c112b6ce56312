package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// told are fields, and what they tell. The TypeScript client's tests read the same file.
type told struct {
	Policy, Limit          string
	Jobs, Per, Left, Reset int64 // Jobs is 0 where nothing is told
}

func allTold(t testing.TB) (all []told) {
	t.Helper()
	text, err := os.ReadFile("testdata/ratelimit.json")
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil || len(all) < 20 {
		t.Fatalf("%d cases, error %v", len(all), err)
	}
	return all
}

func fieldsOf(policy, limit string) http.Header {
	return http.Header{"Ratelimit-Policy": {policy}, "Ratelimit": {limit}}
}

func TestRateLimitFields(t *testing.T) {
	for _, c := range allTold(t) {
		got := rateLimitOf(fieldsOf(c.Policy, c.Limit))
		if c.Jobs == 0 {
			if got != nil {
				t.Errorf("%s and %s tell %+v, want nothing", c.Policy, c.Limit, *got)
			}
			continue
		}
		want := RateLimit{Jobs: c.Jobs, Per: time.Duration(c.Per) * time.Second, Left: c.Left, Reset: time.Duration(c.Reset) * time.Second}
		if want.Reset < 0 {
			want.Reset = -1
		}
		if got == nil || *got != want {
			t.Errorf("%s and %s tell %+v, want %+v", c.Policy, c.Limit, got, want)
		}
	}
	if got := rateLimitOf(http.Header{}); got != nil {
		t.Errorf("nothing tells %+v", got)
	}
	h := http.Header{}
	for _, v := range []string{`"a";q=1;w=1`, `"jobs";q=5;w=2`} {
		h.Add("RateLimit-Policy", v)
	}
	h.Set("RateLimit", `"jobs";r=1`)
	if got := rateLimitOf(h); got == nil || got.Jobs != 5 {
		t.Errorf("two lines tell %+v", got)
	}
}

// Whatever the fields say, a wait is from nothing to longestReset.
func FuzzRateLimit(f *testing.F) {
	for _, c := range allTold(f) {
		f.Add(c.Policy, c.Limit, 1)
	}
	f.Fuzz(func(t *testing.T, policy, limit string, jobs int) {
		l := rateLimitOf(fieldsOf(policy, limit))
		if l == nil {
			return
		}
		if l.Jobs < 1 || l.Per < time.Second || l.Left < 0 || l.Left > l.Jobs || l.Reset < -1 {
			t.Fatalf("%q and %q tell %+v", policy, limit, *l)
		}
		p := newPace()
		now := time.Unix(1_800_000_000, 0)
		p.known, p.limit, p.left, p.at = true, l, l.tokens(), now
		n := float64(max(jobs, 0)%10_000 + 1)
		first, second := &turn{pace: p, jobs: n}, &turn{pace: p, jobs: n}
		p.enter(first)
		p.enter(second)
		d := p.delay(first, now)
		if d < 0 || d > longestReset*time.Second || d == 0 && float64(l.Left) < min(n, float64(l.Jobs)) {
			t.Fatalf("%q and %q have %v jobs wait %v", policy, limit, n, d)
		}
		again := p.delay(second, now.Add(d))
		if most := min(n/l.perSecond()+1, longestReset); again.Seconds() > most+1 || again < 0 {
			t.Fatalf("%q and %q have %v more jobs wait %v, at most %vs", policy, limit, n, again, most)
		}
	})
}

// limiting is a server with a rate, as hashd's is: a batch of more jobs than the rate has at once is taken where all are
// left, and then paid for.
type limiting struct {
	jobs, per float64
	slow      time.Duration // how much longer each second request and each third answer is on its way

	mu      sync.Mutex
	left    float64
	at      time.Time
	asked   int
	refused int
	taken   int
	times   []time.Time
}

func (l *limiting) Do(req *http.Request) (*http.Response, error) {
	var batch struct{ Passwords []string }
	err := json.NewDecoder(req.Body).Decode(&batch)
	if err = errors.Join(err, req.Body.Close()); err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.asked++
	there, back := 3*time.Millisecond, 3*time.Millisecond
	if l.asked%2 == 0 {
		there += l.slow
	}
	if l.asked%3 == 0 {
		back += l.slow
	}
	l.mu.Unlock()
	time.Sleep(there)
	resp, err := l.answer(req, float64(len(batch.Passwords)))
	time.Sleep(back)
	return resp, err
}

func (l *limiting) answer(req *http.Request, n float64) (*http.Response, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.at.IsZero() {
		l.left = l.jobs
	} else {
		l.left = min(l.jobs, l.left+now.Sub(l.at).Seconds()*l.jobs/l.per)
	}
	l.at = now
	status, body := 429, `{"type":"urn:hashd:problem:rate-limited","title":"T","status":429,"detail":"D.","instance":"i"}`
	if min(n, l.jobs) <= l.left+1e-6 {
		l.left -= n
		l.taken += int(n)
		l.times = append(l.times, now)
		status, body = 202, `{"first":8,"count":`+strconv.Itoa(int(n))+`,"algorithm":"sha512","due":"2026-01-01T00:00:05Z"}`
	} else {
		l.refused++
	}
	reset := (l.jobs - l.left) * l.per / l.jobs
	return answer(status, body, "Retry-After", "1",
		"RateLimit-Policy", `"jobs";q=`+strconv.Itoa(int(l.jobs))+";w="+strconv.Itoa(int(l.per)),
		"RateLimit", `"jobs";r=`+strconv.Itoa(int(max(0, l.left)))+";t="+strconv.Itoa(int(reset+0.999)))(req)
}

// Submissions of one Jobs keep to the server's rate without ever being refused, one after the other or many at once,
// smaller and larger than what the rate has at once; and they don't wait longer than the rate wants.
func TestSubmissionsPaceThemselves(t *testing.T) {
	for _, c := range []struct {
		jobs, per float64
		sizes     []int
		atOnce    bool
		slow      time.Duration
		least     time.Duration // how long the rate wants it to take
	}{
		{jobs: 10, per: 1, sizes: slices.Repeat([]int{1}, 50), least: 4 * time.Second},
		{jobs: 10, per: 1, sizes: slices.Repeat([]int{1}, 50), atOnce: true, least: 4 * time.Second},
		{jobs: 6000, per: 60, sizes: slices.Repeat([]int{1000}, 20), atOnce: true, least: 140 * time.Second},
		{jobs: 100, per: 1, sizes: slices.Repeat([]int{1000}, 5), least: 40 * time.Second},
		{jobs: 100, per: 1, sizes: slices.Repeat([]int{1000}, 5), atOnce: true, least: 40 * time.Second},
		{jobs: 20, per: 1, sizes: []int{30, 30, 10, 30, 1, 10}, atOnce: true, slow: 400 * time.Millisecond, least: 4 * time.Second},
		{jobs: 10, per: 1, sizes: slices.Repeat([]int{1}, 50), atOnce: true, slow: 200 * time.Millisecond, least: 4 * time.Second},
		{jobs: 2, per: 3600, sizes: []int{1, 1, 1, 5, 1}, least: 7 * time.Hour / 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			server := &limiting{jobs: c.jobs, per: c.per, slow: c.slow}
			j, err := NewJobs(Config{Server: "http://fake", HTTP: server})
			if err != nil {
				t.Fatal(err)
			}
			start, total := time.Now(), 0
			var all sync.WaitGroup
			for _, size := range c.sizes {
				submit := func() {
					if _, err := j.SubmitBatch(t.Context(), make([][]byte, size), Options{}); err != nil {
						t.Error(err)
					}
				}
				if total += size; c.atOnce {
					all.Go(submit)
				} else {
					submit()
				}
			}
			all.Wait()
			took := server.times[len(server.times)-1].Sub(start)
			if server.refused > 0 || server.taken != total {
				t.Errorf("%+v: %d refusals, %d jobs of %d", c, server.refused, server.taken, total)
			}
			// The server tells whole jobs and whole seconds, which for each submission can cost as much.
			rounding := time.Duration(len(c.sizes)) * max(time.Second, time.Duration(c.per/c.jobs*float64(time.Second)))
			if took < c.least-time.Second || took > c.least+rounding {
				t.Errorf("%+v: it took %v", c, took)
			}
		})
	}
}

// A wait for the rate ends with its context, and what it had taken is there for others.
func TestPaceEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &limiting{jobs: 1, per: 60}
		j, err := NewJobs(Config{Server: "http://fake", HTTP: server})
		if err != nil {
			t.Fatal(err)
		}
		one := [][]byte{[]byte("s")}
		if _, err := j.SubmitBatch(t.Context(), one, Options{}); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := j.SubmitBatch(ctx, one, Options{}); !errors.Is(err, context.DeadlineExceeded) || len(server.times) != 1 {
				t.Errorf("error %v after %d submissions", err, len(server.times))
			}
			cancel()
		}
		if _, err := j.SubmitBatch(t.Context(), one, Options{}); err != nil || server.refused > 0 {
			t.Errorf("error %v, %d refusals", err, server.refused)
		}
		if got := server.times[1].Sub(server.times[0]); got > 62*time.Second {
			t.Errorf("the next one waited %v", got)
		}
	})
}

// Where the first submission gets no answer, the others don't wait for it beyond its try.
func TestSilentScout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, silent, answer(202, accepted), answer(202, accepted))
		j := f.jobs(Config{})
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				if _, err := j.Submit(t.Context(), []byte("s"), Options{}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		f.ended()
		if f.seen[1].after != tryTimeout {
			t.Errorf("the second was sent after %v", f.seen[1].after)
		}
	})
}

// A server that tells no rate, or no more, is not waited for.
func TestNoRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, answer(202, accepted, "RateLimit-Policy", `"jobs";q=1;w=60`, "RateLimit", `"jobs";r=0;t=60`),
			answer(202, accepted), answer(202, accepted), answer(202, accepted))
		j := f.jobs(Config{})
		for range 4 {
			if _, err := j.Submit(t.Context(), []byte("s"), Options{}); err != nil {
				t.Fatal(err)
			}
		}
		if at := f.seen[1].after; at != time.Minute {
			t.Errorf("the second was sent after %v", at)
		}
		if at := f.seen[3].after; at != time.Minute {
			t.Errorf("the last was sent after %v", at)
		}
	})
}

// The refusals of a caller's own limits are waited out, as long as the server asks; like all retries they end with RetryFor.
func TestLimitsAreRetried(t *testing.T) {
	for _, kind := range []string{"rate-limited", "quota-exceeded"} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t, problem(429, kind, "Retry-After", "3"), problem(429, kind, "Retry-After", "3"), answer(202, accepted))
			if _, err := f.jobs(Config{RetryFor: time.Minute}).Submit(t.Context(), []byte("s"), Options{}); err != nil {
				t.Error(err)
			}
			f.ended()
			if a, b := f.seen[1].after, f.seen[2].after; a < 3*time.Second || b < a+3*time.Second || b > 10*time.Second || f.seen[0].key != f.seen[2].key {
				t.Errorf("%s: sent again after %v and %v, with the keys %q and %q", kind, a, b, f.seen[0].key, f.seen[2].key)
			}
			f = newFake(t, problem(429, kind, "Retry-After", "90", "RateLimit-Policy", `"jobs";q=1;w=90`, "RateLimit", `"jobs";r=0;t=90`))
			_, err := f.jobs(Config{RetryFor: time.Minute}).Submit(t.Context(), []byte("s"), Options{})
			p, ok := errors.AsType[*ProblemError](err)
			if !ok || !errors.Is(err, ErrLimited) || !strings.HasSuffix(p.Type, kind) || p.RetryAfter != 90*time.Second || p.RateLimit == nil || p.RateLimit.Per != 90*time.Second {
				t.Errorf("%s: %v", kind, err)
			}
		})
	}
}
