package server

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// startGate returns a gate with rounds, for a bubble.
func startGate(t *testing.T, limit int) *gate {
	g := newGate(limit)
	b, err := newBell(newPipes())
	if err != nil {
		t.Fatal(err)
	}
	g.start(b)
	t.Cleanup(func() { g.stop(nil) })
	return g
}

// visit has a request come to the gate, and returns its slot and where its verdict will be.
func visit(g *gate) (*slot, chan verdict) {
	s, what := newSlot(g, func() bool { return false }), make(chan verdict, 1)
	go func() {
		v, waited := g.enter(s)
		if waited {
			g.settle()
		}
		what <- v
	}()
	synctest.Wait()
	return s, what
}

// No more than the limit are under way, whoever comes; and of those that wait the newest is next.
func TestGateLetsInTheNewestUpToItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := startGate(t, 2)
		first, _ := visit(g)
		second, _ := visit(g)
		var waiting []chan verdict
		var slots []*slot
		for range 3 {
			s, what := visit(g)
			slots, waiting = append(slots, s), append(waiting, what)
		}
		if g.working != 2 || g.used() != 2 {
			t.Fatalf("%d are under way, %d in use, want 2", g.working, g.used())
		}
		time.Sleep(2 * turnLimit)
		for _, leaving := range []*slot{first, second, slots[2]} {
			leaving.leave()
			leaving.leave() // again changes nothing
			synctest.Wait()
		}
		for n := range waiting {
			if len(waiting[n]) != 1 || <-waiting[n] != admitted {
				t.Errorf("number %d was not let in", n)
			}
			if n < 2 && slots[n+1].since.Before(slots[n].since) {
				t.Error("not in the order of their coming")
			}
		}
	})
}

// Who came first goes first while nobody has to wait for long, and who came last once that is not so.
func TestGateTakesTurnsAndUnderOverloadTheNewestFirst(t *testing.T) {
	for wait, want := range map[time.Duration][]int{turnLimit: {0, 1, 2}, turnLimit + 1: {2, 1, 0}} {
		wantTurns(t, wait, want)
	}
}

func wantTurns(t *testing.T, wait time.Duration, want []int) {
	synctest.Test(t, func(t *testing.T) {
		g := startGate(t, 1)
		under, _ := visit(g)
		order := make(chan int, 3)
		for n := range 3 {
			s, what := visit(g)
			go func() {
				<-what
				order <- n
				s.leave()
			}()
		}
		time.Sleep(wait)
		under.leave()
		synctest.Wait()
		close(order)
		if got := slices.Collect(func(yield func(int) bool) {
			for n := range order {
				yield(n)
			}
		}); !slices.Equal(got, want) {
			t.Errorf("after %v the order was %v, want %v", wait, got, want)
		}
	})
}

// Nor do they take turns once there are many of them.
func TestGateTakesTheNewestOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := startGate(t, 1)
		under, _ := visit(g)
		first, what := visit(g)
		for range inTurn - 1 {
			visit(g)
		}
		_, last := visit(g)
		under.leave()
		synctest.Wait()
		if len(last) != 1 || len(what) != 0 {
			t.Error("not the newest was let in")
		}
		first.leave() // changes nothing: it is not under way
	})
}

// What has waited for longer than a client will is not begun, and a burst is.
func TestGateRefusesWhatHasWaitedForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := startGate(t, 1)
		under, _ := visit(g)
		began := time.Now()
		_, late := visit(g)
		if v := <-late; v != tooLate || time.Since(began) < waitLimit || time.Since(began) > waitLimit+2*sweep {
			t.Errorf("%v after %v", v, time.Since(began))
		}
		_, patient := visit(g)
		time.Sleep(waitLimit - sweep)
		under.leave()
		if v := <-patient; v != admitted {
			t.Errorf("one that waited for less than waitLimit got %v", v)
		}
	})
}

// slowBell rings as late as on a machine that stands still for a while.
type slowBell struct{ bell }

