package service_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	wire "github.com/hashd-project/hashd/v2/gen/server"
	"github.com/hashd-project/hashd/v2/internal/auth"
	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/memory"
	"github.com/hashd-project/hashd/v2/internal/guard"
	"github.com/hashd-project/hashd/v2/internal/secret"
	"github.com/hashd-project/hashd/v2/internal/service"
	"github.com/hashd-project/hashd/v2/internal/strict"
)

// house is a service behind a guard, and the contexts of callers whose keys were wished for.
type house struct {
	*testing.T
	*service.Service
	callers []context.Context
}

func inHouse(t *testing.T, limits engine.Limits, wishes []auth.Wish, test func(h house)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		limits.Delay, limits.Retention, limits.MaxResults, limits.MaxSecretBytes = delayed, time.Hour, 1000, 1<<20
		limits.IdempotencyWindow, limits.MaxIdempotencyKeys, limits.FirstID = time.Hour, 100, 1
		e, err := memory.New(limits)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		}()
		path := filepath.Join(t.TempDir(), "keys.json")
		var tokens []string
		for _, w := range wishes {
			_, token, err := auth.Add(path, w, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			tokens = append(tokens, token)
		}
		keys, err := auth.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		g := guard.New(guard.Config{Keys: func() *auth.Keys { return keys }, Tenants: e, Delay: delayed, Log: slog.New(slog.DiscardHandler)})
		h := house{T: t, Service: service.New(service.Config{Engine: e, MaxWait: time.Minute, Meter: g})}
		for _, token := range tokens {
			r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
			r.Header["Authorization"] = []string{"Bearer " + token}
			ctx, err := g.Admit(r, strict.Requirement{Scheme: "apiKey"})
			if err != nil {
				t.Fatal(err)
			}
			h.callers = append(h.callers, ctx)
		}
		test(h)
	})
}

// submit submits a job for a caller, with an idempotency key unless that is "".
func (h house) submit(caller int, key string) (wire.SubmitHash202JSONResponse, error) {
	req := wire.SubmitHashRequestObject{Body: &wire.HashRequest{Password: secret.New([]byte("angryMonkey"))}}
	if key != "" {
		req.Params.IdempotencyKey = &key
	}
	answer, err := h.SubmitHash(h.callers[caller], req)
	if err != nil {
		return wire.SubmitHash202JSONResponse{}, err
	}
	h.Answered(h.callers[caller], time.Millisecond)
	return answer.(wire.SubmitHash202JSONResponse), nil
}

func (h house) stats(caller int) wire.Stats {
	h.Helper()
	answer, err := h.GetStats(h.callers[caller], wire.GetStatsRequestObject{})
	if err != nil {
		h.Fatal(err)
	}
	return answer.(wire.GetStats200JSONResponse).Body
}

// A caller's figures are its tenant's, and tell nothing of others; a key with the scope admin has those of all.
func TestStatsAreTheTenants(t *testing.T) {
	wishes := []auth.Wish{{Name: "red", Tenant: "red", Quota: 7}, {Name: "blue", Tenant: "blue"}, {Name: "default"}, {Name: "boss", Scopes: auth.Admin}}
	inHouse(t, engine.Limits{MaxPending: 1000}, wishes, func(h house) {
		for caller, jobs := range []int{3, 5, 2} {
			for range jobs {
				if _, err := h.submit(caller, ""); err != nil {
					h.Fatal(err)
				}
			}
		}
		time.Sleep(delayed)
		synctest.Wait()
		for caller, want := range []int64{3, 5, 2, 10} {
			st := h.stats(caller)
			if st.Total != want || st.Completed != want || st.Kept != want || st.Recent.Accepted != want || st.Recent.Completed != want || st.Average != 1000 {
				h.Errorf("%s: %+v, want %d jobs", wishes[caller].Name, st, want)
			}
		}
		if limits := h.stats(0).Limits; len(limits) != 1 || limits[0] != (wire.Use{Name: "quota", Limit: 7}) {
			h.Errorf("a tenant with a quota is told of %v", limits)
		}
		if limits := h.stats(1).Limits; limits == nil || len(limits) > 0 {
			h.Errorf("a tenant without a quota is told of %v", limits)
		}
		if limits := h.stats(3).Limits; len(limits) < 4 {
			h.Errorf("an admin is told of %v", limits)
		}
	})
}

