package guard

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hashd-project/hashd/v2/internal/auth"
	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/strict"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// made returns a key, changed, and its token.
func made(t testing.TB, change func(*auth.Key)) (auth.Key, string) {
	t.Helper()
	k, token, err := auth.Add(filepath.Join(t.TempDir(), "keys.json"), auth.Wish{Name: "ci"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&k)
	}
	return k, token
}

// rooms is what an engine knows of tenants: red, blue and green have the numbers 1 to 3.
type rooms struct {
	limit   int64
	results int64 // limit of pending jobs and kept results; 0 for none
	pending [4]atomic.Int64
	kept    [4]int64
	err     error
}

func (r *rooms) TenantNumber(_ context.Context, name string) (uint16, error) {
	return map[string]uint16{"red": 1, "blue": 2, "green": 3}[name], r.err
}

func (r *rooms) Room(tenant uint16) engine.Room {
	pending, held := int64(0), int64(0)
	for i := range r.pending {
		pending += r.pending[i].Load()
		held += r.pending[i].Load() + r.kept[i]
	}
	own := r.pending[tenant].Load()
	return engine.Room{
		Pending: own, FreePending: r.limit - pending,
		Held: own + r.kept[tenant], FreeHeld: cmp.Or(r.results, 1<<40) - held,
	}
}

// guarded returns a guard of an engine with that much room, and the keys' tokens.
func guarded(t *testing.T, limit int64, changes ...func(*auth.Key)) (*Guard, *rooms, []string) {
	t.Helper()
	r := &rooms{limit: limit}
	var list []auth.Key
	var tokens []string
	for _, change := range changes {
		k, token := made(t, func(k *auth.Key) {
			k.Name = "key " + string(rune('a'+len(list)))
			if change != nil {
				change(k)
			}
		})
		list, tokens = append(list, k), append(tokens, token)
	}
	keys := auth.NewKeys(list)
	return New(Config{Keys: func() *auth.Keys { return keys }, Tenants: r, Log: slog.New(slog.DiscardHandler)}), r, tokens
}

func with(authorization ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	r.Header["Authorization"] = authorization
	return r
}

func needs(scopes ...string) strict.Requirement {
	return strict.Requirement{Scheme: "apiKey", Scopes: scopes}
}

func TestAdmit(t *testing.T) {
	g, _, tokens := guarded(t, 10, func(k *auth.Key) { k.Tenant, k.Scopes = "red", auth.Read|auth.Submit }, func(k *auth.Key) { k.Scopes = auth.Admin }, nil)
	red, admin, plain := tokens[0], tokens[1], tokens[2]
	for _, tt := range []struct {
		name   string
		header []string
		need   []string
		tenant uint16
		one    bool
		lacks  string
		err    error
	}{
		{"red reads", []string{"Bearer " + red}, []string{"read"}, 1, true, "", nil},
		{"the scheme in another case", []string{"bEARER " + red}, []string{"submit"}, 1, true, "", nil},
		{"a scope that it lacks", []string{"Bearer " + red}, []string{"cancel"}, 0, false, "cancel", nil},
		{"one of two scopes", []string{"Bearer " + red}, []string{"read", "stats"}, 0, false, "stats", nil},
		{"a scope that nobody knows", []string{"Bearer " + red}, []string{"fly"}, 0, false, "fly", nil},
		{"no scope needed", []string{"Bearer " + red}, nil, 1, true, "", nil},
		{"admin sees all", []string{"Bearer " + admin}, []string{"cancel"}, 0, false, "", nil},
		{"the default tenant", []string{"Bearer " + plain}, []string{"read"}, 0, true, "", nil},
		{"none", nil, nil, 0, false, "", ErrUnauthorized},
		{"two", []string{"Bearer " + red, "Bearer " + red}, nil, 0, false, "", ErrUnauthorized},
		{"another scheme", []string{"Basic " + red}, nil, 0, false, "", ErrUnauthorized},
		{"no scheme", []string{red}, nil, 0, false, "", ErrUnauthorized},
		{"two spaces", []string{"Bearer  " + red}, nil, 0, false, "", ErrUnauthorized},
		{"more behind it", []string{"Bearer " + red + ", x"}, nil, 0, false, "", ErrUnauthorized},
		{"nothing behind it", []string{"Bearer "}, nil, 0, false, "", ErrUnauthorized},
	} {
		ctx, err := g.Admit(with(tt.header...), needs(tt.need...))
		if scope, ok := errors.AsType[*ScopeError](err); tt.lacks != "" {
			if !ok || scope.Scope != tt.lacks {
				t.Errorf("%s: error %v", tt.name, err)
			}
			continue
		}
		if !errors.Is(err, tt.err) || err == nil && CallerOf(ctx) == nil {
			t.Errorf("%s: error %v", tt.name, err)
		}
		if err != nil {
			continue
		}
		if tenant, one := engine.TenantOf(ctx); tenant != tt.tenant || one != tt.one {
			t.Errorf("%s: tenant %d, one %v", tt.name, tenant, one)
		}
	}
}

