package file

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"

	bolt "go.etcd.io/bbolt"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// names has the numbers of the tenants that the store knows, by name. The committer adds to it what the disk has.
type names struct {
	mu      sync.Mutex // guards the rest
	numbers map[string]uint16
}

func newNames() *names { return &names{numbers: map[string]uint16{engine.DefaultTenant: 0}} }

func (n *names) number(name string) (number uint16, known bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	number, known = n.numbers[name]
	return number, known
}

// add gives the names the next numbers.
func (n *names) add(names []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, name := range names {
		n.numbers[name] = uint16(len(n.numbers))
	}
}

// next returns the number that the next name gets.
func (n *names) next() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.numbers)
}

// TenantNumber implements engine.Tenants. It returns once the store holds the number.
func (e *Engine) TenantNumber(_ context.Context, name string) (uint16, error) {
	if e.queue.isClosed() {
		return 0, engine.ErrClosed
	}
	if !engine.ValidTenant(name) {
		return 0, engine.ErrInvalid
	}
	if number, known := e.committer.names.number(name); known {
		return number, nil
	}
	if e.health.isDown() {
		return 0, engine.ErrDown
	}
	r := newRequest()
	defer r.release()
	r.name = name
	if err := e.queue.put(r); err != nil {
		return 0, err
	}
	<-r.answered
	return r.number, r.err
}

// nameTenant returns the number for a name, which gets one with the group's transaction if it has none.
func (c *committer) nameTenant(name string) (uint16, error) {
	if number, known := c.names.number(name); known {
		return number, nil
	}
	next := c.names.next()
	for n, other := range c.named {
		if other == name {
			return uint16(next + n), nil
		}
	}
	if next+len(c.named) >= engine.MaxTenants {
		return 0, engine.ErrTenants
	}
	c.named = append(c.named, name)
	return uint16(next + len(c.named) - 1), nil
}

// putTenants stores the names that are new. They are sealed, so that none can be changed into another.
func (c *committer) putTenants(tx *bolt.Tx) error {
	if len(c.named) == 0 {
		return nil
	}
	b, err := tx.CreateBucketIfNotExists(bucketTenants)
	if err != nil {
		return err
	}
	for n, name := range c.named {
		key := binary.BigEndian.AppendUint16(nil, uint16(c.names.next()+n))
		sealed, err := c.store.sealer.Seal([]byte(name), c.store.tenantData(key))
		if err != nil {
			return err
		}
		if err := b.Put(key, sealed); err != nil {
			return err
		}
	}
	return nil
}

// tenantData binds a sealed name to its number, and to the store whatever life it is in.
func (s *store) tenantData(key []byte) []byte {
	return append(append(associatedData(bucketTenants, key), '/'), s.lives[0].store[:]...)
}

// restoreTenants reads the names. A store of an earlier version has none.
func (c *committer) restoreTenants(tx *bolt.Tx) error {
	b := tx.Bucket(bucketTenants)
	if b == nil {
		return nil
	}
	return b.ForEach(func(key, sealed []byte) error {
		next := c.names.next()
		if len(key) != 2 || int(binary.BigEndian.Uint16(key)) != next {
			return fmt.Errorf("%w (tenant %d is missing)", ErrDamaged, next)
		}
		name, err := c.store.open(sealed, c.store.tenantData(key))
		if err == nil {
			c.names.add([]string{string(name)})
		}
		return err
	})
}

// StatsOf implements engine.Tenants.
func (e *Engine) StatsOf(tenant uint16) engine.Stats { return e.jobs.StatsOf(tenant) }

// Room implements engine.Tenants.
func (e *Engine) Room(tenant uint16) engine.Room { return e.jobs.Room(tenant) }
