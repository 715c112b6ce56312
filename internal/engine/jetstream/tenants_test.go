package jetstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	natsjs "github.com/nats-io/nats.go/jetstream"

	"github.com/hashd-project/hashd/v2/internal/engine"
	"github.com/hashd-project/hashd/v2/internal/engine/jetstream/natstest"
)

func numberOf(t *testing.T, e *Engine, name string) uint16 {
	t.Helper()
	number, err := e.TenantNumber(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return number
}

// askedAtOnce asks all instances for the numbers of many names at once. Each name must have one number, which no other has.
func askedAtOnce(t *testing.T, all []*Engine, names int) map[string]uint16 {
	t.Helper()
	var g sync.WaitGroup
	var mu sync.Mutex
	got := make(map[string]uint16)
	for n := range names {
		for _, e := range all {
			g.Go(func() {
				name := fmt.Sprint("tenant-", n)
				number, err := e.TenantNumber(t.Context(), name)
				mu.Lock()
				defer mu.Unlock()
				if old, known := got[name]; err != nil || known && old != number || number == 0 {
					t.Errorf("%s has the number %d and %d, error %v", name, old, number, err)
				}
				got[name] = number
			})
		}
	}
	g.Wait()
	owners := make(map[uint16]string)
	for name, number := range got {
		if other, taken := owners[number]; taken {
			t.Errorf("%s and %s have the number %d", name, other, number)
		}
		owners[number] = name
	}
	return got
}

// Instances that are asked at once for the same names, and all later ones, give each name one number.
func TestTenantNumbers(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t))
	all := instances(t, 3, cfg)
	given := askedAtOnce(t, all, 50)
	if n := numberOf(t, all[0], engine.DefaultTenant); n != 0 {
		t.Errorf("the first tenant's number is %d", n)
	}
	for _, e := range all {
		_ = e.Close()
	}
	if _, err := all[0].TenantNumber(t.Context(), "tenant-1"); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	e := start(t, cfg)
	for name, number := range given {
		if n := numberOf(t, e, name); n != number {
			t.Errorf("%s had the number %d, and after a restart has %d", name, number, n)
		}
	}
}

// fill gives that many numbers, from the one on with which the search for the name begins, to others.
func fill(t *testing.T, e *Engine, name string, n int) {
	t.Helper()
	first := e.firstPlace(name)
	for from := 0; from < n; from += askJobs {
		var msgs []*nats.Msg
		for i := from; i < min(n, from+askJobs); i++ {
			m, err := e.numberMsg(numberAt(first+uint64(i)), fmt.Sprint("other-", i))
			if err != nil {
				t.Fatal(err)
			}
			msgs = append(msgs, m)
		}
		if _, err := e.commit(msgs); err != nil {
			t.Fatal(err)
		}
	}
}

// Where the numbers of a name's search are others', it gets the next, on every instance at once.
func TestTenantNumbersThatAreTaken(t *testing.T) {
	t.Parallel()
	all := instances(t, 2, config(t, single(t)))
	fill(t, all[0], "tenant-0", 2_500)
	want := numberAt(all[0].firstPlace("tenant-0") + 2_500)
	if got := askedAtOnce(t, all, 1); got["tenant-0"] != want {
		t.Errorf("it has the number %d, want %d", got["tenant-0"], want)
	}
}

// With every number given, another name gets none, and no name loses its own.
func TestNoTenantNumberIsLeft(t *testing.T) {
	t.Parallel()
	e := start(t, config(t, single(t)))
	fill(t, e, "late", 1<<16-2)
	if got, want := numberOf(t, e, "last"), numberAt(e.firstPlace("late")+1<<16-2); got != want {
		t.Errorf("the last number is %d, want %d", got, want)
	}
	if n, err := e.TenantNumber(t.Context(), "late"); !errors.Is(err, engine.ErrTenants) || n != 0 {
		t.Errorf("%d, %v", n, err)
	}
	if n := numberOf(t, e, engine.DefaultTenant); n != 0 {
		t.Error(n)
	}
}

// The numbers are in the backup of the jobs stream, and live without any other stream.
func TestTenantNumbersInBackup(t *testing.T) {
	t.Parallel()
	h := newHistory(t, single(t))
	e := start(t, h.cfg)
	given := askedAtOnce(t, []*Engine{e}, 10)
	h.done(e, h.submit(e, 3))
	b := h.backup(e.names.jobs())
	_ = e.Close()
	h.drop(h.all()...)
	h.restore(e.names.jobs(), b)
	e = start(t, h.cfg)
	for name, number := range given {
		if n := numberOf(t, e, name); n != number {
			t.Errorf("%s had the number %d, and in the copy has %d", name, number, n)
		}
	}
}

// After the log has lost its end, the numbers that were told stay with their names, on instances that run and on new ones.
func TestTenantNumbersOutliveTheEndOfTheLog(t *testing.T) {
	t.Parallel()
	h := newHistory(t, single(t))
	all := []*Engine{start(t, h.cfg), start(t, h.cfg)}
	early := numberOf(t, all[0], "early")
	h.done(all[0], h.submit(all[0], 3))
	b := h.backup(all[0].names.jobs())
	late := numberOf(t, all[0], "late")
	h.done(all[0], h.submit(all[0], 3))
	h.drop(all[0].names.jobs())
	h.restore(all[0].names.jobs(), b)
	awaitLives(t, 2, all...)
	awaitOwner(t, all[1], late, "late") // to whom the instance that was told it gives it again
	for _, e := range []*Engine{all[0], all[1], start(t, h.cfg)} {
		if n := numberOf(t, e, "late"); n != late {
			t.Errorf("it had the number %d, and has %d", late, n)
		}
		if n := numberOf(t, e, "early"); n != early {
			t.Errorf("it had the number %d, and has %d", early, n)
		}
	}
}

