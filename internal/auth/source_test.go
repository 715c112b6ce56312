package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashd-project/hashd/v2/internal/follow"
)

// soon is within what is promised for a change to be in use.
const soon = 2 * time.Second

// lines is a log that a test reads.
type lines struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

// take returns the lines since the last call, each as its message and, of a key, its id.
func (l *lines) take(t *testing.T) (list []string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for text := range strings.SplitSeq(strings.TrimSpace(l.all.String()), "\n") {
		if text == "" {
			continue
		}
		var line struct {
			Msg, Level, Name, Tenant, Scopes string
			KeyID                            string `json:"key_id"`
			Audit                            bool
		}
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		if line.KeyID != "" && (!line.Audit || line.Name == "" || line.Tenant == "" || line.Scopes == "" || line.Level != "INFO") {
			t.Errorf("a line of a key lacks something: %s", text)
		}
		if tokens.MatchString(text) {
			t.Errorf("a line quotes a token: %s", text)
		}
		list = append(list, strings.TrimSpace(line.Msg+" "+line.KeyID))
	}
	l.all.Reset()
	slices.Sort(list)
	return list
}

// want waits for what is promised within two seconds, and looks at the log of ten.
func (l *lines) want(t *testing.T, what string, want ...string) {
	t.Helper()
	time.Sleep(soon)
	got := l.take(t)
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Errorf("%s: the log has %q, want %q", what, got, want)
	}
	time.Sleep(10 * time.Second)
	if more := l.take(t); len(more) > 0 {
		t.Errorf("%s: the log goes on with %q", what, more)
	}
}

// open opens a source whose file has the keys. A test runs it in a bubble, where time is its own.
func open(t *testing.T, keys ...Key) (*Source, string, *lines) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	put(t, path, content(t, keys...))
	log := new(lines)
	s, err := Open(path, slog.New(slog.NewJSONHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	betweenLooks()
	return s, path, log
}

// betweenLooks waits until the source has just looked at its file, and not for a whole number of looks:
// what a test does next is done before the next look.
func betweenLooks() { time.Sleep(follow.Interval / 2) }

// put replaces the file as one.
func put(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := errors.Join(os.WriteFile(path+".new", content, 0o600), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
}

// opens reports whether the source's keys take the token now.
func opens(s *Source, token string) bool {
	_, err := s.Keys().Find(token, time.Now())
	return err == nil
}

func TestSourceTakesChangesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, path, log := open(t)
		log.want(t, "no keys", "api keys in use", "no api key is valid, so nobody is let in; 'hashd key add' makes one, and no restart is needed")
		k, token, err := Add(path, Wish{Name: "ci"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		log.want(t, "add", "api key added "+k.ID)
		if !opens(s, token) {
			t.Error("an added key is not in use")
		}

		next, nextToken, err := Rotate(path, "ci", time.Hour, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		log.want(t, "rotate", "api key changed "+k.ID, "api key rotated "+next.ID)
		if !opens(s, token) || !opens(s, nextToken) {
			t.Error("old and new are not both in use")
		}
		time.Sleep(time.Hour - time.Minute)
		if log.take(t); !opens(s, token) {
			t.Error("the old one ends early")
		}
		time.Sleep(time.Minute)
		if log.want(t, "overlap", "api key expired "+k.ID); opens(s, token) || !opens(s, nextToken) {
			t.Error("the old one does not end")
		}

		if _, err := Revoke(path, "ci", time.Now()); err != nil {
			t.Fatal(err)
		}
		if log.want(t, "revoke", "api key revoked "+next.ID); opens(s, nextToken) {
			t.Error("a revoked key is in use")
		}
		put(t, path, content(t))
		log.want(t, "all gone", "api key removed "+k.ID, "api key removed "+next.ID)
		if err := s.Err(); err != nil {
			t.Error(err)
		}
	})
}

// Whatever is wrong with a new file, the last good one stays; the log says so once, and Err until it is mended.
func TestSourceKeepsTheLastGoodFile(t *testing.T) {
	k, token := made(nil)
	good := content(t, k)
	for what, spoil := range map[string]func(path string) error{
		"empty":       func(path string) error { return os.Truncate(path, 0) },
		"cut":         func(path string) error { return os.Truncate(path, 100) },
		"missing":     os.Remove,
		"exposed":     func(path string) error { return os.Chmod(path, 0o644) },
		"open folder": func(path string) error { return os.Chmod(filepath.Dir(path), 0o777) },
		"a folder":    func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
		"a pipe":      func(path string) error { return errors.Join(os.Remove(path), makePipe(path)) },
		"a loop":      func(path string) error { return errors.Join(os.Remove(path), os.Symlink(filepath.Base(path), path)) },
		"no JSON":     func(path string) error { return os.WriteFile(path, []byte(secretText), 0o600) },
		"a token": func(path string) error {
			return os.WriteFile(path, []byte(file(strings.Replace(entry, "ci", secretText, 1))), 0o600)
		},
		"zeros":       func(path string) error { return os.WriteFile(path, make([]byte, 4096), 0o600) },
		"a later one": func(path string) error { return os.WriteFile(path, []byte(`{"format": 2, "keys": []}`), 0o600) },
		"too large":   func(path string) error { return os.WriteFile(path, bytes.Repeat(good, 1+maxFile/len(good)), 0o600) },
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, path, log := open(t, k)
				log.want(t, "start", "api keys in use")
				if err := spoil(path); err != nil {
					t.Fatal(err)
				}
				log.want(t, what, "the file of api keys is not in use: the last good one stays")
				if !opens(s, token) {
					t.Error("the last good file does not stay")
				}
				if err := s.Err(); err == nil || !strings.Contains(err.Error(), path) && !strings.Contains(err.Error(), filepath.Dir(path)) || tokens.MatchString(err.Error()) {
					t.Errorf("error %v", err)
				}
				if again, err := Open(path, slog.New(slog.DiscardHandler)); err == nil {
					again.Close()
					t.Error("a server starts with it")
				} else if !strings.Contains(err.Error(), "api-keys") || tokens.MatchString(err.Error()) {
					t.Errorf("error %v", err)
				}

				if err := errors.Join(os.Chmod(filepath.Dir(path), 0o700), os.RemoveAll(path)); err != nil {
					t.Fatal(err)
				}
				put(t, path, good)
				log.want(t, "mended", "the file of api keys is in use again")
				if s.Err() != nil || !opens(s, token) {
					t.Errorf("error %v", s.Err())
				}
			})
		})
	}
}

