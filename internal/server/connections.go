package server

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// reserve is how many connections beyond the limit are accepted, so that a health check gets its
// answer and others a refusal instead of silence.
const reserve = 16

// spareLife is how long a connection beyond the limit is kept: ample for one short request.
const spareLife = 2 * time.Second

// connections owns the client connections. To bound them it first closes silent ones, then refuses
// requests, and at last accepts no more.
type connections struct {
	limit int
	gate  *gate // of their requests; nil for none
	crowd *crowd
	freed chan struct{} // tells a waiting Accept that a connection has gone, or can go

	cutAt atomic.Pointer[time.Time] // when bodies that are still being received are cut; set by close

	mu     sync.Mutex
	all    map[*client]struct{}
	spares []*client          // those of them that are beyond the limit, oldest first
	bodies map[*body]struct{} // those that are being received over HTTP/2
	silent client             // head of the ring of those that have sent nothing since they were accepted or answered, longest first
}

// The states of a connection. While a request's header is arriving and while its body is received, the
// client sets the pace; between the two and afterwards the server is working. A request whose body is not
// read is being dismissed, and is dismissed when its answer is sent. A connection that is gone is closed.
const (
	stateSilent int32 = iota
	stateArriving
	stateWorking
	stateReceiving
	stateDismissing
	stateDismissed
	stateGone
)

func newConnections(limit int, log *slog.Logger) *connections {
	files := openFiles()
	limit = min(limit, max(1, files-reserve-min(otherFiles, files/4)))
	cs := &connections{
		limit: limit, crowd: &crowd{limit: limit, log: log}, freed: make(chan struct{}, 1), all: make(map[*client]struct{}), bodies: make(map[*body]struct{}),
	}
	cs.silent.before, cs.silent.after = &cs.silent, &cs.silent
	return cs
}

// otherFiles is how many files are left to the rest of the process.
const otherFiles = 64

// client is a connection of a client. Its last fields are the owner's, under its lock.
type client struct {
	net.Conn
	owner  *connections
	state  atomic.Int32
	beyond atomic.Bool // the limit
	gated  *gated      // the same connection behind a gate; nil without one
	secure *secured    // the same connection, if it has TLS
	ended  atomic.Bool // what is still read is not looked at any more
	// unhandled is a request that net/http has and no handler yet: a shutdown would drop it. It is not told of HTTP/2.
	unhandled atomic.Bool
	asked     atomic.Bool // some request of it reached its handler

	streamTokens streamTokens // of requests of HTTP/2

	// For the goroutine that serves the connection:
	buffer []byte // net/http's, of requests, or of the last frame of HTTP/2
	tokens tokens // of the request
	watch  headerWatch
	whole  bool // the request's body was read to its end
	done   bool // the request was answered

	before, after *client     // among the silent ones; nil while the client has said something
	since         time.Time   // when it was put there
	ending        *time.Timer // ends it, if it is beyond the limit
	parting       bool        // it was silent when part looked last
}

// Read clears p first: net/http reads into buffers that it shares between connections, and they may
// still hold the secret of an earlier request.
func (c *client) Read(p []byte) (int, error) {
	clear(p)
	c.wipeFrame(p)
	n, err := c.Conn.Read(p)
	if n == 0 {
		return 0, err
	}
	multiplexed := c.multiplexed()
	switch state := c.state.Load(); {
	case multiplexed && state != stateGone: // its frames say nothing of requests
		c.buffer = joined(c.buffer, p[:n])
		if !c.streamTokens.kept.Load() && c.watch.keeps(p[:n]) {
			c.streamTokens.kept.Store(true)
		}
	case state == stateGone || state == stateSilent && !c.owner.speaks(c, stateArriving): // closed while it was read
		clear(p[:n])
		return 0, net.ErrClosed
	case c.ended.Load():
		clear(p[:n])
	case state == stateSilent || state == stateArriving:
		if state == stateSilent {
			c.tokens.clear() // of a request that was answered without a handler
		}
		if c.buffer == nil { // what was read first went to the buffer's beginning
			c.buffer = p[:cap(p)] // net/http may ask for no more than what tells HTTP/2
		}
		c.tokens.take(p[:n])
	default:
		c.tokens.passed(p[:n])
	}
	return n, err
}

// Write notes when the answer of a request that is dismissed has been sent: one write takes all of it.
func (c *client) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if c.state.Load() == stateDismissing && c.state.CompareAndSwap(stateDismissing, stateDismissed) {
		c.owner.mayRelease()
	}
	return n, err //nolint:wrapcheck // net/http asks this error what kind it is
}

// dismiss has a request answered before its body is read. Until the body has come or the client hangs up,
// the connection is there for a client that reads late, and goes when another needs its place.
func (c *client) dismiss(w http.ResponseWriter) {
	if !c.multiplexed() && c.state.CompareAndSwap(stateWorking, stateDismissing) {
		_ = http.NewResponseController(w).EnableFullDuplex() // else net/http would read the body first
	}
}

