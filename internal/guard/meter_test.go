package guard

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunglas/httpsfv"

	"github.com/hashd-project/hashd/v2/internal/auth"
)

// caller returns the context of a request with the token.
func (g *Guard) caller(t *testing.T, token string) context.Context {
	t.Helper()
	ctx, err := g.Admit(with("Bearer "+token), needs("read"))
	if err != nil {
		t.Fatal(err)
	}
	return ctx
}

// wantFields checks the fields with a reader of RFC 9651.
func wantFields(t *testing.T, f RateFields, q, w, r, reset int64) {
	t.Helper()
	for text, want := range map[string]map[string]int64{f.Policy: {"q": q, "w": w}, f.Limit: {"r": r, "t": reset}} {
		list, err := httpsfv.UnmarshalList([]string{text})
		if err != nil || len(list) != 1 {
			t.Fatalf("%q: %v", text, err)
		}
		item, ok := list[0].(httpsfv.Item)
		if !ok || item.Value != "jobs" {
			t.Fatalf("%q is %v", text, list[0])
		}
		for name, n := range want {
			if got, _ := item.Params.Get(name); got != n {
				t.Errorf("%q: %s is %v, want %d", text, name, got, n)
			}
		}
	}
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _, tokens := guarded(t, 1e9, func(k *auth.Key) { k.Rate = auth.Rate{Jobs: 600, Per: time.Minute} }, nil)
		ctx := g.caller(t, tokens[0])
		grant, err := g.Take(ctx, 590)
		if err != nil {
			t.Fatal(err)
		}
		grant.Settle(true)
		wantFields(t, grant.Fields, 600, 60, 10, 59)

		// What the engine refuses costs nothing.
		grant, err = g.Take(ctx, 10)
		if err != nil {
			t.Fatal(err)
		}
		wantFields(t, grant.Fields, 600, 60, 0, 60)
		grant.Settle(false)

		_, err = g.Take(ctx, 20)
		limit, ok := errors.AsType[*LimitError](err)
		if !ok || limit.Quota || limit.RetryAfter != time.Second || limit.Key != "key a" {
			t.Fatalf("error %#v", err)
		}
		wantFields(t, limit.Fields, 600, 60, 10, 59)
		time.Sleep(time.Second)
		if grant, err = g.Take(ctx, 20); err != nil {
			t.Fatal(err)
		}
		grant.Settle(true)

		// With nothing left, the body of a submission is not even read; other operations go on.
		if _, err := g.Admit(with("Bearer "+tokens[0]), needs("submit")); errors.As(err, &limit) == false || limit.RetryAfter != time.Second {
			t.Errorf("error %v", err)
		}
		g.caller(t, tokens[0])
		if grant, err := g.Take(g.caller(t, tokens[1]), 1e6); err != nil || grant.Fields != (RateFields{}) {
			t.Errorf("a key without a rate: %+v, error %v", grant, err)
		}
	})
}

// A batch of more jobs than the rate has at once is taken when the rate is whole, and paid for.
func TestBatchAboveTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _, tokens := guarded(t, 1e9, func(k *auth.Key) { k.Rate = auth.Rate{Jobs: 100, Per: time.Second} })
		ctx := g.caller(t, tokens[0])
		grant, err := g.Take(ctx, 1000)
		if err != nil {
			t.Fatal(err)
		}
		grant.Settle(true)
		wantFields(t, grant.Fields, 100, 1, 0, 10)
		for second := range 10 {
			if _, err := g.Take(ctx, 101); err == nil {
				t.Errorf("taken again after %d s", second)
			}
			time.Sleep(time.Second)
		}
		if grant, err = g.Take(ctx, 1000); err != nil {
			t.Fatal(err)
		}
		grant.Settle(false)
		if _, err = g.Take(ctx, 1000); err != nil {
			t.Errorf("a refused batch was not given back: %v", err)
		}
	})
}