// A file that is broken in another way is told again, as is what differs from the last good one.
func TestSourceTellsEachChangeOfABrokenFile(t *testing.T) {
	const broken = "the file of api keys is not in use: the last good one stays"
	synctest.Test(t, func(t *testing.T) {
		k, token := made(nil)
		s, path, log := open(t, k)
		log.want(t, "start", "api keys in use")
		put(t, path, []byte("{"))
		log.want(t, "broken", broken)
		put(t, path, nil)
		log.want(t, "empty", broken)
		other, _ := made(nil)
		put(t, path, content(t, other))
		log.want(t, "another file", "the file of api keys is in use again", "api key removed "+k.ID, "api key rotated "+other.ID)
		if opens(s, token) {
			t.Error("a removed key is in use")
		}
	})
}

// A key ends at its instant: no file needs to change, and nobody needs to look.
func TestSourceExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(24 * time.Hour) // a test's clock begins where no key can end
		k, token := made(func(k *Key) { k.Expires = time.Now().UTC().Add(time.Hour + 300*time.Millisecond) })
		gone, _ := made(func(k *Key) { k.Name, k.Expires = "old", time.Now().UTC().Add(-time.Hour) })
		s, _, log := open(t, k, gone)
		log.want(t, "start", "api keys in use")
		time.Sleep(time.Until(k.Expires) - 1)
		if !opens(s, token) {
			t.Error("it ends early")
		}
		time.Sleep(time.Nanosecond)
		if opens(s, token) {
			t.Error("it does not end")
		}
		log.want(t, "expired", "api key expired "+k.ID)
	})
}

// An orchestrator swaps a link to a folder.
func TestSourceFollowsSwappedLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		k, token := made(nil)
		next, nextToken := made(func(k *Key) { k.Name = "next" })
		for name, key := range map[string]Key{"..1": k, "..2": next} {
			if err := errors.Join(os.Mkdir(filepath.Join(dir, name), 0o700), os.WriteFile(filepath.Join(dir, name, "keys.json"), content(t, key), 0o400)); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(dir, "keys.json")
		if err := errors.Join(os.Symlink("..1", filepath.Join(dir, "..data")), os.Symlink("..data/keys.json", path)); err != nil {
			t.Fatal(err)
		}
		log := new(lines)
		s, err := Open(path, slog.New(slog.NewJSONHandler(log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		betweenLooks()
		log.want(t, "start", "api keys in use")
		if err := errors.Join(os.Symlink("..2", filepath.Join(dir, "..tmp")), os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data"))); err != nil {
			t.Fatal(err)
		}
		log.want(t, "swap", "api key added "+next.ID, "api key removed "+k.ID)
		if opens(s, token) || !opens(s, nextToken) {
			t.Error("the new file is not in use")
		}
	})
}

// Keys are found while files change, and whoever is valid in both is let in at any moment.
func TestFindWhileFilesChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, token := made(nil)
		other, _ := made(func(k *Key) { k.Name = "other" })
		s, path, _ := open(t, k)
		var g sync.WaitGroup
		for range 4 {
			g.Go(func() {
				for range 200 {
					if !opens(s, token) {
						t.Error("a valid key is not let in")
					}
					time.Sleep(50 * time.Millisecond)
				}
			})
		}
		for n := range 10 {
			put(t, path, [][]byte{content(t, other, k), content(t, k), []byte("{")}[n%3])
			time.Sleep(time.Second)
		}
		g.Wait()
	})
}
