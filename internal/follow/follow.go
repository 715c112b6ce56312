// Package follow notices that files have changed by what is in them, so that it works where links are
// swapped, where files are mounted, and where times are not to be trusted. It must not know what the
// content means.
package follow

import (
	"crypto/sha256"
	"sync"
	"time"
)

// Interval is how often a file is looked at: a change is in use well within two seconds, also where the
// processors are busy.
const Interval = time.Second / 2

// A Follower tells whether what it reads has changed since it was last asked. It is not safe for
// concurrent use.
type Follower struct {
	read func() ([]byte, error)
	last [sha256.Size]byte
}

// New returns a Follower of what read returns: the content of one file, or of several that belong
// together. It reads nothing yet.
func New(read func() ([]byte, error)) *Follower { return &Follower{read: read} }

// Next reads. changed is true on the first call, and whenever the content or the text of the error is not
// what it was before. The content is the caller's to clear.
func (f *Follower) Next() (content []byte, changed bool, err error) {
	content, err = f.read()
	var sum [sha256.Size]byte
	if err != nil {
		sum = sha256.Sum256([]byte("error: " + err.Error()))
	} else {
		h := sha256.Sum256(content)
		sum = sha256.Sum256(h[:]) // no content is taken for an error
	}
	changed = sum != f.last
	f.last = sum
	return content, changed, err
}

// Every calls step once each interval, from one goroutine, until stop is called. stop waits for a step
// that runs, so step must not call it. It may be called more than once.
func Every(interval time.Duration, step func()) (stop func()) {
	end := make(chan struct{})
	var g sync.WaitGroup
	g.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-end:
				return
			case <-ticker.C:
			}
			step()
		}
	})
	return sync.OnceFunc(func() {
		close(end)
		g.Wait()
	})
}
