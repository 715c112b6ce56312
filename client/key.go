package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"

	"github.com/hashd-project/hashd/v2/internal/private"
)

// KeySource returns the API key that a request shows to the server. It is called before each request, by any number
// of goroutines, so that a key that was replaced is used from the next request on.
type KeySource func(context.Context) (string, error)

// StaticKey is the source of a key that stays the same.
func StaticKey(key string) KeySource {
	return func(context.Context) (string, error) {
		if !isKey(key) {
			return "", ErrAPIKey
		}
		return key, nil
	}
}

// KeyFile is the source of a key that is the one line of a file. The file is read for each request, and may be
// replaced at any time; while it can't be read or holds no key, the last one that was read is used. Others must not be
// able to read it: it belongs to the user of this process, with mode 600, or to root, with mode 640 at most.
func KeyFile(path string) KeySource {
	var mu sync.Mutex
	last := ""
	return func(context.Context) (string, error) {
		key, err := readKey(path)
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			last = key
		}
		if last == "" {
			return "", err
		}
		return last, nil
	}
}

func readKey(path string) (string, error) {
	text, err := private.Read(path)
	if err != nil {
		return "", fmt.Errorf("read it from a file: %w", err)
	}
	defer clear(text)
	key := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if !isKey(key) {
		return "", fmt.Errorf("%s: %w", path, ErrAPIKey)
	}
	return key, nil
}

// ErrAPIKey tells of an API key that no header can have: it is empty, has a space or a line end in it, or is something else
// altogether. Its text does not have the key.
var ErrAPIKey = errors.New("an API key is one word of letters, digits and _ - . ~ + / =")

// keys are the tokens of RFC 6750, section 2.1: a gateway may have keys of its own.
var keys = regexp.MustCompile(`^[0-9A-Za-z._~+/-]+=*$`)

func isKey(text string) bool { return len(text) <= 4096 && keys.MatchString(text) }

// APIKeyError tells that a request was not sent for want of an API key.
type APIKeyError struct{ Err error }

// Error implements error.
func (k *APIKeyError) Error() string { return "no API key: " + k.Err.Error() }

// Unwrap returns why there is none.
func (k *APIKeyError) Unwrap() error { return k.Err }

// Authorized returns a Doer that shows a key with each request that the given one, or a NewHTTPClient if that is nil, sends.
// Of an *http.Client a copy is used that follows no redirect. A request that is refused for its key (401) is sent once
// more, with the key that the source has by then, or with the last one that was taken: where keys are rotated, a server
// may take a while to know the new one.
func Authorized(http Doer, source KeySource) Doer {
	return &authorized{next: staying(http), source: source}
}

type authorized struct {
	next   Doer
	source KeySource

	mu    sync.Mutex
	taken string // the last key that was not refused
}

// Do implements Doer.
func (a *authorized) Do(req *http.Request) (*http.Response, error) {
	key, err := a.key(req.Context())
	if err != nil {
		if req.Body != nil {
			err = errors.Join(err, req.Body.Close())
		}
		return nil, err
	}
	resp, err := a.try(showing(req, key), key)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	other := a.other(req.Context(), key)
	again := anew(req, other)
	if again == nil {
		return resp, nil
	}
	_ = resp.Body.Close() // what it says may not hold for the other
	return a.try(again, other)
}

// try sends the request with the key, and remembers one that is taken.
func (a *authorized) try(req *http.Request, key string) (*http.Response, error) {
	resp, err := a.next.Do(req)
	if err == nil && resp.StatusCode != http.StatusUnauthorized {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.taken = key
	}
	return resp, err
}

// other returns another key than the one that was refused, "" if there is none.
func (a *authorized) other(ctx context.Context, refused string) string {
	if key, err := a.key(ctx); err == nil && key != refused {
		return key
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.taken == refused {
		a.taken = ""
	}
	return a.taken
}

// anew returns the request with the key; nil if there is none, or no way to send it again.
func anew(req *http.Request, key string) *http.Request {
	if key == "" || req.Body != nil && req.GetBody == nil {
		return nil
	}
	again := showing(req, key)
	if req.GetBody == nil {
		return again
	}
	var err error
	if again.Body, err = req.GetBody(); err != nil {
		return nil
	}
	return again
}

func (a *authorized) key(ctx context.Context) (string, error) {
	key, err := a.source(ctx)
	if err == nil && !isKey(key) {
		err = ErrAPIKey
	}
	if err != nil {
		return "", &APIKeyError{err}
	}
	return key, nil
}

// showing returns the request with the key.
func showing(req *http.Request, key string) *http.Request {
	r := req.Clone(req.Context())
	r.Header.Set("Authorization", "Bearer "+key)
	return r
}

// tokens are hashd's keys wherever they stand in a text.
var tokens = regexp.MustCompile(`hashd_[a-z0-9]{10}_[0-9A-Za-z]*`)

// withoutKeys returns the text with each of hashd's keys in it replaced.
func withoutKeys(text string) string { return tokens.ReplaceAllLiteralString(text, "hashd_…") }
