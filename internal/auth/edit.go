package auth

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/hashd-project/hashd/v2/internal/mistyped"
	"github.com/hashd-project/hashd/v2/internal/private"
)

const (
	maxFile = 1 << 20             // bytes that private.Read reads
	keepFor = 90 * 24 * time.Hour // how long an entry stays that is not valid any more
)

// NameError says that no valid key has the name.
type NameError struct {
	Name    string
	Nearest string // "" if none is like it
}

// Error implements error.
func (e *NameError) Error() string {
	text := "there is no valid key " + e.Name
	if e.Nearest != "" {
		text += "; the nearest is " + e.Nearest
	}
	return text
}

// Wish is what a new key is to be like.
type Wish struct {
	Name   string
	Tenant string // "" for DefaultTenant
	Scopes Scopes // 0 for DefaultScopes
	Rate   Rate
	Quota  int64
	Life   time.Duration // until it expires; 0 for ever
}

// Add adds a key to the file, which it makes with mode 0600 if it is not there, and returns the key and
// its token, which is kept nowhere. No valid key may have its name. Several processes that change a file
// at once do so one after the other; if one is killed, the file is the old or the new one.
func Add(path string, w Wish, now time.Time) (k Key, token string, err error) {
	k = Key{Name: w.Name, Tenant: w.Tenant, Scopes: w.Scopes, Rate: w.Rate, Quota: w.Quota}
	if k.Tenant == "" {
		k.Tenant = DefaultTenant
	}
	if k.Scopes == 0 {
		k.Scopes = DefaultScopes
	}
	token = issue(&k, w.Life, now)
	add := func(list []Key) ([]Key, error) {
		if slices.ContainsFunc(list, func(other Key) bool { return other.Name == k.Name && other.Valid(now) }) {
			return nil, fmt.Errorf("there is a valid key %s already: rotate or revoke it, or choose another name", k.Name)
		}
		return append(list, k), nil
	}
	err = edit(path, now, add)
	if errors.Is(err, fs.ErrNotExist) {
		err = create(path, k)
	}
	if errors.Is(err, fs.ErrExist) { // another process was faster
		err = edit(path, now, add)
	}
	return k, token, named(path, err)
}

// issue gives the key an id, a token and times.
func issue(k *Key, life time.Duration, now time.Time) (token string) {
	token, k.ID = newToken()
	k.Hash = sha256.Sum256([]byte(token))
	k.Created, k.Expires = stamp(now), time.Time{}
	if life > 0 {
		k.Expires = k.Created.Add(life)
	}
	return token
}

// stamp is a time as the file has it.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// Revoke ends all valid keys of that name at once, and returns them.
func Revoke(path, name string, now time.Time) (revoked []Key, err error) {
	err = edit(path, now, func(list []Key) ([]Key, error) {
		for i := range list {
			if k := &list[i]; k.Name == name && k.Valid(now) {
				k.Revoked = stamp(now)
				revoked = append(revoked, *k)
			}
		}
		if len(revoked) == 0 {
			return nil, unknownName(list, name, now)
		}
		return list, nil
	})
	return revoked, named(path, err)
}

// Rotate adds a key like the newest valid one of that name, which lives as long as that was made to, and
// returns it and its token. Those before it end after the overlap, if they do not end earlier.
func Rotate(path, name string, overlap time.Duration, now time.Time) (k Key, token string, err error) {
	err = edit(path, now, func(list []Key) ([]Key, error) {
		newest, end := -1, stamp(now.Add(overlap))
		for i := range list {
			if old := &list[i]; old.Name == name && old.Valid(now) {
				if newest < 0 || !old.Created.Before(list[newest].Created) {
					newest = i
				}
			}
		}
		if newest < 0 {
			return nil, unknownName(list, name, now)
		}
		k = list[newest]
		token = issue(&k, k.life(now), now)
		for i := range list {
			if old := &list[i]; old.Name == name && old.Valid(now) && (old.Expires.IsZero() || end.Before(old.Expires)) {
				old.Expires = end
			}
		}
		return append(list, k), nil
	})
	return k, token, named(path, err)
}

// life returns how long a valid key was made to live, 0 for ever.
func (k *Key) life(now time.Time) time.Duration {
	if k.Expires.IsZero() {
		return 0
	}
	if k.Created.After(now) { // by another clock
		return k.Expires.Sub(now)
	}
	return k.Expires.Sub(k.Created)
}

func unknownName(list []Key, name string, now time.Time) error {
	if err := CheckName(name); err != nil {
		return err // which does not quote it
	}
	var others []string
	for i := range list {
		if list[i].Valid(now) {
			others = append(others, list[i].Name)
		}
	}
	return &NameError{Name: name, Nearest: mistyped.Guess(name, others)}
}

// ReadFile returns the keys in the file, as a server would take them.
func ReadFile(path string) (*Keys, error) {
	content, err := readFile(path)
	if err != nil {
		return nil, named(path, err)
	}
	keys, err := Parse(content)
	return keys, named(path, err)
}

func named(path string, err error) error {
	if err != nil {
		return fmt.Errorf("api-keys %s: %w", path, err)
	}
	return nil
}

// create makes the file, with one key.
func create(path string, k Key) error {
	if err := private.CheckFolder(filepath.Dir(path)); err != nil {
		return err
	}
	content, err := checked([]Key{k})
	if err != nil {
		return err
	}
	return private.Create(path, content)
}

// edit changes the keys in the file.
func edit(path string, now time.Time, change func([]Key) ([]Key, error)) error {
	return private.Replace(path, func(old []byte) ([]byte, error) {
		list, err := parse(old)
		if err != nil {
			return nil, err
		}
		if list, err = change(list); err != nil {
			return nil, err
		}
		return checked(slices.DeleteFunc(list, func(k Key) bool { return k.over(now.Add(-keepFor)) }))
	})
}

// over reports whether the key was not valid any more at that time, and is not for good.
func (k *Key) over(then time.Time) bool {
	return k.expired(then) || !k.Revoked.IsZero() && !then.Before(k.Revoked)
}

// checked writes a keys file that can be read.
func checked(list []Key) ([]byte, error) {
	content, err := format(list)
	if err != nil {
		return nil, err
	}
	if _, err := parse(content); err != nil {
		return nil, err
	}
	if len(content) > maxFile {
		return nil, fmt.Errorf("it would be larger than %d bytes: take out keys that nobody uses", maxFile)
	}
	return content, nil
}
