package jetstream

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
)

// Whatever cannot be done is left out, and all else is done once, in its order.
func TestBisectDoesAllThatCanBeDone(t *testing.T) {
	for n := 1; n <= 17; n++ {
		for bad := range 1 << min(n, 6) { // each set of the first that cannot be done
			all := make([]int, n)
			for i := range all {
				all[i] = i
			}
			wrong := func(i int) bool { return i < 6 && bad>>i&1 != 0 }
			var done, want []int
			tries := 0
			bisect(all, func(part []int) error {
				tries++
				if slices.ContainsFunc(part, wrong) {
					return errors.New("refused")
				}
				done = append(done, part...)
				return nil
			})
			for i := range all {
				if !wrong(i) {
					want = append(want, i)
				}
			}
			if !slices.Equal(done, want) || bad == 0 && tries != 1 || tries > 2*n-1 {
				t.Fatalf("%d, without %b: it does %v in %d tries, want %v", n, bad, done, tries, want)
			}
		}
	}
}

// waiting is a submission of messages with that many bytes in all.
func waiting(msgs, bytes int) *submission {
	return &submission{msgs: make([]*nats.Msg, msgs), bytes: bytes, answer: make(chan answer, 1)}
}

// gatherOf gathers what submitters send, each after its time, and returns the sizes of the group.
func gatherOf(t *testing.T, last pace, first *submission, more map[time.Duration]*submission) (sizes []int, rest *submission, took time.Duration) {
	t.Helper()
	e := &Engine{submit: make(chan *submission), ctx: t.Context()}
	over := make(chan struct{})
	var submitters sync.WaitGroup
	for at, s := range more {
		submitters.Go(func() {
			time.Sleep(at)
			select {
			case e.submit <- s:
			case <-over:
			}
		})
	}
	synctest.Wait() // those who need no time are there
	began := time.Now()
	group, rest := e.gather(first, last)
	took = time.Since(began)
	close(over)
	submitters.Wait()
	for _, s := range group {
		sizes = append(sizes, len(s.msgs))
	}
	return sizes, rest, took
}

func TestGather(t *testing.T) {
	big := waiting(1, groupBytes)
	for what, tc := range map[string]struct {
		last  pace
		more  map[time.Duration]*submission
		sizes []int
		rest  *submission
		took  time.Duration
	}{
		"alone, after one alone": {pace{1, time.Second}, nil, []int{1}, nil, 0},
		"with what waits":        {pace{1, time.Second}, map[time.Duration]*submission{0: waiting(2, 10)}, []int{1, 2}, nil, 0},
		"one who comes, after one alone": {pace{1, time.Second}, map[time.Duration]*submission{time.Millisecond: waiting(2, 10)},
			[]int{1}, nil, 0},
		"one who comes, after a group": {pace{2, time.Second}, map[time.Duration]*submission{time.Millisecond: waiting(2, 10)},
			[]int{1, 2}, nil, time.Millisecond},
		"no more than a share of the last": {pace{3, time.Second}, map[time.Duration]*submission{time.Millisecond: waiting(2, 10), time.Minute: waiting(3, 10)},
			[]int{1, 2}, nil, 250 * time.Millisecond},
		"messages that do not fit": {pace{1, 0}, map[time.Duration]*submission{0: waiting(groupMsgs, 10)}, []int{1}, nil, 0},
		"bytes that do not fit":    {pace{1, 0}, map[time.Duration]*submission{0: big}, []int{1}, big, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			sizes, rest, took := gatherOf(t, tc.last, waiting(1, 10), tc.more)
			if tc.rest == nil && what == "messages that do not fit" {
				if rest == nil || len(rest.msgs) != groupMsgs {
					t.Errorf("%s: rest %v", what, rest)
				}
			} else if rest != tc.rest {
				t.Errorf("%s: rest %v, want %v", what, rest, tc.rest)
			}
			if !slices.Equal(sizes, tc.sizes) || took != tc.took {
				t.Errorf("%s: %v after %v, want %v after %v", what, sizes, took, tc.sizes, tc.took)
			}
		})
	}
}