// However many submit at once, no more are let through in a time than the rate says.
func TestRateIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _, tokens := guarded(t, 1e9, func(k *auth.Key) { k.Rate = auth.Rate{Jobs: 50, Per: time.Second} })
		ctx := g.caller(t, tokens[0])
		for range 3 {
			var group sync.WaitGroup
			taken := make(chan bool, 500)
			for range 500 {
				group.Go(func() {
					if grant, err := g.Take(ctx, 1); err == nil {
						grant.Settle(true)
						taken <- true
					}
				})
			}
			group.Wait()
			if len(taken) != 50 {
				t.Errorf("%d taken, want 50", len(taken))
			}
			time.Sleep(time.Second)
		}
	})
}

// What was taken meanwhile takes nothing from what is given back, and the time until then does not count twice.
func TestGivenBackIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _, tokens := guarded(t, 1e9, func(k *auth.Key) { k.Rate = auth.Rate{Jobs: 100, Per: 100 * time.Second} })
		ctx := g.caller(t, tokens[0])
		take := func(n int64) Grant {
			t.Helper()
			grant, err := g.Take(ctx, n)
			if err != nil {
				t.Fatal(err)
			}
			return grant
		}
		taken := take(90)
		taken.Settle(true)
		refused := take(10)
		for range 20 { // each second one job more may come
			time.Sleep(time.Second)
			one := take(1)
			one.Settle(true)
		}
		wantFields(t, take(0).Fields, 100, 100, 0, 100)
		refused.Settle(false)
		wantFields(t, take(0).Fields, 100, 100, 10, 90)

		// A batch of more than the rate was in debt meanwhile.
		time.Sleep(90 * time.Second)
		refused = take(1000)
		time.Sleep(50 * time.Second)
		refused.Settle(false)
		wantFields(t, take(0).Fields, 100, 100, 100, 0)
	})
}

// Keys of one name but several rates do not make each other's anew.
func TestRatesOfOneName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		named := func(jobs int64) func(*auth.Key) {
			return func(k *auth.Key) { k.Name, k.Rate = "ci", auth.Rate{Jobs: jobs, Per: time.Hour} }
		}
		g, _, tokens := guarded(t, 1e9, named(1), named(2))
		taken := 0
		for i := range 20 {
			if grant, err := g.Take(g.caller(t, tokens[i%2]), 1); err == nil {
				grant.Settle(true)
				taken++
			}
		}
		if taken != 3 {
			t.Errorf("%d are taken, want 1 and 2", taken)
		}
	})
}

// The keys of a rotation share a rate, and a changed rate holds from the next request.
func TestRateIsOfTheName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		same := func(k *auth.Key) { k.Name, k.Rate = "ci", auth.Rate{Jobs: 1, Per: time.Minute} }
		g, _, tokens := guarded(t, 1e9, same, same, func(k *auth.Key) { k.Name, k.Rate = "ci", auth.Rate{Jobs: 2, Per: time.Minute} })
		for i, want := range []bool{true, false} {
			if grant, err := g.Take(g.caller(t, tokens[i]), 1); (err == nil) != want {
				t.Errorf("key %d: error %v", i, err)
			} else {
				grant.Settle(true)
			}
		}
		if _, err := g.Take(g.caller(t, tokens[2]), 2); err != nil {
			t.Errorf("a new rate: %v", err)
		}
	})
}

