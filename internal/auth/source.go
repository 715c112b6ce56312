package auth

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/hashd-project/hashd/v2/internal/follow"
	"github.com/hashd-project/hashd/v2/internal/private"
)

// Source holds the keys of a file, and takes over what is changed there within two seconds. A file that
// is not good, or not private, or not there, changes nothing. Source is safe for concurrent use.
type Source struct {
	path   string
	log    *slog.Logger
	file   *follow.Follower // of the goroutine that follows, as is the next
	seen   time.Time        // up to then it was told which keys expired
	keys   atomic.Pointer[Keys]
	broken atomic.Pointer[error]
	stop   func()
}

// Open reads the file, which must be good, and follows it until Close. It logs each change that it takes
// over, with the attribute audit=true, and each file that it does not take over.
func Open(path string, log *slog.Logger) (*Source, error) {
	s := &Source{path: path, log: log, seen: time.Now()}
	s.file = follow.New(func() ([]byte, error) { return readFile(path) })
	content, _, err := s.file.Next()
	if err != nil {
		return nil, fmt.Errorf("api-keys: %w", err)
	}
	keys, err := Parse(content)
	if err != nil {
		return nil, fmt.Errorf("api-keys: %s: %w", path, err)
	}
	s.keys.Store(keys)
	s.logOpened(keys)
	s.stop = follow.Every(follow.Interval, s.step)
	return s, nil
}

// readFile reads a file that is private. It waits for nothing, as for the writer of a pipe.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("it is not a regular file")}
	}
	return private.Read(path)
}

// Keys returns those of the newest good file.
func (s *Source) Keys() *Keys { return s.keys.Load() }

// Err returns why the newest file is not in use, nil if it is. It names the file and quotes nothing of it
// but names of keys.
func (s *Source) Err() error {
	if err := s.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// Close ends the following, and waits until it has. The keys stay as they are.
func (s *Source) Close() { s.stop() }

// step looks at the file and the clock.
func (s *Source) step() {
	if content, changed, err := s.file.Next(); changed {
		s.take(content, err)
	}
	now := time.Now()
	for k := range s.Keys().All() {
		if k.Revoked.IsZero() && k.expired(now) && !k.expired(s.seen) {
			s.audit("api key expired", k)
		}
	}
	s.seen = now
}

// take takes over what a changed file holds, if it can.
func (s *Source) take(content []byte, err error) {
	var keys *Keys
	if err == nil {
		if keys, err = Parse(content); err != nil {
			err = fmt.Errorf("%s: %w", s.path, err)
		}
	}
	if err != nil {
		s.broken.Store(&err)
		s.log.Error("the file of api keys is not in use: the last good one stays", "file", s.path, "error", err)
		return
	}
	if s.broken.Swap(nil) != nil {
		s.log.Info("the file of api keys is in use again", "file", s.path)
	}
	s.logChanges(s.keys.Swap(keys), keys)
}
