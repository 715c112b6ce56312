package service_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	wire "github.com/hashd-project/hashd/v2/gen/server"
	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/service"
)

// waited is what a service does for GET with the header Prefer: how long it would wait at most,
// in seconds, and what it says it applied; never if it does not wait.
func waited(t *testing.T, prefer string, maxWait time.Duration, state engine.State) string {
	seconds := "none"
	e := fake{
		get: func(id int64) (engine.Record, error) { return engine.Record{ID: id, State: state}, nil },
		wait: func(ctx context.Context, id int64) (engine.Record, error) {
			deadline, _ := ctx.Deadline()
			seconds = fmt.Sprint(time.Until(deadline).Seconds())
			return engine.Record{ID: id, State: state}, nil
		},
	}
	s := service.New(service.Config{Engine: e, MaxWait: maxWait})
	answer, err := s.GetHash(t.Context(), wire.GetHashRequestObject{Id: 42, Params: wire.GetHashParams{Prefer: &prefer}})
	if err != nil {
		t.Fatal(err)
	}
	var header *string
	if state == engine.Done {
		header = answer.(wire.GetHash200JSONResponse).Headers.PreferenceApplied
	} else {
		header = answer.(wire.GetHash202JSONResponse).Headers.PreferenceApplied
	}
	applied := "nothing"
	if header != nil {
		applied = *header
	}
	return seconds + " " + applied
}

const never = "none nothing"

func TestPrefer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for prefer, want := range map[string]string{
			// The forms of RFC 7240, section 2.
			"wait=10": "10 wait=10", "wait=0": "0 wait=0", "wait=1": "1 wait=1", "wait=60": "60 wait=60",
			"WAIT=10": "10 wait=10", "Wait=10": "10 wait=10",
			`wait="10"`: "10 wait=10", "wait = 10": "10 wait=10", "\twait\t=\t10\t": "10 wait=10", `wait = "10" `: "10 wait=10",
			"wait=010": "10 wait=10",
			"wait=10;": "10 wait=10", "wait=10;a=b": "10 wait=10", "wait=10 ; a ; b=\"c\"": "10 wait=10",
			"respond-async, wait=10": "10 wait=10", "wait=10, respond-async": "10 wait=10", "respond-async,wait=10": "10 wait=10",
			", ,wait=10,": "10 wait=10", "return=minimal; wait=5, wait=10": "10 wait=10",
			`foo="bar", wait=10`: "10 wait=10",

			// What stands in quotes is no list and no preference.
			`foo="a, wait=20", wait=10`: "10 wait=10", `foo="a, wait=20"`: never, `foo="a; wait=20"`: never,

			// The first counts, and if that makes no sense, none does.
			"wait=10, wait=20": "10 wait=10", "WAIT=10, wait=20": "10 wait=10", "wait=x, wait=20": never,

			// No wait was asked for, or in no way that can be understood.
			"": never, " ": never, ",": never, ";": never, "=": never, "=10": never,
			"wait": never, "wait=": never, `wait=""`: never, "wait:10": never, "wait 10": never,
			"wait=-1": never, "wait=+1": never, "wait=1.5": never, "wait=1e1": never, "wait=0x10": never, "wait=1_0": never,
			"wait=ten": never, "wait=10s": never, "wait=1 0": never, "wait=１": never, "wait='10'": never,
			"waiting=10": never, "await=10": never, "wait-10": never, "respond-async": never, "handling=lenient": never,
			"return=representation;wait=10": never, "wa\x00it=10": never, "\xff=10": never,

			// Longer than the server's limit, up to longer than any number.
			"wait=61": "60 wait=60", "wait=2147483647": "60 wait=60", "wait=2147483648": "60 wait=60",
			"wait=9223372036854775807": "60 wait=60", "wait=18446744073709551616": "60 wait=60",
			"wait=" + strings.Repeat("9", 1000): "60 wait=60", "wait=-" + strings.Repeat("9", 1000): never,
		} {
			if got := waited(t, prefer, time.Minute, engine.Pending); got != want {
				t.Errorf("%.50q: waited and applied %s, want %s", prefer, got, want)
			}
			if got := waited(t, prefer, time.Minute, engine.Done); got != want {
				t.Errorf("%.50q of a done job: waited and applied %s, want %s", prefer, got, want)
			}
		}
		if got := waited(t, "wait=10", 2500*time.Millisecond, engine.Pending); got != "2.5 wait=2" {
			t.Errorf("limit of 2.5 s: waited and applied %s", got)
		}
	})
}

// A wait that ends before the job is due answers like no wait at all, then.
func TestWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		due := time.Now().Add(time.Minute)
		s := serviceOn(fake{wait: func(ctx context.Context, id int64) (engine.Record, error) {
			<-ctx.Done()
			return engine.Record{ID: id, Due: due}, nil
		}})
		prefer, began := "wait=10", time.Now()
		answer, err := s.GetHash(t.Context(), wire.GetHashRequestObject{Id: 42, Params: wire.GetHashParams{Prefer: &prefer}})
		if err != nil || time.Since(began) != 10*time.Second {
			t.Fatalf("after %v: error %v", time.Since(began), err)
		}
		if got := answer.(wire.GetHash202JSONResponse); got.Headers.RetryAfter != 50 || !got.Body.Due.Equal(due) {
			t.Errorf("answer %+v, want retry after 50", got)
		}
	})
}

// A client that goes ends its wait.
func TestWaitOfAClientThatGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, leave := context.WithCancel(t.Context())
		s := serviceOn(fake{wait: func(ctx context.Context, id int64) (engine.Record, error) {
			<-ctx.Done()
			return engine.Record{ID: id}, nil
		}})
		prefer, began := "wait=10", time.Now()
		time.AfterFunc(time.Second, leave)
		_, _ = s.GetHash(ctx, wire.GetHashRequestObject{Id: 42, Params: wire.GetHashParams{Prefer: &prefer}})
		if time.Since(began) != time.Second {
			t.Errorf("held for %v, want 1s", time.Since(began))
		}
	})
}