// ofTenants is an engine whose tenants all have the same counters.
type ofTenants struct{ fake }

func (o ofTenants) StatsOf(uint16) engine.Stats { return o.stats }

// A tenant that had no job done is told of no lateness, which would be that of others.
func TestLatenessTellsNothingOfOthers(t *testing.T) {
	late := engine.Lateness{P50: time.Millisecond, P90: time.Millisecond, P99: time.Millisecond, Max: time.Millisecond}
	told := wire.Lateness{P50: 1000, P90: 1000, P99: 1000, Max: 1000}
	for _, tt := range []struct {
		completed, lately  int64
		sinceStart, ofLate wire.Lateness
	}{{2, 1, told, told}, {2, 0, told, wire.Lateness{}}, {0, 0, wire.Lateness{}, wire.Lateness{}}} {
		s := service.New(service.Config{Engine: ofTenants{fake{stats: engine.Stats{
			Completed: tt.completed, Lateness: late, Recent: engine.RecentStats{Completed: tt.lately, Lateness: late},
		}}}})
		answer, err := s.GetStats(engine.ForTenant(t.Context(), 1), wire.GetStatsRequestObject{})
		if err != nil {
			t.Fatal(err)
		}
		if st := answer.(wire.GetStats200JSONResponse).Body; st.Lateness != tt.sinceStart || st.Recent.Lateness != tt.ofLate {
			t.Errorf("of %d jobs, %d of late, a tenant is told of %+v, %+v of late", tt.completed, tt.lately, st.Lateness, st.Recent.Lateness)
		}
	}
}

// Each tenant's idempotency keys are its own.
func TestKeysOfTenants(t *testing.T) {
	inHouse(t, engine.Limits{MaxPending: 1000}, []auth.Wish{{Name: "a", Tenant: "red"}, {Name: "b", Tenant: "red"}, {Name: "c", Tenant: "blue"}, {Name: "d"}}, func(h house) {
		ids := map[int64]bool{}
		for caller := range h.callers {
			for range 2 {
				answer, err := h.submit(caller, "one")
				if err != nil {
					h.Fatal(err)
				}
				ids[answer.Body.Id] = true
			}
		}
		if len(ids) != 3 {
			h.Errorf("%d jobs of three tenants", len(ids))
		}
	})
}

// What the engine refuses costs neither rate nor quota, and submissions tell what is left.
func TestRefusedJobsCostNothing(t *testing.T) {
	wishes := []auth.Wish{{Name: "red", Rate: auth.Rate{Jobs: 5, Per: time.Hour}, Quota: 3}}
	inHouse(t, engine.Limits{MaxPending: 2}, wishes, func(h house) {
		for n, want := range []string{`"jobs";r=4;t=720`, `"jobs";r=3;t=1440`} {
			answer, err := h.submit(0, "")
			if err != nil {
				h.Fatal(err)
			}
			if got := answer.Headers; *got.RateLimitPolicy != `"jobs";q=5;w=3600` || *got.RateLimit != want {
				h.Errorf("job %d: %q, %q", n, *got.RateLimitPolicy, *got.RateLimit)
			}
		}
		for range 20 {
			if _, err := h.submit(0, ""); !isFull(err) {
				h.Fatalf("error %v", err)
			}
		}
		time.Sleep(delayed)
		synctest.Wait()
		if answer, err := h.submit(0, ""); err != nil || *answer.Headers.RateLimit != `"jobs";r=2;t=2155` {
			h.Errorf("%q, error %v", *answer.Headers.RateLimit, err)
		}
	})
}

func isFull(err error) bool {
	_, ok := errors.AsType[*engine.FullError](err)
	return ok
}
