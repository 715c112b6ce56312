package jetstream

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// The numbers of tenants lie in the jobs stream, each under its own subject, and stay there: a copy of the stream has
// those of all its jobs. Where the search for a name's number begins follows from the name, and goes on to the next
// number as long as that is another's. So whoever gives a name a number has seen that the name has none, and the same
// name comes to the same number again if the log loses it.

// tenantRecord says whose a number is. It is not sealed, as an instance with an older ring needs it too, and a name is no
// secret; but nobody without the fingerprint key can make one.
type tenantRecord struct {
	Tenant string `json:"tenant"`
	Mac    []byte `json:"mac"` // of number and name
}

// tenants are the numbers that this instance knows. The zero value knows none.
type tenants struct {
	mu      sync.Mutex
	names   map[uint16]string
	numbers map[string]uint16 // those that were asked for here
	lives   int               // of the log in which they are known to be in it; watch's alone
}

// known returns the name of a number, which is "" if it is not known.
func (t *tenants) known(number uint16) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.names[number]
}

// learn notes whose a number is.
func (t *tenants) learn(number uint16, name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.names == nil {
		t.names = make(map[uint16]string)
	}
	t.names[number] = name
}

// number returns the number of a name that was asked for here.
func (t *tenants) number(name string) (number uint16, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	number, ok = t.numbers[name]
	return number, ok
}

// answer notes a number that is told to whoever asked for it.
func (t *tenants) answer(name string, number uint16) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.numbers == nil {
		t.numbers = make(map[string]uint16)
	}
	t.numbers[name] = number
}

// forget forgets all but what was told, which it returns.
func (t *tenants) forget() map[string]uint16 {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.names)
	return maps.Clone(t.numbers)
}

// TenantNumber implements engine.Tenants.
func (e *Engine) TenantNumber(ctx context.Context, name string) (uint16, error) {
	if e.ctx.Err() != nil {
		return 0, engine.ErrClosed
	}
	switch {
	case !engine.ValidTenant(name):
		return 0, engine.ErrInvalid
	case name == engine.DefaultTenant:
		return 0, nil
	}
	if number, ok := e.tenants.number(name); ok {
		return number, nil
	}
	if err := e.usable(); err != nil {
		return 0, err
	}
	number, err := e.findNumber(ctx, name)
	if err != nil {
		return 0, fmt.Errorf("number of tenant %q: %w", name, err)
	}
	e.tenants.answer(name, number)
	return number, nil
}

// findNumber returns the number of a name, which it gets if it has none.
func (e *Engine) findNumber(ctx context.Context, name string) (uint16, error) {
	const single = 8 // numbers that are looked at one by one
	first := e.firstPlace(name)
	for n := range uint64(math.MaxUint16) {
		number := numberAt(first + n)
		if n%askJobs == single {
			if err := e.learnNumbers(ctx, first+n); err != nil {
				return 0, err
			}
		}
		owner := e.tenants.known(number)
		if owner == "" {
			var err error
			if owner, err = e.claimNumber(ctx, number, name); err != nil {
				return 0, err
			}
		}
		if owner == name {
			return number, nil
		}
	}
	return 0, engine.ErrTenants
}

// firstPlace returns where the search for a name's number begins.
func (e *Engine) firstPlace(name string) uint64 {
	return binary.BigEndian.Uint64(e.tenantMac(0, name)) % math.MaxUint16
}

// numberAt returns the number in that place of the search, which begins again behind the last.
func numberAt(place uint64) uint16 { return 1 + uint16(place%math.MaxUint16) }

