package wake

import "testing"

// Waking never waits, and a goroutine that was busy meanwhile is woken once.
func TestUp(t *testing.T) {
	c := make(chan struct{}, 1)
	for range 3 {
		Up(c)
	}
	<-c
	select {
	case <-c:
		t.Error("it is woken twice")
	default:
	}
}
