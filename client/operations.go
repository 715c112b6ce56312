package client

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	gen "github.com/hashd-project/hashd/gen/client"
)

// Doer sends a request, as an *http.Client does.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// Operations has a method for each operation of the contract, which sends one request and returns
// its answer by its type: no retries, no waiting. Jobs is what most users want.
type Operations = gen.ClientWithResponses

// NewOperations returns the operations of the server, or an error if its URL is none. They are sent
// by the given Doer, and by a NewHTTPClient if that is nil. Of an *http.Client a copy is used that
// follows no redirect, which would take a secret to another place.
func NewOperations(server string, http Doer) (*Operations, error) {
	if err := checkServer(server); err != nil {
		return nil, err
	}
	return gen.NewClientWithResponses(server, gen.WithHTTPClient(staying(http)))
}

// checkServer returns an error if the text is not the URL of a server.
func checkServer(server string) error {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errors.New("the server must be a URL that begins with http:// or https://")
	}
	return nil
}

// NewHTTPClient returns a client that follows no redirect, and keeps as many connections as a bulk of
// requests uses.
func NewHTTPClient() *http.Client {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	transport.MaxIdleConnsPerHost = 64
	transport.IdleConnTimeout = time.Minute
	return &http.Client{Transport: transport, CheckRedirect: noRedirect}
}

// staying returns what sends requests as the Doer does but follows no redirect: net/http would send
// a secret again to wherever a 307 or 308 says.
func staying(d Doer) Doer {
	switch given := d.(type) {
	case nil:
		return NewHTTPClient()
	case *http.Client:
		c := *given
		c.CheckRedirect = noRedirect
		return &c
	}
	return d
}

// noRedirect makes a redirect the answer, and does not follow it.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
