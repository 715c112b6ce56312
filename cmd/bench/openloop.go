//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

// openLoop sends submissions at a rate that does not depend on how the server does, as many independent
// clients would. Each arrival takes the connection that was used last, or opens one if all are taken and
// there may be more; if not, it stays away and counts as unsent.
type openLoop struct {
	address  string
	rate     float64       // arrivals a second; 0 if each client comes again once it is answered
	clients  int           // connections at most
	patience time.Duration // after which a client closes its connection and comes again, unless 0

	mu     sync.Mutex
	idle   []*visitor
	opened int
	active sync.WaitGroup
	from   time.Time // answers to what arrived before are not in the figures, but in accepted
	seen   openLoopResult
	times  []time.Duration // of those accepted
}

// openLoopResult counts what became of the arrivals while it was measured.
type openLoopResult struct {
	Arrived, Unsent, Good, Refused, GivenUp, Failed int64
	Median, P99                                     float64 // of Good, from the arrival, in milliseconds
	Accepted                                        int64   // receipts that a client has got, ever
}

// comings is how often a client comes for one submission.
const comings = 3

// overloadTick is how often arrivals are let go.
const overloadTick = 500 * time.Microsecond

// run sends for the time of warming up and then for that of measuring, and waits for the last answer.
func (o *openLoop) run(ctx context.Context, warm, measured time.Duration) openLoopResult {
	start := time.Now()
	o.from = start.Add(warm)
	end := o.from.Add(measured)
	tick := time.NewTicker(overloadTick)
	defer tick.Stop()
	for range o.clients {
		if o.rate == 0 {
			o.arrive(start)
		}
	}
	for sent := 0; ctx.Err() == nil; <-tick.C {
		now := time.Now()
		if now.After(end) {
			break
		}
		for ; ; sent++ {
			at := start.Add(o.arrival(sent, warm))
			if o.rate == 0 || at.After(now) {
				break
			}
			o.arrive(at)
		}
	}
	o.mu.Lock()
	for _, v := range o.idle {
		close(v.next)
	}
	o.idle, o.clients = nil, 0
	o.mu.Unlock()
	o.active.Wait()
	slices.Sort(o.times)
	o.seen.Median, o.seen.P99 = millis(percentile(o.times, 0.5)), millis(percentile(o.times, 0.99))
	return o.seen
}

// arrival returns when arrival number n comes. While it warms up the rate rises from 0, lest the clients
// open all their connections at once.
func (o *openLoop) arrival(n int, warm time.Duration) time.Duration {
	rising := o.rate * warm.Seconds() / 2 // arrivals until the rate is reached
	if float64(n) < rising {
		return time.Duration(math.Sqrt(float64(n)/rising) * float64(warm))
	}
	return warm + time.Duration((float64(n)-rising)/o.rate*float64(time.Second))
}

// percentile returns the value that the share of the sorted values is not above; 0 if there are none.
func percentile(sorted []time.Duration, share float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}

// arrive has a client submit.
func (o *openLoop) arrive(at time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	counts := !at.Before(o.from)
	if counts {
		o.seen.Arrived++
	}
	switch last := len(o.idle) - 1; {
	case last >= 0:
		o.idle[last].next <- at
		o.idle = o.idle[:last]
	case o.opened < o.clients:
		v := &visitor{loop: o, number: o.opened, next: make(chan time.Time, 1)}
		o.opened++
		v.next <- at
		o.active.Go(v.serve)
	case counts:
		o.seen.Unsent++
	}
}

// rest makes a client idle, unless the run is over.
func (o *openLoop) rest(v *visitor) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.clients == 0:
		return false
	case o.rate == 0:
		v.next <- time.Now()
	default:
		o.idle = append(o.idle, v)
	}
	return true
}

// outcome of a coming.
type outcome int

const (
	accepted outcome = iota
	refused
	gaveUp
	failed
)

// note counts an outcome.
func (o *openLoop) note(at time.Time, what outcome) {
	now := time.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	if what == accepted {
		o.seen.Accepted++
	}
	if at.Before(o.from) {
		return
	}
	switch what {
	case accepted:
		o.seen.Good++
		o.times = append(o.times, now.Sub(at))
	case refused:
		o.seen.Refused++
	case gaveUp:
		o.seen.GivenUp++
	case failed:
		o.seen.Failed++
	}
}

// visitor is a client with a connection.
type visitor struct {
	loop   *openLoop
	number int
	next   chan time.Time
	conn   net.Conn
	buf    [2048]byte
}

func (v *visitor) serve() {
	defer v.leave()
	for at := range v.next {
		for range comings {
			what := v.submit(at)
			v.loop.note(at, what)
			if what == accepted || what == refused {
				break
			}
			v.leave()
			at = time.Now()
		}
		if !v.loop.rest(v) {
			return
		}
	}
}

func (v *visitor) leave() {
	if v.conn != nil {
		_ = v.conn.Close()
		v.conn = nil
	}
}

// deadline is that of a client without patience: to end the run.
const deadline = 30 * time.Second

func (v *visitor) submit(at time.Time) outcome {
	patience := v.loop.patience
	if patience == 0 {
		patience = deadline
	}
	until := at.Add(patience)
	if v.conn == nil {
		// Connections come from several addresses of loopback, each with ports of its own.
		from := &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+v.number%16))}
		c, err := (&net.Dialer{Deadline: until, LocalAddr: from}).Dial("tcp", v.loop.address)
		if err != nil {
			return ending(until)
		}
		v.conn = c
	}
	_ = v.conn.SetDeadline(until)
	if _, err := v.conn.Write([]byte(overloadRequest)); err != nil {
		return ending(until)
	}
	status, closing, err := readAnswer(v.conn, v.buf[:])
	switch {
	case err != nil:
		return ending(until)
	case closing:
		v.leave()
	}
	if status == 202 {
		return accepted
	}
	return refused
}

// ending tells a client that gave up from one whose connection failed.
func ending(until time.Time) outcome {
	if time.Now().Before(until) {
		return failed
	}
	return gaveUp
}

const overloadRequest = "POST /hash HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 26\r\n\r\n" +
	`{"password":"angryMonkey"}`

// readAnswer reads one answer with a Content-Length, and says whether the connection ends with it.
func readAnswer(c net.Conn, buf []byte) (status int, closing bool, err error) {
	for n := 0; n < len(buf); {
		more, err := c.Read(buf[n:])
		if err != nil {
			return 0, false, err
		}
		n += more
		head, body, ok := bytes.Cut(buf[:n], []byte("\r\n\r\n"))
		if !ok {
			continue
		}
		_, rest, _ := bytes.Cut(head, []byte("Content-Length: "))
		length, _, _ := bytes.Cut(rest, []byte("\r\n"))
		if want, err := strconv.Atoi(string(length)); err != nil {
			return 0, false, fmt.Errorf("content length: %w", err)
		} else if len(body) < want {
			continue
		}
		status, err = strconv.Atoi(string(head[9:12]))
		return status, bytes.Contains(head, []byte("Connection: close")), err
	}
	return 0, false, fmt.Errorf("an answer over %d bytes", len(buf))
}