func TestQuotaIsExact(t *testing.T) {
	g, r, tokens := guarded(t, 1e9, func(k *auth.Key) { k.Tenant, k.Quota = "red", 100 }, func(k *auth.Key) { k.Tenant = "red" })
	ctx := g.caller(t, tokens[0])
	var group sync.WaitGroup
	for range 300 {
		group.Go(func() {
			if grant, err := g.Take(ctx, 1); err == nil {
				r.pending[1].Add(1)
				grant.Settle(true)
			}
		})
	}
	group.Wait()
	if n := r.pending[1].Load(); n > 100 || n < 1 {
		t.Errorf("%d are pending, the quota is 100", n)
	}
	for range 100 { // one after the other: nothing is on its way twice
		if grant, err := g.Take(ctx, 1); err == nil {
			r.pending[1].Add(1)
			grant.Settle(true)
		}
	}
	_, err := g.Take(ctx, 1)
	limit, ok := errors.AsType[*LimitError](err)
	if n := r.pending[1].Load(); n != 100 || !ok || !limit.Quota || limit.RetryAfter < time.Second {
		t.Errorf("%d are pending, error %#v", n, err)
	}
	if _, err := g.Take(g.caller(t, tokens[1]), 1); err != nil {
		t.Errorf("a key of the tenant without a quota: %v", err)
	}
	r.pending[1].Store(0)
	if _, err := g.Take(ctx, 101); err == nil {
		t.Error("a batch above the quota is taken")
	}
	if _, err := g.Take(ctx, 100); err != nil {
		t.Errorf("once they are done: %v", err)
	}
}

// fill submits one job after the other until the tenant is refused, and returns how many.
func fill(t *testing.T, g *Guard, r *rooms, token string, tenant int) (n int64) {
	t.Helper()
	ctx := g.caller(t, token)
	for ; n <= r.limit; n++ {
		grant, err := g.Take(ctx, 1)
		if err != nil {
			return n
		}
		r.pending[tenant].Add(1)
		grant.Settle(true)
	}
	return n
}

// The burst of a tenant leaves room for others; a tenant that is the only one has all of it.
func TestNoTenantLocksOthersOut(t *testing.T) {
	g, r, tokens := guarded(t, 1000, func(k *auth.Key) { k.Tenant = "red" }, func(k *auth.Key) { k.Tenant = "blue" }, func(k *auth.Key) { k.Tenant = "green" })
	first := fill(t, g, r, tokens[0], 1)
	second := fill(t, g, r, tokens[1], 2)
	third := fill(t, g, r, tokens[2], 3)
	if first < 880 || first > 890 || second < 90 || second > 105 || third < 8 {
		t.Errorf("%d, %d and %d of 1000", first, second, third)
	}
	r.pending[1].Store(0) // its jobs are done: the others may have more
	if n := fill(t, g, r, tokens[1], 2); n < 600 {
		t.Errorf("%d more", n)
	}

	g, r, tokens = guarded(t, 1000, func(k *auth.Key) { k.Tenant = "red" }, func(k *auth.Key) { k.Tenant = "red" })
	if n := fill(t, g, r, tokens[0], 1); n <= 1000 {
		t.Errorf("a tenant alone is refused after %d", n)
	}
}

// The results of a tenant leave room for those of others: they stay for the whole retention.
func TestResultsLockNobodyOut(t *testing.T) {
	red, blue := func(k *auth.Key) { k.Tenant = "red" }, func(k *auth.Key) { k.Tenant = "blue" }
	g, r, tokens := guarded(t, 1e9, red, blue)
	r.results, r.limit = 1000, 1000
	r.kept[1] = 880 // of red
	n := fill(t, g, r, tokens[0], 1)
	_, err := g.Take(g.caller(t, tokens[0]), 1)
	limit, ok := errors.AsType[*LimitError](err)
	if n > 10 || !ok || !limit.Quota || !limit.Kept {
		t.Errorf("%d more, then error %#v", n, err)
	}
	if _, err := g.Take(g.caller(t, tokens[1]), 90); err != nil {
		t.Errorf("another tenant: %v", err)
	}
	g, r, tokens = guarded(t, 1e9, red, red)
	r.results, r.kept[1] = 1000, 999
	if _, err := g.Take(g.caller(t, tokens[0]), 1); err != nil {
		t.Errorf("a tenant alone: %v", err)
	}
	if n := g.Most(g.caller(t, tokens[0]), 1000); n != 1000 {
		t.Errorf("a tenant alone is told %d of 1000", n)
	}
}