// Close gives the connection's place to another.
func (c *client) Close() error {
	c.owner.mu.Lock()
	c.owner.forget(c)
	c.owner.mu.Unlock()
	return c.Conn.Close()
}

// CloseWrite lets net/http end its side first, so that a client can read its answer.
func (c *client) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// add takes a connection that was just accepted.
func (cs *connections) add(accepted net.Conn) *client {
	c := &client{Conn: accepted, owner: cs}
	c.secure, _ = accepted.(*secured)
	cs.mu.Lock()
	victim := cs.makeRoom()
	cs.all[c] = struct{}{}
	cs.listen(c)
	if len(cs.all)-len(cs.spares) > cs.limit {
		cs.spares = append(cs.spares, c)
		c.beyond.Store(true)
		c.ending = time.AfterFunc(spareLife, func() { _ = c.Close() })
	}
	cs.mu.Unlock()
	cs.end(victim)
	if cs.cutAt.Load() != nil {
		_ = c.Close()
	}
	return c
}

// listen puts a connection behind those that have been silent for longer.
func (cs *connections) listen(c *client) {
	c.since = time.Now()
	c.before, c.after = cs.silent.before, &cs.silent
	c.before.after, c.after.before = c, c
}

// heard takes a connection out of the silent ones.
func (cs *connections) heard(c *client) {
	if c.before != nil {
		c.before.after, c.after.before = c.after, c.before
		c.before, c.after = nil, nil
	}
}

// makeRoom forgets the connection that was silent for longest if the limit leaves no room for one
// more. The caller holds the lock, and ends it without.
func (cs *connections) makeRoom() (victim *client) {
	if len(cs.all)-len(cs.spares) < cs.limit {
		return nil
	}
	return cs.takeSilent(false)
}

// Under overload a connection keeps its place for a while after it was made or answered. Its client is about to
// send a request, and otherwise would come again on a new connection that takes another's place, and so on:
// nobody would be served for it.
const (
	keepsPlace = time.Second
	keepsSpare = 20 * time.Millisecond
)

func keeps(spare bool) time.Duration {
	if spare {
		return keepsSpare
	}
	return keepsPlace
}

// looks bounds how many silent connections are asked whether something has arrived.
const looks = 64

// takeSilent forgets the connection that was silent for longest, if there is one.
func (cs *connections) takeSilent(beyond bool) (victim *client) {
	c, busy := cs.silent.after, cs.gate.busy()
	for range looks {
		if c == &cs.silent {
			break
		}
		spare := c.beyond.Load()
		if busy && time.Since(c.since) < keeps(spare) {
			c = c.after
			continue
		}
		if (beyond || !spare) && !arrived(c.Conn) {
			cs.forget(c)
			return c
		}
		c = c.after
	}
	return nil
}

// takeHalfOpen forgets the oldest connection beyond the limit whose request has begun and not come, or was
// dismissed. Who sends a whole request without a body, as a health check does, is past that at once.
func (cs *connections) takeHalfOpen() (victim *client) {
	for _, c := range cs.spares {
		if state := c.state.Load(); state == stateArriving || state == stateDismissed {
			cs.forget(c)
			return c
		}
	}
	return nil
}

// end closes a connection that makeRoom or takeSilent forgot.
func (cs *connections) end(victim *client) {
	if victim != nil {
		hangUp(victim.Conn)
		cs.crowd.note()
	}
}

// hangUp closes a connection at once.
func hangUp(nc net.Conn) {
	if s, ok := nc.(*secured); ok {
		s.hangUp()
		return
	}
	_ = nc.Close()
}

// forget takes a connection out of the books. The caller holds the lock.
func (cs *connections) forget(c *client) {
	if c.state.Swap(stateGone) == stateGone {
		return
	}
	delete(cs.all, c)
	cs.heard(c)
	cs.endSpare(c)
	cs.mayRelease()
}

// mayRelease has a waiting Accept look again for a connection that can go.
func (cs *connections) mayRelease() {
	select {
	case cs.freed <- struct{}{}:
	default:
	}
}

// endSpare makes a connection beyond the limit an ordinary one, or stops counting it.
func (cs *connections) endSpare(c *client) {
	if c.beyond.Load() {
		c.beyond.Store(false)
		c.ending.Stop()
		cs.spares = slices.DeleteFunc(cs.spares, func(one *client) bool { return one == c })
	}
}

// speaks notes that a silent client has said something. It is false if the connection was closed
// meanwhile.
func (cs *connections) speaks(c *client, state int32) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.heard(c)
	said := c.state.CompareAndSwap(stateSilent, state)
	if c.beyond.Load() {
		cs.mayRelease()
	}
	return said
}