func (b slowBell) wait() bool {
	rung := b.bell.wait()
	time.Sleep(2 * waitLimit)
	return rung
}

// A machine that stands still makes everyone wait, and that is no overload: all are let in if there is room for them.
func TestGateLetsInAllAfterAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(3)
		b, err := newBell(newPipes())
		if err != nil {
			t.Fatal(err)
		}
		g.start(slowBell{b})
		t.Cleanup(func() { g.stop(nil) })
		for range g.limit { // as many as a round lets in
			s, _ := visit(g)
			s.leave()
		}
		var waiting []chan verdict
		for range g.limit {
			_, what := visit(g)
			waiting = append(waiting, what)
		}
		for _, what := range waiting {
			if v := <-what; v != admitted {
				t.Errorf("one of %d got %v, and nobody was under way", g.limit, v)
			}
		}
	})
}

// Where some have to wait all the time, they are refused long before waitLimit.
func TestGateOfACrowdRefusesSooner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := startGate(t, 1)
		_, _ = visit(g)
		for range int(2*spellLimit/waitLimit) + 1 {
			time.Sleep(waitLimit / 2)
			visit(g)
		}
		began := time.Now()
		_, what := visit(g)
		if v := <-what; v != tooLate || time.Since(began) > turnLimit+2*sweep {
			t.Errorf("%v after %v", v, time.Since(began))
		}
		if g.working != 1 {
			t.Errorf("%d under way", g.working)
		}
	})
}

// Who has left while it waited for long is not begun, and takes no place.
func TestGateForgetsThoseWhoLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := startGate(t, 1)
		under, _ := visit(g)
		what := make(chan verdict, 1)
		go func() {
			v, _ := g.enter(newSlot(g, func() bool { return true }))
			g.settle()
			what <- v
		}()
		synctest.Wait()
		time.Sleep(2 * turnLimit)
		under.leave()
		if v := <-what; v != tooLate || g.working != 0 {
			t.Errorf("%v, %d under way", v, g.working)
		}
	})
}

// However many wait, who has waited for longer than waitLimit is refused with the next rounds, also if it has left:
// it keeps no connection from others.
func TestGateRefusesAllWhoWaitedTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := startGate(t, 1)
		_, _ = visit(g)
		counts := map[verdict]int{}
		var mu sync.Mutex
		for n := range 100 {
			go func() {
				v, _ := g.enter(newSlot(g, func() bool { return n%2 == 0 }))
				g.settle()
				mu.Lock()
				defer mu.Unlock()
				counts[v]++
			}()
		}
		time.Sleep(waitLimit + 3*sweep)
		synctest.Wait()
		if counts[tooLate] != 100 || g.count != 0 {
			t.Errorf("%v, and %d wait", counts, g.count)
		}
	})
}

// A server that is told to stop before it serves begins nothing. goleak would find the rounds.
func TestGateStoppedBeforeItsStart(t *testing.T) {
	g := newGate(1)
	g.stop(nil)
	b, err := newBell(newPipes())
	if err != nil {
		t.Fatal(err)
	}
	g.start(b)
	for range 3 {
		if v, _ := g.enter(newSlot(g, func() bool { return false })); v != admitted {
			t.Errorf("verdict %v", v)
		}
	}
}

// A stop waits until those that are refused for it have their answers, and leaves nothing running.
func TestGateStopRefusesThoseThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := startGate(t, 1)
		_, _ = visit(g)
		s := newSlot(g, func() bool { return false })
		answered := false
		go func() {
			if v, waited := g.enter(s); v != tooLate || !waited {
				t.Errorf("%v", v)
			}
			time.Sleep(time.Second) // it is written
			answered = true
			g.settle()
		}()
		synctest.Wait()
		g.stop(nil)
		if !answered {
			t.Error("the stop did not wait")
		}
		if _, what := visit(g); <-what != admitted {
			t.Error("not everyone is let in after the stop")
		}
	})
}