// However little room there is, a tenant without jobs can have one, and hears of a full server what anybody does.
func TestShareOfLittleRoom(t *testing.T) {
	red, blue := func(k *auth.Key) { k.Tenant = "red" }, func(k *auth.Key) { k.Tenant = "blue" }
	for limit := int64(1); limit <= 20; limit++ {
		g, r, tokens := guarded(t, limit, red, blue)
		most := g.Most(g.caller(t, tokens[0]), limit)
		for n := range limit {
			grant, err := g.Take(g.caller(t, tokens[0]), n+1)
			if (err == nil) != (n+1 <= most) {
				t.Errorf("a batch of %d of %d, where it is told %d: error %v", n+1, limit, most, err)
			}
			grant.Settle(true)
		}
		first := fill(t, g, r, tokens[0], 1)
		if first < 1 || first >= limit && limit > 1 {
			t.Errorf("of %d one tenant alone gets %d", limit, first)
		}
		grant, err := g.Take(g.caller(t, tokens[1]), 1)
		if err != nil {
			t.Errorf("with room for %d of %d: %v", limit-first, limit, err)
		}
		grant.Settle(true)
		if _, err := g.Take(g.caller(t, tokens[1]), limit+1); err != nil {
			t.Errorf("more than there is room for is the engine's to refuse, whatever is pending: %v", err)
		}
	}
}

func visitor(address string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/hash", http.NoBody)
	r.RemoteAddr = address
	return r
}

// Without keys, each address has the rate to itself; of IPv6 each network that a client can choose from.
func TestAnonymousRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Config{AnonymousRate: auth.Rate{Jobs: 1, Per: time.Minute}, Address: func(r *http.Request) netip.Addr {
			address, _ := netip.ParseAddr(r.RemoteAddr)
			return address
		}})
		submit := func(address string) error {
			ctx, err := g.Admit(visitor(address), needs("submit"))
			if err != nil {
				return err
			}
			grant, err := g.Take(ctx, 1)
			if err == nil {
				grant.Settle(true)
			}
			return err
		}
		for _, tt := range []struct {
			address string
			taken   bool
		}{
			{"127.0.0.1", true}, {"127.0.0.1", false}, {"127.0.0.2", true},
			{"2001:db8::1", true}, {"2001:db8::2", false}, {"2001:db8:0:1::1", true},
		} {
			if err := submit(tt.address); (err == nil) != tt.taken {
				t.Errorf("%s: error %v", tt.address, err)
			}
		}
		if _, err := g.Admit(visitor("127.0.0.1"), needs("read")); err != nil {
			t.Errorf("reading has no rate: %v", err)
		}
		for i := range 3 * maxLimiters {
			_ = submit("10." + strconv.Itoa(i>>16) + "." + strconv.Itoa(i>>8&255) + "." + strconv.Itoa(i&255))
		}
		if n := len(g.visitors.all); n > maxLimiters {
			t.Errorf("%d addresses are remembered", n)
		}
	})
}

func FuzzRateFields(f *testing.F) {
	f.Add(int64(1), int64(1), int64(5))
	f.Add(int64(1e9), int64(86400), int64(3))
	f.Fuzz(func(t *testing.T, jobs, seconds, taken int64) {
		if jobs < 1 || jobs > 1e9 || seconds < 1 || seconds > 86400 || taken < 0 || taken > 10_000 {
			t.Skip()
		}
		l := newLimiter("", auth.Rate{Jobs: jobs, Per: time.Duration(seconds) * time.Second})
		g := Grant{jobs: taken}
		fields := l.fields()
		if err := l.take(&g); err == nil {
			fields = g.Fields
		}
		for _, text := range []string{fields.Policy, fields.Limit} {
			list, err := httpsfv.UnmarshalList([]string{text})
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			for _, name := range []string{"q", "w", "r", "t"} {
				if n, ok := list[0].(httpsfv.Item).Params.Get(name); ok && n.(int64) < 0 {
					t.Errorf("%q: %s is %v", text, name, n)
				}
			}
		}
	})
}