// awaitOwner waits until the store says that the number is that tenant's.
func awaitOwner(t *testing.T, e *Engine, number uint16, want string) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		owner, err := e.ownerOfNumber(t.Context(), number)
		switch {
		case err != nil:
			t.Fatal(err)
		case owner == want:
			return
		case owner != "" || time.Since(began) > patience:
			t.Fatalf("the number is %q's", owner)
		}
	}
}

// An instance that was told a number which is another's since the log has lost its end does not go on with it.
func TestTenantNumberOfAnother(t *testing.T) {
	t.Parallel()
	h := newHistory(t, single(t))
	e := start(t, h.cfg)
	h.done(e, h.submit(e, 3))
	b := h.backup(e.names.jobs())
	late := numberOf(t, e, "late")
	h.done(e, h.submit(e, 3))
	m, err := e.numberMsg(late, "another")
	if err != nil {
		t.Fatal(err)
	}
	for published := false; !published; { // the instance may give the number again before
		h.drop(e.names.jobs())
		h.restore(e.names.jobs(), b)
		err := h.servers.With(func(js natsjs.JetStream) error {
			_, err := js.PublishMsg(t.Context(), m)
			return err
		})
		if wrong, ok := errors.AsType[*natsjs.APIError](err); err != nil && (!ok || wrong.ErrorCode != natsjs.JSErrCodeStreamWrongLastSequence) {
			t.Fatal(err)
		}
		published = err == nil
	}
	awaitDown(t, e, fmt.Sprintf(`tenant "late" has had the number %d, which "another" got`, late))
	if _, err := e.TenantNumber(t.Context(), "new"); !errors.Is(err, engine.ErrDown) {
		t.Error(err)
	}
	_ = e.Close()
	e = start(t, h.cfg)
	if n := numberOf(t, e, "late"); n == late {
		t.Error("two tenants have one number")
	}
}

// A store that cannot be reached gives no number; one that was told is known.
func TestTenantNumberWhileDown(t *testing.T) {
	t.Parallel()
	servers := cluster(t, natstest.Config{Nodes: 1})
	cfg := config(t, servers)
	cfg.Timeout = timeout
	e := start(t, cfg)
	known := numberOf(t, e, "known")
	servers.Stop()
	if _, err := e.TenantNumber(t.Context(), "new"); !errors.Is(err, engine.ErrDown) {
		t.Error(err)
	}
	if n := numberOf(t, e, "known"); n != known {
		t.Errorf("%d, want %d", n, known)
	}
}

// A record that no instance of this service has made gives no number.
func TestForgedTenantNumber(t *testing.T) {
	t.Parallel()
	e := start(t, config(t, single(t)))
	m, err := e.numberMsg(1, "mallory")
	if err != nil {
		t.Fatal(err)
	}
	m.Subject = e.names.tenant(numberAt(e.firstPlace("mallory"))) // another number's
	if numberAt(e.firstPlace("mallory")) == 1 {
		t.Skip("it is that number's after all, once in 65,535 times")
	}
	tamper(t, single(t), func(ctx context.Context, js natsjs.JetStream) error {
		_, err := js.PublishMsg(ctx, m)
		return err
	})
	if n, err := e.TenantNumber(t.Context(), "mallory"); !errors.Is(err, engine.ErrDown) || n != 0 {
		t.Errorf("%d, %v", n, err)
	}
}

// Records of numbers as this version writes them can be read for ever.
func TestFrozenTenants(t *testing.T) {
	t.Parallel()
	e := &Engine{fingerprintKey: bytes.Repeat([]byte{0x42}, fingerprintKeyBytes), names: names{frozenPrefix}}
	for name, number := range map[string]uint16{"acme": 1, "a.b-c_d": 65535} {
		got, err := e.readNumber(number, readFrozen(t, "2", fmt.Sprintf("tenant-%d.json", number)))
		if err != nil || got != name {
			t.Errorf("number %d is %q's, error %v", number, got, err)
		}
	}
	for name, number := range map[string]uint16{"acme": 51870, "a.b-c_d": 64502} {
		if got := numberAt(e.firstPlace(name)); got != number {
			t.Errorf("the search for %s begins at %d, not at %d", name, got, number)
		}
	}
	if got := e.names.tenant(7); got != "frozen.key.tenant-7" {
		t.Error(got)
	}
}

// A log of an earlier hashd, which answers for many messages at a time at its leader alone, keeps numbers, too.
func TestTenantNumbersInFrozenStreams(t *testing.T) {
	t.Parallel()
	cfg := frozenStreams(t)
	e := start(t, cfg)
	fill(t, e, "tenant", 20)
	want := numberAt(e.firstPlace("tenant") + 20)
	for _, e := range []*Engine{e, start(t, cfg)} {
		if n := numberOf(t, e, "tenant"); n != want {
			t.Errorf("it has the number %d, want %d", n, want)
		}
	}
}