// changed is the server's ConnState hook. Of HTTP/2 it hears when the first request is opened and when the
// last has ended.
func (cs *connections) changed(nc net.Conn, state http.ConnState) {
	c := clientOf(nc)
	switch {
	case c == nil:
	case state == http.StateClosed: // nothing is read any more
		c.tokens.clear()
		c.streamTokens.close()
	case state == http.StateActive: // the header is complete
		c.unhandled.Store(!c.multiplexed())
		if !c.state.CompareAndSwap(stateArriving, stateWorking) {
			cs.speaks(c, stateWorking) // it came along with the request before
		}
	case state == http.StateIdle:
		c.unhandled.Store(false)
		cs.mu.Lock()
		if c.state.CompareAndSwap(stateWorking, stateSilent) {
			cs.listen(c)
		}
		cs.mu.Unlock()
	}
}

// admit says whether a request on the connection is served. On a connection beyond the limit it is
// served only if there is room by now. admit panics with http.ErrAbortHandler if the connection is
// closed already: an answer could not be sent.
func (cs *connections) admit(c *client) bool {
	c.unhandled.Store(false)
	c.asked.Store(true)
	if c.state.Load() == stateGone {
		panic(http.ErrAbortHandler)
	}
	if !c.beyond.Load() {
		return true
	}
	cs.mu.Lock()
	victim := cs.makeRoom()
	room := len(cs.all)-len(cs.spares) < cs.limit
	if room {
		cs.endSpare(c)
	}
	cs.mu.Unlock()
	cs.end(victim)
	return room
}

// comingTime is how long a request may be on its way once its client has connected, and settleTime is how long a
// shutdown waits for all of them.
const (
	comingTime = 250 * time.Millisecond
	settleTime = 750 * time.Millisecond
)

// coming says whether a request is on its way.
func (cs *connections) coming() bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for c := range cs.all {
		if c.coming() {
			return true
		}
	}
	return false
}

// coming says whether a request is on its way: it is arriving, has not reached its handler, or its client has just come.
// The caller holds the owner's lock.
func (c *client) coming() bool {
	state, since := c.state.Load(), c.since
	if c.secure != nil {
		begun, done := c.secure.shaken()
		if begun && done.IsZero() {
			return true
		}
		if done.After(since) {
			since = done
		}
	}
	if c.multiplexed() && c.asked.Load() {
		return false // it is told where its requests end, and asks the rest anew
	}
	return state == stateArriving || c.unhandled.Load() || state == stateSilent && (time.Since(since) < comingTime || arrived(c.Conn))
}

// settle returns once no request is on its way, or after settleTime: net/http drops those that come whole after a
// shutdown has begun.
func (cs *connections) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	ticker := time.NewTicker(comingTime / 100)
	defer ticker.Stop()
	for cs.coming() {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// close closes the connections on which no request is under way, except those of HTTP/2, which net/http
// tells to end, and has bodies that are still arriving cut at the given time. Connections that are accepted
// later are closed at once.
func (cs *connections) close(cutAt time.Time) {
	cs.mu.Lock()
	cs.cutAt.Store(&cutAt)
	for c := range cs.all {
		switch state := c.state.Load(); {
		case state == stateReceiving:
			_ = c.SetReadDeadline(cutAt)
		case c.multiplexed():
		case state == stateSilent || state == stateArriving || state == stateDismissed:
			cs.forget(c)
			hangUp(c.Conn)
		}
	}
	bodies := slices.Collect(maps.Keys(cs.bodies))
	cs.mu.Unlock()
	for _, b := range bodies {
		b.cut(cutAt)
	}
}

// open returns how many connections there are.
func (cs *connections) open() int {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return len(cs.all)
}

// spareRoom says whether one more connection may be accepted. A silent one makes room for it.
func (cs *connections) spareRoom() bool {
	cs.mu.Lock()
	room := len(cs.all) < cs.limit+reserve
	cs.mu.Unlock()
	return room || cs.release()
}

// release closes the connection that was silent for longest, and says whether there was one.
func (cs *connections) release() bool {
	cs.mu.Lock()
	victim := cs.takeSilent(false)
	if victim == nil {
		victim = cs.takeHalfOpen()
	}
	if victim == nil {
		victim = cs.takeSilent(true)
	}
	cs.mu.Unlock()
	cs.end(victim)
	return victim != nil
}

// clientOf returns the client whose connection net/http has; nil if it is none of ours.
func clientOf(nc net.Conn) *client {
	if answering, ok := nc.(*conn); ok {
		nc = answering.Conn
	}
	if behind, ok := nc.(*gated); ok {
		return behind.client
	}
	c, _ := nc.(*client)
	return c
}

// clientKey is the key of a request's client in its context.
type clientKey struct{}

func withClient(ctx context.Context, nc net.Conn) context.Context {
	c := clientOf(nc)
	if c != nil && c.gated != nil {
		ctx = engine.Yielding(ctx, c.gated.slot.leave)
	}
	return context.WithValue(ctx, clientKey{}, c)
}

// clientBehind returns the client that a request came from; nil if that is none of ours.
func clientBehind(r *http.Request) *client {
	c, _ := r.Context().Value(clientKey{}).(*client)
	return c
}