// A token is read in the one field it belongs in: anywhere else it would be logged on its way.
func TestTokenInAURLOpensNothing(t *testing.T) {
	g, _, tokens := guarded(t, 10, nil)
	r := httptest.NewRequest(http.MethodGet, "/?access_token="+tokens[0]+"&api_key="+tokens[0], http.NoBody)
	r.Header["X-Api-Key"] = []string{tokens[0]}
	r.SetBasicAuth("key", tokens[0])
	if _, err := g.Admit(r, needs()); !errors.Is(err, ErrUnauthorized) {
		t.Errorf("error %v", err)
	}
}

func TestRefusalsQuoteNoToken(t *testing.T) {
	g, r, tokens := guarded(t, 0, func(k *auth.Key) { k.Tenant, k.Quota, k.Rate = "red", 1, auth.Rate{Jobs: 1, Per: 86400e9} })
	r.err = engine.ErrDown
	_, down := g.Admit(with("Bearer "+tokens[0]), needs())
	_, scope := g.Admit(with("Bearer "+tokens[0]), needs("admin"))
	_, unknown := g.Admit(with("Bearer "+tokens[0]+"x"), needs())
	for _, err := range []error{down, scope, unknown} {
		if err == nil || strings.Contains(err.Error(), "hashd_") {
			t.Errorf("error %v", err)
		}
	}
	if !errors.Is(down, engine.ErrDown) {
		t.Errorf("a store that is down: error %v", down)
	}
}

// A server without keys asks for none, and takes no notice of any.
func TestOpenToAll(t *testing.T) {
	g := New(Config{})
	for _, r := range []*http.Request{with(), with("Bearer nonsense")} {
		ctx, err := g.Admit(r, needs("submit"))
		if _, one := engine.TenantOf(ctx); err != nil || one || ctx != r.Context() {
			t.Errorf("error %v", err)
		}
		if grant, err := g.Take(ctx, 1e9); err != nil || grant.Fields != (RateFields{}) {
			t.Errorf("%+v, error %v", grant, err)
		}
	}
}

func FuzzAuthorization(f *testing.F) {
	good, token := made(f, nil)
	keys := auth.NewKeys([]auth.Key{good})
	g := New(Config{Keys: func() *auth.Keys { return keys }, Tenants: &rooms{}})
	f.Add("Bearer " + token)
	f.Add("bearer " + token + " ")
	f.Add("Bearer hashd_")
	f.Fuzz(func(t *testing.T, header string) {
		_, err := g.Admit(with(header), needs("read"))
		scheme, shown, _ := strings.Cut(header, " ")
		if want := strings.EqualFold(scheme, "bearer") && shown == token; (err == nil) != want {
			t.Errorf("error %v", err)
		}
	})
}
