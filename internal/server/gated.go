package server

import (
	"bytes"
	"net/http"
	"time"

	"github.com/hashd-project/hashd/v2/internal/engine"
)

// gated is a client's connection whose requests have to be let in by a gate. That is asked as soon as a
// request has been read from the network, before net/http knows of it: what is refused then costs little.
// The few requests that cannot be told apart there are asked for by the handler, see letIn.
type gated struct {
	*client
	slot    *slot
	refuser *refuser
	refused bool          // the handler is to refuse this request
	split   bool          // net/http has the beginning of the next request already
	met     time.Time     // when the first request came
	passed  bool          // a request was passed on
	late    time.Duration // by how much the first one passed on came later than met
}

// behind puts a connection behind a gate.
func (c *client) behind(g *gate, r *refuser) *gated {
	c.gated = &gated{client: c, refuser: r}
	c.gated.slot = newSlot(g, func() bool { return hungUp(c.Conn) })
	return c.gated
}

// Read implements net.Conn. Who reads waits, and so is not under way.
func (g *gated) Read(p []byte) (int, error) {
	if len(p) == 1 { // net/http does this beside a handler
		n, err := g.client.Read(p)
		g.split = n == 1
		return n, err //nolint:wrapcheck // as it would be without this
	}
	g.slot.leave()
	for {
		begins := g.state.Load() == stateSilent
		n, err := g.client.Read(p)
		if err != nil || !begins {
			return n, err //nolint:wrapcheck // as it would be without this
		}
		if g.met.IsZero() {
			g.met = time.Now()
		}
		answered, err := g.meet(p[:n])
		if answered && err == nil {
			clear(p[:n])
			g.tokens.clear()
			g.owner.changed(g, http.StateIdle)
			continue
		}
		if err != nil {
			clear(p[:n])
			return 0, err //nolint:wrapcheck // as it would be without this
		}
		if g.late = 0; !g.passed {
			g.passed, g.late = true, time.Since(g.met)
		}
		return n, nil
	}
}

// meet lets in a request, or answers it.
func (g *gated) meet(p []byte) (answered bool, err error) {
	if g.split || g.multiplexed() || g.beyond.Load() || asksHealth(p) || !bytes.Contains(p, []byte("\r\n\r\n")) {
		g.split = false
		return false, nil
	}
	g.state.CompareAndSwap(stateArriving, stateWorking) // a stop waits for its answer
	gate := g.slot.gate
	verdict, waited := gate.enter(g.slot)
	if waited {
		defer gate.settle()
	}
	if verdict == tooLate {
		var buffer [1024]byte
		if answer := g.refuser.answer(buffer[:0], p); answer != nil {
			return true, g.refuse(answer)
		}
		g.refused = true
	}
	g.unhandled.Store(true)
	return false, nil
}

// refuse writes a whole answer, after which the connection is idle.
func (g *gated) refuse(answer []byte) error {
	now := time.Now()
	if err := g.SetWriteDeadline(now.Add(g.refuser.write)); err != nil {
		return err //nolint:wrapcheck // as it would be without this
	}
	if _, err := g.client.Write(answer); err != nil {
		return err //nolint:wrapcheck // as it would be without this
	}
	return g.client.SetReadDeadline(now.Add(g.refuser.idle)) //nolint:wrapcheck // as it would be without this
}

// Write implements net.Conn. An answer that has begun is not under way any more: it waits for its reader.
func (g *gated) Write(p []byte) (int, error) {
	g.slot.leave()
	return g.client.Write(p)
}

// Close implements net.Conn.
func (g *gated) Close() error {
	g.slot.leave()
	return g.client.Close()
}

// SetReadDeadline implements net.Conn. net/http counts the time of a connection's first request from when it
// was accepted, also if others have been refused or it has waited meanwhile.
func (g *gated) SetReadDeadline(t time.Time) error {
	if g.late > 0 && g.state.Load() != stateSilent && time.Until(t) > -time.Hour { // it breaks off a read by a time long gone
		t = t.Add(g.late)
	}
	return g.client.SetReadDeadline(t)
}

// asksHealth says whether a request is a health check, which is always let in.
func asksHealth(p []byte) bool {
	_, rest, _ := bytes.Cut(p[:min(len(p), len("HEAD /healthz "))], []byte(" "))
	return bytes.HasPrefix(rest, []byte(livenessPath)) || bytes.HasPrefix(rest, []byte(readinessPath))
}

// isHealth says whether the path is for health checks.
func isHealth(path string) bool { return path == livenessPath || path == readinessPath }

// letIn asks the gate for a request that its connection has not asked for: one of HTTP/2, one that came right
// behind another, or whose header came in pieces. The caller calls leave once it is answered.
func letIn(c echoContext) (leave func(), err error) {
	r := c.Request()
	client := clientBehind(r)
	if client == nil || client.gated == nil || isHealth(c.Path()) {
		return func() {}, nil
	}
	g := client.gated
	s := g.slot
	if r.ProtoMajor > 1 {
		s = newSlot(s.gate, func() bool { return r.Context().Err() != nil })
		c.SetRequest(r.WithContext(engine.Yielding(r.Context(), s.leave)))
	} else if g.refused {
		g.refused = false
		return nil, overloaded()
	}
	if !s.held.Load() {
		verdict, waited := s.gate.enter(s)
		if waited {
			s.gate.settle()
		}
		if verdict == tooLate {
			return nil, overloaded()
		}
	}
	if r.ProtoMajor > 1 {
		return s.leave, nil
	}
	return func() {}, nil
}