// claimNumber returns whose the number is, which is the given one's if it was nobody's.
func (e *Engine) claimNumber(ctx context.Context, number uint16, name string) (owner string, err error) {
	const tries, pause = 20, 10 * time.Millisecond
	for n := range tries {
		err = e.call(ctx, func(ctx context.Context) (err error) {
			if owner, err = e.ownerOfNumber(ctx, number); owner == "" && err == nil {
				owner, err = name, e.putNumber(ctx, number, name)
			}
			return err
		})
		if !errors.Is(err, errTaken) {
			break
		}
		select { // another instance gives it to somebody
		case <-time.After(time.Duration(n) * pause):
		case <-e.ctx.Done():
			return "", engine.ErrClosed
		}
	}
	if err != nil {
		return "", down(err)
	}
	e.tenants.learn(number, owner)
	return owner, nil
}

// ownerOfNumber returns whose the number is; "" if it is nobody's.
func (e *Engine) ownerOfNumber(ctx context.Context, number uint16) (string, error) {
	m, err := e.ask(ctx, e.names.jobs(), request{LastFor: e.names.tenant(number)})
	if err != nil || m == nil {
		return "", err
	}
	return e.readNumber(number, m.Data)
}

func (e *Engine) readNumber(number uint16, data []byte) (string, error) {
	var rec tenantRecord
	err := json.Unmarshal(data, &rec)
	if err == nil && !hmac.Equal(rec.Mac, e.tenantMac(number, rec.Tenant)) {
		err = errors.New("not made by this service")
	}
	if err != nil {
		return "", fmt.Errorf("record of tenant %d: %w", number, err)
	}
	return rec.Tenant, nil
}

// putNumber gives a number to a name. It returns errTaken if it is somebody's already.
func (e *Engine) putNumber(ctx context.Context, number uint16, name string) error {
	m, err := e.numberMsg(number, name)
	if err != nil {
		return err
	}
	_, err = e.commitOne(ctx, m)
	return refusal(err)
}

func (e *Engine) numberMsg(number uint16, name string) (*nats.Msg, error) {
	b, err := json.Marshal(tenantRecord{name, e.tenantMac(number, name)})
	return &nats.Msg{Subject: e.names.tenant(number), Data: b, Header: nats.Header{
		jetstream.ExpectedLastSubjSeqHeader: {"0"},
	}}, err
}

// tenantMac returns what only this service can make of a number and a name.
func (e *Engine) tenantMac(number uint16, name string) []byte {
	mac := hmac.New(sha256.New, e.fingerprintKey)
	_, _ = fmt.Fprintf(mac, "tenant %d %s", number, name)
	return mac.Sum(nil)
}

// learnNumbers learns whose the numbers from that place of the search on are, as far as any server knows.
func (e *Engine) learnNumbers(ctx context.Context, place uint64) error {
	numbers, subjects := make(map[string]uint16, askJobs), make([]string, 0, askJobs)
	for n := range uint64(askJobs) {
		number := numberAt(place + n)
		subject := e.names.tenant(number)
		numbers[subject], subjects = number, append(subjects, subject)
	}
	err := e.call(ctx, func(ctx context.Context) error {
		_, err := e.askMany(ctx, e.names.jobs(), many{LastFor: subjects}, func(m *message) error {
			name, err := e.readNumber(numbers[m.Subject], m.Data)
			if err == nil {
				e.tenants.learn(numbers[m.Subject], name)
			}
			return err
		})
		return err
	})
	if errors.Is(err, errNoDirect) { // a log made by an earlier hashd: each is asked for
		return nil
	}
	return down(err)
}

// keepNumbers gives those numbers again that were told here, after the log has lost its end and maybe them with it.
// Whoever was told them goes on with them.
func (e *Engine) keepNumbers(ctx context.Context) error {
	lives := len(e.lives())
	if e.tenants.lives == lives {
		return nil
	}
	for name, number := range e.tenants.forget() {
		switch owner, err := e.claimNumber(ctx, number, name); {
		case err != nil:
			return err
		case owner != name:
			return fmt.Errorf("tenant %q has had the number %d, which %q got after stream %s had lost its end: restart this hashd",
				name, number, owner, e.names.jobs())
		}
	}
	e.tenants.lives = lives
	return nil
}
