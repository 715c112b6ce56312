package jetstream

import "sync"

// turns lets requests with the same idempotency key pass one after the other, so that one which comes
// while another is in flight finds its answer, and takes no room meanwhile. The zero value has none
// in flight.
type turns struct {
	mu   sync.Mutex
	busy map[[16]byte]chan struct{} // closed when the request with the key is answered
}

// take waits until no other request with the key is in flight, which is as long as storing one takes, or
// until over is closed. The caller leaves once it has its answer.
func (t *turns) take(key [16]byte, over <-chan struct{}) (leave func(), ok bool) {
	for {
		other, mine := t.enter(key)
		if other == nil {
			return func() { t.leave(key, mine) }, true
		}
		select {
		case <-other:
		case <-over:
			return nil, false
		}
	}
}

// enter returns the request in flight, or a new one if there is none.
func (t *turns) enter(key [16]byte) (other, mine chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if other = t.busy[key]; other != nil {
		return other, nil
	}
	if t.busy == nil {
		t.busy = make(map[[16]byte]chan struct{})
	}
	mine = make(chan struct{})
	t.busy[key] = mine
	return nil, mine
}

func (t *turns) leave(key [16]byte, mine chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.busy, key)
	close(mine)
}
